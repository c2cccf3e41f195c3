"""Which mount options a pool may state."""

from __future__ import annotations

import pytest

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.mount_options import check_mount_options, harmful_options, option_value


@pytest.mark.parametrize("option", ["bg", "suid", "exec", "dev"])
def test_harmful_options_need_to_be_allowed(option: str) -> None:
    with pytest.raises(ModelError) as refused:
        check_mount_options(["noatime", option], "")
    assert refused.value.reason is Reason.INVALID_FIELD
    assert refused.value.metadata["value"] == option
    check_mount_options(["noatime", option], "", allowed=[option])


@pytest.mark.parametrize("option", ["a,b", "a b", "-o", "a;b", "", "ä"])
def test_what_is_no_single_word_is_refused(option: str) -> None:
    with pytest.raises(ModelError):
        check_mount_options([option], "")


def test_a_pool_defined_elsewhere_may_hide_them_behind_commas() -> None:
    assert harmful_options(["noatime,suid", "soft,,bg"], allowed=["bg"]) == ("suid",)


def test_harmless_ones_that_look_alike_pass() -> None:
    check_mount_options(["nosuid", "nodev", "fg", "timeo=50", "sec=krb5p", "devfs=1"], "4.2")


def test_of_several_values_the_last_counts() -> None:
    options = ["port=1,retry=3", "port=2", "hard"]
    assert [option_value(options, name) for name in ("port", "retry", "hard", "soft")] == ["2", "3", "", None]
    assert option_value(["vers=3", "nfsvers=4"], "nfsvers", "vers") == "4"
