"""Domain and snapshot documents of libvirt: every file, device and volume that they refer to."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element

from poolfleet_agent.hypervisor.xml import document
from poolfleet_agent.model.domain_disk import DiskRole, DomainReference, DomainState

_ROLES = {"cdrom": DiskRole.CDROM, "floppy": DiskRole.FLOPPY}
_PATH_ATTRIBUTES = {"file": "file", "block": "dev", "dir": "dir", "mount": "dir"}
_DEEPEST_CHAIN = 1000


@dataclass(frozen=True, slots=True)
class Domain:
    """Whose document it is."""

    name: str
    uuid: str


def references(xml: str, domain: Domain, state: DomainState) -> Iterator[DomainReference]:
    """All that a domain's document refers to; INVALID_FIELD where it is none."""
    return _of_domain(document.read(xml, "domain"), domain, state)


def snapshot_references(xml: str, domain: Domain) -> Iterator[DomainReference]:
    """All that a snapshot's document refers to: its own disks and memory, and what it would return to."""
    root = document.read(xml, "domainsnapshot")
    memory = root.find("memory")
    if memory is not None and (path := memory.get("file")):
        yield _file(domain, DomainState.INACTIVE, DiskRole.MEMORY_IMAGE, "memory", path)
    for disk in root.iterfind("disks/disk"):
        found = _source(disk, domain, DomainState.INACTIVE, DiskRole.SNAPSHOT, disk.get("name", ""))
        if found is not None:
            yield replace(found, format=_format(disk.find("driver")))
    for kept in (*root.iterfind("domain"), *root.iterfind("inactiveDomain")):
        for reference in _of_domain(kept, domain, DomainState.INACTIVE):
            yield replace(reference, role=DiskRole.SNAPSHOT)


def _of_domain(root: Element, domain: Domain, state: DomainState) -> Iterator[DomainReference]:
    for disk in root.iterfind("devices/disk"):
        yield from _disk(disk, domain, state)
    for shared in root.iterfind("devices/filesystem"):
        target = shared.find("target")
        name = "" if target is None else target.get("dir", "")
        found = _source(shared, domain, state, DiskRole.DISK, name)
        if found is not None:
            yield replace(found, read_only=shared.find("readonly") is not None, format="raw")
    for path in root.iterfind("devices/memory/source/path"):
        if path.text:
            yield _file(domain, state, DiskRole.DISK, "nvdimm", path.text)
    yield from _boot(root, domain, state)


def _boot(root: Element, domain: Domain, state: DomainState) -> Iterator[DomainReference]:
    loader, nvram = root.find("os/loader"), root.find("os/nvram")
    if loader is not None and loader.text:
        reference = _file(domain, state, DiskRole.LOADER, "loader", loader.text)
        yield replace(reference, read_only=loader.get("readonly") != "no", format=loader.get("format", ""))
    if nvram is not None:
        found = _source(nvram, domain, state, DiskRole.NVRAM, "nvram")
        if found is None and nvram.text and nvram.text.strip():
            found = _file(domain, state, DiskRole.NVRAM, "nvram", nvram.text)
        if found is not None:
            yield replace(found, format=nvram.get("format", ""))
    for tag in ("kernel", "initrd", "dtb", "shim"):
        path = root.findtext(f"os/{tag}")
        if path:
            yield replace(_file(domain, state, DiskRole.KERNEL, tag, path), read_only=True)


def _disk(disk: Element, domain: Domain, state: DomainState) -> Iterator[DomainReference]:
    role = _ROLES.get(disk.get("device", "disk"), DiskRole.DISK)
    target = disk.find("target")
    name = "" if target is None else target.get("dev", "")
    own = _source(disk, domain, state, role, name)
    if own is not None:
        yield replace(
            own,
            read_only=role is DiskRole.CDROM or disk.find("readonly") is not None,
            shared=disk.find("shareable") is not None,
            format=_format(disk.find("driver")),
        )
    yield from _below(disk, domain, state, name)
    mirror = disk.find("mirror")
    if mirror is not None:
        copy = _source(mirror, domain, state, DiskRole.MIRROR, name)
        # Before libvirt 1.2 the path stood in the element itself.
        if copy is None and (path := mirror.get("file")):
            copy = _file(domain, state, DiskRole.MIRROR, name, path)
        if copy is not None:
            yield replace(copy, format=_format(mirror.find("format")))
        yield from _below(mirror, domain, state, name)


def _below(top: Element, domain: Domain, state: DomainState, target: str) -> Iterator[DomainReference]:
    """What a disk lies on: data files of each layer, and the chain of backing files."""
    layer: Element | None = top
    for depth in range(_DEEPEST_CHAIN):
        if layer is None:
            return
        if depth:
            backing = _source(layer, domain, state, DiskRole.BACKING, target)
            if backing is not None:
                yield replace(backing, read_only=True, depth=depth, format=_format(layer.find("format")))
        data = layer.find("source/dataStore")
        if data is not None:
            found = _source(data, domain, state, DiskRole.DATA_FILE, target)
            if found is not None:
                yield replace(found, read_only=depth > 0, depth=depth, format=_format(data.find("format")))
        layer = layer.find("backingStore")


def _source(
    element: Element, domain: Domain, state: DomainState, role: DiskRole, target: str
) -> DomainReference | None:
    """The `<source>` of a disk, or of whatever is written like one; None: nothing inserted."""
    source = element.find("source")
    if source is None:
        return None
    kind = element.get("type", "file")
    reference = DomainReference(
        domain=domain.name,
        domain_uuid=domain.uuid,
        domain_state=state,
        role=role,
        target=target,
        source_kind=kind,
        path=source.get(_PATH_ATTRIBUTES.get(kind, ""), ""),
        pool=source.get("pool", "") if kind == "volume" else "",
        volume=source.get("volume", "") if kind == "volume" else "",
    )
    local = kind in _PATH_ATTRIBUTES or kind == "volume"
    return None if local and not (reference.path or reference.volume) else reference


def _file(domain: Domain, state: DomainState, role: DiskRole, target: str, path: str) -> DomainReference:
    return DomainReference(
        domain=domain.name,
        domain_uuid=domain.uuid,
        domain_state=state,
        role=role,
        target=target,
        source_kind="file",
        path=path.strip(),
    )


def _format(element: Element | None) -> str:
    return "" if element is None else element.get("type", "")
