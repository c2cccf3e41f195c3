"""The fleet file: TOML in which a person lists the hosts of a fleet.

```toml
[defaults]                                   # may be left out, as may each of its keys
timeout_s = 30
tls = { ca = "ca.pem", cert = "controller.pem", key = "controller.key" }

[[host]]
name = "kvm1"
target = "kvm1.example.com:7443"             # or "unix:/run/poolfleet/agent.sock"
site = "ams"
labels = { rack = "r1" }

[ansible]                                    # in place of hosts, or beside them
inventory = "hosts.yml"                      # what `ansible-inventory -i` reads, or its output: a file `….json`
group = "kvm"                                # all, where it is left out
port = 7443
```
Relative paths are meant from the file's own folder. The default `tls` is for hosts on TCP; a host's own comes first.
"""

from __future__ import annotations

import tomllib
from dataclasses import asdict
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from poolfleet.fleet.ansible import AnsibleTable
from poolfleet.fleet.hosts import Host, unique
from poolfleet.types.connection import TLS


class FleetFileError(ValueError):
    """The fleet file cannot be read, or is not understood; the message names the file, and each place in it."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Tls(_Table):
    ca: str
    cert: str
    key: str

    def found_from(self, folder: Path) -> TLS:
        return TLS(ca=folder / self.ca, cert=folder / self.cert, key=folder / self.key)


class _Defaults(_Table):
    timeout_s: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    tls: _Tls | None = None


class _Entry(_Table):
    name: str
    target: str
    site: str | None = None
    labels: dict[str, str] = {}
    timeout_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    tls: _Tls | None = None


class _File(_Table):
    defaults: _Defaults = _Defaults()
    host: list[_Entry] = []
    ansible: AnsibleTable | None = None


def read_fleet_file(path: str | Path) -> tuple[Host, ...]:
    """The hosts that the file lists, in its order. Raises FleetFileError."""
    file = Path(path)
    try:
        file = file.expanduser()
        text = file.read_text(encoding="utf-8")
        table = tomllib.loads(text)
        parsed = _File.model_validate(table)
        folder = file.absolute().parent
        listed = parsed.ansible.hosts_from(folder) if parsed.ansible else []
        entries = [*parsed.host, *(_Entry(**asdict(host)) for host in listed)]
        if not entries:
            raise ValueError("no [[host]] is listed")
        return unique(_host(entry, parsed.defaults, folder) for entry in entries)
    except OSError as error:
        raise FleetFileError(f"{file}: {error.strerror}") from error
    except ValidationError as error:
        raise FleetFileError("\n".join(f"{file}: {line}" for line in _explain(error, table))) from error
    except (ValueError, RuntimeError) as error:  # of TOML, of UTF-8, or of a host's own rules; of `~` without a home
        raise FleetFileError(f"{file}: {error}") from error


def _host(entry: _Entry, defaults: _Defaults, folder: Path) -> Host:
    local = entry.target.startswith("unix:")
    if local and entry.tls:
        raise ValueError(f"host {entry.name}: tls is for TCP, and the target is a UNIX socket")
    tls = None if local else entry.tls or defaults.tls
    return Host(
        name=entry.name,
        target=entry.target,
        labels=entry.labels,
        site=entry.site,
        tls=tls.found_from(folder) if tls else None,
        timeout_s=entry.timeout_s or defaults.timeout_s,
    )


def _explain(error: ValidationError, table: dict[str, object]) -> list[str]:
    lines = []
    for one in error.errors():
        place = _place(one["loc"], table)
        match one["type"]:
            case "missing":
                lines.append(f"{place} is missing")
            case "extra_forbidden":
                lines.append(f"{place} is not a key that is known here")
            case _:
                lines.append(f"{place}: {one['msg'][:1].lower()}{one['msg'][1:]}, not {one['input']!r}")
    return lines


def _place(location: tuple[int | str, ...], table: dict[str, object]) -> str:
    """Such as `host 2 (kvm2) target`: people count from one, and know the name."""
    match location:
        case ("host", int(index), *rest):
            entries = table["host"]
            entry = entries[index] if isinstance(entries, list) else None
            name = entry.get("name") if isinstance(entry, dict) else None
            return " ".join([f"host {index + 1}", *([f"({name})"] if name else []), ".".join(map(str, rest))]).strip()
        case _:
            return ".".join(map(str, location))
