"""Each pool type has its page in docs/pools/, and the examples of each page are what they say."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from poolfleet import AgentClient, PoolSpec
from poolfleet.types.pool_source import SOURCES
from scripts.embedded.agent import EmbeddedAgent
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.libvirtd import EmbeddedLibvirtd
from scripts.embedded.nfs_server import NullNfsServer
from scripts.embedded.standin import NetfsStandIn
from tests.doc_pages import ROOT, Block, PageRun, blocks, commands
from tests.loop_device import loop_device

FOLDER = ROOT / "docs/pools"
SOCKET = "unix:/run/poolfleet/agent.sock"
AS_ROOT = {"fs", "disk", "netfs"}
"""They need a loop device, or a share's stand-in."""
NO_BACKEND = {"iscsi-direct", "rbd", "gluster", "zfs", "vstorage"}
"""Debian's libvirtd has none for them. libvirt's test driver reads and writes the same documents, and defines them."""
DISK_MIB = 256


@pytest.fixture(scope="module")
def folder(short_dir: Path) -> Path:
    made = short_dir / "pages"
    made.mkdir()
    return made


@pytest.fixture(scope="module")
def share(folder: Path) -> Iterator[NetfsStandIn | None]:
    if os.geteuid() != 0:
        yield None
        return
    with NetfsStandIn(folder / "nfs", host="127.0.0.1") as running:
        yield running


@pytest.fixture(scope="module")
def page_host(folder: Path, share: NetfsStandIn | None, libvirtd: EmbeddedLibvirtd) -> Iterator[EmbeddedHost]:
    new = EmbeddedHost("h", folder, share=share)
    new.libvirtd.learn_emulators_from(libvirtd)
    with new:
        yield new


@pytest.fixture(scope="module")
def simulated(page_host: EmbeddedHost) -> Iterator[str]:
    """Where an agent listens whose libvirt is the test driver."""
    driver = {"libvirt": {"storage_uri": "test:///default"}}
    alone = EmbeddedAgent(page_host.libvirtd, allowed_paths=[page_host.pools_dir], settings=driver, name="simulated")
    alone.start()
    try:
        alone.wait_loaded()
        yield alone.target
    finally:
        alone.stop()


def run_page(page: str, target: str, host: EmbeddedHost, here: Mapping[str, str] | None = None) -> None:
    """Run a page; what its command lines define is the pool that `--print-xml` prints; nothing is left."""
    running = PageRun(host.root, target, {SOCKET: target, "/srv": str(host.pools_dir), **(here or {})})
    with AgentClient(target) as agent:
        before = {pool.name for pool in agent.pools.list()}
        try:
            running.run(FOLDER / f"{page}.md")
            assert {pool.name for pool in agent.pools.list()} == before
            for words in running.defining:
                agent.pools.define(PoolSpec.from_xml(running.command([*words, "--print-xml"])))
                assert running.command(words).endswith("already as asked\n")
        finally:
            for left in {pool.name for pool in agent.pools.list()} - before:
                agent.pools.stop(left)
                agent.pools.undefine(left)


@pytest.mark.parametrize("page", sorted(SOURCES.keys() - AS_ROOT - NO_BACKEND))
def test_a_page_says_what_happens(page: str, page_host: EmbeddedHost) -> None:
    run_page(page, page_host.agent.target, page_host)


@pytest.mark.parametrize("page", sorted(NO_BACKEND))
def test_so_does_one_of_a_type_without_a_backend_here(page: str, page_host: EmbeddedHost, simulated: str) -> None:
    run_page(page, simulated, page_host)


if os.geteuid() == 0:

    @pytest.fixture
    def device(folder: Path) -> Iterator[str]:
        """A loop device, for a disk."""
        image = folder / "disk"
        with loop_device(image, size_bytes=DISK_MIB * 1024**2) as made:
            yield made
        image.unlink()

    def test_the_page_of_fs_does(page_host: EmbeddedHost, device: str) -> None:
        run_page("fs", page_host.agent.target, page_host, {"/dev/sdb1": device})

    def test_the_page_of_disk_does(page_host: EmbeddedHost, device: str) -> None:
        partition = f"{Path(device).name}p1"
        run_page("disk", page_host.agent.target, page_host, {"sdb1": partition, "/dev/sdb": device})

    def test_the_page_of_netfs_does(page_host: EmbeddedHost, share: NetfsStandIn, server: NullNfsServer) -> None:
        here = {"nfs.example.com": share.host, "/export/vm_data": share.path, "nconnect=4": f"port={server.port}"}
        run_page("netfs", page_host.agent.target, page_host, here)


def test_each_type_has_a_page_with_all_three_forms() -> None:
    assert {page.stem for page in FOLDER.glob("*.md")} == {*SOURCES, "index"}
    for page in sorted(SOURCES):
        shown = blocks(FOLDER / f"{page}.md")
        assert {"console", "python", "xml"} <= {block.kind for block in shown if block.runs}, page
        assert f"type='{page}'" in "".join(block.text for block in shown if block.kind == "xml"), page
        lines = [words for block in shown if block.kind == "console" for words, _ in commands(block.text)]
        assert ["--type", page] in [words[4:6] for words in lines if words[1:3] == ["pool", "define"]], page


def test_what_is_not_run_says_so_to_the_reader(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "*Not run by this page's test: it needs a SAN.*\n\n```console\n$ poolfleet pool start luns\n```\n\n"
        "```console\n$ poolfleet version\n# one\n```\n"
    )
    first, second = blocks(page)
    assert first == Block("console", "$ poolfleet pool start luns\n", runs=False)
    assert second.runs
    assert list(commands(second.text)) == [(["poolfleet", "version"], ""), (["one"], "")]


def test_another_answer_than_the_page_shows_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    for text, fault in (
        ("```console\n$ poolfleet version\npoolfleet of yesterday\n```\n", "poolfleet version\nprints"),
        ("```python\nprint(1)\n```\n\n```text\n2\n```\n", "print"),
        ("```console\n$ rm --recursive /\n```\n", "nothing but poolfleet"),
    ):
        page.write_text(text)
        with pytest.raises(AssertionError, match=fault):
            PageRun(tmp_path, SOCKET, {}).run(page)
