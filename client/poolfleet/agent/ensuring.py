"""Makes a pool exist as asked, by as few of its calls as what is there leaves to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from poolfleet.transport.deadline import Deadline
from poolfleet.types.errors import AlreadyExists, FailedPrecondition
from poolfleet.types.operation import Operation
from poolfleet.types.pool import EnsureResult, Pool
from poolfleet.types.pool_spec import PoolSpec
from poolfleet.types.retry import RetryPolicy
from poolfleet.types.secret import SecretWithValue

if TYPE_CHECKING:
    from poolfleet.agent.pools import Pools
    from poolfleet.agent.secrets import Secrets

_WRITTEN_ON = frozenset({"disk", "logical", "zfs"})
"""Pool types whose building makes no directory, but writes onto devices: that is asked for by itself."""


async def ensure(
    pools: Pools,
    secrets: Secrets,
    spec: PoolSpec,
    *,
    start: bool,
    autostart: bool,
    match: Literal["name", "source"],
    retry: RetryPolicy | None,
    secret: SecretWithValue | None,
    timeout_s: float | None,
) -> EnsureResult:
    """Define, set autostart, build and start, each only where it is needed. Raises what those raise."""
    deadline = _Shared(timeout_s)
    changes: list[str] = []
    if secret is not None:
        await _set(secrets, secret, deadline, changes)
    pool = await _defined(pools, spec, match, deadline, changes)
    if pool.autostart != autostart:
        done = await pools.update(pool.name, autostart=autostart, timeout_s=deadline.remaining_s)
        changes.append("autostart")
        pool = await _result(pools, pool.name, done, deadline)
    if start and not pool.active:
        pool = await _started(pools, pool, retry, deadline, changes)
    return EnsureResult(pool=pool, changes=tuple(changes))


class _Shared:
    """The time that all steps have together; None: each has its own."""

    def __init__(self, timeout_s: float | None) -> None:
        self._deadline = None if timeout_s is None else Deadline(timeout_s)

    @property
    def remaining_s(self) -> float | None:
        """Seconds left for the next step."""
        return None if self._deadline is None else self._deadline.remaining_s


async def _set(secrets: Secrets, secret: SecretWithValue, deadline: _Shared, changes: list[str]) -> None:
    """Set the secret, whatever its value was: nobody can tell. It counts as changed where there was none."""
    listed = secrets.list(usage_types=[secret.spec.usage_type], timeout_s=deadline.remaining_s)
    if secret.spec.usage_id not in {known.usage_id async for known in listed}:
        changes.append("secret")
    await secrets.set(secret.spec, secret.value, timeout_s=deadline.remaining_s)


async def _defined(pools: Pools, spec: PoolSpec, match: str, deadline: _Shared, changes: list[str]) -> Pool:
    try:
        done = await pools.define(spec, timeout_s=deadline.remaining_s)
    except AlreadyExists as error:
        existing = error.metadata.get("existing_pool")
        if match != "source" or error.reason != "SOURCE_IN_USE" or existing is None:
            raise
        return await pools.get(existing, timeout_s=deadline.remaining_s)
    if done.changed:
        changes.append("defined")
    return await _result(pools, spec.name, done, deadline)


async def _started(pools: Pools, pool: Pool, retry: RetryPolicy | None, deadline: _Shared, changes: list[str]) -> Pool:
    name = pool.name
    try:
        done = await pools.start(name, retry=retry, timeout_s=deadline.remaining_s)
    except FailedPrecondition as error:
        if error.reason != "PATH_NOT_USABLE" or pool.type in _WRITTEN_ON:
            raise
        await pools.build(name, timeout_s=deadline.remaining_s)
        changes.append("built")
        done = await pools.start(name, retry=retry, timeout_s=deadline.remaining_s)
    if done.changed:
        changes.append("started")
    return await _result(pools, name, done, deadline)


async def _result(pools: Pools, name: str, done: Operation, deadline: _Shared) -> Pool:
    # An agent answers with the pool; it need not where nothing was done.
    if isinstance(done.result, Pool):
        return done.result
    return await pools.get(name, timeout_s=deadline.remaining_s)
