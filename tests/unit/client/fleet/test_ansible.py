"""Hosts that Ansible knows: read by Ansible itself, or from what it wrote."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from poolfleet.fleet.fleet_file import FleetFileError, read_fleet_file
from poolfleet.fleet.hosts import Host
from poolfleet.types.connection import TLS

INI = """
[kvm]
kvm[1:2].example.com
kvm3 ansible_host=fd00::3
kvm4 poolfleet_target=unix:/run/poolfleet/agent.sock
[rack1]
kvm1.example.com
[other]
web
[all:vars]
poolfleet_site=ams
"""
YAML = """
kvm:
  children:
    rack1:
      hosts:
        kvm1.example.com:
          poolfleet_labels: { disks: fast }
"""


@pytest.fixture(autouse=True)
def ansible(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The real one, with nothing of this machine's own settings."""
    programs = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("ANSIBLE_HOME", str(tmp_path / "home"))
    (tmp_path / "ansible.cfg").touch()
    monkeypatch.setenv("ANSIBLE_CONFIG", str(tmp_path / "ansible.cfg"))


def fleet_file(folder: Path, inventory: str, *, group: str = "kvm", more: str = "") -> Path:
    file = folder / "fleet.toml"
    file.write_text(f"{more}\n[ansible]\ninventory = {json.dumps(inventory)}\ngroup = {json.dumps(group)}\n")
    return file


def refusal(file: Path) -> str:
    with pytest.raises(FleetFileError) as caught:
        read_fleet_file(file)
    return str(caught.value)


def test_an_ini_with_ranges_groups_and_variables(tmp_path: Path) -> None:
    (tmp_path / "hosts.ini").write_text(INI)
    tls = 'defaults.tls = { ca = "a", cert = "b", key = "c" }\n[[host]]\nname = "own"\ntarget = "unix:/a.sock"'
    files = TLS(ca=tmp_path / "a", cert=tmp_path / "b", key=tmp_path / "c")
    kvm = {"kvm": "yes"}
    assert read_fleet_file(fleet_file(tmp_path, "hosts.ini", more=tls)) == (
        Host(name="own", target="unix:/a.sock"),
        Host(
            name="kvm1.example.com",
            target="kvm1.example.com:7443",
            site="ams",
            labels=kvm | {"rack1": "yes"},
            tls=files,
        ),
        Host(name="kvm2.example.com", target="kvm2.example.com:7443", site="ams", labels=kvm, tls=files),
        Host(name="kvm3", target="[fd00::3]:7443", site="ams", labels=kvm, tls=files),
        Host(name="kvm4", target="unix:/run/poolfleet/agent.sock", site="ams", labels=kvm),
    )


def test_a_folder_with_yaml_and_the_variables_of_groups_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "inventory"
    (folder / "group_vars").mkdir(parents=True)
    (folder / "hosts.yml").write_text(YAML)
    (folder / "group_vars" / "rack1.yml").write_text("poolfleet_site: fra\n")
    [host] = read_fleet_file(fleet_file(tmp_path, "inventory", group="all"))
    assert (host.site, host.labels) == ("fra", {"kvm": "yes", "rack1": "yes", "disks": "fast"})


def test_what_ansible_wrote_is_read_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    document = {"_meta": {"hostvars": {}}, "all": {"children": ["kvm"]}, "kvm": {"hosts": ["kvm1", "kvm2"]}}
    (tmp_path / "hosts.json").write_text(json.dumps(document))
    assert [host.target for host in read_fleet_file(fleet_file(tmp_path, "hosts.json"))] == ["kvm1:7443", "kvm2:7443"]
    (tmp_path / "hosts.ini").write_text(INI)
    assert "ansible-inventory is not installed" in refusal(fleet_file(tmp_path, "hosts.ini"))


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("no JSON", "is not what ansible-inventory --list writes"),
        ('{"kvm": {"hosts": "kvm1"}}', "is not what ansible-inventory --list writes"),
        ('{"all": {"hosts": ["kvm1"]}}', "has no group kvm"),
        ('{"kvm": {"children": ["kvm"]}}', "no [[host]] is listed"),
        ('{"kvm": {"hosts": ["a b"]}}', "a host's name"),
        ('{"kvm": {"hosts": ["a"]}, "_meta": {"hostvars": {"a": {"poolfleet_site": 3}}}}', "host a: poolfleet_site"),
        ('{"kvm": {"hosts": ["a"]}, "_meta": {"hostvars": {"a": {"ansible_host": "{{ x }}"}}}}', "templates"),
    ],
)
def test_what_is_not_understood_is_told_with_its_place(tmp_path: Path, document: str, words: str) -> None:
    (tmp_path / "hosts.json").write_text(document)
    assert words in refusal(fleet_file(tmp_path, "hosts.json"))


def test_what_ansible_cannot_read_is_told_in_its_words(tmp_path: Path) -> None:
    assert "is no file or folder" in refusal(fleet_file(tmp_path, "absent.yml"))
    assert "absent.json: No such file" in refusal(fleet_file(tmp_path, "absent.json"))
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "hosts.ini").write_text(INI)
    (tmp_path / "group_vars" / "kvm.yml").write_text("a: [b")
    assert "ansible-inventory --list of" in refusal(fleet_file(tmp_path, "hosts.ini"))
