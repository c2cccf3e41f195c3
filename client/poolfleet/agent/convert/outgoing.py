"""What goes out: specs, how old an answer may be, and how a start tries again."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from google.protobuf.duration_pb2 import Duration

from poolfleet.agent.convert.pool_sources import write_source
from poolfleet.agent.convert.secrets import secret_ref
from poolfleet.types.errors import InvalidArgument
from poolfleet.types.operation import OperationKind, OperationState
from poolfleet.types.pool import HealthStatus, PoolState
from poolfleet.types.pool_spec import PoolMount, PoolSpec, PoolTarget
from poolfleet.types.retry import RetryPolicy
from poolfleet.types.volume import CloneSpec, Permissions, VolumeEncryption, VolumeSpec
from poolfleet.v1 import operation_pb2, operation_service_pb2, pool_pb2, pool_service_pb2, snapshot_pb2, volume_pb2


class Representable:
    """Raises InvalidArgument for values that no message can hold: sizes beyond 64 bits, names that are not UTF-8."""

    __slots__ = ()

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, ValueError):
            raise InvalidArgument(f"The request cannot be sent: {error}", reason="INVALID_FIELD") from error


# One for all: it stands in the way of every call, and has no state.
representable = Representable()


def staleness(max_staleness_s: float | None) -> Duration | None:
    """How old an answer may be; None leaves it to the snapshot."""
    return duration(max_staleness_s)


def retry_policy(policy: RetryPolicy | None) -> pool_service_pb2.RetryPolicy | None:
    """How a start tries again; None leaves it to the agent."""
    if policy is None:
        return None
    return pool_service_pb2.RetryPolicy(
        deadline=duration(policy.deadline_s),
        attempts=policy.attempts,
        first_delay=duration(policy.first_delay_s),
        longest_delay=duration(policy.longest_delay_s),
    )


def duration(seconds: float | None) -> Duration | None:
    """A length of time; None is not stated."""
    if seconds is None:
        return None
    message = Duration()
    message.FromNanoseconds(round(seconds * 1e9))
    return message


def view(*, full: bool) -> snapshot_pb2.View.ValueType:
    """How much of an object is asked for."""
    return snapshot_pb2.VIEW_FULL if full else snapshot_pb2.VIEW_BASIC


def pool_filter(
    types: Sequence[str],
    states: Sequence[PoolState],
    health: Sequence[HealthStatus],
    autostart: bool | None,
    persistent: bool | None,
    name_prefix: str,
) -> pool_service_pb2.PoolFilter:
    """Which pools a list holds. Raises ValueError for states that the contract cannot name."""
    return pool_service_pb2.PoolFilter(
        types=types,
        states=[pool_pb2.PoolState.Value(f"POOL_STATE_{PoolState(state).upper()}") for state in states],
        health=[pool_pb2.PoolHealth.Status.Value(f"STATUS_{HealthStatus(status).upper()}") for status in health],
        autostart=autostart,
        persistent=persistent,
        name_prefix=name_prefix,
    )


def pool_update(
    spec: PoolSpec | None, xml: str | None, autostart: bool | None, supervised: bool | None, mask: Sequence[str]
) -> tuple[pool_service_pb2.PoolUpdate, Sequence[str]]:
    """The values of an update with their mask: `mask` where it says anything, else each thing that is given."""
    if spec is not None and spec.xml:
        xml, spec = spec.xml, None
    update = pool_service_pb2.PoolUpdate(
        spec=None if spec is None else pool_spec(spec),
        xml=xml or "",
        autostart=bool(autostart),
        supervised=bool(supervised),
    )
    given = {
        "spec.source": spec and spec.source,
        "spec.target": spec and spec.target,
        "spec.mount": spec and spec.mount,
        "spec.features": spec and spec.cow,
        "spec.vendor": (spec and spec.vendor) or None,
        "spec.product": (spec and spec.product) or None,
        "xml": xml,
        "autostart": autostart,
        "supervised": supervised,
    }
    return update, mask or [path for path, value in given.items() if value is not None]


def operation_filter(
    states: Sequence[OperationState], kinds: Sequence[OperationKind], pools: Sequence[str]
) -> operation_service_pb2.OperationFilter:
    """Which operations a list or watch holds. Raises ValueError for what the contract cannot name."""
    return operation_service_pb2.OperationFilter(
        states=[
            operation_pb2.OperationState.Value(f"OPERATION_STATE_{OperationState(state).upper()}") for state in states
        ],
        kinds=[operation_pb2.OperationKind.Value(f"OPERATION_KIND_{OperationKind(kind).upper()}") for kind in kinds],
        pools=pools,
    )


def pool_spec(spec: PoolSpec) -> pool_pb2.PoolSpec:
    """The typed form of a pool's spec."""
    message = pool_pb2.PoolSpec(name=spec.name, uuid=spec.uuid, vendor=spec.vendor, product=spec.product)
    write_source(spec.source, message)
    if spec.target is not None:
        message.target.CopyFrom(_target(spec.target))
    if spec.mount is not None:
        message.mount.CopyFrom(_mount(spec.mount))
    if spec.cow is not None:
        message.features.cow = spec.cow
    return message


def volume_spec(spec: VolumeSpec) -> volume_pb2.VolumeSpec:
    """The typed form of a volume's spec."""
    backing = spec.backing_store
    return volume_pb2.VolumeSpec(
        name=spec.name,
        format=spec.format,
        capacity_bytes=spec.capacity_bytes,
        allocation_bytes=spec.allocation_bytes,
        backing_store=volume_pb2.BackingStore(path=backing.path, format=backing.format) if backing else None,
        permissions=_permissions(spec.permissions),
        encryption=_encryption(spec.encryption),
        compat=spec.compat,
        features=spec.features,
        cluster_size_bytes=spec.cluster_size_bytes,
        nocow=spec.nocow,
    )


def clone_spec(spec: CloneSpec) -> volume_pb2.CloneSpec:
    """The typed form of a clone's spec."""
    return volume_pb2.CloneSpec(
        name=spec.name,
        format=spec.format,
        capacity_bytes=spec.capacity_bytes or 0,
        linked=spec.linked,
        permissions=_permissions(spec.permissions),
        encryption=_encryption(spec.encryption),
        decrypted=spec.decrypted,
    )


def _encryption(given: VolumeEncryption | None) -> volume_pb2.VolumeEncryption | None:
    if given is None:
        return None
    return volume_pb2.VolumeEncryption(format=given.format, secret=secret_ref(given.secret))


def _target(target: PoolTarget) -> pool_pb2.PoolTarget:
    return pool_pb2.PoolTarget(path=target.path, permissions=_permissions(target.permissions))


def _mount(mount: PoolMount) -> pool_pb2.PoolMount:
    return pool_pb2.PoolMount(options=mount.options, protocol_version=mount.protocol_version)


def _permissions(given: Permissions | None) -> snapshot_pb2.Permissions | None:
    if given is None:
        return None
    return snapshot_pb2.Permissions(mode=given.mode, owner=given.owner, group=given.group, label=given.label)
