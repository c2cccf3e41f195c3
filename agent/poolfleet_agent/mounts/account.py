"""Asks the host who a user is; run as a program, because users may be kept on a server that does not answer.

`python -I -S account.py WORD…` prints the first of these users, named or numbered, that there is: name, uid, and the
gids of all its groups.
"""

import os
import pwd
import sys
from collections.abc import Sequence


def main(words: Sequence[str]) -> None:
    """Print one line, or none."""
    for word in words:
        try:
            found = pwd.getpwuid(int(word)) if word.isdigit() else pwd.getpwnam(word)
        except (KeyError, OverflowError):
            continue
        print(found.pw_name, found.pw_uid, *os.getgrouplist(found.pw_name, found.pw_gid))
        return


if __name__ == "__main__":
    main(sys.argv[1:])
