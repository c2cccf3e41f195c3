"""What a new volume takes from the storage before anything is written into it, by the word that qemu-img has for it."""

from dataclasses import replace

from poolfleet_agent.model.errors import invalid_field
from poolfleet_agent.model.image_options import QCOW2
from poolfleet_agent.model.volume import VolumeDefinition

METADATA, FALLOC, FULL = "metadata", "falloc", "full"
WHOLE = frozenset({FALLOC, FULL})
"""With these all its bytes are taken."""

_FORMATS = {METADATA: frozenset({QCOW2}), FALLOC: frozenset({"raw", QCOW2}), FULL: frozenset({"raw", QCOW2})}
_FIELD = "preallocation"


def preallocated(definition: VolumeDefinition, kind: str, *, by_libvirt: bool) -> VolumeDefinition:
    """The volume, to be preallocated so (empty: not): INVALID_FIELD.

    by_libvirt: as it does that itself, which has one flag, and looks at the allocation for what that means.
    """
    if not kind:
        return definition
    if kind not in _FORMATS:
        raise invalid_field(_FIELD, f"must be one of {', '.join(_FORMATS)}", value=kind)
    if by_libvirt and kind != METADATA:
        raise invalid_field(_FIELD, "must be metadata with xml", value=kind)
    volume_format = definition.format or "raw"
    if volume_format not in _FORMATS[kind]:
        raise invalid_field(_FIELD, f"{kind} is for {' and '.join(sorted(_FORMATS[kind]))}", value=volume_format)
    if definition.backing_store is not None:
        raise invalid_field(_FIELD, "takes the place of what a backing store holds", value=kind)
    allocation_bytes, capacity_bytes = definition.allocation_bytes, definition.capacity_bytes or 0
    whole = allocation_bytes is None or allocation_bytes >= capacity_bytes
    if kind in WHOLE and not whole:
        raise invalid_field(_FIELD, "takes all bytes, and allocation_bytes is less", value=str(allocation_bytes))
    return replace(definition, preallocation=FALLOC if by_libvirt and whole else kind)
