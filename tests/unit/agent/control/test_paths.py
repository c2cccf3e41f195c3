"""Where pools may lie: by the path that is written and by the path that it is."""

from __future__ import annotations

from typing import Any

import pytest

from poolfleet_agent.control.host import Host
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import PoolDefinition
from tests.unit.agent.fake_files import FakeFiles
from tests.unit.agent.fake_host import FakeHost, use_case_host


class Links(FakeFiles):
    """`/pools` is a link to `/data/pools`, and `/pools/out` one to `/etc`."""

    async def real_path(self, path: str, *, timeout_s: float = 5.0) -> str:
        return path.replace("/pools/out", "/etc").replace("/pools", "/data/pools")


@pytest.fixture
async def host() -> Host:
    return use_case_host(FakeHost(files=Links()))


async def test_a_configured_folder_may_be_a_link_itself(host: Any) -> None:
    await host.check_path("target.path", "/pools/p")


@pytest.mark.parametrize("path", ["/pools/out", "/pools/out/p", "/etc", "/data/pools/p"])
async def test_links_that_lead_out_and_other_folders_are_refused(host: Any, path: Any) -> None:
    with pytest.raises(ModelError) as refused:
        await host.check_path("target.path", path)
    assert refused.value.reason is Reason.PATH_NOT_ALLOWED


@pytest.mark.parametrize("target", ["/dev", "/dev/vg", "/dev/disk/by-path"])
async def test_device_pools_have_their_targets_under_dev(host: Any, target: Any) -> None:
    await host.check_definition_paths(PoolDefinition(name="p", type="logical", target_path=target))


@pytest.mark.parametrize(
    ("pool_type", "target"), [("logical", "/devil"), ("logical", "/dev/../etc"), ("dir", "/dev"), ("fs", "/dev/shm")]
)
async def test_nothing_else_has(host: Any, pool_type: Any, target: Any) -> None:
    with pytest.raises(ModelError) as refused:
        await host.check_definition_paths(PoolDefinition(name="p", type=pool_type, target_path=target))
    assert refused.value.reason in {Reason.PATH_NOT_ALLOWED, Reason.INVALID_FIELD}
