"""What lies behind the services, wired: adapters into ports, the inventory as it was stored, the use cases."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from poolfleet_agent.config.settings import Settings
from poolfleet_agent.control.acting import Actors
from poolfleet_agent.control.grace import ServerGrace
from poolfleet_agent.control.host import Host, HostRules, check_real_path
from poolfleet_agent.control.journal import Journal
from poolfleet_agent.control.lanes import Lanes
from poolfleet_agent.control.left_overs import LeftOvers
from poolfleet_agent.control.maintenance import MaintenanceState
from poolfleet_agent.control.mounted import MountBook
from poolfleet_agent.control.operations import Operations
from poolfleet_agent.control.pools.mounting import mount_request
from poolfleet_agent.control.quarantine import Quarantine
from poolfleet_agent.control.recovery import Recovery
from poolfleet_agent.control.refreshes import Refreshes, Refreshing
from poolfleet_agent.control.rescue import Rescue
from poolfleet_agent.control.retention import Retention
from poolfleet_agent.control.signs import SignsOfLife
from poolfleet_agent.control.supervisor import Supervisor
from poolfleet_agent.hypervisor import HypervisorSettings, Libvirt
from poolfleet_agent.inventory.intents import Intents
from poolfleet_agent.inventory.look import Looker
from poolfleet_agent.inventory.observe import Observer
from poolfleet_agent.inventory.own_changes import OwnChanges
from poolfleet_agent.inventory.pool_mounts import PoolMounts
from poolfleet_agent.inventory.registry import Registry
from poolfleet_agent.inventory.restore import restore_snapshot
from poolfleet_agent.model.mount_failure import RetryPolicy
from poolfleet_agent.model.pool import MountOwner, PoolDefinition
from poolfleet_agent.model.pool_source import NetfsSource
from poolfleet_agent.model.ports import AgentIdentity
from poolfleet_agent.model.share_user import ShareUser
from poolfleet_agent.model.storage import ConfiguredStorage
from poolfleet_agent.mounts.helpers import LibvirtMountHelpers
from poolfleet_agent.mounts.host import HostMounts
from poolfleet_agent.mounts.namespace import libvirt_sockets
from poolfleet_agent.mounts.watch import Watch
from poolfleet_agent.processes.child import Children
from poolfleet_agent.processes.contents import FileContents
from poolfleet_agent.processes.jobs import Jobs, most_at_once
from poolfleet_agent.processes.parted import Parted
from poolfleet_agent.processes.qemu_img import QemuImg
from poolfleet_agent.server.clock import SystemClock
from poolfleet_agent.server.shares import Shares, open_shares
from poolfleet_agent.server.upkeep import Background, forget_old_operations, leave_signs_of_life, sweep_left_overs
from poolfleet_agent.services.convert.encoder import MessageEncoder
from poolfleet_agent.state.agent import SqliteAgent
from poolfleet_agent.state.believed_time import SqliteBelievedTime
from poolfleet_agent.state.database import Database
from poolfleet_agent.state.intents import SqliteIntents
from poolfleet_agent.state.maintenance import SqliteMaintenance
from poolfleet_agent.state.mounts import SqliteMounts
from poolfleet_agent.state.operations import SqliteOperations
from poolfleet_agent.state.snapshot import SqliteSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the services and the process need of it."""

    identity: AgentIdentity
    hypervisor: Libvirt
    host: Host
    watch: Watch
    journal: Journal
    operations: Operations
    rescue: Rescue
    supervisor: Supervisor


@asynccontextmanager
async def open_parts(settings: Settings, background: Background) -> AsyncIterator[Parts]:
    """Everything behind the services, restored, connecting and looking; in the end closed in the opposite order."""
    async with AsyncExitStack() as ends:
        clock = SystemClock()
        database = await Database.open(Path(settings.state_dir))
        ends.push_async_callback(database.close)
        identity = await SqliteAgent(database).identity()
        children = Children()
        ends.push_async_callback(children.close)
        shares = await ends.enter_async_context(open_shares(settings.mount, children, clock))
        hypervisor = Libvirt(_hypervisor_settings(settings))
        ends.push_async_callback(hypervisor.close)
        lanes = Lanes()
        host = await _host(settings, identity, database, shares, hypervisor, children, clock, lanes)
        ends.push_async_callback(host.grace.close)
        ends.push_async_callback(host.looker.close)
        ends.push_async_callback(host.refreshes.close)
        ends.push_async_callback(host.observer.close)
        journal = Journal(store=SqliteOperations(database), longest_watchers=settings.limits.watchers)
        recovery = Recovery(host=host, journal=journal, lanes=lanes)
        debris = await recovery.fail_unfinished(await journal.load())
        # Who observes removes nothing, what an agent left that had more to say included.
        debris = [] if host.rules.observe_only else debris
        held = [(operation, recovery.claim(operation)) for operation in debris]
        ends.push_async_callback(journal.store_at_end)
        ends.push_async_callback(host.observer.save_at_end)
        ends.push_async_callback(background.close)
        background.start("watch mounts", shares.watch.run())
        background.start("observe", host.observer.run())
        left_overs = LeftOvers(host=host, journal=journal)
        background.start("remove debris", sweep_left_overs(left_overs, recovery, after=recovery.clean(held)))
        background.start("leave signs of life", leave_signs_of_life(SignsOfLife(host=host)))
        believed_time = SqliteBelievedTime(database)
        retention = Retention(clock=clock, store=believed_time, kept_s=settings.limits.request_id_retention_s)
        background.start("forget", forget_old_operations(journal, retention))
        await hypervisor.start()
        operations = Operations(
            journal=journal,
            lanes=lanes,
            clock=clock,
            observe_only=host.rules.observe_only,
            most_at_once=settings.limits.operations,
        )
        helpers = LibvirtMountHelpers(libvirt_sockets(hypervisor.facts().storage_uri))
        rescue = Rescue(hypervisor=hypervisor, helpers=helpers, clock=clock)
        if settings.mount.rescue_libvirtd and not host.rules.observe_only:
            background.start("rescue libvirt", rescue.run())
        supervisor = Supervisor(host=host, operations=operations)
        background.start("supervise", supervisor.run())
        yield Parts(
            identity=identity,
            hypervisor=hypervisor,
            host=host,
            watch=shares.watch,
            journal=journal,
            operations=operations,
            rescue=rescue,
            supervisor=supervisor,
        )


