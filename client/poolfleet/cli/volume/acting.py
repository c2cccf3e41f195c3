"""The hosts that a change of a volume goes to: one for each storage, however many hosts have it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from poolfleet.cli.addressing import named_volume
from poolfleet.cli.changing.change import Among
from poolfleet.cli.parsing import VolumeWord
from poolfleet.cli.session import Session

if TYPE_CHECKING:
    from poolfleet.agent.client import AgentClient
    from poolfleet.fleet.fleet import Fleet
    from poolfleet.fleet.storage import FleetStorage
    from poolfleet.types.pool import Pool


async def acting(cli: Session, word: VolumeWord) -> Among:
    """Of the chosen hosts one for each storage; and why the others did not tell, where hosts were named.

    No host need be named where the pool is one storage, whoever has it. Raises UsageError where it is not, NotFound.
    """
    hosts = cli.readers(word.host)
    if len(hosts.hosts) == 1:
        return Among(fleet=hosts)

    async def pool_of(client: AgentClient) -> Pool:
        return await client.pools.get((await named_volume(client, word))[0])

    result = await cli.read(pool_of, host=word.host)
    pools = dict(result.answers())
    ids = cli.storages(list(pools.items()))
    storages: defaultdict[str, list[str]] = defaultdict(list)
    for host, pool in pools.items():
        storages[ids.get((host, pool.name), f"{host}: {pool.name}")].append(host)
    if not cli.are_named(word.host):
        if not storages:
            raise next(each.error for each in result.values() if each.error is not None)
        if len(storages) > 1:
            raise cli.which_hosts()
    chosen = [await _one(hosts, those, pools) for those in storages.values()]
    silent = [outcome for outcome in result.values() if not outcome.well] if cli.are_named(word.host) else []
    return Among(fleet=hosts.select(hosts=chosen) if chosen else None, silent=tuple(silent))


async def _one(fleet: Fleet, hosts: list[str], pools: dict[str, Pool]) -> str:
    if len(hosts) == 1:
        return hosts[0]
    first = pools[hosts[0]]
    word = first.storage.id if first.storage is not None else first.name
    return await fleet.select(hosts=hosts).storage(word).acting_host()


def storage_of(cli: Session, client: AgentClient, pool: str) -> FleetStorage:
    """The storage of a pool, whose volumes this host is to change."""
    return cli.fleet.select(hosts=[client.name or client.target]).storage(pool)
