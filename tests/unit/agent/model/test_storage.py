"""Which storage lies behind a pool: the same on every host that sees it, and never another's."""

from __future__ import annotations

from typing import Any

import pytest

from poolfleet_agent.model.pool import DirSource, NetfsSource, PoolDefinition, Storage, StorageIdSource
from poolfleet_agent.model.storage import ConfiguredStorage, storage_of

DIR = PoolDefinition(name="p", type="dir", source=DirSource(), target_path="/srv/link")


def netfs(host: str = "NFS.example.com", path: str = "/export/", source_format: str | None = None) -> PoolDefinition:
    source = NetfsSource(host=host, path=path, format=source_format)
    return PoolDefinition(name="p", type="netfs", source=source, target_path="/mnt/p")


def identify(
    definition: PoolDefinition, *configured: ConfiguredStorage, filesystem_id: str = "uuid:1"
) -> Storage | None:
    return storage_of(
        definition, agent_id="agent", filesystem_id=filesystem_id, real_target="/srv/real", configured=configured
    )


@pytest.mark.parametrize(
    ("definition", "entry"),
    [
        (DIR, ConfiguredStorage(id="c", path="/srv/real/")),
        (DIR, ConfiguredStorage(id="c", path="/srv/link")),
        (netfs("nfs", "/export"), ConfiguredStorage(id="c", source="nfs:/export/")),
    ],
    ids=["real path", "path as written", "source"],
)
def test_a_configured_id_comes_first(definition: Any, entry: Any) -> None:
    found = identify(definition, ConfiguredStorage(id="other", path="/elsewhere"), entry)
    assert found is not None
    assert (found.id, found.source) == ("c", StorageIdSource.CONFIGURED)


def test_a_local_folder_is_this_agents_by_file_system_and_real_path() -> None:
    found = identify(DIR)
    assert found == Storage(id="host:agent:uuid:1:/srv/real", source=StorageIdSource.DERIVED)


def test_a_folder_of_which_too_little_is_known_has_no_id() -> None:
    assert identify(DIR, filesystem_id="") is None


@pytest.mark.parametrize(
    ("definition", "storage_id"),
    [
        (netfs(), "nfs:nfs.example.com/export"),
        (netfs(source_format="nfs"), "nfs:nfs.example.com/export"),
        (netfs(source_format="cifs", path="share"), "cifs:nfs.example.com/share"),
        (netfs(source_format="glusterfs", path="/vol"), "gluster:nfs.example.com/vol"),
    ],
)
def test_a_share_is_known_by_its_server_and_path_however_they_are_written(definition: Any, storage_id: Any) -> None:
    found = identify(definition)
    assert found is not None
    assert (found.id, found.source, found.aliases) == (storage_id, StorageIdSource.DERIVED, (storage_id,))
