"""Certificates of a simulated fleet: one authority, one certificate for all agents and one for the controller."""

from __future__ import annotations

from pathlib import Path

import trustme

_ADDRESSES = {"agent": "127.0.0.1", "controller": "controller.example"}


def certificate_files(folder: Path) -> list[Path]:
    """Where they lie."""
    return [folder / "ca.pem", *(folder / f"{name}.{kind}" for name in _ADDRESSES for kind in ("pem", "key"))]


def write_certificates(folder: Path) -> None:
    """Write `ca.pem`, and agent and controller with their keys: `agent.pem`, `agent.key`."""
    authority = trustme.CA(organization_name="poolfleet simulated fleet")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name, address in _ADDRESSES.items():
        issued = authority.issue_cert(address, common_name=name)
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
        chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
        (folder / f"{name}.pem").write_bytes(chain)
