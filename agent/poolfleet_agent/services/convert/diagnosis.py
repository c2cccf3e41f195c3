"""Diagnoses and discoveries between API and model."""

from poolfleet.v1 import diagnosis_pb2, pool_service_pb2
from poolfleet_agent.model.diagnosis import Diagnosis, LayerReport
from poolfleet_agent.model.discovery import DiscoveredSource, Discovery, SourceQuery
from poolfleet_agent.model.share_access import ShareUsers
from poolfleet_agent.services.convert.texts import text_to
from poolfleet_agent.services.convert.times import write_duration


def diagnosis_to(diagnosis: Diagnosis) -> pool_service_pb2.ProbePoolResponse:
    """Write a pool's diagnosis."""
    failed = diagnosis.failed
    message = pool_service_pb2.ProbePoolResponse(
        layers=[_layer_to(report) for report in diagnosis.layers],
        failure=failed.failure if failed is not None else "",
        verdict=text_to(diagnosis.verdict),
        advice=diagnosis.advice,
    )
    if diagnosis.users is not None:
        message.users.CopyFrom(_users_to(diagnosis.users))
    return message


def _layer_to(report: LayerReport) -> diagnosis_pb2.ProbeLayer:
    message = diagnosis_pb2.ProbeLayer(
        layer=report.layer,
        outcome=diagnosis_pb2.ProbeLayer.Outcome.Value(f"OUTCOME_{report.outcome}"),
        failure=report.failure,
        message=text_to(report.message),
    )
    if report.duration_s is not None:
        write_duration(message.duration, report.duration_s)
    return message


def _users_to(users: ShareUsers) -> diagnosis_pb2.ShareUsers:
    return diagnosis_pb2.ShareUsers(
        root_squashed=users.root_squashed,
        root_uid=users.root_uid,
        worker_uid=users.worker_uid,
        worker_gid=users.worker_gid,
        libvirt_can_list=users.libvirt_can_list,
        qemu_user=users.qemu_user,
        qemu_can_read=users.qemu_can_read,
        qemu_can_write=users.qemu_can_write,
        owner_is_nobody=users.owner_is_nobody,
    )


def query_from(request: pool_service_pb2.DiscoverPoolSourcesRequest) -> SourceQuery:
    """Read where to look for sources."""
    return SourceQuery(
        type=request.type,
        host=request.host,
        port=request.port,
        initiator=request.initiator,
        format=request.format,
    )


def discovery_to(discovery: Discovery) -> pool_service_pb2.DiscoverPoolSourcesResponse:
    """Write what was found."""
    return pool_service_pb2.DiscoverPoolSourcesResponse(
        sources=[_source_to(source) for source in discovery.sources],
        found_by=diagnosis_pb2.DiscoveredBy.Value(f"DISCOVERED_BY_{discovery.found_by}"),
    )


def _source_to(source: DiscoveredSource) -> diagnosis_pb2.DiscoveredSource:
    return diagnosis_pb2.DiscoveredSource(
        host=source.host,
        path=text_to(source.path),
        name=source.name,
        devices=source.devices,
        clients=source.clients,
        xml=source.xml,
    )
