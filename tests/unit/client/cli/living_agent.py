"""An agent for tests of the command line: it holds pools, volumes and operations in memory, behind real gRPC.

Longer than usual because it answers every call of the contract.
"""

# ruff: noqa: N802  (gRPC names the methods)
from __future__ import annotations

import asyncio
import time
from typing import Any
from xml.etree import ElementTree as ET

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from poolfleet.v1 import (
    agent_pb2,
    agent_service_pb2,
    domain_disk_pb2,
    inventory_service_pb2,
    operation_pb2,
    operation_service_pb2,
    pool_pb2,
    pool_service_pb2,
    secret_pb2,
    secret_service_pb2,
    snapshot_pb2,
    volume_pb2,
    volume_service_pb2,
)
from tests.unit.client.stub_agent import Refusal, StubAgent

GIB = 1024**3


def now(offset_s: float = 0.0) -> Timestamp:
    moment = Timestamp()
    moment.FromNanoseconds(int((time.time() + offset_s) * 1e9))
    return moment


def not_found(reason: str, message: str) -> Refusal:
    return Refusal(grpc.StatusCode.NOT_FOUND, reason, message)


class LivingAgent(StubAgent):
    """What is done to it is seen in what it answers. `on` still replaces any of its answers."""

    def __init__(self, agent_id: str = "agent-1", *, clock_offset_s: float = 0.0) -> None:
        super().__init__()
        self.agent = agent_pb2.Agent(
            agent_id=agent_id,
            host_name="kvm1.example.com",
            libvirt_connected=True,
            registry_loaded=True,
            mode=agent_pb2.Agent.MODE_MANAGE,
            versions=agent_pb2.AgentVersions(agent="0.1.0", libvirt="9.0.0", libvirt_client="9.0.0", python="3.11"),
        )
        self.clock_offset_s = clock_offset_s
        self.pools: dict[str, pool_pb2.Pool] = {}
        self.volumes: dict[tuple[str, str], volume_pb2.Volume] = {}
        self.disks: list[domain_disk_pb2.DomainDisk] = []
        self.secrets: dict[str, secret_pb2.Secret] = {}
        self.operations: list[operation_pb2.Operation] = []
        self.age_s = 4
        for name in dir(self):
            if name[0].isupper():
                self.on(name, getattr(self, name))

    def has_pool(self, name: str, **fields: Any) -> pool_pb2.Pool:
        pool = pool_pb2.Pool(
            name=name,
            uuid=f"00000000-0000-4000-8000-{len(self.pools):012x}",
            type="dir",
            state=pool_pb2.POOL_STATE_RUNNING,
            persistent=True,
            autostart=True,
            dir=pool_pb2.DirSource(),
            target=pool_pb2.PoolTarget(path=f"/srv/{name}"),
            capacity_bytes=100 * GIB,
            allocation_bytes=25 * GIB,
            available_bytes=75 * GIB,
            etag="e1",
        )
        pool.MergeFrom(pool_pb2.Pool(**fields))
        if pool.state == pool_pb2.POOL_STATE_RUNNING and not pool.HasField("health"):
            pool.health.status = pool_pb2.PoolHealth.STATUS_HEALTHY
        self.pools[name] = pool
        return pool

    def has_volume(self, pool: str, name: str, **fields: Any) -> volume_pb2.Volume:
        path = f"{self.pools[pool].target.path}/{name}"
        volume = volume_pb2.Volume(
            pool=pool, name=name, key=path, path=path, type="file", format="raw", capacity_bytes=GIB
        )
        volume.MergeFrom(volume_pb2.Volume(**fields))
        self.volumes[pool, name] = volume
        return volume

    async def GetAgent(self, request: Any) -> agent_service_pb2.GetAgentResponse:
        self.agent.time.CopyFrom(now(self.clock_offset_s))
        self.agent.age.seconds = self.age_s
        return agent_service_pb2.GetAgentResponse(agent=self.agent)

    async def GetPool(self, request: pool_service_pb2.GetPoolRequest) -> pool_service_pb2.GetPoolResponse:
        pool = pool_pb2.Pool()
        pool.CopyFrom(self._pool(request.pool))
        if request.view == 2:  # VIEW_FULL
            pool.xml = f"<pool type='{pool.type}'><name>{pool.name}</name></pool>"
            pool.inactive_xml = pool.xml if pool.persistent else ""
        answer = pool_service_pb2.GetPoolResponse(pool=pool, as_of=now())
        answer.age.seconds = self.age_s
        return answer

    async def ListPools(self, request: Any) -> pool_service_pb2.ListPoolsResponse:
        pools = [self.pools[name] for name in sorted(self.pools) if name.startswith(request.filter.name_prefix)]
        for pool in pools:
            pool.volume_count = sum(of == pool.name for of, _ in self.volumes)
        answer = pool_service_pb2.ListPoolsResponse(pools=pools, as_of=now())
        answer.age.seconds = self.age_s
        return answer

    async def DefinePool(self, request: pool_service_pb2.DefinePoolRequest) -> pool_service_pb2.DefinePoolResponse:
        if request.xml:
            name = ET.fromstring(request.xml).findtext("name") or ""  # noqa: S314  # a test's own document
        else:
            name = request.spec.name
        new = name not in self.pools
        if new and not request.validate_only:
            pool = self.has_pool(name, persistent=not request.transient)
            pool.state = pool_pb2.POOL_STATE_RUNNING if request.transient else pool_pb2.POOL_STATE_INACTIVE
            pool.autostart = False
            pool.ClearField("health")
            if request.spec.HasField("target"):
                pool.target.CopyFrom(request.spec.target)
            if request.spec.HasField("netfs"):
                pool.type = "netfs"
                pool.netfs.CopyFrom(request.spec.netfs)
        operation = self._did("DEFINE_POOL", request, name, changed=new)
        return pool_service_pb2.DefinePoolResponse(operation=operation)

    async def UpdatePool(self, request: pool_service_pb2.UpdatePoolRequest) -> pool_service_pb2.UpdatePoolResponse:
        pool = self._pool(request.pool)
        if request.etag not in ("", pool.etag):
            raise Refusal(grpc.StatusCode.ABORTED, "ETAG_MISMATCH", f"pool {pool.name} was changed")
        before = pool.SerializeToString()
        for path in request.update_mask.paths:
            match path:
                case "autostart" | "supervised":
                    setattr(pool, path, getattr(request.update, path))
                case "xml":
                    pool.etag += "x"
                case "spec.target.path":
                    pool.target.path = request.update.spec.target.path
        changed = pool.SerializeToString() != before
        return pool_service_pb2.UpdatePoolResponse(
            operation=self._did("UPDATE_POOL", request, pool.name, changed=changed)
        )

    async def StartPool(self, request: Any) -> pool_service_pb2.StartPoolResponse:
        return pool_service_pb2.StartPoolResponse(operation=self._turned(request, "START_POOL", active=True))

    async def StopPool(self, request: Any) -> pool_service_pb2.StopPoolResponse:
        return pool_service_pb2.StopPoolResponse(operation=self._turned(request, "STOP_POOL", active=False))

    async def BuildPool(self, request: Any) -> pool_service_pb2.BuildPoolResponse:
        self._pool(request.pool)
        return pool_service_pb2.BuildPoolResponse(
            operation=self._did("BUILD_POOL", request, request.pool, changed=True)
        )

    async def RefreshPool(self, request: Any) -> pool_service_pb2.RefreshPoolResponse:
        self._pool(request.pool)
        operation = self._did("REFRESH_POOL", request, request.pool, changed=True)
        return pool_service_pb2.RefreshPoolResponse(operation=operation)

    async def AdoptStorage(self, request: Any) -> pool_service_pb2.AdoptStorageResponse:
        storage = self._pool(request.pool).storage
        changed = storage.source != snapshot_pb2.Storage.SOURCE_MARKER
        if not request.validate_only:
            storage.source = snapshot_pb2.Storage.SOURCE_MARKER
        operation = self._did("ADOPT_STORAGE", request, request.pool, changed=changed)
        return pool_service_pb2.AdoptStorageResponse(operation=operation)

    async def UndefinePool(self, request: Any) -> pool_service_pb2.UndefinePoolResponse:
        there = request.pool in self.pools
        if not (there or request.allow_missing):
            self._pool(request.pool)
        if there and not request.validate_only:
            if self.pools[request.pool].state == pool_pb2.POOL_STATE_RUNNING:
                raise Refusal(grpc.StatusCode.FAILED_PRECONDITION, "POOL_ACTIVE", f"pool {request.pool} is active")
            del self.pools[request.pool]
        operation = self._did("UNDEFINE_POOL", request, request.pool, changed=there)
        return pool_service_pb2.UndefinePoolResponse(operation=operation)

    async def ErasePool(self, request: Any) -> pool_service_pb2.ErasePoolResponse:
        self._pool(request.pool)
        return pool_service_pb2.ErasePoolResponse(
            operation=self._did("ERASE_POOL", request, request.pool, changed=True)
        )

    async def ProbePool(self, request: Any) -> pool_service_pb2.ProbePoolResponse:
        self._pool(request.pool)
        return pool_service_pb2.ProbePoolResponse()

    async def DiscoverPoolSources(self, request: Any) -> pool_service_pb2.DiscoverPoolSourcesResponse:
        return pool_service_pb2.DiscoverPoolSourcesResponse()

    async def ListVolumes(self, request: Any) -> volume_service_pb2.ListVolumesResponse:
        if request.pool:
            self._pool(request.pool)
        found = [
            self.volumes[key]
            for key in sorted(self.volumes)
            if request.pool in ("", key[0]) and key[1].startswith(request.filter.name_prefix)
        ]
        answer = volume_service_pb2.ListVolumesResponse(volumes=found, as_of=now())
        answer.age.seconds = self.age_s
        return answer

    async def GetVolume(self, request: Any) -> volume_service_pb2.GetVolumeResponse:
        volume = volume_pb2.Volume()
        volume.CopyFrom(self._volume(request.pool, request.volume))
        if request.view == 2:  # VIEW_FULL
            volume.xml = f"<volume><name>{volume.name}</name></volume>"
        return volume_service_pb2.GetVolumeResponse(volume=volume, as_of=now())

    async def LookupVolume(self, request: Any) -> volume_service_pb2.LookupVolumeResponse:
        for volume in self.volumes.values():
            if request.path == volume.path or request.key == volume.key:
                return volume_service_pb2.LookupVolumeResponse(volume=volume, as_of=now())
        raise not_found("VOLUME_NOT_FOUND", f"no volume is at {request.path or request.key}")

    async def CreateVolume(self, request: Any) -> volume_service_pb2.CreateVolumeResponse:
        self._pool(request.pool)
        spec = request.spec
        new = (request.pool, spec.name) not in self.volumes
        if new and not request.validate_only:
            volume = self.has_volume(request.pool, spec.name, format=spec.format, capacity_bytes=spec.capacity_bytes)
            if spec.HasField("backing_store"):
                volume.backing_store.CopyFrom(spec.backing_store)
        operation = self._did("CREATE_VOLUME", request, request.pool, volume=spec.name, changed=new)
        return volume_service_pb2.CreateVolumeResponse(operation=operation)

    async def CloneVolume(self, request: Any) -> volume_service_pb2.CloneVolumeResponse:
        source, pool = self._volume(request.pool, request.volume), request.target_pool or request.pool
        self._pool(pool)
        spec = request.spec
        new = (pool, spec.name) not in self.volumes
        if new and not request.validate_only:
            capacity_bytes = spec.capacity_bytes or source.capacity_bytes
            self.has_volume(pool, spec.name, format=spec.format or source.format, capacity_bytes=capacity_bytes)
        operation = self._did("CLONE_VOLUME", request, pool, volume=spec.name, changed=new)
        return volume_service_pb2.CloneVolumeResponse(operation=operation)

    async def DeleteVolume(self, request: Any) -> volume_service_pb2.DeleteVolumeResponse:
        key = (request.pool, request.volume)
        if key not in self.volumes and not request.allow_missing:
            self._volume(*key)
        there = None if request.validate_only else self.volumes.pop(key, None)
        operation = self._did("DELETE_VOLUME", request, request.pool, volume=request.volume, changed=there is not None)
        return volume_service_pb2.DeleteVolumeResponse(operation=operation)

    async def ResizeVolume(self, request: Any) -> volume_service_pb2.ResizeVolumeResponse:
        volume = self._volume(request.pool, request.volume)
        capacity_bytes = request.capacity_bytes or volume.capacity_bytes + request.delta_bytes
        changed = capacity_bytes != volume.capacity_bytes
        if not request.validate_only:
            volume.capacity_bytes = capacity_bytes
        operation = self._did("RESIZE_VOLUME", request, request.pool, volume=request.volume, changed=changed)
        return volume_service_pb2.ResizeVolumeResponse(operation=operation)

    async def WipeVolume(self, request: Any) -> volume_service_pb2.WipeVolumeResponse:
        self._volume(request.pool, request.volume)
        operation = self._did("WIPE_VOLUME", request, request.pool, volume=request.volume, changed=True)
        return volume_service_pb2.WipeVolumeResponse(operation=operation)

    async def SetSecret(self, request: Any) -> secret_service_pb2.SetSecretResponse:
        spec = request.spec
        word = f"{spec.usage_type}:{spec.usage_id}"
        if not request.validate_only:
            self.secrets[word] = secret_pb2.Secret(
                uuid=spec.uuid or f"00000000-0000-4000-8000-{len(self.secrets):012x}",
                usage_type=spec.usage_type,
                usage_id=spec.usage_id,
                description=spec.description,
                private=spec.private,
                ephemeral=spec.ephemeral,
            )
        operation = self._did("SET_SECRET", request, "", changed=True)
        operation.secret = word
        return secret_service_pb2.SetSecretResponse(operation=operation)

    async def ListSecrets(self, request: Any) -> secret_service_pb2.ListSecretsResponse:
        types = set(request.filter.usage_types)
        found = [self.secrets[word] for word in sorted(self.secrets)]
        listed = [secret for secret in found if not types or secret.usage_type in types]
        return secret_service_pb2.ListSecretsResponse(secrets=listed, as_of=now())

    async def DeleteSecret(self, request: Any) -> secret_service_pb2.DeleteSecretResponse:
        ref = request.secret
        words = {secret.uuid: word for word, secret in self.secrets.items()}
        word = words.get(ref.uuid, f"{ref.usage_type}:{ref.usage_id}")
        there = word in self.secrets
        if not there and not request.allow_missing:
            raise not_found("SECRET_NOT_FOUND", f"no secret {word} on this host")
        if not request.validate_only:
            self.secrets.pop(word, None)
        operation = self._did("DELETE_SECRET", request, "", changed=there)
        operation.secret = word
        return secret_service_pb2.DeleteSecretResponse(operation=operation)

    async def ListDomainDisks(self, request: Any) -> inventory_service_pb2.ListDomainDisksResponse:
        wanted = request.filter
        disks = [
            disk
            for disk in self.disks
            if wanted.pool in ("", disk.pool)
            and wanted.volume in ("", disk.volume)
            and wanted.domain in ("", disk.domain)
        ]
        answer = inventory_service_pb2.ListDomainDisksResponse(disks=disks, complete=True, as_of=now())
        answer.age.seconds = self.age_s
        return answer

    async def GetOperation(self, request: Any) -> operation_service_pb2.GetOperationResponse:
        return operation_service_pb2.GetOperationResponse(operation=self._operation(request.operation))

    async def ListOperations(self, request: Any) -> operation_service_pb2.ListOperationsResponse:
        states = set(request.filter.states)
        found = [each for each in reversed(self.operations) if not states or each.state in states]
        return operation_service_pb2.ListOperationsResponse(operations=found)

    async def WaitOperation(self, request: Any) -> operation_service_pb2.WaitOperationResponse:
        return operation_service_pb2.WaitOperationResponse(operation=self._operation(request.operation))

    async def CancelOperation(self, request: Any) -> operation_service_pb2.CancelOperationResponse:
        operation = self._operation(request.operation)
        operation.state = operation_pb2.OPERATION_STATE_CANCELLED
        return operation_service_pb2.CancelOperationResponse(operation=operation)

    def has_operation(self, state: operation_pb2.OperationState.ValueType, **fields: Any) -> operation_pb2.Operation:
        number = len(self.operations) + 1
        operation = operation_pb2.Operation(
            id=f"op-{number}",
            kind=operation_pb2.OPERATION_KIND_START_POOL,
            state=state,
            created_at=now(-60.0),
            **fields,
        )
        self.operations.append(operation)
        watched = [operation_service_pb2.WatchOperationsResponse(operation=each) for each in self.operations]
        self.on("WatchOperations", [*watched, ...])
        return operation

    async def was_called(self, rpc: str) -> None:
        """Return as soon as that RPC has come."""
        while rpc not in self.called:
            await asyncio.sleep(0.01)

    def _pool(self, name: str) -> pool_pb2.Pool:
        if name not in self.pools:
            raise not_found("POOL_NOT_FOUND", f"there is no pool {name}")
        return self.pools[name]

    def _volume(self, pool: str, name: str) -> volume_pb2.Volume:
        self._pool(pool)
        if (pool, name) not in self.volumes:
            raise not_found("VOLUME_NOT_FOUND", f"pool {pool} has no volume {name}")
        return self.volumes[pool, name]

    def _operation(self, operation_id: str) -> operation_pb2.Operation:
        for each in self.operations:
            if each.id == operation_id:
                return each
        raise not_found("OPERATION_NOT_FOUND", f"there is no operation {operation_id}")

    def _turned(self, request: Any, kind: str, *, active: bool) -> operation_pb2.Operation:
        pool = self._pool(request.pool)
        state = pool_pb2.POOL_STATE_RUNNING if active else pool_pb2.POOL_STATE_INACTIVE
        changed = pool.state != state
        if not request.validate_only:
            pool.state = state
            pool.ClearField("health")
            if active:
                pool.health.status = pool_pb2.PoolHealth.STATUS_HEALTHY
        return self._did(kind, request, pool.name, changed=changed)

    def _did(self, kind: str, request: Any, pool: str, *, changed: bool, volume: str = "") -> operation_pb2.Operation:
        operation = operation_pb2.Operation(
            kind=operation_pb2.OperationKind.Value(f"OPERATION_KIND_{kind}"),
            pool=pool,
            volume=volume,
            state=operation_pb2.OPERATION_STATE_SUCCEEDED,
            changed=changed,
            caller="uid:0",
            created_at=now(),
            ended_at=now(),
        )
        if volume and (pool, volume) in self.volumes:
            operation.volume_result.CopyFrom(self.volumes[pool, volume])
        elif pool in self.pools:
            operation.pool_result.CopyFrom(self.pools[pool])
        if not request.validate_only:
            operation.id = f"op-{len(self.operations) + 1}"
            self.operations.append(operation)
        return operation
