"""Asks the host who a user is; run as a program, because users may be kept on a server that does not answer.

`python -I -S account.py NAME…` prints the first of them that there is: name, uid, and the gids of all its groups.
"""

import os
import pwd
import sys
from collections.abc import Sequence


def main(names: Sequence[str]) -> None:
    """Print one line, or none."""
    for name in names:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        print(name, found.pw_uid, *os.getgrouplist(name, found.pw_gid))
        return


if __name__ == "__main__":
    main(sys.argv[1:])
