"""Any document at all: it is understood, or refused by a model error, in bounded time; what is seen can be told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolfleet.v1.pool_pb2 import PoolSpec
from poolfleet_agent.hypervisor.xml.domains import Domain, references, snapshot_references
from poolfleet_agent.hypervisor.xml.pools import edit_pool, parse_pool, render_pool
from poolfleet_agent.hypervisor.xml.secrets import domain_secrets, parse_secret, pool_secrets
from poolfleet_agent.hypervisor.xml.sources import parse_sources
from poolfleet_agent.hypervisor.xml.volumes import parse_facts, parse_volume, render_volume
from poolfleet_agent.model.domain_disk import DomainState
from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.services.convert.encoder import MessageEncoder
from poolfleet_agent.services.convert.pool_sources import source_to
from tests.odd_xml import HOSTILE, documents
from tests.pool_documents import DOCUMENTS
from tests.unit.agent.hypervisor.test_xml_domains import DOMAIN
from tests.unit.agent.hypervisor.test_xml_volumes import LIBVIRT_WRITES

LONGEST_CPU_S = 5.0
"""For one document: far more than any takes; what is quadratic takes minutes."""

POOLS = tuple(document.xml("p", "/pools") for document in DOCUMENTS.values())
VOLUMES = (LIBVIRT_WRITES,)
DOMAINS = (DOMAIN, f"<domainsnapshot><memory file='/m'/><disks><disk name='vda'/></disks>{DOMAIN}</domainsnapshot>")
SECRETS = (
    "<secret ephemeral='no' private='yes'><uuid>2ec115d7-3a88-3ceb-bc12-0ac909a6fd87</uuid><description>d</description>"
    "<usage type='ceph'><name>k</name></usage></secret>",
)
SOURCES = ("<sources><source><host name='h'/><dir path='/e'/><device path='/d'/><name>n</name></source></sources>",)
WHO = Domain("guest", "22222222-2222-2222-2222-222222222222")


@contextmanager
def only_model_errors() -> Iterator[None]:
    began_s = time.process_time()
    with suppress(ModelError):
        yield
    assert time.process_time() - began_s < LONGEST_CPU_S


@given(documents(*POOLS))
@settings(max_examples=200)
def test_pools(xml: str) -> None:
    with only_model_errors():
        definition = parse_pool(xml)
        source_to(definition.source, PoolSpec())
        pool_secrets(xml)
        assert parse_pool(edit_pool(xml, definition)) == definition
        render_pool(definition)


@given(documents(*VOLUMES))
@settings(max_examples=200)
def test_volumes(xml: str) -> None:
    with only_model_errors():
        facts = parse_facts("p", xml)
        MessageEncoder().volume(facts, "etag")
    with only_model_errors():
        render_volume(parse_volume(xml))


@given(documents(*DOMAINS))
@settings(max_examples=150)
def test_domains_and_snapshots(xml: str) -> None:
    with only_model_errors():
        list(references(xml, WHO, DomainState.INACTIVE))
        list(domain_secrets(xml, "guest"))
    with only_model_errors():
        list(snapshot_references(xml, WHO))


@given(documents(*SECRETS, *SOURCES))
@settings(max_examples=100)
def test_secrets_and_sources(xml: str) -> None:
    with only_model_errors():
        MessageEncoder().secret(parse_secret(xml), "etag")
    with only_model_errors():
        parse_sources(xml)


@pytest.mark.parametrize("xml", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize(
    "parse",
    [
        parse_pool,
        parse_volume,
        lambda xml: parse_facts("p", xml),
        lambda xml: list(references(xml, WHO, DomainState.INACTIVE)),
        parse_secret,
        parse_sources,
    ],
    ids=["pool", "volume", "facts", "domain", "secret", "sources"],
)
def test_hostile_documents_cost_little(parse: Callable[[str], object], xml: str) -> None:
    with only_model_errors():
        parse(xml)


@pytest.mark.parametrize(
    ("mtime", "modified_at_s"),
    [
        ("18446744073409551615.500000000", -300_000_000.5),
        ("18446744073709551615", -1.0),
        ("99999999999999999", None),
        ("soon", None),
        ("", None),
    ],
)
def test_files_may_be_of_any_year(mtime: str, modified_at_s: float | None) -> None:
    xml = f"<volume><name>a</name><target><timestamps><mtime>{mtime}</mtime></timestamps></target></volume>"
    assert parse_facts("p", xml).modified_at_s == modified_at_s


@given(st.integers(2**63, 2**64 - 1))
def test_a_broken_images_size_is_told_as_the_largest_there_is(size_bytes: int) -> None:
    facts = parse_facts("p", f"<volume><name>a</name><capacity>{size_bytes}</capacity></volume>")
    assert facts.capacity_bytes == size_bytes
    assert MessageEncoder().volume(facts, "") == MessageEncoder().volume(
        parse_facts("p", f"<volume><name>a</name><capacity>{2**63 - 1}</capacity></volume>"), ""
    )
