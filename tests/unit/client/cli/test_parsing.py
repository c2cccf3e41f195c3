from __future__ import annotations

import contextlib

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from poolfleet.cli import parsing
from poolfleet.cli.parsing import VolumeWord


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("vm_data/web1.qcow2", VolumeWord(pool="vm_data", volume="web1.qcow2")),
        ("kvm7:vm_data/web1.qcow2", VolumeWord(host="kvm7", pool="vm_data", volume="web1.qcow2")),
        ("/vm_data/web1.qcow2", VolumeWord(path="/vm_data/web1.qcow2")),
        ("kvm7:/vm_data/web1.qcow2", VolumeWord(host="kvm7", path="/vm_data/web1.qcow2")),
        (":a:b/c", VolumeWord(pool="a:b", volume="c")),
        ("pool/a:b", VolumeWord(pool="pool", volume="a:b")),
    ],
)
def test_a_volume_is_one_word(text: str, word: VolumeWord) -> None:
    assert parsing.volume_word(text) == word


@pytest.mark.parametrize("text", ["", "web1", "kvm7:web1", "pool/", "pool/a/b"])
def test_what_names_no_volume_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parsing.volume_word(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4096", 4096),
        ("10G", 10 * 1024**3),
        ("10GiB", 10 * 1024**3),
        ("10GB", 10 * 1000**3),
        ("1.5k", 1536),
        ("512m", 512 * 1024**2),
        ("0", 0),
        ("12 bytes", 12),
    ],
)
def test_sizes_are_read_as_virsh_reads_them(text: str, size: int) -> None:
    assert parsing.size_bytes(text) == size


@pytest.mark.parametrize("text", ["", "-1", "10Q", "1e3", "ten", "9E9", "9999999999999E"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parsing.size_bytes(text)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("2m", 120), ("1h30m", 5400), ("0.5", 0.5), ("1d", 86400)])
def test_durations(text: str, seconds: float) -> None:
    assert parsing.duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-1s", "2 weeks"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parsing.duration_s(text)


@pytest.mark.parametrize(("text", "batch"), [("3", 3), ("10%", "10%"), ("100%", "100%")])
def test_batches(text: str, batch: int | str) -> None:
    assert parsing.batch(text) == batch


@pytest.mark.parametrize("text", ["0", "0%", "101%", "-3", "some"])
def test_what_is_no_batch_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parsing.batch(text)


def test_modes_are_octal() -> None:
    assert parsing.mode_bits("0711") == 0o711
    with pytest.raises(typer.BadParameter):
        parsing.mode_bits("0788")


def test_labels() -> None:
    assert parsing.label("rack=r1=x") == ("rack", "r1=x")
    with pytest.raises(typer.BadParameter):
        parsing.label("rack")


def test_what_is_added_may_have_a_sign() -> None:
    assert [parsing.delta_bytes(text) for text in ("1k", "+1k", "-1k", " -2 ")] == [1024, 1024, -1024, -2]
    for text in ("--1", "+-1", "-", "-x"):
        with pytest.raises(typer.BadParameter):
            parsing.delta_bytes(text)


_DIGITS = "9" * 5000


@given(
    st.text()
    | st.text("0123456789.-+kKmMgGiIbBdhs%:/= ")
    | st.sampled_from([_DIGITS, f"-{_DIGITS}G", f"1.{_DIGITS}", f"{_DIGITS}d", f"{_DIGITS}%", "٣", "\0"])
)
def test_whatever_is_typed_is_understood_or_refused_in_words(text: str) -> None:
    for read in (
        *(parsing.volume_word, parsing.size_bytes, parsing.delta_bytes, parsing.duration_s, parsing.label),
        *(parsing.mode_bits, parsing.batch, parsing.looks_like_uuid),
    ):
        with contextlib.suppress(typer.BadParameter):
            read(text)


def test_no_duration_is_endless() -> None:
    assert parsing.duration_s("999999999s") == 999_999_999
    with pytest.raises(typer.BadParameter):
        parsing.duration_s("9" * 400)
