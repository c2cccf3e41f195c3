"""What libvirt can do here, and which host it is on."""

from xml.etree.ElementTree import Element

import libvirt

from poolfleet_agent.hypervisor.xml import document


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


def host_uuid(connection: libvirt.virConnect) -> str:
    """The host's SMBIOS UUID as libvirt knows it; may take seconds, while libvirt asks its emulators."""
    return document.read(connection.getCapabilities(), "capabilities").findtext("host/uuid") or ""
