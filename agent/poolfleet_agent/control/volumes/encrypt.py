"""What encrypted volumes need beyond others: their secrets, and another try where qemu-img could not measure."""

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random

from poolfleet_agent.control.host import Host
from poolfleet_agent.control.secrets.lookup import find_secret
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.secret import VOLUME_USAGE, SecretFacts, SecretRef, SecretValue
from poolfleet_agent.model.volume import VolumeDefinition

MOST_TRIES = 12
"""qemu-img measures how fast it hashes, and gives up where the clock does not move meanwhile: on a fast machine one
time in four, and the next time as likely as before."""


def trying(definition: VolumeDefinition) -> AsyncRetrying:
    """Have a volume created, an encrypted one again where qemu-img could not measure: there is no other cure."""
    return AsyncRetrying(
        retry=retry_if_exception(_could_not_measure),
        stop=stop_after_attempt(1 if definition.encryption is None else MOST_TRIES),
        wait=wait_random(0, 0.1),
        reraise=True,
    )


def _could_not_measure(error: BaseException) -> bool:
    return isinstance(error, ModelError) and error.reason is Reason.RESOURCE_BUSY


async def check_secret(host: Host, definition: VolumeDefinition, *, made_here: bool) -> None:
    """Refuse a secret that cannot be the volume's passphrase: SECRET_NOT_FOUND, SECRET_NOT_USABLE.

    made_here: the agent has to read it, which libvirt refuses where it is private.
    """
    ref = _secret_of(definition)
    if ref is None:
        return
    facts = await _secret_for_volumes(host, ref)
    if made_here and facts.private:
        raise _private(
            facts,
            "makes this volume: it is to be preallocated or a copy, or the server of the share takes root, and so"
            " libvirt, for nobody",
        )


async def passphrase(host: Host, definition: VolumeDefinition) -> SecretValue | None:
    """What the agent's own program encrypts with; None: it is not to: SECRET_NOT_FOUND, SECRET_NOT_USABLE."""
    ref = _secret_of(definition)
    return None if ref is None else await passphrase_of(host, ref)


async def passphrase_of(host: Host, ref: SecretRef) -> SecretValue:
    """The value of a volume's secret, for the agent's own program: SECRET_NOT_FOUND, SECRET_NOT_USABLE."""
    facts = await _secret_for_volumes(host, ref)
    if facts.private:
        raise _private(facts, "reads or makes a volume that it opens")
    return await host.hypervisor.secrets.value(facts.uuid)


def secret_of_file(host: Host, path: str) -> SecretRef:
    """What opens an encrypted file: what libvirt knows of it as a volume, else the secret whose usage is its path."""
    for entry in host.registry.snapshot.pools.values():
        for record in entry.volumes.values():
            if record.facts.path == path and record.facts.secret is not None:
                return record.facts.secret
    return SecretRef(usage_type=VOLUME_USAGE, usage_id=path)


async def _secret_for_volumes(host: Host, ref: SecretRef) -> SecretFacts:
    facts = await find_secret(host, ref)
    if facts.usage_type != VOLUME_USAGE:
        raise _not_usable(facts, f"is of usage {facts.usage_type}, and a volume's must be of usage {VOLUME_USAGE}")
    return facts


def _private(facts: SecretFacts, why: str) -> ModelError:
    return _not_usable(
        facts,
        f"is private, so that libvirt gives it to nobody, and the agent {why}; delete it and set it as not private",
    )


def _secret_of(definition: VolumeDefinition) -> SecretRef | None:
    return definition.encryption.secret if definition.encryption is not None else None


def _not_usable(facts: SecretFacts, why: str) -> ModelError:
    metadata = {"secret": facts.uuid}
    return ModelError(Reason.SECRET_NOT_USABLE, f"secret {facts.usage} {why}", metadata=metadata)
