"""DefinePool: store a definition, or find that it is stored already."""

from dataclasses import dataclass, field
from typing import ClassVar

from poolfleet_agent.control.host import Host
from poolfleet_agent.control.mutation import Mutation, Outcome, Work
from poolfleet_agent.control.pools.definitions import check_place, check_shape, check_supported, differs
from poolfleet_agent.control.report import Report
from poolfleet_agent.control.secrets.lookup import check_has_secrets
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.compare import pool_differences
from poolfleet_agent.model.desired_state import Desired
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import OperationKind
from poolfleet_agent.model.pool import PoolDefinition


@dataclass(frozen=True, kw_only=True)
class DefinePool(Mutation):
    """`definition` is what the request states; `xml` is its document where it came as one, and passes untouched."""

    kind: ClassVar = OperationKind.DEFINE_POOL
    host: Host = field(repr=False)
    definition: PoolDefinition
    xml: str = ""
    transient: bool = False

    @property
    def target(self) -> tuple[str, str]:
        """The pool."""
        return self.definition.name, ""

    async def check(self) -> Outcome | Work:
        """POOL_EXISTS, SOURCE_IN_USE, TARGET_IN_USE, PATH_NOT_ALLOWED, NOT_SUPPORTED_HERE, INVALID_FIELD.

        One that starts at once: SECRET_NOT_USABLE too.
        """
        check_shape(self.definition, self.host.rules.allowed_mount_options)
        existing = await self.host.fresh_pool_or_none(self.definition.name)
        if existing is not None:
            return self._compare(existing)
        check_supported(self.definition.type, self.host)
        await check_place(self.definition, self.host)
        if self.transient:
            await self.host.quarantine.check_start(self.definition)
            await check_has_secrets(self.host, self.definition.name, self._document)
        timeout_s = self.host.rules.start_timeout_s if self.transient else self.host.rules.operation_timeout_s
        return Work(perform=self._perform, timeout_s=timeout_s)

    @property
    def _document(self) -> str:
        return self.xml or self.host.hypervisor.documents.render_pool(self.definition)

    def _compare(self, existing: PoolEntry) -> Outcome:
        fields = pool_differences(self.definition, existing.pool.stored)
        if fields:
            raise differs(self.definition.name, fields)
        if not self.transient and not existing.pool.facts.persistent:
            raise differs(self.definition.name, ("persistent",))
        if self.transient and not existing.pool.active:
            raise differs(self.definition.name, ("state",))
        return Outcome.of_pool(existing, changed=False)

    async def _perform(self, report: Report) -> Outcome:
        hypervisor = self.host.hypervisor
        xml = self._document
        try:
            if self.transient:
                name = await hypervisor.create_pool(xml, server=self.host.looker.pool_mounts.server(self.definition))
            else:
                name = await hypervisor.define_pool(xml)
        except ModelError as error:
            if error.reason is Reason.POOL_EXISTS:
                # Somebody defined it between our look and libvirt's: compare as if it had been there before.
                return self._compare(await self.host.looker.pool(self.definition.name))
            raise
        entry = await self.host.looker.pool(name)
        if self.transient:
            await self.host.intents.want(entry.pool.facts, Desired.STARTED, "DefinePool")
            # Or as it was, where somebody has stopped it already, and with that it is gone.
            entry = await self.host.fresh_pool_or_none(name) or entry
        return Outcome.of_pool(entry, changed=True)
