"""Definitions of pools of every type, as hypothesis draws them: what libvirt's XML can hold and reads back as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from poolfleet_agent.model.pool import TARGETLESS_POOL_TYPES, Permissions, PoolDefinition
from poolfleet_agent.model.pool_source import (
    SOURCES,
    DirSource,
    DiskSource,
    FcHostAdapter,
    FsSource,
    GlusterSource,
    IscsiDirectSource,
    IscsiSource,
    LogicalSource,
    MpathSource,
    NetfsSource,
    PoolSource,
    RbdSource,
    ScsiHostAdapter,
    ScsiSource,
    SourceAuth,
    SourceHost,
    VstorageSource,
    ZfsSource,
)

# What XML can hold and keeps as it is: no control characters, no surrogates, no non-characters.
words = st.text(
    st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff\u2028\u2029"), min_size=1
)
maybe = st.none() | words
_few = st.lists(words, max_size=3, unique=True).map(tuple)
_switch = st.none() | st.booleans()
_ids = st.none() | st.integers(0, 2**32 - 2)
_pci = st.builds(
    "{:04x}:{:02x}:{:02x}.{:x}".format,
    st.integers(0, 0xFFFF),
    st.integers(0, 255),
    st.integers(0, 31),
    st.integers(0, 7),
)
permissions = st.none() | st.builds(
    Permissions, mode=st.none() | st.integers(0, 0o7777), owner=_ids, group=_ids, label=st.just("") | words
)

_host = st.builds(SourceHost, name=words, port=st.none() | st.integers(1, 65535))
_hosts = st.lists(_host, min_size=1, max_size=3).map(tuple)


def _auth(kind: str) -> st.SearchStrategy[SourceAuth | None]:
    by_uuid = st.builds(SourceAuth, type=st.just(kind), username=words, secret_uuid=st.uuids().map(str))
    return st.none() | by_uuid | st.builds(SourceAuth, type=st.just(kind), username=words, secret_usage=words)


_scsi_host = st.builds(ScsiHostAdapter, name=words) | st.builds(
    ScsiHostAdapter, parent_address=_pci, unique_id=st.integers(0, 99)
)
_fc_host = st.builds(
    FcHostAdapter,
    wwnn=words,
    wwpn=words,
    parent=maybe,
    parent_wwnn=maybe,
    parent_wwpn=maybe,
    parent_fabric_wwn=maybe,
    managed=_switch,
)
_sources: dict[type[PoolSource], st.SearchStrategy[Any]] = {
    DirSource: st.just(DirSource()),
    NetfsSource: st.builds(NetfsSource, host=words, path=words, format=maybe),
    FsSource: st.builds(FsSource, device=words, format=maybe),
    LogicalSource: st.builds(LogicalSource, name=maybe, devices=_few, format=maybe),
    DiskSource: st.builds(DiskSource, device=words, format=maybe, part_separator=_switch),
    IscsiSource: st.builds(IscsiSource, host=_host, device=words, initiator=maybe, auth=_auth("chap")),
    IscsiDirectSource: st.builds(IscsiDirectSource, host=_host, device=words, initiator=words, auth=_auth("chap")),
    ScsiSource: st.builds(ScsiSource, adapter=_scsi_host | _fc_host),
    MpathSource: st.just(MpathSource()),
    RbdSource: st.builds(
        RbdSource,
        name=words,
        hosts=_hosts,
        auth=_auth("ceph"),
        config_options=st.lists(st.tuples(words, words), max_size=3).map(tuple),
        volume_allocation=st.none() | st.sampled_from(["default", "capacity"]),
    ),
    GlusterSource: st.builds(GlusterSource, hosts=_hosts, name=maybe, path=maybe),
    ZfsSource: st.builds(ZfsSource, name=maybe, devices=_few),
    VstorageSource: st.builds(VstorageSource, name=maybe),
}


POOL_TYPES = (*SOURCES, "sheepdog")
"""Those that have a typed form, and one that has none."""


@st.composite
def definitions(draw: st.DrawFn, pool_types: Sequence[str] = POOL_TYPES) -> PoolDefinition:
    """Draw a definition of one of these types."""
    pool_type = draw(st.sampled_from(pool_types))
    kind = SOURCES.get(pool_type)
    targetless = pool_type in TARGETLESS_POOL_TYPES
    return PoolDefinition(
        name=draw(words),
        type=pool_type,
        uuid=draw(st.none() | st.uuids().map(str)),
        source=None if kind is None else draw(_sources[kind]),
        target_path=None if targetless else draw(maybe),
        target_permissions=None if targetless else draw(permissions),
        mount_options=draw(st.none() | st.lists(words, min_size=1, max_size=4).map(tuple)),
        protocol_version=draw(st.none() | words),
        cow=draw(_switch),
        vendor=draw(maybe),
        product=draw(maybe),
    )
