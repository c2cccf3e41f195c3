"""DeleteSecret: forget a secret that nothing on this host refers to."""

from dataclasses import dataclass, field
from typing import ClassVar

from poolfleet_agent.control.host import Host, check_etag
from poolfleet_agent.control.mutation import Outcome, SecretMutation, Work
from poolfleet_agent.control.report import Report
from poolfleet_agent.control.secrets.lookup import check_secret_not_in_use, secret_not_found
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.etag import secret_etag
from poolfleet_agent.model.operation import OperationKind
from poolfleet_agent.model.secret import SecretRef


@dataclass(frozen=True, kw_only=True)
class DeleteSecret(SecretMutation):
    """Delete one secret."""

    kind: ClassVar = OperationKind.DELETE_SECRET
    host: Host = field(repr=False)
    ref: SecretRef
    etag: str = ""
    allow_missing: bool = False
    allow_in_use: bool = False

    @property
    def secret(self) -> str:
        """As the request names it."""
        return str(self.ref)

    async def check(self) -> Outcome | Work:
        """Refuse what is another than the caller saw, or is in use."""
        facts = await self.host.hypervisor.secrets.find(self.ref)
        if facts is None:
            if self.allow_missing:
                return Outcome(changed=False)
            raise secret_not_found(self.ref)
        check_etag(self.etag, secret_etag(facts))
        if not self.allow_in_use:
            await check_secret_not_in_use(self.host, facts)

        async def perform(report: Report) -> Outcome:
            return await self._delete(facts.uuid)

        return Work(perform=perform, timeout_s=self.host.rules.operation_timeout_s)

    async def _delete(self, uuid: str) -> Outcome:
        try:
            await self.host.hypervisor.secrets.delete(uuid)
        except ModelError as error:
            if error.reason is not Reason.SECRET_NOT_FOUND or not self.allow_missing:
                raise
            return Outcome(changed=False)
        return Outcome(changed=True)
