"""The port model.ports.Secrets on libvirt: on the storage's own connection, or on one for the secrets.

libvirt's `storage:` driver knows no secrets. Beside it there is `secret:`: the same daemon's, or virtsecretd's, which
is connected to for each call alone, as secrets are rarely asked for.
"""

import errno
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import libvirt

from poolfleet_agent.hypervisor import secrets
from poolfleet_agent.hypervisor.caller import Caller, Limit
from poolfleet_agent.hypervisor.errors import Subject
from poolfleet_agent.hypervisor.handle import connect
from poolfleet_agent.hypervisor.uris import secret_uri
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.secret import SecretDefinition, SecretFacts, SecretRef, SecretValue

T = TypeVar("T")

HOW_TO_HAVE_SECRETS = (
    "install libvirt's secret driver (libvirt-daemon-driver-secret; Debian has it in libvirt-daemon), and start"
    " virtsecretd where there is no libvirtd"
)


class LibvirtSecrets:
    """libvirt's secrets. `storage_uri` says which URI the caller's connections are to."""

    def __init__(self, caller: Caller, storage_uri: Callable[[], str], *, timeout_s: float) -> None:
        """Own nothing: the caller has connections and places."""
        self._caller = caller
        self._storage_uri = storage_uri
        self._limit = Limit(timeout_s, Reason.LIBVIRT_UNAVAILABLE)

    async def list(self) -> Sequence[SecretFacts]:
        """All of them, in the order of lists: NOT_SUPPORTED_HERE."""
        return sorted(await self._call(secrets.listed, Subject()), key=lambda facts: facts.place_in_order)

    async def find(self, ref: SecretRef) -> SecretFacts | None:
        """One of them; None: there is none."""
        return await self._call(partial(secrets.find, ref=ref), Subject(secret=str(ref)))

    async def set(self, asked: SecretDefinition, value: SecretValue) -> SecretFacts:
        """Make it, or replace value and description of the one that has its usage: SECRET_EXISTS."""
        return await self._call(partial(secrets.set_value, asked=asked, value=value), Subject(secret=str(asked.ref)))

    async def value(self, uuid: str) -> SecretValue:
        """The value: SECRET_NOT_FOUND, SECRET_NOT_USABLE where it has none or is private."""
        return await self._call(partial(secrets.value_of, uuid=uuid), Subject(secret=uuid))

    async def delete(self, uuid: str) -> None:
        """Forget it: SECRET_NOT_FOUND."""
        await self._call(partial(secrets.delete, uuid=uuid), Subject(secret=uuid))

    async def _call(self, work: Callable[[libvirt.virConnect], T], subject: Subject) -> T:
        uri = secret_uri(self._storage_uri())
        job = work if uri is None else partial(_on_its_own_connection, uri, work)
        try:
            return await self._caller.call(job, subject, server=None, limit=self._limit)
        except ModelError as error:
            if error.reason is Reason.NOT_SUPPORTED_HERE:
                error.message = f"{error.message}; {HOW_TO_HAVE_SECRETS}"
            raise


def _on_its_own_connection(uri: str, work: Callable[[libvirt.virConnect], T], _: libvirt.virConnect) -> T:
    try:
        handle = connect(uri)
    except libvirt.libvirtError as error:
        if not _says_there_is_no_driver(error):
            raise
        message = f"no secrets at {uri}: {error.get_error_message()}"
        raise ModelError(Reason.NOT_SUPPORTED_HERE, message, metadata={"what": "secrets", "uri": uri}) from error
    try:
        return work(handle.connection)
    finally:
        handle.close()


def _says_there_is_no_driver(error: libvirt.libvirtError) -> bool:
    socket_is_missing = error.get_error_code() == libvirt.VIR_ERR_SYSTEM_ERROR and error.get_int1() == errno.ENOENT
    return socket_is_missing or error.get_error_code() == libvirt.VIR_ERR_NO_CONNECT
