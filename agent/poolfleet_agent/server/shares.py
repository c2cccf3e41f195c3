"""The host's network mounts, wired: who watches them, and how every path finds the worker that may look at it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from poolfleet_agent.config.settings import Mount
from poolfleet_agent.files.channel import Channel
from poolfleet_agent.files.folders import RoutedFolders
from poolfleet_agent.files.mount_workers import MountWorkers
from poolfleet_agent.files.routed import RoutedFiles
from poolfleet_agent.files.routes import Routes
from poolfleet_agent.model.ports import Clock
from poolfleet_agent.mounts.live_table import LiveMountTable
from poolfleet_agent.mounts.watch import Watch
from poolfleet_agent.processes.child import Children


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """`files` and `folders` look at any path of the host; `watch` is to be run."""

    files: RoutedFiles
    folders: RoutedFolders
    watch: Watch


@asynccontextmanager
async def open_shares(settings: Mount, children: Children, clock: Clock) -> AsyncIterator[Shares]:
    """Open both; in the end their workers are ended."""
    async with AsyncExitStack() as ends:
        table = LiveMountTable()
        ends.callback(table.close)
        local = Channel(children)
        ends.push_async_callback(local.close)
        workers = MountWorkers(lambda user: Channel(children, user=user))
        ends.push_async_callback(workers.close)
        watch = Watch(
            table,
            workers,
            clock,
            probe_timeout_s=settings.probe_timeout_s,
            probe_interval_s=settings.probe_interval_s,
        )
        routes = Routes(local, workers, watch)

        def network_targets() -> list[str]:
            return [entry.target for entry in watch.table().network()]

        yield Shares(files=RoutedFiles(routes), folders=RoutedFolders(routes, network_targets), watch=watch)
