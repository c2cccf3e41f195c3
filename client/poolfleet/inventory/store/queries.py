"""The questions that are asked most, as SQL over a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from poolfleet.inventory.seen import DEVICE_POOLS, ON_SERVERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A question: what it tells, and the statement, whose values are `:limit` and `:since_s`."""

    about: str
    sql: str
    per_storage: bool = False
    """Its first column is the key of the row's storage, of which nothing may be missing."""
    whole: bool = False
    """Nothing at all may be missing; its first column is why a row is not certain all the same, or null."""


# Another volume lies on it, or may: its backing path leads to no pool that its own host is known to have. Where that
# path is a link, what a host says that it leads to counts as well.
_BACKS = """
    EXISTS (SELECT 1 FROM backing b WHERE b.file_name = v.name
            AND (b.backed_by = v.storage_key OR b.backed_by IS NULL))"""
_BACKING = """
    backing AS (
        SELECT o.file_name, home.storage_key AS backed_by FROM (
            SELECT told_by, backing_path, {file_name} AS file_name FROM (
                SELECT told_by, backing_path FROM volume WHERE backing_path IS NOT NULL
                UNION SELECT link.pool_key, link.leads_to FROM backing_link link) named) o
        LEFT JOIN pool teller ON teller.key = o.told_by
        LEFT JOIN pool home ON home.host_key = teller.host_key
            AND home.target_path || '/' || o.file_name = o.backing_path)"""
# The last part of a path: what both databases say it by.
_FILE_NAME = "replace(backing_path, rtrim(backing_path, replace(backing_path, '/', '')), '')"
_DEVICES = ", ".join(f"'{kind}'" for kind in sorted(DEVICE_POOLS))
_ON_SERVERS = "".join(f" AND p.filesystem_id NOT LIKE '{start}%'" for start in ON_SERVERS)
# As inventory/seen has it.
_EVERY_PATH_IS_FOUND = f"p.type IN ({_DEVICES}) OR (p.filesystem_id <> ''{_ON_SERVERS})"

