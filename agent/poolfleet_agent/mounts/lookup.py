"""Asks the host's resolver for a name; run as a program, because a resolver cannot be cancelled, but killed.

`python -I -S lookup.py NAME` prints one address a line, or `! KIND MESSAGE` where there is none: `unknown` or
`temporary`. It asks as getent(1) would, which does not tell the two apart.
"""

import socket
import sys

_UNKNOWN = {socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_FAIL, socket.EAI_ADDRFAMILY}


def main(name: str) -> None:
    """Print the addresses in the resolver's order."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except UnicodeError:
        print("! unknown not a host name")
    except socket.gaierror as error:
        print("!", "unknown" if error.errno in _UNKNOWN else "temporary", error.strerror)
    else:
        for address in dict.fromkeys(str(one[4][0]) for one in found):
            print(address)


if __name__ == "__main__":
    main(sys.argv[-1])
