"""A pool made to exist on many hosts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

from poolfleet.agent.client import AgentClient
from poolfleet.types.pool import EnsureResult
from poolfleet.types.pool_spec import PoolSpec
from poolfleet.types.retry import RetryPolicy
from poolfleet.types.secret import SecretWithValue

Match = Literal["name", "source"]


def ensuring(
    spec: PoolSpec,
    *,
    start: bool,
    autostart: bool,
    match: Match,
    retry: RetryPolicy | None,
    secret: SecretWithValue | None,
    timeout_s: float | None,
) -> Callable[[AgentClient], Awaitable[EnsureResult]]:
    """The call that brings one host's pool to where `spec` wants it."""

    async def ensure(client: AgentClient) -> EnsureResult:
        return await client.pools.ensure(
            spec, start=start, autostart=autostart, match=match, retry=retry, secret=secret, timeout_s=timeout_s
        )

    return ensure
