"""Open files: a connection to each host needs more of them than a process has by default."""

from __future__ import annotations

import logging
import resource

# A connection, its name server's socket, a second address that is tried meanwhile; and what a process has anyway.
_PER_HOST = 3
_OTHERS = 256


def make_room(hosts: int) -> None:
    """Raise the soft limit of open files to the hard one where that many hosts need it; log where that is too few."""
    needed = hosts * _PER_HOST + _OTHERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _covers(soft, needed):
        return
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if not _covers(hard, needed):
        logging.getLogger("poolfleet.fleet").warning(
            "%d hosts may need %d open files, and the hard limit is %d", hosts, needed, hard
        )


def _covers(limit: int, needed: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= needed
