"""Secrets between API and model. Nothing here writes a value into a message."""

from poolfleet.v1 import secret_pb2
from poolfleet_agent.model.secret import SecretDefinition, SecretFacts, SecretRef, check_definition, check_ref


def definition_from(spec: secret_pb2.SecretSpec) -> SecretDefinition:
    """Read what a caller asks a secret to be: INVALID_FIELD."""
    asked = SecretDefinition(
        usage_type=spec.usage_type,
        usage_id=spec.usage_id,
        uuid=spec.uuid or None,
        description=spec.description if spec.HasField("description") else None,
        private=spec.private if spec.HasField("private") else None,
        ephemeral=spec.ephemeral if spec.HasField("ephemeral") else None,
    )
    return check_definition("spec", asked)


def ref_from(field: str, message: secret_pb2.SecretRef, *, usage_type: str = "") -> SecretRef:
    """Read which secret is meant; `usage_type` is meant where the request names none: INVALID_FIELD."""
    ref = SecretRef(
        uuid=message.uuid,
        usage_type="" if message.uuid else message.usage_type or usage_type,
        usage_id=message.usage_id,
    )
    return check_ref(field, ref)


def secret_to(facts: SecretFacts, etag: str) -> secret_pb2.Secret:
    """Write a secret."""
    return secret_pb2.Secret(
        uuid=facts.uuid,
        usage_type=facts.usage_type,
        usage_id=facts.usage_id,
        description=facts.description,
        private=facts.private,
        ephemeral=facts.ephemeral,
        etag=etag,
    )
