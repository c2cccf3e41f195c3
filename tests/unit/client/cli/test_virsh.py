from __future__ import annotations

import contextlib

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from poolfleet.cli.groups import GROUPS
from poolfleet.cli.virsh.rows import Command, Option
from poolfleet.cli.virsh.table import TABLE
from poolfleet.cli.virsh.translation import translated


def new_form(words: str) -> str:
    return " ".join(translated(words.split(), announce=False))


@pytest.mark.parametrize(
    ("virsh_words", "expected"),
    [
        ("pool-start vm_data", "pool start vm_data"),
        ("pool-start --pool vm_data --build", "pool start vm_data --build"),
        ("pool-destroy --pool=vm_data", "pool stop vm_data"),
        ("pool-delete vm_data", "pool erase vm_data"),
        ("pool-list", "pool list --active"),
        ("pool-list --all --details", "pool list -o wide"),
        ("pool-list --inactive --type dir,netfs", "pool list --inactive --type dir,netfs"),
        ("pool-list --all --uuid", "pool list --field uuid"),
        ("pool-info vm_data --bytes", "pool show vm_data --bytes"),
        ("pool-dumpxml vm_data --inactive", "pool show vm_data --xml --inactive"),
        ("pool-autostart vm_data --disable", "pool autostart vm_data --off"),
        ("pool-define pool.xml", "pool define --file pool.xml"),
        ("pool-create pool.xml", "pool define --transient --file pool.xml"),
        (
            "pool-define-as vm_data netfs nfs.example.com /share - - /vm_data",
            "pool define vm_data --type netfs --source-host nfs.example.com --source-path /share --target /vm_data",
        ),
        (
            "pool-define-as --name v --type netfs --source-protocol-ver 4.2 --target /v",
            "pool define v --type netfs --target /v --protocol-version 4.2",
        ),
        (
            "find-storage-pool-sources-as netfs nfs.example.com",
            "pool discover netfs --server nfs.example.com",
        ),
        (
            "find-storage-pool-sources-as iscsi --host san1 --port 3261 --initiator iqn.x",
            "pool discover iscsi --server san1 --port 3261 --initiator iqn.x",
        ),
        ("pool-name 0000", "pool show 0000 --field name"),
        ("vol-list vm_data --details", "volume list vm_data -o wide"),
        ("vol-info web1 --pool vm_data", "volume show vm_data/web1"),
        ("vol-info web1 vm_data", "volume show vm_data/web1"),
        ("vol-info /vm_data/web1", "volume show /vm_data/web1"),
        ("vol-delete --pool vm_data web1", "volume delete vm_data/web1"),
        (
            "vol-create-as vm_data web1 20G --format qcow2 --backing-vol base",
            "volume create vm_data/web1 20G --format qcow2 --backing base",
        ),
        ("vol-clone base web1 --pool vm_data", "volume clone vm_data/base web1"),
        ("vol-clone /vm_data/base --newname web1", "volume clone /vm_data/base web1"),
        ("vol-create-from fast vol.xml base --inputpool vm_data", "volume clone vm_data/base fast --file vol.xml"),
        ("vol-create-from fast vol.xml base", "volume clone fast/base fast --file vol.xml"),
        ("vol-resize web1 40G --pool vm_data", "volume resize vm_data/web1 40G"),
        ("vol-resize web1 40G vm_data --allocate", "volume resize vm_data/web1 40G --allocate"),
        ("vol-resize --pool vm_data web1 1G --delta", "volume resize vm_data/web1 --by 1G"),
        (
            "vol-resize /vm_data/web1 1G --delta --shrink",
            "volume resize /vm_data/web1 --by -1G --allow-shrink",
        ),
        ("vol-resize /vm_data/web1 -1G --shrink --delta", "volume resize /vm_data/web1 --by -1G --allow-shrink"),
        ("vol-wipe web1 vm_data", "volume wipe vm_data/web1"),
        ("vol-wipe /vm_data/web1 --algorithm nnsa", "volume wipe /vm_data/web1 --algorithm nnsa"),
        ("vol-create vm_data vol.xml", "volume create vm_data --file vol.xml"),
        (
            "vol-create-as vm_data web1 20G --format qcow2 --prealloc-metadata",
            "volume create vm_data/web1 20G --format qcow2 --prealloc-metadata",
        ),
        ("vol-path web1 --pool vm_data", "volume show vm_data/web1 --field path"),
        ("vol-name /vm_data/web1", "volume find /vm_data/web1 --field name"),
        ("vol-pool /vm_data/web1 --uuid", "volume find /vm_data/web1 --field pool_uuid"),
        ("pool-start vm_data -H kvm1 --yes", "pool start vm_data -H kvm1 --yes"),
        ("pool-start --help", "pool start --help"),
        ("pool list", "pool list"),
    ],
)
def test_virsh_words_become_ours(virsh_words: str, expected: str) -> None:
    assert new_form(virsh_words) == expected


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("pool-start", "needs --pool"),
        ("pool-start a b", "unexpected word 'b'"),
        ("vol-info web1", "in which pool"),
        ("vol-create vm_data vol.xml --validate", "has no counterpart"),
        ("vol-clone base web1", "in which pool"),
        ("vol-clone base web1 vm_data --reflink", "--linked"),
        ("pool-start --pool", "needs a value"),
    ],
)
def test_what_virsh_would_refuse_or_we_cannot_do_is_said(words: str, complaint: str) -> None:
    with pytest.raises(typer.BadParameter, match=complaint):
        new_form(words)


THERE = [command for command in TABLE.values() if command.verb]
COMING = [command for command in TABLE.values() if not command.verb]
REFUSED = [(command, option) for command in THERE for option in command.options if option.refused]


@pytest.mark.parametrize("command", THERE, ids=lambda command: command.name)
def test_each_row_leads_to_a_verb_that_is_there(command: Command) -> None:
    group, verb, *_ = command.verb.split()
    verbs = {each.name for each in GROUPS[group].load().registered_commands}
    assert verb in verbs


@pytest.mark.parametrize(("command", "option"), REFUSED, ids=lambda each: each.name)
def test_an_option_without_a_counterpart_is_refused_with_the_reason(command: Command, option: Option) -> None:
    with pytest.raises(typer.BadParameter) as refusal:
        new_form(" ".join([*command.line(option), *(["value"] if option.takes_value else [])]))
    assert option.refused in str(refusal.value)


@pytest.mark.parametrize("command", COMING, ids=lambda command: command.name)
def test_a_command_that_is_coming_says_that_it_is_not_there_yet(command: Command) -> None:
    with pytest.raises(typer.BadParameter, match="not there yet"):
        new_form(" ".join(command.line()))


_OPTIONS = sorted({f"--{option.name}" for command in TABLE.values() for option in command.options})


@given(
    st.sampled_from(sorted(TABLE)),
    st.lists(
        st.sampled_from([*_OPTIONS, "-", "--", "--=", "-h", "-o", "-1", "x", "a,b", "", " "]) | st.text(max_size=5),
        max_size=6,
    ),
)
def test_whatever_is_typed_to_virsh_is_translated_or_refused_in_words(command: str, words: list[str]) -> None:
    with contextlib.suppress(typer.BadParameter):
        assert all(isinstance(word, str) for word in translated([command, *words], announce=False))
