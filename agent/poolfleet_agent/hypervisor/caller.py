"""One call to libvirt: a place among the calls, a connection, and libvirt's error as a model error."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import libvirt
import structlog

from poolfleet_agent.hypervisor.calls import Calls
from poolfleet_agent.hypervisor.connection import Session
from poolfleet_agent.hypervisor.errors import Subject, translate
from poolfleet_agent.hypervisor.handle import Handle
from poolfleet_agent.model.errors import ModelError, Reason

T = TypeVar("T")

HUNG_AFTER_S = 2.0
"""A call that is not back so long after its caller went away has a hung connection, not a hasty caller."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limit:
    """How long a caller waits, and what it is told then."""

    timeout_s: float
    late: Reason


class Caller:
    """Calls on one session's connections; its places are shared with those of other sessions."""

    def __init__(self, calls: Calls, session: Session) -> None:
        """Owns neither."""
        self._calls = calls
        self._session = session

    async def call(
        self,
        work: Callable[[libvirt.virConnect], T],
        subject: Subject,
        *,
        server: str | None,
        limit: Limit,
        proven: Callable[[], None] | None = None,
    ) -> T:
        """Run `work` in a thread: ModelError and nothing else. All that it needs of libvirt belongs into one `work`."""
        session = self._session
        if not session.connected:
            raise session.away()
        entered: list[Handle] = []

        def job() -> T:
            handle = session.enter(server)
            entered.append(handle)
            try:
                return work(handle.connection)
            except libvirt.libvirtError as error:
                failure = translate(error, subject, connected=handle.connection.isAlive() == 1)
            finally:
                entered.clear()
                session.leave(handle)
            # Outside of the handler: the libvirt error's frames hold on to libvirt's objects.
            raise failure

        def abandoned() -> None:
            asyncio.get_running_loop().call_later(HUNG_AFTER_S, replace_if_hung)

        def replace_if_hung() -> None:
            for handle in tuple(entered):
                session.replace(handle)

        try:
            return await self._calls.run(
                job,
                timeout_s=limit.timeout_s,
                server=server,
                pool=subject.pool,
                proven=proven,
                late=limit.late,
                abandoned=abandoned,
            )
        except ModelError as error:
            error.metadata = subject.metadata | error.metadata
            raise
        except Exception as error:
            _log.exception("libvirt call failed unforeseen", **subject.metadata)
            raise ModelError(Reason.INTERNAL, f"unforeseen: {error!r}", metadata=subject.metadata) from error
