"""Diagnoses and discoveries that come in."""

from __future__ import annotations

from poolfleet.agent.convert.scalars import Numbers, seconds
from poolfleet.types.discovery import DiscoveredBy, DiscoveredSource, PoolSources
from poolfleet.types.probe import LayerOutcome, PoolProbe, ProbeLayer, ShareUsers
from poolfleet.v1 import diagnosis_pb2, pool_service_pb2

_OUTCOMES = Numbers(diagnosis_pb2.ProbeLayer.Outcome.items(), "OUTCOME_", LayerOutcome)

_FOUND_BY = Numbers(diagnosis_pb2.DiscoveredBy.items(), "DISCOVERED_BY_", DiscoveredBy)


def pool_probe(message: pool_service_pb2.ProbePoolResponse) -> PoolProbe:
    """A pool's diagnosis."""
    return PoolProbe(
        layers=tuple(map(_layer, message.layers)),
        failure=message.failure,
        verdict=message.verdict,
        advice=message.advice,
        users=_users(message.users) if message.HasField("users") else None,
    )


def _layer(message: diagnosis_pb2.ProbeLayer) -> ProbeLayer:
    return ProbeLayer(
        layer=message.layer,
        outcome=_OUTCOMES[message.outcome],
        duration_s=seconds(message.duration) if message.HasField("duration") else None,
        failure=message.failure,
        message=message.message,
    )


def _users(message: diagnosis_pb2.ShareUsers) -> ShareUsers:
    has = message.HasField
    return ShareUsers(
        root_squashed=message.root_squashed if has("root_squashed") else None,
        root_uid=message.root_uid if has("root_uid") else None,
        worker_uid=message.worker_uid,
        worker_gid=message.worker_gid,
        libvirt_can_list=message.libvirt_can_list,
        qemu_user=message.qemu_user,
        qemu_can_read=message.qemu_can_read if has("qemu_can_read") else None,
        qemu_can_write=message.qemu_can_write if has("qemu_can_write") else None,
        owner_is_nobody=message.owner_is_nobody,
    )


def pool_sources(message: pool_service_pb2.DiscoverPoolSourcesResponse) -> PoolSources:
    """What one host found."""
    return PoolSources(
        sources=tuple(map(_source, message.sources)),
        found_by=_FOUND_BY[message.found_by],
    )


def _source(message: diagnosis_pb2.DiscoveredSource) -> DiscoveredSource:
    return DiscoveredSource(
        host=message.host,
        path=message.path,
        name=message.name,
        devices=tuple(message.devices),
        clients=tuple(message.clients),
        xml=message.xml,
    )
