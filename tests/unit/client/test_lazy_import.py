"""Whoever wants only the messages pays for nothing else."""

import subprocess
import sys

import pytest

import poolfleet

REPORT = "import sys; print(*sorted(name for name in sys.modules if name.split('.')[0] == 'poolfleet'))"


def loaded_after(statement: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", f"{statement}; {REPORT}"], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_messages_load_nothing_of_the_client() -> None:
    loaded = loaded_after("import poolfleet.v1.pool_pb2")
    assert {name for name in loaded if not name.startswith("poolfleet.v1")} == {"poolfleet"}


def test_types_load_neither_messages_nor_grpc() -> None:
    loaded = loaded_after("import sys; from poolfleet import PoolSpec; assert 'grpc' not in sys.modules")
    assert not {name for name in loaded if name.startswith(("poolfleet.v1", "poolfleet.agent", "poolfleet.transport"))}


@pytest.mark.parametrize("name", poolfleet.__all__)
def test_every_name_that_is_promised_is_there(name: str) -> None:
    assert getattr(poolfleet, name).__name__ == name


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = poolfleet.Nonsense
