"""The tables of a store, and the views that people ask.

`_s` are seconds since 1970, by the clock of the machine that keeps the store, so that those of many hosts compare.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, Integer, MetaData, Table, Text

VERSION = 3
NOWHERE = 0
"""`storage_key` of a pool that has just come."""
tables = MetaData()

about = Table("about", tables, Column("version", Integer, primary_key=True, autoincrement=False))

host = Table(
    "host",
    tables,
    Column("key", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("site", Text),
    Column("agent_id", Text, unique=True),  # null: it never answered
    Column("status", Text, nullable=False),  # as HostStatus
    Column("error", Text, nullable=False),
    Column("epoch", Text),
    Column("sequence", BigInteger),
    Column("filter_digest", Text),
    Column("renew", Boolean, nullable=False),  # the next watch begins from nothing
    Column("heard_at_s", Double),
    Column("looked_at_s", Double),  # when its pools were looked at, the oldest
    Column("domains_looked_at_s", Double),  # null: its domains were never read
    Column("domains_missing", Text, nullable=False),  # why what is used is not known whole
    Column("unread_pools", Text, nullable=False),  # names of pools that were never read, so that `pool` has them not
)

storage = Table(
    "storage",
    tables,
    Column("key", Integer, primary_key=True),
    Column("id", Text, nullable=False, index=True),
)

pool = Table(
    "pool",
    tables,
    Column("key", Integer, primary_key=True),
    Column("host_key", Integer, nullable=False, index=True),
    Column("uuid", Text, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("storage_key", Integer, nullable=False, index=True),
    Column("type", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("health", Text),
    Column("target_path", Text),
    Column("filesystem_id", Text, nullable=False),
    Column("capacity_bytes", BigInteger),
    Column("allocation_bytes", BigInteger),
    Column("available_bytes", BigInteger),
    Column("provisioned_bytes", BigInteger),
    Column("unaddressable_count", BigInteger, nullable=False),
    Column("links", Integer, nullable=False),  # how many rows of backing_link it has
    Column("unread", Text, nullable=False),  # why its volumes are not as they are now; empty: they are
    Column("looked_at_s", Double, nullable=False),
    Column("digest", Text, nullable=False),
    Column("own_storage_id", Text, nullable=False),  # as its host spells it
    Column("storage_source", Text, nullable=False),
    Column("aliases", Text, nullable=False),  # JSON
    Column("fingerprint", Text, nullable=False),  # JSON
    Column("signs", Text, nullable=False),  # JSON
)

backing_link = Table(
    "backing_link",
    tables,
    Column("pool_key", Integer, primary_key=True, autoincrement=False),
    Column("path", Text, primary_key=True),  # what volumes of the pool lie on, as they name it
    Column("leads_to", Text, primary_key=True),
    sqlite_with_rowid=False,
)

_VOLUME = (
    ("name", Text, False),
    ("path", Text, True),
    ("type", Text, False),
    ("format", Text, False),
    ("capacity_bytes", BigInteger, True),
    ("allocation_bytes", BigInteger, True),
    ("physical_bytes", BigInteger, True),
    ("backing_path", Text, True),
    ("backing_format", Text, True),
    ("modified_at_s", Double, True),
    ("encryption", Text, False),
    ("etag", Text, False),
)
ROW_COLUMNS = tuple(name for name, _, _ in _VOLUME)
"""As VolumeRow has them."""

volume = Table(
    "volume",
    tables,
    Column("storage_key", Integer, primary_key=True, autoincrement=False),
    *(Column(name, kind, primary_key=name == "name", nullable=nullable) for name, kind, nullable in _VOLUME),
    Column("told_by", Integer, nullable=False),  # key of the pool that answers for the row
    Column("told_at_s", Double, nullable=False),
    Column("sized_at_s", Double, nullable=False),  # since when volume_size has told of each size
    sqlite_with_rowid=False,
)
VOLUME_COLUMNS = ("storage_key", *ROW_COLUMNS, "told_by", "told_at_s", "sized_at_s")

volume_size = Table(
    "volume_size",
    tables,
    Column("storage_key", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, primary_key=True),
    Column("until_s", Double, primary_key=True),  # the sizes were these until then
    Column("capacity_bytes", BigInteger),
    Column("allocation_bytes", BigInteger),
    sqlite_with_rowid=False,
)

storage_size = Table(
    "storage_size",
    tables,
    Column("storage_key", Integer, primary_key=True, autoincrement=False),
    Column("at_s", Double, primary_key=True),
    Column("capacity_bytes", BigInteger),
    Column("allocation_bytes", BigInteger),
    Column("available_bytes", BigInteger),
    sqlite_with_rowid=False,
)

domain_disk = Table(
    "domain_disk",
    tables,
    Column("host_key", Integer, primary_key=True, autoincrement=False),
    Column("domain_uuid", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("domain", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("source_kind", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("file_name", Text, nullable=False),  # the path's last part
    Column("storage_id", Text, nullable=False),
    Column("pool", Text, nullable=False),
    Column("volume", Text, nullable=False),  # empty: it is no volume of a pool
    Column("read_only", Boolean, nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("format", Text, nullable=False),
    Column("depth", Integer, nullable=False),
    sqlite_with_rowid=False,
)
DISK_COLUMNS = tuple(column.name for column in domain_disk.columns)

AFTER_LOAD = (
    "CREATE INDEX IF NOT EXISTS volume_by_name ON volume (name)",
    "CREATE INDEX IF NOT EXISTS domain_disk_by_volume ON domain_disk (volume)",
    "CREATE INDEX IF NOT EXISTS domain_disk_by_file ON domain_disk (file_name)",
)
"""Indexes that would make a first load slower, and that queries need."""

INCOMING = """
CREATE TEMPORARY TABLE incoming (
    name TEXT PRIMARY KEY, path TEXT, type TEXT, format TEXT, capacity_bytes BIGINT, allocation_bytes BIGINT,
    physical_bytes BIGINT, backing_path TEXT, backing_format TEXT, modified_at_s DOUBLE PRECISION, encryption TEXT,
    etag TEXT)
