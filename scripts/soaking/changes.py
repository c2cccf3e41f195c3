"""What callers may ask for: changes of a few pools and volumes, at random, so that they get in each other's way."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from poolfleet import CloneSpec, PoolSpec, VolumeSpec
from poolfleet.types.operation import OperationKind
from poolfleet.types.retry import RetryPolicy
from scripts.soaking.told import Change

MIB = 1 << 20
VOLUMES = ("a.raw", "b.raw", "c.raw", "d.raw", "e.qcow2", "f.qcow2")
_SIZES = (MIB, 2 * MIB)
_RETRY = RetryPolicy(deadline_s=10.0)

_VOLUME_CHANGES = {"create": 30, "delete": 18, "clone": 12, "resize_to": 8, "resize_by": 14, "wipe": 6, "full": 3}
_FILLED_POOL_CHANGES = {"start": 6, "refresh": 4, "stop": 1}
_IDLE_POOL_CHANGES = {
    "define": 6,
    "build": 4,
    "start": 4,
    "stop": 3,
    "autostart": 3,
    "refresh": 2,
    "erase": 1,
    "undefine": 3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """Chooses among pools that hold volumes (`filled`) and such that come and go (`idle`)."""

    random: Random
    filled: tuple[PoolSpec, ...]
    idle: tuple[PoolSpec, ...]

    def next(self) -> Change:
        """One change."""
        whose = self.random.choices(("volume", "filled", "idle"), (75, 10, 15))[0]
        if whose == "volume":
            return self._of_volume(self.random.choice(self.filled).name, self._one_of(_VOLUME_CHANGES))
        if whose == "filled":
            return self._of_pool(self.random.choice(self.filled), self._one_of(_FILLED_POOL_CHANGES))
        return self._of_pool(self.random.choice(self.idle), self._one_of(_IDLE_POOL_CHANGES))

    def _one_of(self, weights: dict[str, int]) -> str:
        return self.random.choices(list(weights), list(weights.values()))[0]

    def _of_volume(self, pool: str, what: str) -> Change:
        volume, size = self.random.choice(VOLUMES), self.random.choice(_SIZES)
        match what:
            case "create" | "full":
                return create(pool, volume, size, preallocation="full" if what == "full" else "")
            case "clone":
                source = self.random.choice([name for name in VOLUMES if name != volume])
                return clone(self.random.choice(self.filled).name, source, pool, volume)
            case "delete":
                return delete(pool, volume, allow_missing=self.random.random() < 0.5)
            case "resize_to":
                return resize(pool, volume, capacity_bytes=self.random.choice((*_SIZES, 4 * MIB)))
            case "resize_by":
                return resize(pool, volume, delta_bytes=self.random.choice((MIB, MIB, -MIB)))
            case _:
                # A wiped image is a raw file of another capacity: only raw ones stay what they were.
                return wipe(pool, self.random.choice([name for name in VOLUMES if name.endswith(".raw")]))

    def _of_pool(self, spec: PoolSpec, what: str) -> Change:
        if what == "define":
            return define(spec)
        if what == "autostart":
            return autostart(spec.name, on=self.random.random() < 0.5)
        if what == "undefine":
            return undefine(spec.name, allow_missing=self.random.random() < 0.5)
        return _BY_NAME[what](spec.name)


def create(pool: str, volume: str, capacity_bytes: int, *, preallocation: str = "") -> Change:
    """A volume in the format that its name ends in."""
    spec = VolumeSpec(volume, capacity_bytes=capacity_bytes, format=_format(volume))
    return Change(
        kind=OperationKind.CREATE_VOLUME,
        pool=pool,
        volume=volume,
        capacity_bytes=capacity_bytes,
        send=lambda agent, **how: agent.volumes.create(pool, spec, preallocation=preallocation, **how),
    )


def clone(source_pool: str, source: str, pool: str, volume: str) -> Change:
    """A copy in the format that its name ends in, whatever the source's is."""
    spec = CloneSpec(volume, format=_format(volume))
    return Change(
        kind=OperationKind.CLONE_VOLUME,
        pool=pool,
        volume=volume,
        send=lambda agent, **how: agent.volumes.clone(source_pool, source, spec, target_pool=pool, **how),
    )


def delete(pool: str, volume: str, *, allow_missing: bool) -> Change:
    """The end of a volume."""
    return Change(
        kind=OperationKind.DELETE_VOLUME,
        pool=pool,
        volume=volume,
        send=lambda agent, **how: agent.volumes.delete(pool, volume, allow_missing=allow_missing, **how),
    )


def resize(pool: str, volume: str, *, capacity_bytes: int | None = None, delta_bytes: int | None = None) -> Change:
    """Another capacity, or a difference: the one thing that is not the same when it is done twice."""
    size = {"capacity_bytes": capacity_bytes, "delta_bytes": delta_bytes}
    return Change(
        kind=OperationKind.RESIZE_VOLUME,
        pool=pool,
        volume=volume,
        capacity_bytes=capacity_bytes,
        delta_bytes=delta_bytes,
        send=lambda agent, **how: agent.volumes.resize(pool, volume, allow_shrink=True, **size, **how),
    )


def wipe(pool: str, volume: str) -> Change:
    """Zeros."""
    return Change(
        kind=OperationKind.WIPE_VOLUME,
        pool=pool,
        volume=volume,
        send=lambda agent, **how: agent.volumes.wipe(pool, volume, **how),
    )


def define(spec: PoolSpec) -> Change:
    """A pool that comes."""
    return Change(
        kind=OperationKind.DEFINE_POOL, pool=spec.name, send=lambda agent, **how: agent.pools.define(spec, **how)
    )


def undefine(pool: str, *, allow_missing: bool) -> Change:
    """A pool that goes."""
    return Change(
        kind=OperationKind.UNDEFINE_POOL,
        pool=pool,
        send=lambda agent, **how: agent.pools.undefine(pool, allow_missing=allow_missing, **how),
    )


def autostart(pool: str, *, on: bool) -> Change:
    """Whether libvirt starts it with the host."""
    return Change(
        kind=OperationKind.UPDATE_POOL,
        pool=pool,
        autostart=on,
        send=lambda agent, **how: agent.pools.update(pool, autostart=on, **how),
    )


def start(pool: str) -> Change:
    """A start that does not go on trying for long."""
    return Change(
        kind=OperationKind.START_POOL,
        pool=pool,
        send=lambda agent, **how: agent.pools.start(pool, retry=_RETRY, **how),
    )


def stop(pool: str) -> Change:
    """A stop without force."""
    return Change(kind=OperationKind.STOP_POOL, pool=pool, send=lambda agent, **how: agent.pools.stop(pool, **how))


def build(pool: str) -> Change:
    """The pool's directory."""
    return Change(kind=OperationKind.BUILD_POOL, pool=pool, send=lambda agent, **how: agent.pools.build(pool, **how))


def refresh(pool: str) -> Change:
    """libvirt's own look."""
    return Change(
        kind=OperationKind.REFRESH_POOL, pool=pool, send=lambda agent, **how: agent.pools.refresh(pool, **how)
    )


def erase(pool: str) -> Change:
    """The end of the pool's directory."""
    return Change(kind=OperationKind.ERASE_POOL, pool=pool, send=lambda agent, **how: agent.pools.erase(pool, **how))


def _format(volume: str) -> str:
    return volume.rpartition(".")[2]


_BY_NAME = {"start": start, "stop": stop, "build": build, "refresh": refresh, "erase": erase}
