"""What libvirt can do here, which host it is on, and whom guests run as."""

import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element

import libvirt

from poolfleet_agent.hypervisor.xml import document
from poolfleet_agent.model.share_user import ShareUser

_LABEL = re.compile(r"\+?([0-9]+):\+?([0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCapabilities:
    """The host's SMBIOS UUID as libvirt knows it (empty: not known), and whom guests run as (None: not told)."""

    host_uuid: str = ""
    qemu_user: ShareUser | None = None


def pool_types(connection: libvirt.virConnect) -> tuple[str, ...]:
    """Pool types that have a backend here; empty where the driver does not say."""
    try:
        root = document.read(connection.getStoragePoolCapabilities(), "storagepoolCapabilities")
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise
        return ()
    supported: list[Element] = [pool for pool in root.iterfind("pool") if pool.get("supported") == "yes"]
    return tuple(pool.get("type", "") for pool in supported)


def of_host(connection: libvirt.virConnect) -> HostCapabilities:
    """What libvirt says of its host; may take seconds, while libvirt asks its emulators."""
    root = document.read(connection.getCapabilities(), "capabilities")
    return HostCapabilities(host_uuid=root.findtext("host/uuid") or "", qemu_user=_qemu_user(root))


def _qemu_user(root: Element) -> ShareUser | None:
    """Read the label of the DAC security model: `+UID:+GID`."""
    for model in root.iterfind("host/secmodel"):
        label = _LABEL.fullmatch(model.findtext("baselabel") or "")
        if model.findtext("model") == "dac" and label is not None:
            return ShareUser(uid=int(label[1]), gid=int(label[2]))
    return None
