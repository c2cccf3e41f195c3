"""SetSecret: make a secret, or give the one that has its usage another value."""

from dataclasses import dataclass, field
from typing import ClassVar

from poolfleet_agent.control.host import Host, check_etag
from poolfleet_agent.control.mutation import Outcome, SecretMutation, Work
from poolfleet_agent.control.report import Report
from poolfleet_agent.control.secrets.lookup import secret_not_found
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.etag import secret_etag
from poolfleet_agent.model.operation import OperationKind
from poolfleet_agent.model.secret import SecretDefinition, SecretFacts, SecretRef, SecretValue, secret_differences


@dataclass(frozen=True, kw_only=True)
class SetSecret(SecretMutation):
    """Set one secret. `value_digest` stands for the value in all that compares requests, and says nothing of it."""

    kind: ClassVar = OperationKind.SET_SECRET
    host: Host = field(repr=False)
    definition: SecretDefinition
    value: SecretValue = field(repr=False)
    value_digest: str
    etag: str = ""

    @property
    def secret(self) -> str:
        """By its usage."""
        return str(self.definition.ref)

    async def check(self) -> Outcome | Work:
        """Refuse what would have to become another secret than the one that is there."""
        asked = self.definition
        refs = [asked.ref] if asked.uuid is None else [asked.ref, SecretRef(uuid=asked.uuid)]
        found = [facts for ref in refs if (facts := await self.host.hypervisor.secrets.find(ref)) is not None]
        if self.etag and not found:
            raise secret_not_found(asked.ref)
        for facts in found:
            self._check(facts)

        async def perform(report: Report) -> Outcome:
            made = await self.host.hypervisor.secrets.set(asked, self.value)
            encoded = self.host.encoder.secret(made, secret_etag(made))
            return Outcome(changed=True, result_kind="secret", result=encoded)

        return Work(perform=perform, timeout_s=self.host.rules.operation_timeout_s)

    def _check(self, have: SecretFacts) -> None:
        check_etag(self.etag, secret_etag(have))
        if fields := secret_differences(self.definition, have):
            raise ModelError(
                Reason.SECRET_EXISTS,
                f"secret {self.secret} exists as {have.uuid} with another {', '.join(fields)}; only its value and"
                " description can be replaced",
                metadata={"secret": self.secret, "uuid": have.uuid, "fields": ",".join(fields)},
            )
