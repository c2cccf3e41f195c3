"""A fleet makes room for its connections: the soft limit of open files goes to the hard one where hosts need it."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import logging, resource, sys
from poolfleet.fleet.descriptors import make_room
logging.basicConfig(format="%(message)s", stream=sys.stdout)
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, {hard}))
make_room({hosts})
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


# In a process of its own: a hard limit that was lowered cannot be raised again.
def limits_after(hosts: int, hard: int) -> str:
    program = PROGRAM.format(hosts=hosts, hard=hard)
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize(("hosts", "after"), [(10, "1024 4096"), (1000, "4096 4096")])
def test_the_soft_limit_is_raised_only_where_hosts_need_it(hosts: int, after: str) -> None:
    assert limits_after(hosts, hard=4096) == after


def test_a_hard_limit_that_is_too_low_is_said_and_no_error() -> None:
    said, after = limits_after(5000, hard=2048).splitlines()
    assert "5000 hosts" in said and "2048" in said
    assert after == "2048 2048"
