"""One server is one word, by whatever names and addresses its pools spell it."""

from __future__ import annotations

from poolfleet_agent.inventory.servers import Servers


def test_names_that_share_an_address_are_one_server() -> None:
    servers = Servers()
    servers.learn("nfs.example", ["192.0.2.9", "192.0.2.7"])
    servers.learn("NFS", ["192.0.2.7"])
    servers.learn("other", ["192.0.2.8"])
    spellings = {servers.one(name) for name in ("nfs.example", "nfs", "192.0.2.7", "192.0.2.9")}
    assert spellings == {"192.0.2.7"}
    assert servers.one("other") == servers.one("192.0.2.8") == "192.0.2.8"
    assert servers.one("[2001:DB8::1]") == servers.one("2001:db8:0::1")


def test_a_name_of_which_nothing_is_known_stands_for_itself_and_no_answer_takes_nothing_away() -> None:
    servers = Servers()
    assert (servers.one("nfs"), servers.knows("nfs")) == ("nfs", False)
    servers.learn("nfs", ["192.0.2.7"])
    servers.learn("nfs", [])
    assert (servers.one("nfs"), servers.knows("NFS")) == ("192.0.2.7", True)
