"""Addresses and paths as the configuration spells them: checked, and taken apart."""

import ipaddress
from typing import Annotated

from pydantic import AfterValidator


def split_address(address: str) -> tuple[str, int]:
    """Split `host:port` or `[v6]:port`; raises ValueError with a sentence."""
    host, _, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    if not host or (":" in host) != bracketed or not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError('must be host:port, such as "0.0.0.0:7443" or "[::]:7443"')
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the host; a name other than localhost is taken for one that others reach."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _absolute(path: str) -> str:
    if not path.startswith("/") or ".." in path.split("/") or "\x00" in path:
        raise ValueError("must be an absolute path without ..")
    return path


def _absolute_or_empty(path: str) -> str:
    return path and _absolute(path)


def _address_or_empty(address: str) -> str:
    if address:
        split_address(address)
    return address


AbsolutePath = Annotated[str, AfterValidator(_absolute)]
PathOrNothing = Annotated[str, AfterValidator(_absolute_or_empty)]
AddressOrNothing = Annotated[str, AfterValidator(_address_or_empty)]
