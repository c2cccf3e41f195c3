"""Hosts are chosen by globs and labels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolfleet.fleet.hosts import Host, NoSuchHost, choose, unique


def fleet(*names: str) -> list[Host]:
    return [Host(name=name, target=f"unix:/run/{name}.sock") for name in names]


def names(hosts: tuple[Host, ...]) -> list[str]:
    return [host.name for host in hosts]


@pytest.mark.parametrize(
    ("globs", "chosen"),
    [
        ([], ["ams-1", "ams-2", "fra-1", "fra-10"]),
        (["ams-*"], ["ams-1", "ams-2"]),
        (["ams-1", "fra-1"], ["ams-1", "fra-1"]),
        (["fra-?"], ["fra-1"]),
        (["*-[12]"], ["ams-1", "ams-2", "fra-1"]),
        (["!fra-*"], ["ams-1", "ams-2"]),
        (["*-1", "!ams-*"], ["fra-1"]),
        (["!ams-*", "*-1"], ["fra-1"]),
        (["!nothing"], ["ams-1", "ams-2", "fra-1", "fra-10"]),
        (["!*"], []),
    ],
)
def test_globs_choose_and_a_bang_leaves_out(globs: list[str], chosen: list[str]) -> None:
    assert names(choose(fleet("ams-1", "ams-2", "fra-1", "fra-10"), globs)) == chosen


@pytest.mark.parametrize("glob", ["kvm9", "KVM1", "kvm", "x*"])
def test_a_glob_that_fits_no_host_is_a_slip(glob: str) -> None:
    with pytest.raises(NoSuchHost, match="no host of the fleet fits"):
        choose(fleet("kvm1", "kvm2"), ["kvm1", glob])


def test_labels_must_all_fit() -> None:
    hosts = [
        Host(name="a", target="unix:/a", labels={"rack": "r1", "tier": "gold"}),
        Host(name="b", target="unix:/b", labels={"rack": "r1"}),
        Host(name="c", target="unix:/c"),
    ]
    assert names(choose(hosts, labels={"rack": "r1"})) == ["a", "b"]
    assert names(choose(hosts, labels={"rack": "r1", "tier": "gold"})) == ["a"]
    assert names(choose(hosts, ["!a"], {"rack": "r1"})) == ["b"]


host_names = st.lists(
    st.text("abc12-.", min_size=1, max_size=4).filter(lambda name: name[0] != "-"), min_size=1, max_size=8, unique=True
)


@given(host_names, st.data())
def test_leaving_out_gives_exactly_the_others(every: list[str], data: st.DataObject) -> None:
    glob = data.draw(
        st.sampled_from(every).flatmap(lambda name: st.sampled_from([name, name[0] + "*", "*" + name[-1], "*"]))
    )
    hosts = fleet(*every)
    within, without = names(choose(hosts, [glob])), names(choose(hosts, ["!" + glob]))
    assert sorted(within + without) == sorted(every)
    assert names(choose(hosts, [glob, "!" + glob])) == []


@given(host_names, st.randoms())
def test_the_order_of_globs_does_not_matter(every: list[str], random: object) -> None:
    globs = [*every[:3], *("!" + name for name in every[2:4])]
    shuffled = list(globs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert choose(fleet(*every), globs) == choose(fleet(*every), shuffled)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a:b", "!a", "-a", "a*", "a?", "[a]", "a\nb", "a\x1bb"])
def test_a_name_that_could_be_taken_for_something_else_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a host's name"):
        Host(name=name, target="unix:/a")


@pytest.mark.parametrize(
    "target", ["", "kvm1", "kvm1:", "kvm1:0", "kvm1:65536", "kvm1:http", "unix:", "/run/agent.sock"]
)
def test_a_target_that_would_lead_elsewhere_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="a target is"):
        Host(name="a", target=target)


@pytest.mark.parametrize("target", ["unix:/run/agent.sock", "kvm1:7443", "192.0.2.1:1", "[2001:db8::1]:65535"])
def test_a_target_is_a_socket_or_a_host_with_its_port(target: str) -> None:
    assert Host(name="a", target=target).target == target


def test_two_hosts_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two hosts are named 'a'"):
        unique(fleet("a", "b", "a"))
