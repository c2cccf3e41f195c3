"""The typed form of a pool of any type says what its XML says, and the other way round."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolfleet.v1 import pool_pb2
from poolfleet_agent.hypervisor.documents import LibvirtDocuments
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import OWN_TARGET_POOL_TYPES, TARGETLESS_POOL_TYPES
from poolfleet_agent.model.pool_source import SOURCES, IscsiSource, RbdSource, SourceAuth, SourceHost
from poolfleet_agent.services.convert.pools import definition_from, spec_to
from tests.pool_definitions import definitions

documents = LibvirtDocuments()
IQN = "iqn.2013-06.com.example:pool"


@pytest.mark.parametrize("pool_type", SOURCES)
@given(data=st.data())
def test_typed_to_xml_to_typed_is_the_identity(pool_type: str, data: st.DataObject) -> None:
    definition = data.draw(definitions([pool_type]))
    if definition.type not in TARGETLESS_POOL_TYPES | OWN_TARGET_POOL_TYPES:
        definition = replace(definition, target_path=definition.target_path or "/target")
    spec = spec_to(definition)
    assert spec.WhichOneof("source") == definition.type.replace("-", "_")
    assert spec_to(documents.parse_pool(documents.render_pool(definition_from(spec)))) == spec
    assert definition_from(spec).source == definition.source


def test_every_type_has_its_message_with_the_fields_of_the_model() -> None:
    arms = pool_pb2.PoolSpec.DESCRIPTOR.oneofs_by_name["source"].fields
    assert {arm.name.replace("_", "-") for arm in arms} == SOURCES.keys()
    assert [arm.name for arm in pool_pb2.Pool.DESCRIPTOR.oneofs_by_name["source"].fields] == [arm.name for arm in arms]
    for arm in arms:
        assert arm.message_type is not None
        stated = {
            field.containing_oneof.name if field.containing_oneof else field.name for field in arm.message_type.fields
        }
        known = {field.name for field in fields(SOURCES[arm.name.replace("_", "-")])}
        assert {name.removeprefix("_") for name in stated} == known, arm.name


def test_who_logs_in_does_it_in_the_way_of_the_pool_type_unless_another_is_said() -> None:
    auth = pool_pb2.SourceAuth(username="admin", secret_usage="vms")
    rbd = pool_pb2.RbdSource(name="vms", hosts=[pool_pb2.SourceHost(name="mon1")], auth=auth)
    assert definition_from(pool_pb2.PoolSpec(name="p", rbd=rbd)).source == RbdSource(
        name="vms",
        hosts=(SourceHost(name="mon1"),),
        auth=SourceAuth(type="ceph", username="admin", secret_usage="vms"),
    )
    iscsi = pool_pb2.IscsiSource(host=pool_pb2.SourceHost(name="san", port=3260), device=IQN, auth=auth)
    target = pool_pb2.PoolTarget(path="/dev/disk/by-path")
    assert definition_from(pool_pb2.PoolSpec(name="p", iscsi=iscsi, target=target)).source == IscsiSource(
        host=SourceHost(name="san", port=3260),
        device=IQN,
        auth=SourceAuth(type="chap", username="admin", secret_usage="vms"),
    )


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (pool_pb2.PoolSpec(name="p"), "spec.source"),
        (pool_pb2.PoolSpec(name="p", fs=pool_pb2.FsSource(device="/dev/sdb1")), "spec.target.path"),
        (
            pool_pb2.PoolSpec(name="p", rbd=pool_pb2.RbdSource(), target=pool_pb2.PoolTarget(path="/srv")),
            "spec.target",
        ),
        (
            pool_pb2.PoolSpec(name="p", rbd=pool_pb2.RbdSource(auth=pool_pb2.SourceAuth(secret_uuid="x"))),
            "spec.source.auth.secret_uuid",
        ),
    ],
)
def test_a_spec_that_lacks_what_its_type_needs_is_refused(spec: pool_pb2.PoolSpec, field: str) -> None:
    with pytest.raises(ModelError) as refused:
        definition_from(spec)
    assert refused.value.reason is Reason.INVALID_FIELD
    assert refused.value.metadata["field"] == field


def test_a_pool_whose_target_follows_from_its_source_needs_none() -> None:
    spec = pool_pb2.PoolSpec(name="p", logical=pool_pb2.LogicalSource(name="vg"))
    assert definition_from(spec).target_path is None
