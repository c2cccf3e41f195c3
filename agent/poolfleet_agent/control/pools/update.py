"""UpdatePool: change the stored definition, autostart or supervision."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

from poolfleet_agent.control.host import Host, check_etag
from poolfleet_agent.control.mutation import Mutation, Outcome, Work
from poolfleet_agent.control.pools.definitions import check_place, check_shape, differs
from poolfleet_agent.control.report import Report
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.errors import ModelError, Reason, invalid_field
from poolfleet_agent.model.operation import OperationKind
from poolfleet_agent.model.pool import PoolDefinition
from poolfleet_agent.model.quarantine import Use

_SPEC_FIELDS: dict[str, tuple[str, ...]] = {
    "spec.source": ("source",),
    "spec.target": ("target_path", "target_permissions"),
    "spec.target.path": ("target_path",),
    "spec.target.permissions": ("target_permissions",),
    "spec.mount": ("mount_options", "protocol_version"),
    "spec.mount.options": ("mount_options",),
    "spec.mount.protocol_version": ("protocol_version",),
    "spec.features": ("cow",),
    "spec.vendor": ("vendor",),
    "spec.product": ("product",),
}
_NEEDED = frozenset({"source", "target_path"})
UPDATE_MASK_PATHS = frozenset({"autostart", "supervised", "xml", *_SPEC_FIELDS})


@dataclass(frozen=True, kw_only=True)
class UpdatePool(Mutation):
    """`mask` says which values count. `definition` is the typed or parsed one, `xml` its document, if one came."""

    kind: ClassVar = OperationKind.UPDATE_POOL
    host: Host = field(repr=False)
    pool: str
    mask: frozenset[str]
    etag: str = ""
    definition: PoolDefinition | None = None
    xml: str = ""
    autostart: bool = False
    supervised: bool = True

    @property
    def target(self) -> tuple[str, str]:
        """The pool."""
        return self.pool, ""

    @property
    def fingerprint(self) -> str:
        """The mask has no order."""
        return repr((sorted(self.mask), replace(self, mask=frozenset())))

    async def check(self) -> Outcome | Work:
        """POOL_NOT_FOUND, POOL_TRANSIENT, ETAG_MISMATCH, and what a definition can be refused for."""
        self._check_mask()
        entry = await self.host.fresh_pool(self.pool)
        check_etag(self.etag, entry.pool.etag)
        if not entry.pool.facts.persistent and self.mask != {"supervised"}:
            raise ModelError(
                Reason.POOL_TRANSIENT,
                f"pool {self.pool!r} has no stored definition; define it first",
                metadata={"pool": self.pool},
            )
        if self.mask != {"supervised"}:
            await self.host.quarantine.check(entry, Use.READ)
        xml = await self._new_document(entry)
        autostart = self.autostart if "autostart" in self.mask else entry.pool.facts.autostart
        supervised = self.supervised if "supervised" in self.mask else entry.pool.supervised
        if not xml and (autostart, supervised) == (entry.pool.facts.autostart, entry.pool.supervised):
            return Outcome.of_pool(entry, changed=False)

        async def perform(report: Report) -> Outcome:
            server = entry.pool.server
            if xml:
                await self.host.hypervisor.define_pool(xml)
            if autostart != entry.pool.facts.autostart:
                await self.host.hypervisor.set_pool_autostart(self.pool, autostart=autostart, server=server)
            await self.host.intents.supervise(entry.pool.facts, supervised=supervised)
            return Outcome.of_pool(await self.host.looker.pool(self.pool), changed=True)

        return Work(perform=perform, timeout_s=self.host.rules.operation_timeout_s)

    def _check_mask(self) -> None:
        if not self.mask:
            raise invalid_field("update_mask", "must name at least one field")
        if unknown := self.mask - UPDATE_MASK_PATHS:
            allowed = ", ".join(sorted(UPDATE_MASK_PATHS))
            raise invalid_field(
                "update_mask", f"has paths that are not among {allowed}", value=", ".join(sorted(unknown))
            )
        if "xml" in self.mask and any(path.startswith("spec.") for path in self.mask):
            raise invalid_field("update_mask", "names both xml and parts of spec")

    async def _new_document(self, entry: PoolEntry) -> str:
        """The document to store; empty where the stored one already says all that is asked."""
        if "xml" in self.mask:
            await self._check_storable(self._stated_by_xml(entry), entry)
            return self.xml
        parts = {part for path in self.mask for part in _SPEC_FIELDS.get(path, ())}
        if not parts or (wanted := self._stated_by_spec(entry.pool.stored, parts)) == entry.pool.stored:
            return ""
        await self._check_storable(wanted, entry)
        return self.host.hypervisor.documents.edit_pool(entry.pool.facts.inactive_xml, wanted)

    async def _check_storable(self, wanted: PoolDefinition, entry: PoolEntry) -> None:
        wanted = replace(wanted, uuid=entry.pool.facts.uuid)
        check_shape(wanted, self.host.rules.allowed_mount_options)
        await check_place(wanted, self.host)

    def _stated_by_xml(self, entry: PoolEntry) -> PoolDefinition:
        if self.definition is None:
            raise invalid_field("update.xml", "must not be empty")
        if self.definition.name != self.pool:
            raise differs(self.pool, ("name",))
        if self.definition.uuid not in {None, entry.pool.facts.uuid}:
            raise differs(self.pool, ("uuid",))
        return self.definition

    def _stated_by_spec(self, stored: PoolDefinition, parts: set[str]) -> PoolDefinition:
        if self.definition is None:
            raise invalid_field("update.spec", "must be set, for update_mask names parts of it")
        stated = {part: value for part in parts if (value := getattr(self.definition, part)) is not None}
        if missing := sorted(parts & _NEEDED - stated.keys()):
            raise invalid_field("update.spec", f"lacks what update_mask names: {', '.join(missing)}")
        if "source" in parts and self.definition.type != stored.type:
            raise invalid_field("update.spec.source", f"must be of the pool's type, {stored.type}")
        return replace(stored, **stated)
