"""The layers of a pool's diagnosis that are found out on the host: mount, squash, read and write.

A mount that does not answer is told of by what the watch knows, and never touched anew. Each question has its own short
limit, and the first that gets no answer is the last.
"""

import posixpath
from dataclasses import dataclass, field
from uuid import uuid4

from poolfleet_agent.control.host import Host
from poolfleet_agent.inventory.pool_mounts import SUSPECT_WAIT_S
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.diagnosis import Layer, LayerReport, Outcome, first_failed, skipped
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import HealthStatus, PoolDefinition, PoolHealth
from poolfleet_agent.model.pool_source import NetfsSource
from poolfleet_agent.model.ports import Account, FileFacts, FileKind, Files, Rights
from poolfleet_agent.model.quarantine import NOT_THE_SHARE, Use
from poolfleet_agent.model.reservation import OWN_PREFIX
from poolfleet_agent.model.share_access import ShareUsers, ids_are_mapped_wrong, remarks, share_users, worker_of
from poolfleet_agent.model.share_user import ROOT, ShareUser

QUESTION_LIMIT_S = 3.0
WRITE_LIMIT_S = 3.0

_CONTENT = b"made by `poolfleet pool probe --write-test`; may be removed\n"


@dataclass(kw_only=True)
class FolderProbe:
    """One look at a pool's directory, of which `users` is left. `write_test`: a file is made there, and removed."""

    host: Host
    entry: PoolEntry
    write_test: bool
    users: ShareUsers | None = None
    _reports: dict[Layer, LayerReport] = field(default_factory=dict)
    _made_by_another: bool = False

    async def run(self) -> list[LayerReport]:
        """The four layers, in their order."""
        target = self.entry.pool.definition.target_path
        if target:
            await self._mount()
            if self._reports[Layer.MOUNT].outcome is not Outcome.FAILED and not self._waits_for_its_start():
                await self._folder(target)
        return [self._reports.get(layer) or skipped(layer, self._why_not(layer)) for layer in _LAYERS]

    def _why_not(self, layer: Layer) -> str:
        if not self.entry.pool.definition.target_path:
            return "the pool has no target"
        failed = first_failed(self._reports.values())
        if failed is not None:
            return f"{failed.layer} failed"
        if self._waits_for_its_start():
            return "not mounted"
        return "only asked for with write_test" if layer is Layer.WRITE else "not looked at"

    def _waits_for_its_start(self) -> bool:
        report = self._reports.get(Layer.MOUNT)
        netfs = isinstance(self.entry.pool.definition.source, NetfsSource)
        return netfs and report is not None and report.outcome is Outcome.SKIPPED

    async def _mount(self) -> None:
        """By what the watch knows, waiting for a probe that is due."""
        started_s = self.host.clock.monotonic_s()
        mounts, definition = self.host.quarantine.mounts, self.entry.pool.definition
        health = await mounts.settled(definition)
        mount = mounts.mount(definition)
        if health is None and mount is not None:
            await mounts.watch.wait_for_next_probe(mount.target, SUSPECT_WAIT_S)
            health = mounts.health(definition)
        if health is None and mount is None:
            self._skip(Layer.MOUNT, "the target lies on a local file system")
        elif self._not_started(definition, health):
            self._skip(Layer.MOUNT, "not mounted")
        elif health is None or health.status in {HealthStatus.SUSPECT, HealthStatus.UNRESPONSIVE}:
            message = health.message if health is not None else "no probe was answered yet"
            self._fail(Layer.MOUNT, started_s, Reason.POOL_UNRESPONSIVE, message)
        elif health.reason in NOT_THE_SHARE:
            self._fail(Layer.MOUNT, started_s, health.reason, health.message)
        else:
            self._ok(Layer.MOUNT, started_s, health.message)
            if health.status is HealthStatus.FAULTY:  # READ_ONLY, FULL: known without writing
                self._fail(Layer.WRITE, started_s, health.reason, health.message)

    def _not_started(self, definition: PoolDefinition, health: PoolHealth | None) -> bool:
        unmounted = health is not None and health.reason == Reason.UNMOUNTED
        return unmounted and isinstance(definition.source, NetfsSource) and not self.entry.pool.active

    async def _folder(self, target: str) -> None:
        """Squash, read and write, for a target that answers; it is root's worker that looks."""
        on_share = self.host.quarantine.mounts.mount(self.entry.pool.definition) is not None
        started_s = self.host.clock.monotonic_s()
        try:
            facts = await self._directory(target)
            rights = await self.host.files.rights(target, timeout_s=QUESTION_LIMIT_S)
        except ModelError as error:
            self._fail(Layer.READ, started_s, error.reason, error.message)
            return
        may_list = rights.read and rights.search
        known = self.host.hypervisor.facts().qemu_user
        qemu = await self.host.mounts.qemu_user(known.uid if known is not None else None) if on_share else None
        worker = worker_of(self.entry.pool.stored.target_permissions, facts, rights, qemu) if on_share else ROOT
        made = await self._write(target, worker) if self.write_test and may_list else None
        if on_share:
            self._squash(started_s, facts, rights, made, qemu)
        else:
            self._skip(Layer.SQUASH, "a local file system takes root for root")
        if may_list or not on_share:
            await self._read(target)

    async def _directory(self, target: str) -> FileFacts:
        facts = await self.host.files.stat(target, timeout_s=QUESTION_LIMIT_S)
        if facts is None or facts.kind is not FileKind.DIRECTORY:
            what = "is missing" if facts is None else "is no directory"
            raise ModelError(Reason.PATH_NOT_USABLE, f"{target} {what}", metadata={"path": target})
        return facts

    def _squash(
        self, started_s: float, facts: FileFacts, rights: Rights, made: FileFacts | None, qemu: Account | None
    ) -> None:
        permissions = self.entry.pool.stored.target_permissions
        users = self.users = share_users(
            permissions=permissions,
            folder=facts,
            root=rights,
            made=made,
            made_by_another=self._made_by_another,
            qemu=qemu,
        )
        message = "; ".join(remarks(users, rights))
        if not users.libvirt_can_list:
            shown = f"mode {facts.mode:04o}, owner {facts.uid}:{facts.gid}"
            message = f"libvirt cannot list the directory ({shown}): {message}"
            self._fail(Layer.SQUASH, started_s, Reason.SQUASHED, message)
        elif ids_are_mapped_wrong(permissions, facts):
            self._fail(Layer.SQUASH, started_s, Reason.IDMAP, message)
        else:
            self._ok(Layer.SQUASH, started_s, message)

    async def _read(self, target: str) -> None:
        started_s = self.host.clock.monotonic_s()
        try:
            await self.host.files.file_system(target, timeout_s=QUESTION_LIMIT_S)
            await self.host.files.first_name(target, timeout_s=QUESTION_LIMIT_S)
        except ModelError as error:
            self._fail(Layer.READ, started_s, error.reason, error.message)
        else:
            self._ok(Layer.READ, started_s)

    async def _write(self, target: str, worker: ShareUser) -> FileFacts | None:
        """Make a file as root, look at it, and remove it; the answer is what was seen of it.

        Where root may not, whom the agent acts as there makes one.
        """
        if not self.entry.pool.active:
            self._skip(Layer.WRITE, "nothing is written to a pool that is not active")
            return None
        started_s = self.host.clock.monotonic_s()
        path = posixpath.join(target, f"{OWN_PREFIX}probe.{uuid4()}")
        try:
            await self.host.quarantine.check(self.entry, Use.TAKE_SPACE)
            made = await self._made_and_removed(self.host.files, path)
        except ModelError as error:
            if not error.is_denial or worker.is_root or not self.host.actors.may_switch:
                self._write_failed(started_s, error)
            else:
                await self._write_as(worker, path, started_s)
            return None
        self._ok(Layer.WRITE, started_s)
        return made

    async def _write_as(self, worker: ShareUser, path: str, started_s: float) -> None:
        try:
            await self._made_and_removed(self.host.files.acting_as(worker), path)
        except ModelError as error:
            self._write_failed(started_s, error)
            return
        self._made_by_another = True
        self._ok(Layer.WRITE, started_s, f"as uid {worker.uid}, gid {worker.gid}; root may not")

    def _write_failed(self, started_s: float, error: ModelError) -> None:
        on_share = self.host.quarantine.mounts.mount(self.entry.pool.definition) is not None
        self._fail(
            Layer.WRITE, started_s, Reason.SQUASHED if error.is_denial and on_share else error.reason, error.message
        )

    async def _made_and_removed(self, files: Files, path: str) -> FileFacts | None:
        device = self.host.quarantine.device(self.entry, Use.TAKE_SPACE)
        # Its name is new, and so is that of the neighbour that must not be there.
        file = await files.make_exclusive(
            path, _CONTENT, unless=f"{posixpath.basename(path)}.other", device=device, timeout_s=WRITE_LIMIT_S
        )
        if file is None:
            raise ModelError(Reason.RESOURCE_BUSY, f"{path} is there already", metadata={"path": path})
        try:
            return await files.lstat(path, timeout_s=QUESTION_LIMIT_S)
        finally:
            await files.unlink_if(path, inode=file.inode, device=device, timeout_s=WRITE_LIMIT_S)

    def _skip(self, layer: Layer, why: str) -> None:
        self._reports[layer] = skipped(layer, why)

    def _ok(self, layer: Layer, started_s: float, message: str = "") -> None:
        self._report(layer, started_s, Outcome.OK, "", message)

    def _fail(self, layer: Layer, started_s: float, failure: str, message: str) -> None:
        self._report(layer, started_s, Outcome.FAILED, failure, message)

    def _report(self, layer: Layer, started_s: float, outcome: Outcome, failure: str, message: str) -> None:
        duration_s = self.host.clock.monotonic_s() - started_s
        self._reports[layer] = LayerReport(
            layer=layer, outcome=outcome, duration_s=duration_s, failure=failure, message=message
        )


_LAYERS = (Layer.MOUNT, Layer.SQUASH, Layer.READ, Layer.WRITE)
