"""The pools of one agent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Literal

from poolfleet.agent import ensuring, mutations
from poolfleet.agent.convert.diagnosis import pool_probe, pool_sources
from poolfleet.agent.convert.outgoing import (
    pool_filter,
    pool_spec,
    pool_update,
    representable,
    retry_policy,
    staleness,
    view,
)
from poolfleet.agent.convert.pools import pool as converted
from poolfleet.agent.convert.scalars import moment, seconds
from poolfleet.agent.paging import pages
from poolfleet.agent.secrets import Secrets
from poolfleet.transport import calls
from poolfleet.transport.connection import Connection
from poolfleet.types.discovery import PoolSources
from poolfleet.types.operation import Operation
from poolfleet.types.pool import EnsureResult, HealthStatus, Pool, PoolState
from poolfleet.types.pool_spec import PoolSpec
from poolfleet.types.probe import PoolProbe
from poolfleet.types.retry import RetryPolicy
from poolfleet.types.secret import SecretWithValue
from poolfleet.v1 import pool_service_pb2 as pb


class Pools:
    """Defines, starts, reads and forgets pools.

    All mutations share a tail. request_id: a UUID of the caller's own; the same call again gives the same operation
    (without it each call makes one). wait: return the operation when it has ended well, raise its error, or
    StillRunning after `timeout_s`; without it return the operation as it runs. validate_only: check all, change
    nothing. etag: of the pool as it was read; another than the pool's now raises Aborted (ETAG_MISMATCH).
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(
        self, name: str, *, max_staleness_s: float | None = None, full: bool = False, timeout_s: float | None = None
    ) -> Pool:
        """Read one pool. max_staleness_s: 0 asks libvirt, None the agent's snapshot. full: with its XML."""
        with representable:
            request = pb.GetPoolRequest(pool=name, max_staleness=staleness(max_staleness_s), view=view(full=full))
        answer = await calls.read(self._connection, self._connection.pools.GetPool, request, timeout_s)
        return converted(answer.pool, as_of=moment(answer.as_of), age_s=seconds(answer.age))

    async def list(
        self,
        *,
        types: Sequence[str] = (),
        states: Sequence[PoolState] = (),
        health: Sequence[HealthStatus] = (),
        autostart: bool | None = None,
        persistent: bool | None = None,
        name_prefix: str = "",
        full: bool = False,
        page_size: int = 0,
        timeout_s: float | None = None,
    ) -> AsyncIterator[Pool]:
        """Read the pools that all given conditions fit, in the order of their names; empty or None: any.

        page_size: 1–5000 at once; 0 leaves it to the agent. timeout_s is each page's own.
        """
        with representable:
            request = pb.ListPoolsRequest(
                filter=pool_filter(types, states, health, autostart, persistent, name_prefix),
                page_size=page_size,
                view=view(full=full),
            )
        async for page in pages(self._connection, self._connection.pools.ListPools, request, timeout_s):
            as_of, age_s = moment(page.as_of), seconds(page.age)
            for message in page.pools:
                yield converted(message, as_of=as_of, age_s=age_s)

    async def define(
        self,
        spec: PoolSpec,
        *,
        transient: bool = False,
        validate_only: bool = False,
        request_id: str | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> Operation:
        """Store a definition, or find that it is stored already (`changed` is False then).

        transient: start it at once and store nothing. Raises AlreadyExists where a pool of that name, UUID or source
        differs (POOL_EXISTS, SOURCE_IN_USE), FailedPrecondition for a target of another's (TARGET_IN_USE).
        """
        with representable:
            request = pb.DefinePoolRequest(transient=transient, validate_only=validate_only)
            if spec.xml:
                request.xml = spec.xml
            else:
                request.spec.CopyFrom(pool_spec(spec))
        return await mutations.run(
            self._connection, self._connection.pools.DefinePool, request, request_id, timeout_s, wait=wait
        )

    async def ensure(
        self,
        spec: PoolSpec,
        *,
        start: bool = True,
        autostart: bool = True,
        match: Literal["name", "source"] = "name",
        retry: RetryPolicy | None = None,
        secret: SecretWithValue | None = None,
        timeout_s: float | None = None,
    ) -> EnsureResult:
        """Make the pool exist as asked, whatever is there: defined, with this autostart, and started where `start`.

        The target is built only where it is missing. match: with "source" a pool of another name that has this source
        already is taken for it. retry: as for `start`. secret: what the pool authenticates with; it is set first, each
        time, and counts as a change only where the host had none of its usage. timeout_s limits all steps together;
        None: each has the client's own limit, the start as long as the agent gives it.
        """
        return await ensuring.ensure(
            self,
            Secrets(self._connection),
            spec,
            start=start,
            autostart=autostart,
            match=match,
            retry=retry,
            secret=secret,
            timeout_s=timeout_s,
        )

    async def update(
        self,
        name: str,
        *,
        spec: PoolSpec | None = None,
        xml: str | None = None,
        autostart: bool | None = None,
        supervised: bool | None = None,
        mask: Sequence[str] = (),
        etag: str = "",
        validate_only: bool = False,
        request_id: str | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> Operation:
        """Change what is given. What an active pool takes over at its next start shows in `Pool.pending`.

        mask: paths such as `spec.target.path`, where not all of `spec` is meant; empty: each thing that was given.
        """
        with representable:
            update, paths = pool_update(spec, xml, autostart, supervised, mask)
            request = pb.UpdatePoolRequest(pool=name, update=update, etag=etag, validate_only=validate_only)
            request.update_mask.paths.extend(paths)
        return await mutations.run(
            self._connection, self._connection.pools.UpdatePool, request, request_id, timeout_s, wait=wait
        )

    async def start(
        self,
        name: str,
        *,
        retry: RetryPolicy | None = None,
        etag: str = "",
        validate_only: bool = False,
        request_id: str | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> Operation:
        """Start a pool; starting the started is OK. A network share is mounted by the agent, with retries.

        retry: how long and how often; None: as the agent is configured. The start is waited for as long as the agent
        gives it, which is a minute more than its retries may last, unless `timeout_s` says otherwise.
        Raises FailedPrecondition where its target is missing (PATH_NOT_USABLE), or its share cannot be mounted
        (MOUNT_FAILED), Unavailable where it could not be mounted in time (MOUNT_RETRIES_EXHAUSTED).
        """
        with representable:
            request = pb.StartPoolRequest(pool=name, retry=retry_policy(retry), etag=etag, validate_only=validate_only)
        return await mutations.run(
            self._connection,
            self._connection.pools.StartPool,
            request,
            request_id,
            timeout_s,
            wait=wait,
            to_its_end=timeout_s is None,
        )

    async def stop(
        self,
        name: str,
        *,
        force: bool = False,
        allow_in_use: bool = False,
        etag: str = "",
        validate_only: bool = False,
        request_id: str | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> Operation:
        """Stop a pool: nothing that it stores is touched, and stopping the stopped is OK. A transient one is gone then.

        force: get rid of its share, if that does not answer: it is unmounted by force, what was open on it is lost, and
        a libvirt that hangs on it is freed. Raises Unavailable (OPERATION_TIMED_OUT) where that does not free libvirt,
        FailedPrecondition where others mounted the share (MOUNT_NOT_OURS).
        allow_in_use: even where running domains use it (else FailedPrecondition, POOL_IN_USE).
        """
        with representable:
            request = pb.StopPoolRequest(
                pool=name, force=force, allow_in_use=allow_in_use, etag=etag, validate_only=validate_only
            )
        return await mutations.run(
            self._connection, self._connection.pools.StopPool, request, request_id, timeout_s, wait=wait
        )

    async def build(
        self,
        name: str,
        *,
        overwrite: bool = False,
        no_overwrite: bool = False,
        etag: str = "",
        validate_only: bool = False,
        request_id: str | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> Operation:
        """Make what a pool needs before its first start: for directories and mount points the target directory.

        overwrite: over what is there, which is lost. no_overwrite: only where nothing is there.
        """
        with representable:
            request = pb.BuildPoolRequest(
                pool=name, overwrite=overwrite, no_overwrite=no_overwrite, etag=etag, validate_only=validate_only
            )
        return await mutations.run(
            self._connection, self._connection.pools.BuildPool, request, request_id, timeout_s, wait=wait
        )

    async def refresh(
        self,
        name: str,
        *,
        etag: str = "",
        validate_only: bool = False,
        request_id: str | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> Operation:
        """Have libvirt read the pool's volumes anew, and the agent look at them."""
        with representable:
            request = pb.RefreshPoolRequest(pool=name, etag=etag, validate_only=validate_only)
        return await mutations.run(
            self._connection, self._connection.pools.RefreshPool, request, request_id, timeout_s, wait=wait
        )

    async def adopt_storage(
        self,
        name: str,
        *,
        etag: str = "",
        validate_only: bool = False,
        request_id: str | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> Operation:
        """Mark the storage behind a pool with an id of its own, a UUID in `.poolfleet/storage-id` of its directory.

        Every agent that sees the storage reads it there at its next look. One that is marked already is OK (`changed`
        is False then). Raises FailedPrecondition where something else lies in the marker's place (IDENTITY_CONFLICT),
        or the directory may not be written in (PATH_NOT_USABLE).
        """
        with representable:
            request = pb.AdoptStorageRequest(pool=name, etag=etag, validate_only=validate_only)
        return await mutations.run(
            self._connection, self._connection.pools.AdoptStorage, request, request_id, timeout_s, wait=wait
        )

    async def undefine(
        self,
        name: str,
        *,
        allow_missing: bool = False,
        allow_in_use: bool = False,
        etag: str = "",
        validate_only: bool = False,
        request_id: str | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> Operation:
        """Forget a pool's definition: nothing that it stores is touched. The pool has to be stopped.

        allow_missing: an absent pool is OK. allow_in_use: even where running domains use it.
        """
        with representable:
            request = pb.UndefinePoolRequest(
                pool=name,
                allow_missing=allow_missing,
                allow_in_use=allow_in_use,
                etag=etag,
                validate_only=validate_only,
            )
        return await mutations.run(
            self._connection, self._connection.pools.UndefinePool, request, request_id, timeout_s, wait=wait
        )

    async def erase(
        self,
        name: str,
        *,
        allow_missing: bool = False,
        allow_in_use: bool = False,
        etag: str = "",
        validate_only: bool = False,
        request_id: str | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> Operation:
        """Destroy what a pool stores: libvirt's delete. A directory is removed where it is empty. The definition stays.

        allow_missing: an absent pool is OK. allow_in_use: even where domains use it.
        """
        with representable:
            request = pb.ErasePoolRequest(
                pool=name,
                allow_missing=allow_missing,
                allow_in_use=allow_in_use,
                etag=etag,
                validate_only=validate_only,
            )
        return await mutations.run(
            self._connection, self._connection.pools.ErasePool, request, request_id, timeout_s, wait=wait
        )

    async def probe(self, name: str, *, write_test: bool = False, timeout_s: float | None = None) -> PoolProbe:
        """Find out what keeps a pool from working, layer by layer; what fails stands in the layers, and is not raised.

        write_test: make one file in the pool's directory and remove it, which also tells whom the server takes root
        for; raises FailedPrecondition (OBSERVE_ONLY) where the agent may only observe. A dead share is not touched.
        """
        with representable:
            request = pb.ProbePoolRequest(pool=name, write_test=write_test)
        return pool_probe(await calls.read(self._connection, self._connection.pools.ProbePool, request, timeout_s))

    async def discover(
        self,
        pool_type: str,
        *,
        host: str = "",
        port: int = 0,
        initiator: str = "",
        source_format: str = "",
        timeout_s: float | None = None,
    ) -> PoolSources:
        """Find what a new pool could have as its source: a server's exports for netfs, else what libvirt finds.

        host: the server; netfs needs one. port: 0 is the usual one. initiator: of iscsi. source_format: of netfs, `nfs`
        (also meant by empty) or `glusterfs`. Raises FailedPrecondition where the server cannot be asked (MOUNT_FAILED),
        Unsupported where sources of this type cannot be found there (NOT_SUPPORTED_HERE).
        """
        with representable:
            request = pb.DiscoverPoolSourcesRequest(
                type=pool_type, host=host, port=port, initiator=initiator, format=source_format
            )
        rpc = self._connection.pools.DiscoverPoolSources
        return pool_sources(await calls.read(self._connection, rpc, request, timeout_s))
