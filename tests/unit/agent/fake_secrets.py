"""libvirt's secrets in memory (model.ports.Secrets)."""

from __future__ import annotations

from collections.abc import Sequence

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.secret import SecretDefinition, SecretFacts, SecretRef, SecretValue


class FakeSecrets:
    """By UUID, with their values."""

    def __init__(self) -> None:
        self.kept: dict[str, SecretFacts] = {}
        self.values: dict[str, SecretValue] = {}

    async def list(self) -> Sequence[SecretFacts]:
        return sorted(self.kept.values(), key=lambda facts: facts.place_in_order)

    async def find(self, ref: SecretRef) -> SecretFacts | None:
        return next((facts for facts in self.kept.values() if facts.is_named_by(ref)), None)

    async def set(self, asked: SecretDefinition, value: SecretValue) -> SecretFacts:
        known = await self.find(asked.ref)
        uuid = known.uuid if known is not None else asked.uuid or f"00000000-0000-4000-8000-{len(self.kept):012x}"
        facts = SecretFacts(
            uuid=uuid, usage_type=asked.usage_type, usage_id=asked.usage_id, private=bool(asked.private)
        )
        self.kept[uuid], self.values[uuid] = facts, value
        return facts

    async def value(self, uuid: str) -> SecretValue:
        if self.kept[uuid].private:
            raise ModelError(Reason.SECRET_NOT_USABLE, "secret is private")
        return self.values[uuid]

    async def delete(self, uuid: str) -> None:
        if self.kept.pop(uuid, None) is None:
            raise ModelError(Reason.SECRET_NOT_FOUND, f"no secret {uuid}")
