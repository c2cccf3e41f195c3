"""Whatever hosts that share a storage tell, in any order and however late: in the end the store has what there is."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from poolfleet.inventory.store.addresses import open_store
from poolfleet.types.inventory import VolumeRow
from poolfleet.types.pool import Storage, StorageIdSource
from tests.integration.store.telling import Teller, read, resume_point, row, tellers

HOSTS = ("one", "two", "three")
NAMES = st.sampled_from(["a", "b", "c", "d"])
BY_NAME = Storage(id="nfs:filer/vm", source=StorageIdSource.DERIVED, aliases=("nfs:10.0.0.5/vm",))
BY_ADDRESS = Storage(id="nfs:10.0.0.5/vm", source=StorageIdSource.DERIVED)
ADOPTED = Storage(id="6f1c", source=StorageIdSource.MARKER)


class SharedStorage(RuleBasedStateMachine):
    """The files of one share, and hosts that look at it from time to time."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._store = open_store(f"sqlite:///{Path(self._folder.name)}/inventory.db")
        self._files: dict[str, VolumeRow] = {}
        self._writes = 0
        self._hosts: dict[str, Teller] = dict(zip(HOSTS, tellers(self._store, *HOSTS), strict=True))
        self._saw: dict[str, dict[str, VolumeRow] | None] = dict.fromkeys(HOSTS)
        self._storage: dict[str, Storage] = dict.fromkeys(HOSTS, BY_ADDRESS)

    @initialize()
    def one_host_has_it(self) -> None:
        self.look("one")

    @rule(name=NAMES)
    def write(self, name: str) -> None:
        self._writes += 1
        self._files[name] = row(name, allocation_bytes=self._writes, etag=str(self._writes))

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        self._files.pop(name, None)

    @rule(host=st.sampled_from(HOSTS))
    def look(self, host: str) -> None:
        """See what there is, and tell what differs from the last look; the first time all."""
        now, before = dict(self._files), self._saw[host]
        self._saw[host] = now
        if before is None or resume_point(self._store, host) is None:
            self._hosts[host].whole("vm", now.values(), storage=self._storage[host])
            return
        told = [each for name, each in now.items() if before.get(name) != each]
        gone = sorted(before.keys() - now.keys())
        self._hosts[host].changed("vm", told, gone, storage=self._storage[host])

    @rule(host=st.sampled_from(HOSTS), age_s=st.sampled_from([5.0, 50.0]))
    def tell_all_late(self, host: str, age_s: float) -> None:
        """Tell again all that was seen at the last look."""
        saw = self._saw[host]
        if saw is not None:
            self._hosts[host].whole("vm", saw.values(), age_s=age_s, storage=self._storage[host])

    @rule(host=st.sampled_from(HOSTS))
    def stop(self, host: str) -> None:
        if self._saw[host] is not None:
            self._hosts[host].pool_is_gone("vm")
            self._saw[host] = None

    @rule(host=st.sampled_from(HOSTS), storage=st.sampled_from([BY_NAME, BY_ADDRESS, ADOPTED]))
    def spell(self, host: str, storage: Storage) -> None:
        self._storage[host] = storage
        if self._saw[host] is not None:
            self._hosts[host].changed("vm", storage=storage)

    @rule(host=st.sampled_from(HOSTS))
    def lose(self, host: str) -> None:
        self._store.not_heard(host, "unreachable", "no route")

    @rule()
    def settle(self) -> None:
        """All look, and those that are asked anew tell all; twice, for who looks may have others asked anew."""
        for _ in range(2):
            for host in HOSTS:
                self.spell(host, BY_ADDRESS)
                self.look(host)
        found = read(self._store, "SELECT name, allocation_bytes FROM volumes ORDER BY name")
        assert found == sorted((name, each.allocation_bytes) for name, each in self._files.items())
        assert read(self._store, "SELECT DISTINCT storage FROM pools") == [(BY_ADDRESS.id,)]

    @invariant()
    def each_row_has_a_pool_that_answers_for_it(self) -> None:
        without = read(
            self._store,
            "SELECT name FROM volume v"
            " WHERE NOT EXISTS (SELECT 1 FROM pool p WHERE p.key = v.told_by AND p.storage_key = v.storage_key)",
        )
        assert without == []

    def teardown(self) -> None:
        self._store.close()
        self._folder.cleanup()


TestSharedStorage = SharedStorage.TestCase
TestSharedStorage.settings = settings(
    max_examples=30, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
