"""Operations that come in, their errors and results included."""

from __future__ import annotations

from poolfleet.agent.convert.pools import pool
from poolfleet.agent.convert.scalars import Numbers, moment, seconds
from poolfleet.agent.convert.secrets import secret
from poolfleet.agent.convert.volumes import volume
from poolfleet.transport.errors import from_status
from poolfleet.types.operation import Attempt, Operation, OperationKind, OperationState, Progress
from poolfleet.types.pool import Pool
from poolfleet.types.secret import Secret
from poolfleet.types.volume import Volume
from poolfleet.v1 import operation_pb2

STATES = Numbers(operation_pb2.OperationState.items(), "OPERATION_STATE_", OperationState)
KINDS = Numbers(operation_pb2.OperationKind.items(), "OPERATION_KIND_", OperationKind)


def operation(message: operation_pb2.Operation, *, host: str | None) -> Operation:
    """An operation of the agent on `host`."""
    has = message.HasField
    return Operation(
        id=message.id,
        kind=KINDS[message.kind],
        pool=message.pool,
        volume=message.volume,
        secret=message.secret,
        caller=message.caller,
        state=STATES[message.state],
        progress=_progress(message.progress) if has("progress") else None,
        attempts=tuple(map(_attempt, message.attempts)),
        warnings=tuple(message.warnings),
        cancellable=message.cancellable,
        cancel_requested=message.cancel_requested,
        deadline=moment(message.deadline) if has("deadline") else None,
        request_ids=tuple(message.request_ids),
        created_at=moment(message.created_at) if has("created_at") else None,
        ended_at=moment(message.ended_at) if has("ended_at") else None,
        result=_result(message),
        error=from_status(message.error, host=host, operation_id=message.id) if has("error") else None,
        changed=message.changed,
    )


def _result(message: operation_pb2.Operation) -> Pool | Volume | Secret | None:
    match message.WhichOneof("result"):
        case "pool_result":
            return pool(message.pool_result)
        case "volume_result":
            return volume(message.volume_result)
        case "secret_result":
            return secret(message.secret_result)
        case _:
            return None


def _progress(message: operation_pb2.Progress) -> Progress:
    total = message.total_bytes if message.HasField("total_bytes") else None
    return Progress(done_bytes=message.done_bytes, total_bytes=total, estimated=message.estimated)


def _attempt(message: operation_pb2.Attempt) -> Attempt:
    return Attempt(
        number=message.number,
        started_at=moment(message.started_at) if message.HasField("started_at") else None,
        duration_s=seconds(message.duration) if message.HasField("duration") else None,
        failure=message.failure,
        message=message.message,
        retry_delay_s=seconds(message.retry_delay) if message.HasField("retry_delay") else None,
    )
