"""Etags cover definition and identity, never usage."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from poolfleet_agent.model.etag import pool_etag, volume_etag
from poolfleet_agent.model.volume import BackingStore
from tests.unit.agent.fake_host import pool_facts, volume_facts

POOL = replace(
    pool_facts("p"),
    xml="<pool>\n  <capacity unit='bytes'>5</capacity>\n  <available unit='bytes'>4</available>\n</pool>",
    inactive_xml="<pool>\n  <capacity unit='bytes'>0</capacity>\n  <target/>\n</pool>",
)
VOLUME = volume_facts("p", "v")


@pytest.mark.parametrize(
    "usage",
    [
        {"inactive_xml": POOL.inactive_xml.replace(">0<", ">9<")},
        {"xml": "<pool/>"},
        {"available_bytes": 1},
        {"allocation_bytes": 1},
    ],
)
def test_usage_changes_no_pools_etag(usage: Any) -> None:
    assert pool_etag(replace(POOL, **usage), supervised=True) == pool_etag(POOL, supervised=True)


def test_neither_does_what_is_free_on_the_disk_of_a_disk_pool() -> None:
    free = "\n      <freeExtent start='32256' end='10737'/>"
    documents = [
        f"<pool><source><device path='/dev/sdb'{inside}</source></pool>"
        for inside in ("/>", f">{free}\n    </device>", f">{free}{free}\n    </device>")
    ]
    assert len({pool_etag(replace(POOL, inactive_xml=document), supervised=True) for document in documents}) == 1


@pytest.mark.parametrize(
    "definition", [{"inactive_xml": "<pool><other/></pool>"}, {"autostart": True}, {"persistent": False}, {"uuid": "x"}]
)
def test_what_is_defined_does(definition: Any) -> None:
    assert pool_etag(replace(POOL, **definition), supervised=True) != pool_etag(POOL, supervised=True)
    assert pool_etag(POOL, supervised=False) != pool_etag(POOL, supervised=True)


def test_a_transient_pools_etag_is_of_its_live_definition_without_usage() -> None:
    transient = replace(POOL, persistent=False, inactive_xml="")
    fuller = replace(transient, xml=POOL.xml.replace(">4<", ">3<").replace(">5<", ">6<"))
    assert pool_etag(fuller, supervised=True) == pool_etag(transient, supervised=True)
    assert pool_etag(replace(transient, xml="<pool/>"), supervised=True) != pool_etag(transient, supervised=True)


@pytest.mark.parametrize("usage", [{"allocation_bytes": 9}, {"physical_bytes": 9}, {"modified_at_s": 9.0}])
def test_usage_changes_no_volumes_etag(usage: Any) -> None:
    assert volume_etag(replace(VOLUME, **usage)) == volume_etag(VOLUME)


@pytest.mark.parametrize(
    "identity",
    [
        {"key": "k"}, {"format": "qcow2"}, {"capacity_bytes": 9}, {"pool": "q"}, {"type": "block"},
        {"encryption": "luks"}, {"backing_store": BackingStore(path="/b")}, {"born_at_s": 9.0},
    ],
)  # fmt: skip
def test_a_volume_that_was_made_anew_has_another_etag(identity: Any) -> None:
    assert volume_etag(replace(VOLUME, **identity)) != volume_etag(VOLUME)
