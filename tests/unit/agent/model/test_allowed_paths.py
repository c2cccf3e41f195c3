"""Where pools and backing stores may lie."""

from __future__ import annotations

from typing import Any

import pytest

from poolfleet_agent.model.allowed_paths import check_allowed, is_within, overlap
from poolfleet_agent.model.errors import ModelError, Reason


@pytest.mark.parametrize("path", ["/srv", "/srv/a", "/srv/a/b", "/mnt/x"])
def test_a_folder_and_what_lies_below_it_are_allowed(path: Any) -> None:
    check_allowed("target.path", path, ["/srv", "/mnt"])


@pytest.mark.parametrize("path", ["/", "/srvx", "/srv-evil/a", "/etc", "/sr"])
def test_all_else_is_refused_with_what_is_allowed(path: Any) -> None:
    with pytest.raises(ModelError) as refused:
        check_allowed("target.path", path, ["/srv", "/mnt"])
    assert refused.value.reason is Reason.PATH_NOT_ALLOWED
    assert refused.value.metadata == {"path": path, "field": "target.path", "allowed_paths": "/srv, /mnt"}


def test_nothing_configured_is_nothing_allowed() -> None:
    with pytest.raises(ModelError):
        check_allowed("target.path", "/srv", [])


def test_folders_overlap_in_both_directions_and_by_whole_names() -> None:
    assert is_within("/a/b", "/a") and not is_within("/a", "/a/b")
    assert overlap("/a/b", "/a") and overlap("/a", "/a/b") and overlap("/a", "/a")
    assert not overlap("/a", "/ab")
