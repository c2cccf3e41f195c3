"""One agent's channel with its stubs, made at the first call and kept until it is closed."""

from __future__ import annotations

from functools import cached_property

import grpc

from poolfleet.transport import channel
from poolfleet.types.connection import TLS
from poolfleet.v1 import (
    agent_service_pb2_grpc,
    inventory_service_pb2_grpc,
    operation_service_pb2_grpc,
    pool_service_pb2_grpc,
    secret_service_pb2_grpc,
    volume_service_pb2_grpc,
)


class Connection:
    """What all calls to one agent share. A channel belongs to the event loop that first used it."""

    def __init__(self, target: str, *, tls: TLS | None, timeout_s: float, name: str | None) -> None:
        self.target = target
        self.timeout_s = timeout_s
        self.name = name
        self._tls = tls
        self._closed = False

    @cached_property
    def _channel(self) -> grpc.aio.Channel:
        if self._closed:
            raise RuntimeError(f"the client of {self.target} is closed")
        return channel.make(self.target, self._tls)

    # A stub holds its calls ready made, so that a call costs one look-up here.
    @cached_property
    def agents(self) -> agent_service_pb2_grpc.AgentServiceStub:
        """AgentService."""
        return agent_service_pb2_grpc.AgentServiceStub(self._channel)

    @cached_property
    def pools(self) -> pool_service_pb2_grpc.PoolServiceStub:
        """PoolService."""
        return pool_service_pb2_grpc.PoolServiceStub(self._channel)

    @cached_property
    def volumes(self) -> volume_service_pb2_grpc.VolumeServiceStub:
        """VolumeService."""
        return volume_service_pb2_grpc.VolumeServiceStub(self._channel)

    @cached_property
    def secrets(self) -> secret_service_pb2_grpc.SecretServiceStub:
        """SecretService."""
        return secret_service_pb2_grpc.SecretServiceStub(self._channel)

    @cached_property
    def operations(self) -> operation_service_pb2_grpc.OperationServiceStub:
        """OperationService."""
        return operation_service_pb2_grpc.OperationServiceStub(self._channel)

    @cached_property
    def inventory(self) -> inventory_service_pb2_grpc.InventoryServiceStub:
        """InventoryService."""
        return inventory_service_pb2_grpc.InventoryServiceStub(self._channel)

    async def close(self) -> None:
        """End the channel and every call on it. Closing the closed is OK."""
        self._closed = True
        made = self.__dict__.pop("_channel", None)
        for stub in ("agents", "pools", "volumes", "secrets", "operations", "inventory"):
            self.__dict__.pop(stub, None)
        if made is not None:
            await made.close()