QUERIES: Mapping[str, Query] = {
    "largest": Query(
        about="Volumes that occupy most.",
        sql="""
            SELECT storage, name, format, capacity_bytes, allocation_bytes FROM volumes
            ORDER BY coalesce(allocation_bytes, 0) DESC, storage, name LIMIT :limit""",
    ),
    "orphans": Query(
        about="Volumes that nothing uses: no domain of any host, no snapshot of one, no other volume.",
        per_storage=True,
        sql=f"""
            WITH {_BACKING.format(file_name=_FILE_NAME)}
            SELECT v.storage_key, s.id AS storage, v.name, v.format, v.allocation_bytes, v.modified_at_s
            FROM volume v JOIN storage s ON s.key = v.storage_key
            WHERE v.type <> 'dir' AND v.name NOT LIKE '.%'
            AND NOT EXISTS (SELECT 1 FROM domain_disk d JOIN pool p ON p.host_key = d.host_key AND p.name = d.pool
                            WHERE d.volume = v.name AND p.storage_key = v.storage_key)
            AND NOT EXISTS (SELECT 1 FROM domain_disk d WHERE d.volume = '' AND d.file_name = v.name)
            AND NOT EXISTS (SELECT 1 FROM domain_disk d JOIN pool p ON p.host_key = d.host_key AND p.name = d.pool
                            WHERE d.volume = v.name AND p.own_storage_id = '')
            AND NOT {_BACKS}
            ORDER BY coalesce(v.allocation_bytes, 0) DESC, s.id, v.name""",  # noqa: S608  (words of ours)
    ),
    "unmanaged": Query(
        about="Files and devices that domains use and no pool has.",
        whole=True,
        sql=f"""
            SELECT (SELECT min('it may be the volume of that name on ' || s.id) FROM volume v
                    JOIN storage s ON s.key = v.storage_key
                    WHERE v.name = d.file_name AND s.id NOT LIKE 'host:%'
                    AND coalesce((SELECT min(CASE WHEN {_EVERY_PATH_IS_FOUND} THEN 1 ELSE 0 END) FROM pool p
                                  WHERE p.storage_key = s.key AND p.host_key = d.host_key AND p.active), 0) = 0
                   ) AS doubt,
                   h.name AS host, d.path, d.source_kind AS kind, count(DISTINCT d.domain_uuid) AS domains,
                   min(d.domain) AS domain
            FROM domain_disk d JOIN host h ON h.key = d.host_key
            WHERE d.volume = '' AND d.path <> '' AND d.source_kind IN ('file', 'block', 'dir') AND d.role <> 'loader'
            GROUP BY h.name, d.host_key, d.path, d.source_kind, d.file_name ORDER BY h.name, d.path""",  # noqa: S608  (words of ours)
    ),
    "overcommitted": Query(
        about="Storages whose volumes may become larger than the storage is.",
        sql="""
            SELECT s.storage, s.capacity_bytes, s.available_bytes, sum(v.capacity_bytes) AS provisioned_bytes,
                   round(100.0 * sum(v.capacity_bytes) / s.capacity_bytes) AS percent
            FROM storages s JOIN volume v ON v.storage_key = s.storage_key WHERE s.capacity_bytes > 0
            GROUP BY s.storage, s.capacity_bytes, s.available_bytes HAVING sum(v.capacity_bytes) > s.capacity_bytes
            ORDER BY percent DESC, s.storage LIMIT :limit""",
    ),
    "growth": Query(
        about="Volumes that grew most since a time: --since.",
        sql="""
            SELECT v.storage, v.name, b.allocation_bytes AS before_bytes, v.allocation_bytes,
                   v.allocation_bytes - b.allocation_bytes AS growth_bytes
            FROM volume_size b JOIN volumes v ON v.storage_key = b.storage_key AND v.name = b.name
            WHERE b.until_s = (SELECT min(f.until_s) FROM volume_size f WHERE f.storage_key = b.storage_key
                               AND f.name = b.name AND f.until_s >= :since_s)
            AND v.allocation_bytes > b.allocation_bytes
            ORDER BY growth_bytes DESC, v.storage, v.name LIMIT :limit""",
    ),
    "storage-growth": Query(
        about="Storages that filled most since a time, and in how many days they are full at that pace: --since.",
        sql="""
            SELECT g.storage, g.capacity_bytes, g.before_bytes, g.allocation_bytes, g.growth_bytes,
                   CASE WHEN g.days >= 1 THEN round(g.available_bytes * g.days / g.growth_bytes) END AS full_in_days
            FROM (SELECT s.storage, s.capacity_bytes, s.available_bytes, s.allocation_bytes,
                         b.allocation_bytes AS before_bytes, s.allocation_bytes - b.allocation_bytes AS growth_bytes,
                         (s.looked_at_s - b.at_s) / 86400 AS days
                  FROM storages s JOIN storage_size b ON b.storage_key = s.storage_key
                  WHERE b.at_s = coalesce(
                      (SELECT max(at_s) FROM storage_size WHERE storage_key = s.storage_key AND at_s <= :since_s),
                      (SELECT min(at_s) FROM storage_size WHERE storage_key = s.storage_key))) g
            WHERE g.growth_bytes > 0 ORDER BY g.growth_bytes DESC, g.storage LIMIT :limit""",
    ),
    "by-storage": Query(
        about="How much lies on each storage.",
        sql="""
            SELECT s.storage, s.type, s.hosts, count(v.name) AS volumes, s.capacity_bytes, s.allocation_bytes,
                   sum(v.capacity_bytes) AS provisioned_bytes
            FROM storages s LEFT JOIN volume v ON v.storage_key = s.storage_key
            GROUP BY s.storage, s.type, s.hosts, s.capacity_bytes, s.allocation_bytes
            ORDER BY volumes DESC, s.storage LIMIT :limit""",
    ),
    "by-host": Query(
        about="What each host has, and when it was last heard of.",
        sql="""
            SELECT h.name AS host, h.status,
                   (SELECT count(*) FROM pool p WHERE p.host_key = h.key) AS pools,
                   (SELECT count(*) FROM volume v JOIN pool p ON p.storage_key = v.storage_key AND p.active
                    WHERE p.host_key = h.key) AS volumes,
                   (SELECT count(DISTINCT d.domain_uuid) FROM domain_disk d WHERE d.host_key = h.key) AS domains,
                   h.heard_at_s
            FROM host h ORDER BY h.name LIMIT :limit""",
    ),
    "by-domain": Query(
        about="What each domain uses.",
        sql="""
            SELECT h.name AS host, d.domain, d.state, count(DISTINCT d.path) AS disks,
                   sum(v.capacity_bytes) AS capacity_bytes, sum(v.allocation_bytes) AS allocation_bytes
            FROM domain_disk d JOIN host h ON h.key = d.host_key
            LEFT JOIN pool p ON p.host_key = d.host_key AND p.name = d.pool
            LEFT JOIN volume v ON v.storage_key = p.storage_key AND v.name = d.volume
            GROUP BY h.name, d.domain, d.domain_uuid, d.state
            ORDER BY coalesce(sum(v.allocation_bytes), 0) DESC, h.name, d.domain LIMIT :limit""",
    ),
}
