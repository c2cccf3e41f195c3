"""The hosts of a fleet, and how some of them are chosen: by globs over their names, and by their labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from poolfleet.types.connection import TLS


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One agent of the fleet."""

    name: str
    """Unique in the fleet; what outcomes are keyed by. Not empty; no space, control character or any of `/:!*?[]`."""
    target: str
    """`unix:/path/agent.sock` or `host:port`."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """What hosts are chosen by."""
    site: str | None = None
    """Where it stands. Addresses that two sites use alike are not taken for the same storage."""
    tls: TLS | None = None
    """Files of certificates; needed where the target is neither a UNIX socket nor loopback."""
    timeout_s: float = 30.0
    """How long one call to the agent may take."""

    def __post_init__(self) -> None:
        """Raise ValueError for a name that could be taken for a glob or `HOST:POOL/VOLUME`, or a malformed target."""
        if (
            not self.name
            or self.name.startswith("-")
            or not self.name.isprintable()
            or set(self.name) & set("/:!*?[] ")
        ):
            raise ValueError(
                f"a host's name is not empty, has no space or any of /:!*?[] and does not begin with -: {self.name!r}"
            )
        # gRPC takes port 443 where there is none, and the rest of a division where it is too large.
        port = self.target.rpartition(":")[2]
        local = self.target.startswith("unix:") and len(self.target) > len("unix:")
        if not local and not (port.isdecimal() and 0 < int(port) < 65536):
            raise ValueError(f"host {self.name}: a target is unix:/path or host:port, not {self.target!r}")
        if not self.timeout_s > 0:
            raise ValueError(f"host {self.name}: timeout_s is more than 0, not {self.timeout_s}")


class NoSuchHost(LookupError):
    """A glob or name that no host of the fleet fits: most likely a slip, and a change should not go on without it."""


def unique(hosts: Iterable[Host]) -> tuple[Host, ...]:
    """The hosts as they came. Raises ValueError where two have one name."""
    by_name: dict[str, Host] = {}
    for host in hosts:
        if host.name in by_name:
            raise ValueError(f"two hosts are named {host.name!r}")
        by_name[host.name] = host
    return tuple(by_name.values())


def choose(
    hosts: Iterable[Host], globs: Sequence[str] = (), labels: Mapping[str, str] | None = None
) -> tuple[Host, ...]:
    """The hosts that fit any of the globs (all hosts where there is none), none of those with `!`, and all the labels.

    A glob is as the shell's: `*`, `?`, `[a-c]`; case matters. Order of the globs does not. Raises NoSuchHost where one
    without `!` fits no host at all.
    """
    every = tuple(hosts)
    wanted = [glob for glob in globs if not glob.startswith("!")]
    unwanted = [glob[1:] for glob in globs if glob.startswith("!")]
    for glob in wanted:
        if not any(fnmatchcase(host.name, glob) for host in every):
            raise NoSuchHost(f"no host of the fleet fits {glob!r}")
    return tuple(
        host
        for host in every
        if (not wanted or any(fnmatchcase(host.name, glob) for glob in wanted))
        and not any(fnmatchcase(host.name, glob) for glob in unwanted)
        and all(host.labels.get(key) == value for key, value in (labels or {}).items())
    )
