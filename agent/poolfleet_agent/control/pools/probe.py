"""ProbePool: what keeps a pool from working, layer by layer. Only a write test that is asked for changes anything."""

import asyncio
from dataclasses import dataclass, field

from poolfleet_agent.control.host import Host
from poolfleet_agent.control.pools.mounting import ADVICE
from poolfleet_agent.control.pools.probe_folder import FolderProbe
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.diagnosis import SERVER_LAYERS, Diagnosis, Layer, LayerReport, Outcome, first_failed, skipped
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.mount_table import MountEntry
from poolfleet_agent.model.pool import DIRECTORY_POOL_TYPES
from poolfleet_agent.model.pool_source import NetfsSource
from poolfleet_agent.model.ports import MountRequest

_ASKED_FORMATS = {"nfs": "nfs", "nfs4": "nfs", "cifs": "cifs", "smb3": "cifs", "fuse.glusterfs": "glusterfs"}
"""File systems whose server can be asked, and netfs' word for them."""

_ASKED_OPTIONS = frozenset({"port", "proto", "vers"})
"""What mountinfo tells of how a mount reaches its server; where its mountd is, it tells of one transport only."""


@dataclass(frozen=True, kw_only=True)
class ProbePool:
    """Diagnose one pool."""

    host: Host = field(repr=False)
    pool: str
    write_test: bool = False

    async def run(self) -> Diagnosis:
        """All layers: POOL_NOT_FOUND, OBSERVE_ONLY (for a write test). What fails stands in them."""
        if self.write_test and self.host.rules.observe_only:
            raise ModelError(Reason.OBSERVE_ONLY, "this agent observes only (mode = observe); it makes no file")
        entry = await self.host.find_pool(self.pool)
        if entry.pool.definition.type not in DIRECTORY_POOL_TYPES:
            why = f"a pool of type {entry.pool.definition.type} is no directory of files"
            return Diagnosis(layers=tuple(skipped(layer, why) for layer in Layer), verdict=f"not looked at: {why}")
        folder = FolderProbe(host=self.host, entry=entry, write_test=self.write_test)
        # Side by side: both have to wait for a server that is silent.
        async with asyncio.TaskGroup() as group:
            of_server = group.create_task(self._server_layers(entry))
            of_folder = group.create_task(folder.run())
        layers = (*of_server.result(), *of_folder.result())
        failed = first_failed(layers)
        return Diagnosis(
            layers=layers,
            verdict=_verdict(entry, layers, failed),
            advice=PROBE_ADVICE.get(failed.failure, "") if failed is not None else "",
            users=folder.users,
        )

    async def _server_layers(self, entry: PoolEntry) -> list[LayerReport]:
        request = server_request(entry, self.host.quarantine.mounts.mount(entry.pool.definition))
        if request is None:
            return [skipped(layer, "there is no server to ask") for layer in SERVER_LAYERS]
        probe = await self.host.mounts.probe_server(request)
        found = {
            result.layer: LayerReport(
                layer=Layer(result.layer),
                outcome=Outcome.FAILED if result.failure else Outcome.OK,
                duration_s=result.duration_s,
                failure=result.failure,
                message=result.message,
            )
            for result in probe.layers
        }
        failed = probe.failed
        why = f"{failed.layer} failed" if failed is not None else "this kind of share has nothing to be asked of there"
        return [found.get(layer) or skipped(layer, why) for layer in SERVER_LAYERS]


def server_request(entry: PoolEntry, mount: MountEntry | None) -> MountRequest | None:
    """How the pool's server is reached: by its definition, or by the mount that its directory lies on; None: local."""
    definition = entry.pool.definition
    if isinstance(definition.source, NetfsSource):
        return MountRequest(
            source=definition.source,
            target=definition.target_path or "",
            options=definition.mount_options or (),
            protocol_version=definition.protocol_version or "",
        )
    if mount is None or mount.fs_type not in _ASKED_FORMATS or not mount.address:
        return None
    source = NetfsSource(host=mount.address, path=mount.export, format=_ASKED_FORMATS[mount.fs_type])
    options = tuple(option for option in mount.super_options if option.partition("=")[0] in _ASKED_OPTIONS)
    return MountRequest(source=source, target=mount.target, options=options)


def _verdict(entry: PoolEntry, layers: tuple[LayerReport, ...], failed: LayerReport | None) -> str:
    well = {report.layer for report in layers if report.outcome is Outcome.OK}
    if failed is None:
        if Layer.MOUNT not in well and isinstance(entry.pool.definition.source, NetfsSource):
            return "the server answers; the pool is not started"
        return "all that was looked at is well"
    words = f"{failed.layer} failed: {failed.message} ({failed.failure})"
    answers = failed.layer in SERVER_LAYERS and {Layer.MOUNT, Layer.READ} <= well
    return f"{words}; what is mounted answers all the same" if answers else words


PROBE_ADVICE: dict[str, str] = {
    **{str(failure): advice for failure, advice in ADVICE.items()},
    Reason.POOL_UNRESPONSIVE: "see whether the server is up; the share comes back by itself when it is",
    Reason.UNMOUNTED: "StartPool mounts it, or mount what belongs there",
    Reason.WRONG_SHARE: "see what is mounted there (findmnt)",
    Reason.STALE: "stop the pool and start it again: the export was replaced",
    Reason.READ_ONLY: "see the export's options, and the mount's (ro)",
    Reason.FULL: "delete what is not needed, or have the share made larger",
    Reason.IDMAP: "give server and host the same id mapping domain (idmapd.conf), or the owner a name on both",
    Reason.PATH_NOT_USABLE: "BuildPool makes the directory",
}
"""What to do about a failure of a layer, by the name of its kind."""
