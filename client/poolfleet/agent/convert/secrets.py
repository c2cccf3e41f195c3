"""Secrets: what is asked for, and what comes in."""

from __future__ import annotations

from datetime import datetime

from poolfleet.types.errors import InvalidArgument
from poolfleet.types.secret import Secret, SecretRef, SecretSpec
from poolfleet.v1 import secret_pb2


def secret(message: secret_pb2.Secret, *, as_of: datetime | None = None) -> Secret:
    """A secret, with the time libvirt was asked where the answer told one."""
    return Secret(
        uuid=message.uuid,
        usage_type=message.usage_type,
        usage_id=message.usage_id,
        description=message.description,
        private=message.private,
        ephemeral=message.ephemeral,
        etag=message.etag,
        as_of=as_of,
    )


def secret_spec(spec: SecretSpec) -> secret_pb2.SecretSpec:
    """What a secret is asked to be."""
    return secret_pb2.SecretSpec(
        usage_type=spec.usage_type,
        usage_id=spec.usage_id,
        uuid=spec.uuid,
        description=spec.description,
        private=spec.private,
        ephemeral=spec.ephemeral,
    )


def secret_ref(ref: SecretRef) -> secret_pb2.SecretRef:
    """Which secret is meant."""
    return secret_pb2.SecretRef(uuid=ref.uuid, usage_type=ref.usage_type, usage_id=ref.usage_id)


def secret_value(value: str | bytes) -> bytes:
    """The bytes of a value; raises InvalidArgument, which says nothing of it."""
    try:
        return value.encode() if isinstance(value, str) else bytes(value)
    except UnicodeEncodeError:
        # Python's own error would carry the value along.
        raise InvalidArgument("The value is text that UTF-8 cannot hold: give bytes.", reason="INVALID_FIELD") from None
