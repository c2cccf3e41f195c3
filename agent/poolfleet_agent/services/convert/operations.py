"""Operations between API and model."""

from poolfleet.v1 import operation_pb2
from poolfleet_agent.model.operation import Attempt, Operation
from poolfleet_agent.services.convert.times import duration, timestamp
from poolfleet_agent.services.errors import status_of_failure


def operation_to(operation: Operation) -> operation_pb2.Operation:
    """Write an operation."""
    message = operation_pb2.Operation(
        id=operation.id,
        kind=operation_pb2.OperationKind.Value(f"OPERATION_KIND_{operation.kind}"),
        pool=operation.pool,
        volume=operation.volume,
        secret=operation.secret,
        caller=operation.caller,
        state=operation_pb2.OperationState.Value(f"OPERATION_STATE_{operation.state}"),
        attempts=[_attempt_to(attempt) for attempt in operation.attempts],
        warnings=operation.warnings,
        cancellable=operation.cancellable,
        cancel_requested=operation.cancel_requested,
        request_ids=operation.request_ids,
        created_at=timestamp(operation.created_at_s),
        changed=operation.changed,
    )
    if operation.progress is not None:
        progress = operation.progress
        message.progress.CopyFrom(
            operation_pb2.Progress(
                done_bytes=progress.done_bytes, total_bytes=progress.total_bytes, estimated=progress.estimated
            )
        )
    if operation.deadline_s is not None:
        message.deadline.CopyFrom(timestamp(operation.deadline_s))
    if operation.ended_at_s is not None:
        message.ended_at.CopyFrom(timestamp(operation.ended_at_s))
    if operation.result_kind == "pool":
        message.pool_result.MergeFromString(operation.result)
    elif operation.result_kind == "volume":
        message.volume_result.MergeFromString(operation.result)
    elif operation.result_kind == "secret":
        message.secret_result.MergeFromString(operation.result)
    if operation.failure is not None:
        message.error.CopyFrom(status_of_failure(operation.failure))
    return message


def _attempt_to(attempt: Attempt) -> operation_pb2.Attempt:
    message = operation_pb2.Attempt(
        number=attempt.number,
        started_at=timestamp(attempt.started_at_s),
        failure=attempt.failure,
        message=attempt.message,
    )
    if attempt.duration_s is not None:
        message.duration.CopyFrom(duration(attempt.duration_s))
    if attempt.retry_delay_s is not None:
        message.retry_delay.CopyFrom(duration(attempt.retry_delay_s))
    return message