"""

VIEWS = {
    "volumes": """
        SELECT s.id AS storage, v.name, v.format, v.type, v.capacity_bytes, v.allocation_bytes, v.physical_bytes,
               v.backing_path, v.modified_at_s, v.encryption, v.storage_key
        FROM volume v JOIN storage s ON s.key = v.storage_key""",
    "volume_places": """
        SELECT s.id AS storage, v.name, h.name AS host, p.name AS pool,
               CASE WHEN p.key = v.told_by AND v.path IS NOT NULL THEN v.path
                    ELSE p.target_path || '/' || v.name END AS path
        FROM volume v JOIN storage s ON s.key = v.storage_key
        JOIN pool p ON p.storage_key = v.storage_key AND p.active JOIN host h ON h.key = p.host_key""",
    "volume_users": """
        SELECT p.storage_key, s.id AS storage, d.volume AS name, h.name AS host, d.domain, d.state, d.role, d.target,
               d.path
        FROM domain_disk d JOIN host h ON h.key = d.host_key
        JOIN pool p ON p.host_key = d.host_key AND p.name = d.pool JOIN storage s ON s.key = p.storage_key
        WHERE d.volume <> ''""",
    "pools": """
        SELECT h.name AS host, p.name AS pool, s.id AS storage, p.type, p.state, p.health, p.target_path,
               p.capacity_bytes, p.allocation_bytes, p.available_bytes, p.provisioned_bytes, p.unread, p.looked_at_s
        FROM pool p JOIN host h ON h.key = p.host_key JOIN storage s ON s.key = p.storage_key""",
    "storages": """
        SELECT s.id AS storage, s.key AS storage_key, min(p.type) AS type, count(DISTINCT p.host_key) AS hosts,
               max(p.capacity_bytes) AS capacity_bytes, max(p.allocation_bytes) AS allocation_bytes,
               max(p.available_bytes) AS available_bytes, min(p.looked_at_s) AS looked_at_s
        FROM storage s JOIN pool p ON p.storage_key = s.key GROUP BY s.id, s.key""",
}
