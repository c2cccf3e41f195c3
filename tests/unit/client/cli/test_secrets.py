"""Secrets on the command line: the value comes by a file, standard input or a question, and shows nowhere."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

import pytest

from tests.unit.client.cli.conftest import POOLFLEET, Hosts, Terminal
from tests.unit.client.cli.living_agent import LivingAgent

UUID = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_bytes(b"hunter2")
    return file


async def test_a_secret_is_set_from_a_file_byte_for_byte(agent: LivingAgent, poolfleet: Terminal, key: Path) -> None:
    ran = await poolfleet("secret", "set", "volume:/vm_data/web1.img", "--file", str(key))
    assert (ran.code, ran.out, ran.err) == (0, "secret volume:/vm_data/web1.img set\n", "")
    sent = agent.sent("SetSecret")[0]
    assert (sent.spec.usage_type, sent.spec.usage_id, sent.value) == ("volume", "/vm_data/web1.img", b"hunter2")
    for stated in ("description", "private", "ephemeral"):
        assert not sent.spec.HasField(stated)


async def test_options_are_what_the_secret_is_asked_to_be(agent: LivingAgent, poolfleet: Terminal, key: Path) -> None:
    options = ["--uuid", UUID, "--description", "d", "--private", "--not-ephemeral"]
    assert (await poolfleet("secret", "set", "ceph:client.a", "--file", str(key), *options)).code == 0
    spec = agent.sent("SetSecret")[0].spec
    assert (spec.uuid, spec.description, spec.private, spec.ephemeral) == (UUID, "d", True, False)
    assert spec.HasField("ephemeral")


async def test_a_value_in_base64_is_what_that_stands_for(agent: LivingAgent, poolfleet: Terminal, key: Path) -> None:
    key.write_bytes(base64.encodebytes(b"\0\xff" * 60))
    ran = await poolfleet("secret", "set", "ceph:client.a", "--file", str(key), "--base64")
    assert (ran.code, ran.err) == (0, "")
    assert agent.sent("SetSecret")[0].value == b"\0\xff" * 60


async def test_a_line_break_at_the_end_is_told(agent: LivingAgent, poolfleet: Terminal, key: Path) -> None:
    key.write_bytes(b"hunter2\n")
    ran = await poolfleet("secret", "set", "ceph:client.a", "--file", str(key))
    assert "ends with a line break" in ran.err
    assert "hunter2" not in ran.out + ran.err
    assert agent.sent("SetSecret")[0].value == b"hunter2\n"


async def test_standard_input_is_read_where_it_is_asked_to_be(agent: LivingAgent, poolfleet: Terminal) -> None:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        POOLFLEET, "secret", "set", "ceph:client.a", "--file", "-",
        stdin=pipe, stdout=pipe, stderr=pipe, env=poolfleet.environment,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(b"hunter2"), 60)
    assert (process.returncode, out.decode(), err.decode()) == (0, "secret ceph:client.a set\n", "")
    assert agent.sent("SetSecret")[0].value == b"hunter2"


@pytest.mark.parametrize(
    ("words", "content", "says"),
    [
        ([], None, "nobody can be asked"),
        (["--file", "KEY"], b"", "the value is empty"),
        (["--file", "KEY", "--base64"], b"hunter2?", "no base64"),
        (["--file", "/none"], None, "/none: No such file"),
    ],
    ids=["no terminal", "empty", "no base64", "no file"],
)
async def test_what_is_no_value_is_refused_without_a_word_of_it(
    agent: LivingAgent, poolfleet: Terminal, key: Path, words: list[str], content: bytes | None, says: str
) -> None:
    key.write_bytes(content or b"")
    ran = await poolfleet("secret", "set", "ceph:client.a", *[str(key) if word == "KEY" else word for word in words])
    assert ran.code == 2
    assert says in ran.err
    assert "hunter2" not in ran.out + ran.err
    assert not agent.sent("SetSecret")


@pytest.mark.parametrize("word", ["client.a", ":a", "ceph:", "/a:b", UUID])
async def test_a_new_secret_is_named_by_its_usage(
    agent: LivingAgent, poolfleet: Terminal, key: Path, word: str
) -> None:
    ran = await poolfleet("secret", "set", word, "--file", str(key))
    assert ran.code == 2
    assert "TYPE:ID" in ran.err


async def test_there_is_no_option_for_the_value(poolfleet: Terminal) -> None:
    shown = (await poolfleet("secret", "set", "--help")).out
    assert not any(line.split()[:1] == ["--value"] for line in shown.splitlines())
    assert (await poolfleet("secret", "set", "ceph:a", "hunter2")).code == 2


async def test_secrets_are_listed_without_values(agent: LivingAgent, poolfleet: Terminal, key: Path) -> None:
    for word in ("ceph:client.a", "volume:/v"):
        await poolfleet("secret", "set", word, "--file", str(key), "--uuid", UUID, "--private")
    ran = await poolfleet("secret", "list")
    assert [line.split() for line in ran.lines] == [
        ["TYPE", "USAGE", "UUID", "PRIVATE", "EPHEMERAL", "DESCRIPTION"],
        ["ceph", "client.a", UUID, "yes", "no", "-"],
        ["volume", "/v", UUID, "yes", "no", "-"],
    ]
    assert (await poolfleet("secret", "list", "--type", "ceph", "-o", "name")).lines == ["ceph:client.a"]
    document = (await poolfleet("secret", "list", "-o", "json")).out
    assert [secret["usage_id"] for secret in json.loads(document)["secrets"]] == ["client.a", "/v"]
    assert "hunter2" not in document


async def test_a_secret_is_deleted_by_usage_or_uuid(agent: LivingAgent, poolfleet: Terminal, key: Path) -> None:
    await poolfleet("secret", "set", "volume:/v", "--file", str(key), "--uuid", UUID)
    missing = await poolfleet("secret", "delete", "ceph:none")
    assert (missing.code, "poolfleet secret list" in missing.err) == (4, True)
    assert (await poolfleet("secret", "delete", "ceph:none", "--allow-missing")).out.endswith("already absent\n")
    assert (await poolfleet("secret", "delete", UUID, "--dry-run")).out == f"secret {UUID} would be deleted\n"
    assert (await poolfleet("secret", "delete", UUID)).code == 0
    assert not agent.secrets


async def test_one_value_is_set_on_many_hosts(hosts: Hosts, key: Path) -> None:
    ran = await hosts.poolfleet("secret", "set", "ceph:client.a", "--file", str(key), "-A", "--yes")
    assert (ran.code, ran.out) == (0, "3 set\n")
    assert {agent.sent("SetSecret")[0].value for agent in hosts.agents} == {b"hunter2"}
    listed = await hosts.poolfleet("secret", "list")
    assert [line.split()[:3] for line in listed.lines[1:]] == [
        ["kvm1", "ceph", "client.a"],
        ["kvm2", "ceph", "client.a"],
        ["kvm3", "ceph", "client.a"],
    ]


async def test_hosts_have_to_be_named_before_a_value_is_asked_for(hosts: Hosts) -> None:
    ran = await hosts.poolfleet("secret", "set", "ceph:client.a")
    assert (ran.code, "which of the 3 hosts?" in ran.err) == (2, True)


async def test_its_operation_is_listed_by_its_name(agent: LivingAgent, poolfleet: Terminal, key: Path) -> None:
    await poolfleet("secret", "set", "ceph:client.a", "--file", str(key))
    listed = await poolfleet("operation", "list")
    assert listed.lines[1].split()[2:5] == ["set-secret", "ceph:client.a", "succeeded"]


@pytest.mark.parametrize(
    ("word", "ref"),
    [
        ("/srv/p/v", ("", "volume", "/srv/p/v")),
        ("volume:/srv/p/v", ("", "volume", "/srv/p/v")),
        (UUID, (UUID, "", "")),
    ],
)
async def test_a_volume_is_encrypted_with_the_secret_that_is_named(
    agent: LivingAgent, poolfleet: Terminal, word: str, ref: tuple[str, str, str]
) -> None:
    agent.has_pool("p")
    assert (await poolfleet("volume", "create", "p/v", "1G", "--secret", word)).code == 0
    encryption = agent.sent("CreateVolume")[0].spec.encryption
    assert encryption.format == "luks"
    assert (encryption.secret.uuid, encryption.secret.usage_type, encryption.secret.usage_id) == ref


async def test_the_xml_of_an_encrypted_volume_names_the_secret(poolfleet: Terminal) -> None:
    ran = await poolfleet("volume", "create", "p/v", "1G", "--secret", "/srv/p/v", "--print-xml")
    assert '<encryption format="luks">' in ran.out
    assert '<secret type="passphrase" usage="/srv/p/v" />' in ran.out
