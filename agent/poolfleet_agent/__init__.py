"""The agent: libvirt's storage pools and volumes of one host, behind gRPC."""

from importlib.metadata import version

__version__ = version("poolfleet")
