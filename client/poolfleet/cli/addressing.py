"""From the words for pools and volumes to what an agent calls them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolfleet.cli.parsing import VolumeWord, looks_like_uuid
from poolfleet.types.errors import NotFound

if TYPE_CHECKING:
    from poolfleet.agent.client import AgentClient
    from poolfleet.types.volume import Volume


async def pool_name(client: AgentClient, word: str) -> str:
    """Take a pool's name or, as virsh does, its UUID; a word that is neither on this host stays as it is."""
    if looks_like_uuid(word):
        plain = word.replace("-", "").lower()
        names = {pool.uuid.replace("-", "").lower(): pool.name async for pool in client.pools.list()}
        if word not in names.values():
            return names.get(plain, word)
    return word


async def volume_at(client: AgentClient, word: VolumeWord, *, full: bool = False, fresh: bool = False) -> Volume:
    """Find a volume by pool and name or by its path; raises NotFound."""
    max_staleness_s = 0.0 if fresh else None
    if word.path:
        found = await client.volumes.lookup(path=word.path)
        if not full and not fresh:
            return found
        return await client.volumes.get(found.pool, found.name, full=full, max_staleness_s=max_staleness_s)
    pool = await pool_name(client, word.pool)
    return await client.volumes.get(pool, word.volume, full=full, max_staleness_s=max_staleness_s)


async def named_volume(client: AgentClient, word: VolumeWord) -> tuple[str, str]:
    """Names of a volume that is to be changed and of its pool, whether it is there or not; NotFound only for a path."""
    if word.path:
        found = await volume_at(client, word)
        return found.pool, found.name
    return await pool_name(client, word.pool), word.volume


async def found_anywhere(client: AgentClient, path_or_key: str) -> Volume:
    """Find a volume by path or, failing that, by libvirt's key; raises NotFound."""
    if path_or_key.startswith("/"):
        try:
            return await client.volumes.lookup(path=path_or_key)
        except NotFound:
            pass
    return await client.volumes.lookup(key=path_or_key)
