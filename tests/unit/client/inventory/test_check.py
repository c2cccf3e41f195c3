"""The check of storages: a host whose pool is not as its neighbours have it is told, with what mends it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from poolfleet.inventory.check.compare import check
from poolfleet.inventory.check.model import CheckedStorage, FindingKind
from poolfleet.inventory.model import HostStatus
from poolfleet.inventory.seen import HostSeen
from poolfleet.types.errors import Unavailable
from poolfleet.types.pool import HealthStatus, Pool, PoolHealth, PoolState, Storage
from poolfleet.types.pool_spec import PoolMount, PoolTarget
from tests.unit.client.inventory.answers import configured, derived, pool, seen

SHARED = configured("shared")
HEALTHY = PoolHealth(status=HealthStatus.HEALTHY)


def good(name: str = "vm", storage: Storage | None = SHARED, **changes: Any) -> Pool:
    whole = replace(pool(name, storage, target="/vm"), persistent=True, autostart=True, health=HEALTHY)
    return replace(whole, **changes)


def mounted(*options: str, version: str = "") -> PoolMount:
    return PoolMount(options=options, protocol_version=version)


def hosts(odd: Pool | None, *others: Pool) -> list[HostSeen]:
    """Three hosts, of which `c` has the odd pool, or none."""
    usual = others or (good(),)
    return [seen("a", usual), seen("b", usual), seen("c", [odd] if odd else [])]


def only(answers: Sequence[HostSeen]) -> CheckedStorage:
    [storage] = [one for one in check(answers).storages if one.storage_id == "shared"]
    return storage


def kinds(answers: Sequence[HostSeen]) -> list[tuple[str, str]]:
    return [(finding.host, finding.kind) for finding in only(answers).findings]


def test_where_all_hosts_have_it_alike_nothing_is_found() -> None:
    found = check(hosts(good()))
    assert found.complete
    assert found.findings == ()
    assert only(hosts(good())).hosts == ("a", "b", "c")


def test_a_host_without_it_is_told_and_how_the_pool_is_made_there() -> None:
    [finding] = only(hosts(None)).findings
    assert (finding.kind, finding.host, finding.pool) == ("missing", "c", "")
    assert finding.message == "no pool of the host lies there, as vm does on a and 1 more"
    assert finding.commands == ("poolfleet pool show vm --xml --inactive -H a | poolfleet pool ensure --file - -H c",)


def test_a_pool_of_the_usual_name_on_something_else_is_no_missing_one() -> None:
    [finding] = only(hosts(good(storage=derived("host:agent-of-c:fs:/vm")))).findings
    assert (finding.kind, finding.host, finding.pool) == ("other-storage", "c", "vm")
    assert "host:agent-of-c:fs:/vm" in finding.message


@pytest.mark.parametrize(
    ("odd", "kind", "says", "commands"),
    [
        (good(state=PoolState.INACTIVE, health=None), "inactive", "is inactive", ["poolfleet pool start vm -H c"]),
        (
            good(health=PoolHealth(status=HealthStatus.UNRESPONSIVE, message="it does not answer")),
            "unhealthy", "is unresponsive: it does not answer", ["poolfleet pool probe vm -H c"],
        ),
        (
            good(target=PoolTarget(path="/mnt/vm")), "other-target", "in /mnt/vm, not in /vm as on a and 1 more",
            ["poolfleet pool update vm --target /vm -H c", "poolfleet pool restart vm -H c"],
        ),
        (
            good("images"), "other-name", "named images, not vm as on a and 1 more",
            [
                "poolfleet pool stop images -H c", "poolfleet pool undefine images -H c",
                "poolfleet pool show vm --xml --inactive -H a | poolfleet pool ensure --file - -H c",
            ],
        ),
        (good(autostart=False), "not-autostarted", "not started with", ["poolfleet pool autostart vm -H c"]),
        (
            good(persistent=False, autostart=False), "not-autostarted", "is transient",
            [
                "poolfleet pool show vm --xml -H c | poolfleet pool define --file - -H c",
                "poolfleet pool autostart vm -H c",
            ],
        ),
        (
            good(health=PoolHealth(status=HealthStatus.FAULTY, reason="READ_ONLY")),
            "other-mount", "mounted read-only, not for writing as on a and 1 more", ["poolfleet pool probe vm -H c"],
        ),
    ],
)  # fmt: skip
def test_what_differs_on_one_host_is_found_there(odd: Pool, kind: str, says: str, commands: list[str]) -> None:
    [finding] = only(hosts(odd)).findings
    assert (finding.kind, finding.host, finding.pool) == (kind, "c", odd.name)
    assert says in finding.message
    assert list(finding.commands) == commands


@pytest.mark.parametrize(
    ("usual", "odd", "says"),
    [
        (mounted("rw"), mounted("rw,ro"), ""),
        (mounted(version="4.2"), mounted(version="3"), "with version 3, not with version 4.2 as on"),
        (mounted("vers=4", "minorversion=2"), mounted("nfsvers=4.2"), ""),
        (mounted(version="4.2"), mounted(), "with the version that is negotiated, not with version 4.2"),
        (mounted("sec=krb5p"), mounted("sec=sys"), "with sec=sys, not with sec=krb5p"),
        (mounted(), mounted("soft,timeo=20"), "soft, not hard"),
        (mounted("hard"), mounted("soft,hard"), ""),
        (mounted(), mounted("nolock"), "with nolock, not with locks"),
        (mounted("timeo=50", "noatime"), mounted("rsize=1048576"), ""),
    ],
)
def test_of_mounts_it_counts_what_guests_notice(usual: PoolMount, odd: PoolMount, says: str) -> None:
    findings = only(hosts(good(mount=odd), good(mount=usual))).findings
    assert [finding.kind for finding in findings] == (["other-mount"] if says else [])
    assert all(says in finding.message for finding in findings)


def test_a_mount_is_mended_by_the_options_that_it_has_elsewhere() -> None:
    answers = hosts(good(mount=mounted("soft")), good(mount=mounted("hard", "timeo=50", version="4.2")))
    [finding] = only(answers).findings
    assert finding.commands == (
        "poolfleet pool update vm --mount-option hard --mount-option timeo=50 --protocol-version 4.2 -H c",
        "poolfleet pool restart vm -H c",
    )


def test_of_a_mount_that_its_pool_says_nothing_of_nothing_is_said_either() -> None:
    assert kinds(hosts(good(mount=None, type="dir"), good(mount=mounted("sec=krb5")))) == []


def test_what_is_read_only_on_every_host_is_meant_so() -> None:
    iso = good(health=PoolHealth(status=HealthStatus.FAULTY, reason="READ_ONLY"), mount=mounted("ro"))
    assert kinds(hosts(iso, iso)) == []


def test_of_several_pools_on_one_host_the_one_that_fits_counts() -> None:
    beside = good("other", target=PoolTarget(path="/other"), autostart=False)
    assert kinds([*hosts(good())[:2], seen("c", [beside, good()])]) == []


def test_of_two_hosts_the_first_is_held_up_to_the_other() -> None:
    answers = [seen("a", [good(target=PoolTarget(path="/a"))]), seen("b", [good(target=PoolTarget(path="/b"))])]
    assert kinds(answers) == [("b", "other-target")]
    assert kinds(list(reversed(answers))) == [("b", "other-target")]


def test_a_host_that_does_not_answer_is_missing_from_the_answer_and_never_a_finding() -> None:
    silent = HostSeen(host="d", status=HostStatus.UNREACHABLE, error=Unavailable("no route"))
    failed = seen("e", status=HostStatus.FAILED)
    found = check([*hosts(good()), silent, failed])
    assert not found.complete
    assert found.missing == ("d: unreachable: no route", "e: failed: no answer")
    assert found.findings == ()
    assert found.storages[0].hosts == ("a", "b", "c")


def test_what_an_old_answer_tells_is_told_as_old() -> None:
    found = check([*hosts(good()), seen("d", [good(autostart=False)], status=HostStatus.STALE)])
    assert found.missing == ("d: what it told is 1 s old",)
    assert [(one.host, one.kind) for one in found.findings] == [("d", "not-autostarted")]


def test_an_agent_that_is_listed_twice_lacks_nothing() -> None:
    assert kinds([seen("a", [good()]), seen("a2", [good()], agent_id="agent-of-a"), seen("b", [good()])]) == []


def test_a_host_s_own_storage_is_compared_with_none() -> None:
    own = good(storage=derived("host:agent-of-a:fs:/vm"), autostart=False)
    [storage] = check([seen("a", [own]), seen("b")]).storages
    assert (storage.local_to, storage.hosts, storage.findings) == ("a", (), ())
    [nameless] = check([seen("a", [good(storage=None)]), seen("b")]).storages
    assert (nameless.local_to, nameless.findings) == ("a", ())


def test_at_another_site_it_is_not_expected() -> None:
    answers = [
        seen("a", [good(storage=derived("nfs:10.0.0.5/vm"))], site="ams"),
        seen("b", [good(storage=derived("nfs:10.0.0.5/vm"))], site="ams"),
        seen("c", site="fra"),
        seen("d", site="ams"),
    ]
    [storage] = check(answers).storages
    assert storage.hosts == ("a", "b", "d")
    assert [(one.host, one.kind) for one in storage.findings] == [("d", "missing")]


def test_an_id_that_is_not_to_be_trusted_is_a_finding() -> None:
    files = {"x": 11, "y": 12, "z": 13}
    roots = [derived("nfs:f/vm", root=root, files=files) for root in (1, 2)]
    [storage] = check([seen(host, [good(storage=one)]) for host, one in zip("ab", roots, strict=True)]).storages
    [finding] = storage.findings
    assert (finding.kind, finding.commands) == ("identity-conflict", ("poolfleet storage adopt vm -H a",))
    assert "different root directories" in finding.message


def test_names_are_quoted_in_commands() -> None:
    [finding] = only(hosts(good("my pool", autostart=False), good("my pool"))).findings
    assert finding.commands == ("poolfleet pool autostart 'my pool' -H c",)


def test_the_kinds_are_for_programs_and_stay() -> None:
    assert {str(kind) for kind in FindingKind} == {
        "missing", "other-storage", "inactive", "unhealthy", "other-target", "other-name", "other-mount",
        "not-autostarted", "identity-conflict",
    }  # fmt: skip


def test_the_document_is_as_it_is_documented() -> None:
    silent = HostSeen(host="b", status=HostStatus.UNREACHABLE, error=Unavailable("no route", reason="UNREACHABLE"))
    document = check([seen("a", [good(autostart=False)]), silent]).to_dict()
    assert json.loads(json.dumps(document)) == {
        "complete": False,
        "missing": ["b: unreachable: no route"],
        "hosts": [
            {
                "name": "a",
                "agent_id": "agent-of-a",
                "status": "ok",
                "as_of": "2026-03-01T12:00:00Z",
                "age_s": 1.0,
                "error": None,
            },
            {
                "name": "b",
                "agent_id": "",
                "status": "unreachable",
                "as_of": None,
                "age_s": None,
                "error": "no route [UNREACHABLE]",
            },
        ],
        "storages": [
            {
                "storage_id": "shared",
                "source": "configured",
                "local_to": None,
                "hosts": ["a"],
                "findings": [
                    {
                        "kind": "not-autostarted",
                        "host": "a",
                        "pool": "vm",
                        "message": "pool vm is not started with the host",
                        "commands": ["poolfleet pool autostart vm -H a"],
                    }
                ],
            }
        ],
    }
