"""The secrets of one agent's libvirt."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from poolfleet.agent import mutations
from poolfleet.agent.convert.outgoing import representable
from poolfleet.agent.convert.scalars import moment
from poolfleet.agent.convert.secrets import secret as converted
from poolfleet.agent.convert.secrets import secret_ref, secret_spec, secret_value
from poolfleet.agent.paging import pages
from poolfleet.transport.connection import Connection
from poolfleet.types.operation import Operation
from poolfleet.types.secret import Secret, SecretRef, SecretSpec
from poolfleet.v1 import secret_service_pb2 as pb


class Secrets:
    """Sets, lists and deletes secrets. A value goes in, and no call gives it back. The tail of mutations is that of
    `Pools`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def list(
        self, *, usage_types: Sequence[str] = (), page_size: int = 0, timeout_s: float | None = None
    ) -> AsyncIterator[Secret]:
        """Read the secrets, without their values, by usage; libvirt is asked each time.

        usage_types: of these types of usage only; empty: all. page_size: 1–5000 at once; 0 leaves it to the agent.
        timeout_s is each page's own.
        """
        with representable:
            request = pb.ListSecretsRequest(filter=pb.SecretFilter(usage_types=usage_types), page_size=page_size)
        async for page in pages(self._connection, self._connection.secrets.ListSecrets, request, timeout_s):
            as_of = moment(page.as_of)
            for message in page.secrets:
                yield converted(message, as_of=as_of)

    async def set(
        self,
        spec: SecretSpec,
        value: str | bytes,
        *,
        etag: str = "",
        validate_only: bool = False,
        request_id: str | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> Operation:
        """Make a secret, or replace value and description of the one that has its usage.

        value: text, which becomes UTF-8, or bytes as they are. Values are never compared: `changed` is always True.
        Raises AlreadyExists (SECRET_EXISTS) where what is stated of UUID or flags differs, Unsupported where the host's
        libvirt keeps no secrets.
        """
        with representable:
            request = pb.SetSecretRequest(
                spec=secret_spec(spec), value=secret_value(value), etag=etag, validate_only=validate_only
            )
        return await mutations.run(
            self._connection, self._connection.secrets.SetSecret, request, request_id, timeout_s, wait=wait
        )

    async def delete(
        self,
        secret: SecretRef,
        *,
        allow_missing: bool = False,
        allow_in_use: bool = False,
        etag: str = "",
        validate_only: bool = False,
        request_id: str | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> Operation:
        """Delete a secret and its value.

        allow_missing: an absent secret is OK. allow_in_use: even where a pool, a volume or a guest refers to it (else
        FailedPrecondition, SECRET_IN_USE).
        """
        with representable:
            request = pb.DeleteSecretRequest(
                secret=secret_ref(secret),
                allow_missing=allow_missing,
                allow_in_use=allow_in_use,
                etag=etag,
                validate_only=validate_only,
            )
        return await mutations.run(
            self._connection, self._connection.secrets.DeleteSecret, request, request_id, timeout_s, wait=wait
        )
