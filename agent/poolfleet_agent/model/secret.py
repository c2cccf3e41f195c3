"""A secret of libvirt's: its names, what is asked of it, what libvirt says of it, and its value, which never shows."""

from dataclasses import dataclass, replace

from poolfleet_agent.model.errors import invalid_field
from poolfleet_agent.model.names import check_no_control, check_uuid

USAGE_TYPES = ("volume", "ceph", "iscsi", "tls", "vtpm")
"""What secrets are for, in libvirt's spelling."""

VOLUME_USAGE = "volume"
LONGEST_TEXT_BYTES = 1024
LONGEST_VALUE_BYTES = 65536
"""libvirt's own limit."""


@dataclass(frozen=True, slots=True, repr=False)
class SecretValue:
    """A value on its way: whoever writes or formats what holds it writes no more than that there is one."""

    reveal: bytes

    def __repr__(self) -> str:
        """Give no value away."""
        return "SecretValue(hidden)"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRef:
    """Names a secret: by UUID, or (empty) by its usage, which no two of a host have in common."""

    uuid: str = ""
    usage_type: str = ""
    usage_id: str = ""

    def __str__(self) -> str:
        """What people call it."""
        return self.uuid or f"{self.usage_type}:{self.usage_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretDefinition:
    """What a caller asks a secret to be. None: not stated."""

    usage_type: str
    usage_id: str
    uuid: str | None = None
    description: str | None = None
    private: bool | None = None
    ephemeral: bool | None = None

    @property
    def ref(self) -> SecretRef:
        """Its name by usage."""
        return SecretRef(usage_type=self.usage_type, usage_id=self.usage_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretFacts:
    """What libvirt says of a secret; its value is no part of it."""

    uuid: str
    usage_type: str
    usage_id: str
    description: str = ""
    private: bool = False
    ephemeral: bool = False

    @property
    def place_in_order(self) -> tuple[str, str, str]:
        """What lists are sorted by."""
        return self.usage_type, self.usage_id, self.uuid

    @property
    def usage(self) -> SecretRef:
        """Its name by what it is for."""
        return SecretRef(usage_type=self.usage_type, usage_id=self.usage_id)

    def is_named_by(self, ref: SecretRef) -> bool:
        """Whether a reference means this one."""
        if ref.uuid:
            return ref.uuid == self.uuid
        return (ref.usage_type, ref.usage_id) == (self.usage_type, self.usage_id)


@dataclass(frozen=True, slots=True)
class SecretUse:
    """Something whose document refers to a secret: `user` says what, for people."""

    user: str
    ref: SecretRef


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretReading:
    """Which secrets domains refer to, and what could not be read, a sentence each."""

    uses: tuple[SecretUse, ...]
    missing: tuple[str, ...] = ()


def check_definition(field_name: str, asked: SecretDefinition) -> SecretDefinition:
    """Refuse what no secret can be: INVALID_FIELD. The answer has its UUID as libvirt writes it."""
    _check_usage(field_name, asked.usage_type, asked.usage_id)
    if asked.description is not None:
        _check_text(f"{field_name}.description", asked.description)
    if asked.uuid is not None:
        asked = replace(asked, uuid=check_uuid(f"{field_name}.uuid", asked.uuid))
    return asked


def check_ref(field_name: str, ref: SecretRef) -> SecretRef:
    """Refuse what names no secret, or names it twice: INVALID_FIELD. The answer has its UUID as libvirt writes it."""
    if ref.uuid:
        if ref.usage_id:
            raise invalid_field(field_name, "names a secret by its uuid or by its usage, not by both")
        return SecretRef(uuid=check_uuid(f"{field_name}.uuid", ref.uuid))
    _check_usage(field_name, ref.usage_type, ref.usage_id)
    return ref


def check_value(field_name: str, value: bytes) -> SecretValue:
    """Refuse a value that libvirt does not take: INVALID_FIELD, which says its length at most."""
    if not value:
        raise invalid_field(field_name, "must not be empty")
    if len(value) > LONGEST_VALUE_BYTES:
        raise invalid_field(field_name, f"must have at most {LONGEST_VALUE_BYTES} bytes")
    return SecretValue(value)


def secret_differences(asked: SecretDefinition, have: SecretFacts) -> tuple[str, ...]:
    """Name the fields in which a secret is not as asked and cannot become so; empty: none. Never its value."""
    fields = {
        "uuid": (asked.uuid, have.uuid),
        "usage": ((asked.usage_type, asked.usage_id), (have.usage_type, have.usage_id)),
        "private": (asked.private, have.private),
        "ephemeral": (asked.ephemeral, have.ephemeral),
    }
    return tuple(name for name, (wanted, found) in fields.items() if wanted is not None and wanted != found)


def _check_usage(field_name: str, usage_type: str, usage_id: str) -> None:
    if usage_type not in USAGE_TYPES:
        raise invalid_field(f"{field_name}.usage_type", f"must be one of {', '.join(USAGE_TYPES)}", value=usage_type)
    if not usage_id:
        raise invalid_field(f"{field_name}.usage_id", "must not be empty")
    _check_text(f"{field_name}.usage_id", usage_id)


def _check_text(field_name: str, text: str) -> None:
    check_no_control(field_name, text)
    if len(text.encode()) > LONGEST_TEXT_BYTES:
        raise invalid_field(field_name, f"must have at most {LONGEST_TEXT_BYTES} bytes", value=text)
