"""The volumes of one agent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from uuid import uuid4

from poolfleet.agent import mutations
from poolfleet.agent.convert.outgoing import clone_spec, representable, staleness, view, volume_spec
from poolfleet.agent.convert.scalars import moment, revision, seconds
from poolfleet.agent.convert.secrets import secret_ref
from poolfleet.agent.convert.volumes import unread_pool
from poolfleet.agent.convert.volumes import volume as converted
from poolfleet.agent.paging import pages
from poolfleet.transport import calls
from poolfleet.transport.connection import Connection
from poolfleet.types.errors import InvalidArgument
from poolfleet.types.operation import Operation
from poolfleet.types.secret import SecretRef
from poolfleet.types.snapshot import Revision
from poolfleet.types.volume import CloneSpec, UnreadPool, Volume, VolumeListing, VolumeSpec
from poolfleet.v1 import volume_service_pb2 as pb

_LONGEST_PAGE = 5000
"""Who reads a listing whole asks as seldom as an agent lets it."""


class Volumes:
    """Creates, clones, reads, resizes, wipes and deletes volumes. The tail of mutations is that of `Pools`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(
        self,
        pool: str,
        volume: str,
        *,
        max_staleness_s: float | None = None,
        full: bool = False,
        timeout_s: float | None = None,
    ) -> Volume:
        """Read one volume. max_staleness_s: 0 asks libvirt, None the agent's snapshot. full: with its XML."""
        with representable:
            request = pb.GetVolumeRequest(
                pool=pool, volume=volume, max_staleness=staleness(max_staleness_s), view=view(full=full)
            )
        answer = await calls.read(self._connection, self._connection.volumes.GetVolume, request, timeout_s)
        return converted(answer.volume, as_of=moment(answer.as_of), age_s=seconds(answer.age))

    async def lookup(
        self, *, path: str | None = None, key: str | None = None, timeout_s: float | None = None
    ) -> Volume:
        """Find a volume by its path on this host, symbolic links followed, or by libvirt's key: one of the two."""
        if (path is None) == (key is None):
            raise InvalidArgument("A volume is looked up by its path or by its key.", reason="INVALID_FIELD")
        with representable:
            request = pb.LookupVolumeRequest(path=path) if path is not None else pb.LookupVolumeRequest(key=key or "")
        answer = await calls.read(self._connection, self._connection.volumes.LookupVolume, request, timeout_s)
        return converted(answer.volume, as_of=moment(answer.as_of), age_s=seconds(answer.age))

    async def list(
        self,
        pool: str = "",
        *,
        formats: Sequence[str] = (),
        name_prefix: str = "",
        max_staleness_s: float | None = None,
        include_special: bool = False,
        page_size: int = 0,
        timeout_s: float | None = None,
    ) -> AsyncIterator[Volume]:
        """Read the volumes of one pool, or of all (empty), by pool and name. `read_all` also tells what is missing.

        max_staleness_s: 0 has the pool looked at once; it needs `pool`. include_special: also directories and names
        that begin with a dot. page_size: 1–5000 at once; 0 leaves it to the agent. timeout_s is each page's own.
        """
        request = _request(pool, formats, name_prefix, max_staleness_s, page_size, include_special=include_special)
        async for page in pages(self._connection, self._connection.volumes.ListVolumes, request, timeout_s):
            for volume in _volumes(page):
                yield volume

    async def read_all(
        self,
        pool: str = "",
        *,
        formats: Sequence[str] = (),
        name_prefix: str = "",
        max_staleness_s: float | None = None,
        include_special: bool = False,
        timeout_s: float | None = None,
    ) -> VolumeListing:
        """Read what `list` reads, whole, and which pools could not be read. timeout_s is each page's own."""
        request = _request(pool, formats, name_prefix, max_staleness_s, _LONGEST_PAGE, include_special=include_special)
        volumes: list[Volume] = []
        unread: list[UnreadPool] = []
        at = Revision(epoch="", sequence=0)
        looks = []
        async for page in pages(self._connection, self._connection.volumes.ListVolumes, request, timeout_s):
            volumes.extend(_volumes(page))
            unread.extend(map(unread_pool, page.unread_pools))
            at = revision(page.revision)
            looks.append((moment(page.as_of), seconds(page.age)))
        as_of, age_s = min(looks)
        return VolumeListing(volumes=tuple(volumes), unread_pools=tuple(unread), revision=at, as_of=as_of, age_s=age_s)

    async def create(
        self,
        pool: str,
        spec: VolumeSpec,
        *,
        preallocation: str = "",
        validate_only: bool = False,
        request_id: str | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> Operation:
        """Create a volume, or find that it is there already with equal properties (`changed` is False then).

        preallocation: `metadata` (qcow2's own tables), `falloc` (all its bytes too), `full` (all of them, written):
        it may take long, and with wait=False can be watched and cancelled; with a spec made of XML `metadata` alone.
        Raises AlreadyExists (VOLUME_EXISTS) where one of that name differs, ResourceExhausted (NO_SPACE) where what is
        to be allocated does not fit.
        """
        with representable:
            request = pb.CreateVolumeRequest(pool=pool, preallocation=preallocation, validate_only=validate_only)
            if spec.xml:
                request.xml = spec.xml
            else:
                request.spec.CopyFrom(volume_spec(spec))
        return await mutations.run(
            self._connection, self._connection.volumes.CreateVolume, request, request_id, timeout_s, wait=wait
        )

    async def clone(
        self,
        pool: str,
        volume: str,
        spec: CloneSpec,
        *,
        target_pool: str = "",
        source_secret: SecretRef | None = None,
        allow_in_use: bool = False,
        etag: str = "",
        validate_only: bool = False,
        request_id: str | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> Operation:
        """Copy a volume, or make one that lies on it (`spec.linked`); an equal one that is there is left as it is.

        target_pool: where the clone is to be; empty: in the source's pool. source_secret: what opens an encrypted
        source; None: what libvirt knows of it, else the secret for its path (NotFound, SECRET_NOT_FOUND).
        allow_in_use: even where a running domain writes to the source (else FailedPrecondition, VOLUME_IN_USE): the
        copy may be torn. etag: the source's.
        Raises AlreadyExists (VOLUME_EXISTS) where one of that name differs, ResourceExhausted (NO_SPACE) where it does
        not fit.

        The operation tells its progress in bytes, and can be cancelled, where files are copied. With `wait`, timeout_s
        is the whole copy's; what takes longer raises StillRunning, and goes on.
        """
        with representable:
            request = pb.CloneVolumeRequest(
                pool=pool,
                volume=volume,
                target_pool=target_pool,
                source_secret=None if source_secret is None else secret_ref(source_secret),
                allow_in_use=allow_in_use,
                etag=etag,
                validate_only=validate_only,
            )
            if spec.xml:
                request.xml = spec.xml
            else:
                request.spec.CopyFrom(clone_spec(spec))
        return await mutations.run(
            self._connection, self._connection.volumes.CloneVolume, request, request_id, timeout_s, wait=wait
        )

    async def delete(
        self,
        pool: str,
        volume: str,
        *,
        allow_missing: bool = False,
        allow_in_use: bool = False,
        etag: str = "",
        validate_only: bool = False,
        request_id: str | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> Operation:
        """Delete a volume and what it holds.

        allow_missing: an absent volume is OK. allow_in_use: even where domains or other volumes use it (else
        FailedPrecondition, VOLUME_IN_USE).
        """
        with representable:
            request = pb.DeleteVolumeRequest(
                pool=pool,
                volume=volume,
                allow_missing=allow_missing,
                allow_in_use=allow_in_use,
                etag=etag,
                validate_only=validate_only,
            )
        return await mutations.run(
            self._connection, self._connection.volumes.DeleteVolume, request, request_id, timeout_s, wait=wait
        )

    async def resize(
        self,
        pool: str,
        volume: str,
        capacity_bytes: int | None = None,
        *,
        delta_bytes: int | None = None,
        allow_shrink: bool = False,
        allocate: bool = False,
        allow_in_use: bool = False,
        etag: str = "",
        validate_only: bool = False,
        request_id: str | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> Operation:
        """Give a volume another capacity, or add delta_bytes to it (negative: take away): one of the two.

        A capacity may be asked for again (`changed` is False then). A delta adds each time, unless the request_id is
        the same; so one that failed on the agent is never tried anew here: look at the capacity first.
        allow_shrink: it may become smaller (else FailedPrecondition, WOULD_SHRINK), and what lies beyond its end is
        lost. allocate: take all bytes of a raw file, the added ones of another, from the storage at once, else
        ResourceExhausted (NO_SPACE). allow_in_use: even where running domains, or for shrinking other volumes, use it
        (else FailedPrecondition, VOLUME_IN_USE).
        """
        if (capacity_bytes is None) == (delta_bytes is None):
            raise InvalidArgument("A volume is resized to a capacity or by a delta.", reason="INVALID_FIELD")
        with representable:
            request = pb.ResizeVolumeRequest(
                pool=pool,
                volume=volume,
                allow_shrink=allow_shrink,
                allocate=allocate,
                allow_in_use=allow_in_use,
                etag=etag,
                validate_only=validate_only,
            )
            if capacity_bytes is not None:
                request.capacity_bytes = capacity_bytes
            if delta_bytes is not None:
                request.delta_bytes = delta_bytes
                # With an id of its own a resize that failed is not followed by another, which might add twice.
                request_id = request_id or str(uuid4())
        return await mutations.run(
            self._connection, self._connection.volumes.ResizeVolume, request, request_id, timeout_s, wait=wait
        )

    async def wipe(
        self,
        pool: str,
        volume: str,
        *,
        algorithm: str = "zero",
        allow_in_use: bool = False,
        etag: str = "",
        validate_only: bool = False,
        request_id: str | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> Operation:
        """Overwrite what a volume holds, so that nobody reads it any more. A file is raw then, of the same length.

        algorithm: in libvirt's spelling: zero, nnsa, dod, bsi, gutmann, schneier, pfitzner7, pfitzner33, random, trim
        (Unsupported, NOT_SUPPORTED_HERE, where the host lacks what it needs). allow_in_use: even where domains or other
        volumes use it (else FailedPrecondition, VOLUME_IN_USE). It may take long: with wait=False it can be watched,
        and by zero cancelled.
        """
        with representable:
            request = pb.WipeVolumeRequest(
                pool=pool,
                volume=volume,
                algorithm=algorithm,
                allow_in_use=allow_in_use,
                etag=etag,
                validate_only=validate_only,
            )
        return await mutations.run(
            self._connection, self._connection.volumes.WipeVolume, request, request_id, timeout_s, wait=wait
        )


def _request(
    pool: str,
    formats: Sequence[str],
    name_prefix: str,
    max_staleness_s: float | None,
    page_size: int,
    *,
    include_special: bool,
) -> pb.ListVolumesRequest:
    with representable:
        return pb.ListVolumesRequest(
            pool=pool,
            filter=pb.VolumeFilter(formats=formats, name_prefix=name_prefix),
            page_size=page_size,
            max_staleness=staleness(max_staleness_s),
            include_special=include_special,
        )


def _volumes(page: pb.ListVolumesResponse) -> tuple[Volume, ...]:
    as_of, age_s = moment(page.as_of), seconds(page.age)
    return tuple(converted(message, as_of=as_of, age_s=age_s) for message in page.volumes)
