"""SecretService: translates requests to use cases and reads, and their answers back. Values go one way only."""

from operator import attrgetter
from typing import Any

import grpc

from poolfleet.v1 import secret_service_pb2, secret_service_pb2_grpc
from poolfleet_agent.control.host import Host
from poolfleet_agent.control.operations import Operations
from poolfleet_agent.control.secrets.delete import DeleteSecret
from poolfleet_agent.control.secrets.set import SetSecret
from poolfleet_agent.inventory.pages import page_of
from poolfleet_agent.model.etag import secret_etag
from poolfleet_agent.model.secret import check_value
from poolfleet_agent.services.convert.secrets import definition_from, ref_from, secret_to
from poolfleet_agent.services.convert.times import timestamp
from poolfleet_agent.services.mutating import submit
from poolfleet_agent.services.pool_filter import question_of

Context = grpc.aio.ServicerContext[Any, Any]
_PB = secret_service_pb2


class SecretServicer(secret_service_pb2_grpc.SecretServiceServicer):
    """Implements SecretService."""

    def __init__(self, host: Host, operations: Operations) -> None:
        """Take the host's use cases and what runs them."""
        self._host = host
        self._operations = operations

    async def SetSecret(self, request: _PB.SetSecretRequest, context: Context) -> _PB.SetSecretResponse:
        """Set a secret's value."""
        mutation = SetSecret(
            host=self._host,
            definition=definition_from(request.spec),
            value=check_value("value", request.value),
            value_digest=self._operations.digests.of_secret(request.value),
            etag=request.etag,
        )
        return _PB.SetSecretResponse(operation=await submit(self._operations, request, mutation))

    async def ListSecrets(self, request: _PB.ListSecretsRequest, context: Context) -> _PB.ListSecretsResponse:
        """List secrets."""
        host = self._host
        types = set(request.filter.usage_types)
        found = await host.hypervisor.secrets.list()
        page = page_of(
            (facts for facts in found if not types or facts.usage_type in types),
            key=attrgetter("place_in_order"),
            asked_size=request.page_size,
            token=request.page_token,
            question=question_of(request.filter),
            size_bytes=lambda facts: 256 + len(facts.usage_id) + len(facts.description),
        )
        return _PB.ListSecretsResponse(
            secrets=[secret_to(facts, secret_etag(facts)) for facts in page.items],
            next_page_token=page.next_token,
            as_of=timestamp(host.clock.now_s()),
        )

    async def DeleteSecret(self, request: _PB.DeleteSecretRequest, context: Context) -> _PB.DeleteSecretResponse:
        """Delete a secret."""
        mutation = DeleteSecret(
            host=self._host,
            ref=ref_from("secret", request.secret),
            etag=request.etag,
            allow_missing=request.allow_missing,
            allow_in_use=request.allow_in_use,
        )
        return _PB.DeleteSecretResponse(operation=await submit(self._operations, request, mutation))
