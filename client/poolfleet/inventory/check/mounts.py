"""What of a mount guests notice, so that it ought to be the same on each host."""

from __future__ import annotations

from collections.abc import Mapping

from poolfleet.types.pool import HealthStatus, Pool
from poolfleet.types.pool_spec import PoolMount

READ_ONLY = "READ_ONLY"
"""The reason of a pool's health where nothing can be written."""
_LOCKS = ("nolock", "local_lock", "nobrl")
_OPPOSITES = {"rw": ("ro",), "hard": ("soft", "softerr"), "lock": ("nolock",), "brl": ("nobrl",)}


def traits(pool: Pool) -> Mapping[str, str]:
    """What is known, each trait in words that follow `mounted`. Sizes, times and caches are no trait."""
    known = _asked_for(pool.mount) if pool.mount else {}
    # The server has its say too: what is seen of a started pool counts more than what was asked for.
    if pool.health is not None and pool.health.status in (HealthStatus.HEALTHY, HealthStatus.FAULTY):
        known["access"] = _access(pool.health.reason == READ_ONLY)
    return known


def _asked_for(mount: PoolMount) -> dict[str, str]:
    options = _options(mount)
    version = options.get("nfsvers") or options.get("vers")
    if version and "minorversion" in options:
        version = f"{version}.{options['minorversion']}"
    version = mount.protocol_version or version
    security = options.get("sec")
    context = options.get("context")
    return {
        "access": _access("ro" in options),
        "version": f"with version {version}" if version else "with the version that is negotiated",
        "security": f"with sec={security}" if security else "without sec",
        "errors": "soft" if options.keys() & {"soft", "softerr"} else "hard",
        "locks": f"with {locks}" if (locks := next(filter(options.__contains__, _LOCKS), "")) else "with locks",
        "context": f"with context={context}" if context else "without context",
    }


def _access(read_only: bool) -> str:
    return "read-only" if read_only else "for writing"


def _options(mount: PoolMount) -> dict[str, str]:
    """Options by name, with their values; of those that exclude each other the last one counts."""
    found: dict[str, str] = {}
    for option in mount.options:
        for single in option.split(","):
            name, _, value = single.partition("=")
            for opposite in _OPPOSITES.get(name, ()):
                found.pop(opposite, None)
            found[name] = value
    return found
