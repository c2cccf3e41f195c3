"""Finding a secret, those that a pool needs, and who on this host refers to one."""

from collections.abc import Iterator

from poolfleet_agent.control.host import Host, require_complete
from poolfleet_agent.control.in_use import shortened
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import PoolFacts
from poolfleet_agent.model.secret import SecretFacts, SecretRef, SecretUse


async def find_secret(host: Host, ref: SecretRef) -> SecretFacts:
    """Find a secret as libvirt has it: SECRET_NOT_FOUND."""
    facts = await host.hypervisor.secrets.find(ref)
    if facts is None:
        raise secret_not_found(ref)
    return facts


def secret_not_found(ref: SecretRef) -> ModelError:
    """SECRET_NOT_FOUND."""
    return ModelError(Reason.SECRET_NOT_FOUND, f"no secret {ref} on this host", metadata={"secret": str(ref)})


async def check_has_secrets(host: Host, pool: str, xml: str) -> None:
    """Refuse to start a pool that logs in with a secret that this host does not have: SECRET_NOT_USABLE.

    Where libvirt has no secrets at all, it tells that better itself.
    """
    for ref in host.hypervisor.documents.pool_secrets(xml):
        try:
            found = await host.hypervisor.secrets.find(ref)
        except ModelError as error:
            if error.reason is not Reason.NOT_SUPPORTED_HERE:
                raise
            return
        if found is None:
            raise ModelError(
                Reason.SECRET_NOT_USABLE,
                f"pool {pool!r} logs in with secret {ref}, which is not on this host: set it first",
                metadata={"pool": pool, "secret": str(ref)},
            )


async def check_secret_not_in_use(host: Host, facts: SecretFacts) -> None:
    """Refuse while a pool, a volume or a domain of this host refers to the secret: SECRET_IN_USE."""
    host.registry.snapshot.require_loaded()
    domains = await host.hypervisor.read_domain_secrets()
    uses = [*_uses_of_storage(host), *domains.uses]
    users = shortened(sorted({use.user for use in uses if facts.is_named_by(use.ref)}))
    if users:
        raise ModelError(
            Reason.SECRET_IN_USE,
            f"secret {facts.usage} is used by {users}",
            metadata={"secret": facts.uuid, "users": users},
        )
    unread = [f"pool {name}: {error.message}" for name, error in host.registry.snapshot.never_read.items()]
    require_complete([*unread, *domains.missing], f"secret {facts.usage}")


def _uses_of_storage(host: Host) -> Iterator[SecretUse]:
    for entry in host.registry.snapshot.pools.values():
        for ref in _secrets_of_pool(host, entry.pool.facts):
            yield SecretUse(f"pool {entry.pool.name}", ref)
        for record in entry.volumes.values():
            if record.facts.secret is not None:
                yield SecretUse(f"volume {entry.pool.name}/{record.facts.name}", record.facts.secret)


def _secrets_of_pool(host: Host, facts: PoolFacts) -> Iterator[SecretRef]:
    for xml in (facts.xml, facts.inactive_xml):
        if xml:
            yield from host.hypervisor.documents.pool_secrets(xml)
