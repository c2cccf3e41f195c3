"""What mutations have in common: caller, request id bound to RPC and body, and the operation in the answer."""

from typing import TypeAlias

from google.protobuf.message import Message

from poolfleet.v1 import operation_pb2
from poolfleet.v1 import pool_service_pb2 as pools
from poolfleet.v1 import secret_service_pb2 as secrets
from poolfleet.v1 import volume_service_pb2 as volumes
from poolfleet_agent.control.mutation import Caller, Mutation
from poolfleet_agent.control.operations import Operations
from poolfleet_agent.model.body_digest import BodyDigests
from poolfleet_agent.services.caller import current_caller
from poolfleet_agent.services.convert.operations import operation_to

MutationRequest: TypeAlias = (
    pools.DefinePoolRequest
    | pools.UpdatePoolRequest
    | pools.UndefinePoolRequest
    | pools.ErasePoolRequest
    | pools.StartPoolRequest
    | pools.StopPoolRequest
    | pools.BuildPoolRequest
    | pools.RefreshPoolRequest
    | pools.AdoptStorageRequest
    | volumes.CreateVolumeRequest
    | volumes.DeleteVolumeRequest
    | volumes.CloneVolumeRequest
    | volumes.ResizeVolumeRequest
    | volumes.WipeVolumeRequest
    | secrets.SetSecretRequest
    | secrets.DeleteSecretRequest
)


async def submit(operations: Operations, request: MutationRequest, mutation: Mutation) -> operation_pb2.Operation:
    """Hand a mutation in, and answer with its operation."""
    caller = Caller(
        name=current_caller(),
        rpc=type(request).__name__.removesuffix("Request"),
        request_id=request.request_id,
        digest=_digest(operations.digests, request) if request.request_id else "",
    )
    return operation_to(await operations.submit(mutation, caller, validate_only=request.validate_only))


def _digest(digests: BodyDigests, request: Message) -> str:
    body = type(request)()
    body.CopyFrom(request)
    body.ClearField("request_id")
    raw = body.SerializeToString(deterministic=True)
    return digests.of_secret(raw) if isinstance(request, secrets.SetSecretRequest) else digests.of_open(raw)
