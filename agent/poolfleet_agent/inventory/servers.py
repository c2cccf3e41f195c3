"""Which names and addresses are one server: what hangs on it is counted together, however each pool spells it."""

from collections.abc import Collection
from dataclasses import dataclass, field

from poolfleet_agent.model.mount_table import normal_address


@dataclass
class Servers:
    """What was learnt of servers' names, in memory."""

    _addresses: dict[str, frozenset[str]] = field(default_factory=dict)

    def knows(self, name: str) -> bool:
        """Whether it was learnt what a name means; an address means itself."""
        name = normal_address(name)
        return name in self._addresses or any(name in known for known in self._addresses.values())

    def learn(self, name: str, addresses: Collection[str]) -> None:
        """Take in what a name means; nothing: it could not be told, and what was known stays."""
        if addresses:
            self._addresses[normal_address(name)] = frozenset(map(normal_address, addresses))

    def one(self, name: str) -> str:
        """The same word for every spelling of one server: the first of its addresses, or its name while it has none.

        Names that share an address are one server.
        """
        asked = normal_address(name)
        found = set(self._addresses.get(asked, {asked}))
        while more := {
            address for known in self._addresses.values() if found & known for address in known if address not in found
        }:
            found |= more
        return min(found)