async def _host(
    settings: Settings,
    identity: AgentIdentity,
    database: Database,
    shares: Shares,
    hypervisor: Libvirt,
    children: Children,
    clock: SystemClock,
    lanes: Lanes,
) -> Host:
    """The inventory, as it was stored, and the rules."""
    book = MountBook(store=SqliteMounts(database), boot_id=identity.boot_id)
    await book.load()
    maintenance = MaintenanceState(store=SqliteMaintenance(database), clock=clock)
    await maintenance.load()
    mounts = HostMounts(
        children,
        libvirt_sockets=libvirt_sockets(hypervisor.facts().storage_uri),
        own_folder=Path(settings.state_dir) / "server-root",
        allowed_options=settings.mount.allowed_options,
    )

    async def server_answers(definition: PoolDefinition) -> bool:
        request = mount_request(definition)
        return request is not None and (await mounts.probe_server(request)).failed is None

    async def qemu_user() -> ShareUser | None:
        """By libvirt, which knows its own configuration; where that does not tell, by the name that it has here."""
        if (told := hypervisor.facts().qemu_user) is not None:
            return told
        account = await mounts.qemu_user(None)
        return ShareUser(uid=account.uid, gid=account.gids[0]) if account is not None else None

    async def addresses(name: str) -> Sequence[str]:
        resolved = await mounts.addresses(name)
        return (*resolved, *book.addresses(name)) if resolved else ()

    async def saw_share(target: str, source: NetfsSource) -> None:
        owner = MountOwner.FOREIGN if await mounts.kept_by_host(target) else MountOwner.LIBVIRT
        await book.saw_share(target, source, owner)

    pool_mounts = PoolMounts(
        watch=shares.watch,
        files=shares.files,
        clock=clock,
        addresses=addresses,
        belongs=book.belongs,
        saw=book.saw,
        owner_of=book.owner,
        saw_share=saw_share,
    )
    may_switch = os.geteuid() == 0
    encoder = MessageEncoder()
    snapshots = SqliteSnapshot(database)
    intents = Intents(store=SqliteIntents(database), clock=clock)
    await intents.load(new_boot=identity.previous_boot_id not in {"", identity.boot_id})
    registry = Registry()
    await restore_snapshot(registry, snapshots, encoder)
    looker = Looker(
        hypervisor=hypervisor,
        files=shares.files,
        folders=shares.folders,
        registry=registry,
        encoder=encoder,
        intents=intents,
        clock=clock,
        pool_mounts=pool_mounts,
        agent_id=identity.agent_id,
        may_switch=may_switch,
        check_backing=partial(check_real_path, shares.files, settings.allowed_paths, "backing_store.path"),
        configured_storages=[
            ConfiguredStorage(id=entry.id, path=entry.path, source=entry.source) for entry in settings.storages
        ],
    )
    own_changes = OwnChanges(clock=clock)
    observer = Observer(
        looker=looker,
        hypervisor=hypervisor,
        registry=registry,
        intents=intents,
        files=shares.files,
        store=snapshots,
        clock=clock,
        staleness_s=settings.staleness_s,
        own_changes=own_changes,
        server_answers=server_answers,
    )
    quarantine = Quarantine(mounts=pool_mounts, registry=registry, chains=looker.chains)
    grace = ServerGrace(files=shares.files, mounts=pool_mounts)
    jobs = Jobs(children, most=settings.limits.max_jobs or most_at_once())
    refreshing = Refreshing(hypervisor=hypervisor, quarantine=quarantine, grace=grace, own_changes=own_changes)
    return Host(
        hypervisor=hypervisor,
        files=shares.files,
        registry=registry,
        looker=looker,
        observer=observer,
        intents=intents,
        mounts=mounts,
        book=book,
        maintenance=maintenance,
        quarantine=quarantine,
        grace=grace,
        actors=Actors(
            files=shares.files,
            watch=shares.watch,
            place=pool_mounts.place,
            qemu_user=qemu_user,
            may_switch=may_switch,
        ),
        images=QemuImg(jobs),
        contents=FileContents(jobs),
        partitions=Parted(children),
        refreshing=refreshing,
        refreshes=Refreshes(refreshing, registry, lanes),
        encoder=encoder,
        clock=clock,
        rules=HostRules(
            mount_retries=RetryPolicy(
                deadline_s=settings.mount.deadline_s,
                attempts=settings.mount.attempts,
                first_delay_s=settings.mount.first_delay_s,
                longest_delay_s=settings.mount.longest_delay_s,
            ),
            allowed_mount_options=settings.mount.allowed_options,
            allowed_paths=settings.allowed_paths,
            observe_only=settings.mode == "observe",
            overcommit_ratio=settings.overcommit_ratio,
            overcommit_ratios={entry.name: entry.overcommit_ratio for entry in settings.pools},
        ),
    )


def _hypervisor_settings(settings: Settings) -> HypervisorSettings:
    return HypervisorSettings(
        storage_uri=settings.libvirt.storage_uri or None,
        domain_uris=settings.libvirt.domain_uris,
        call_timeout_s=settings.libvirt.call_timeout_s,
    )
