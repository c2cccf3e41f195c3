"""Secrets, and volumes encrypted with them, that are refused: the request, and the reason."""

from __future__ import annotations

from typing import Any

from poolfleet.v1.secret_pb2 import SecretRef, SecretSpec
from poolfleet.v1.secret_service_pb2 import DeleteSecretRequest, ListSecretsRequest, SetSecretRequest
from poolfleet.v1.volume_pb2 import VolumeEncryption, VolumeSpec
from poolfleet.v1.volume_service_pb2 import CreateVolumeRequest
from tests.integration.bad_input.place import MIB, Make

UUID = "11111111-2222-3333-4444-555555555555"


def _setting(value: bytes = b"x", **stated: Any) -> Make:
    fields: dict[str, Any] = {"usage_type": "ceph", "usage_id": "new", **stated}
    return lambda _: SetSecretRequest(spec=SecretSpec(**fields), value=value)


def _deleting(**stated: str) -> Make:
    return lambda _: DeleteSecretRequest(secret=SecretRef(**stated))


def _encrypting(**stated: str) -> Make:
    encryption = VolumeEncryption(secret=SecretRef(**stated))
    spec = VolumeSpec(name="new", capacity_bytes=MIB, encryption=encryption)
    return lambda _: CreateVolumeRequest(pool="images", spec=spec)


BAD_SECRETS: dict[str, tuple[Make, str]] = {
    "set nothing": (lambda _: SetSecretRequest(), "INVALID_FIELD"),
    "set no value": (_setting(b""), "INVALID_FIELD"),
    "set too long a value": (_setting(bytes(65_537)), "INVALID_FIELD"),
    "set of no usage": (_setting(usage_type=""), "INVALID_FIELD"),
    "set of an unknown usage": (_setting(usage_type="none"), "INVALID_FIELD"),
    "set for nothing": (_setting(usage_id=""), "INVALID_FIELD"),
    "set for two lines": (_setting(usage_id="a\nb"), "INVALID_FIELD"),
    "set for very much": (_setting(usage_id="x" * 1025), "INVALID_FIELD"),
    "set with no UUID": (_setting(uuid="new"), "INVALID_FIELD"),
    "set with a description of two lines": (_setting(description="a\nb"), "INVALID_FIELD"),
    "set what is not there, by its etag": (
        lambda _: SetSecretRequest(spec=SecretSpec(usage_type="ceph", usage_id="none"), value=b"x", etag="x"),
        "SECRET_NOT_FOUND",
    ),
    "delete no secret": (_deleting(usage_type="ceph", usage_id="none"), "SECRET_NOT_FOUND"),
    "delete no UUID": (_deleting(uuid=UUID), "SECRET_NOT_FOUND"),
    "delete what has no name": (_deleting(), "INVALID_FIELD"),
    "delete by two names": (_deleting(uuid=UUID, usage_type="ceph", usage_id="a"), "INVALID_FIELD"),
    "list another list's page of secrets": (lambda _: ListSecretsRequest(page_token="x"), "TOKEN_MISMATCH"),
    "list fewer than no secrets": (lambda _: ListSecretsRequest(page_size=-1), "INVALID_FIELD"),
    "encrypt with nothing": (_encrypting(), "INVALID_FIELD"),
    "encrypt with a key of ceph": (_encrypting(usage_type="ceph", usage_id="a"), "INVALID_FIELD"),
    "encrypt with no secret": (_encrypting(usage_id="none"), "SECRET_NOT_FOUND"),
}
