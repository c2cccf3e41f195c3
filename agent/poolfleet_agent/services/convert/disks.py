"""Domain disks from the model to the API."""

from poolfleet.v1 import domain_disk_pb2
from poolfleet_agent.model.domain_disk import DomainDisk
from poolfleet_agent.services.convert.texts import text_to


def disk_to(disk: DomainDisk) -> domain_disk_pb2.DomainDisk:
    """Write a domain disk."""
    reference = disk.reference
    return domain_disk_pb2.DomainDisk(
        domain=reference.domain,
        domain_uuid=reference.domain_uuid,
        domain_state=domain_disk_pb2.DomainDisk.DomainState.Value(f"DOMAIN_STATE_{reference.domain_state}"),
        role=domain_disk_pb2.DomainDisk.Role.Value(f"ROLE_{reference.role}"),
        target=reference.target,
        source_kind=reference.source_kind,
        path=text_to(disk.path),
        storage_id=disk.storage_id,
        pool=disk.pool,
        volume=disk.volume,
        read_only=reference.read_only,
        shared=reference.shared,
        format=reference.format,
        depth=reference.depth,
    )
