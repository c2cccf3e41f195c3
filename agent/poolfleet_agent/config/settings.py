"""What can be configured: each setting with its meaning, its default and the rule that it must keep."""

import os
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from poolfleet_agent.config.addresses import AbsolutePath, AddressOrNothing, PathOrNothing, is_loopback, split_address

ENVIRONMENT_PREFIX = "POOLFLEET_AGENT__"
LONGEST_SOCKET_PATH_BYTES = 107
WIDEST_SOCKET_MODE = 0o660


Ratio = Annotated[float, Field(ge=0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Listen(_Section):
    """Where the agent is reached."""

    unix: PathOrNothing = "/run/poolfleet/agent.sock"
    """UNIX socket; "" is off. Whoever can open it may do everything."""
    unix_mode: str = "0660"
    """Octal mode of the socket, 0660 at most."""
    unix_group: str = ""
    """Group that owns the socket; "" is the agent's own."""
    tcp: AddressOrNothing = ""
    """Address, such as "0.0.0.0:7443"; "" is off. Off loopback only with [tls]."""

    @field_validator("unix")
    @classmethod
    def _fits(cls, path: str) -> str:
        if len(os.fsencode(path)) > LONGEST_SOCKET_PATH_BYTES:
            raise ValueError(f"is longer than the {LONGEST_SOCKET_PATH_BYTES} bytes that a socket's path can have")
        return path

    @field_validator("unix_mode")
    @classmethod
    def _not_wider(cls, mode: str) -> str:
        if not (mode.isascii() and mode.isdigit() and set(mode) <= set("01234567")):
            raise ValueError('must be an octal number such as "0660"')
        if int(mode, 8) & ~WIDEST_SOCKET_MODE:
            raise ValueError(f"must not be wider than 0660, is {mode}: name a group by unix_group instead")
        return mode

    @property
    def unix_mode_bits(self) -> int:
        """The mode as a number."""
        return int(self.unix_mode, 8)


class Tls(_Section):
    """Certificates for TCP, all three or none: clients must show one that `client_ca` signed."""

    cert: PathOrNothing = ""
    """The agent's certificate chain (PEM). Read again when it changes, as key and client_ca are."""
    key: PathOrNothing = ""
    """Its private key (PEM)."""
    client_ca: PathOrNothing = ""
    """Authorities that sign the certificates of clients (PEM)."""

    @model_validator(mode="after")
    def _whole(self) -> "Tls":
        missing = [name for name in ("cert", "key", "client_ca") if not getattr(self, name)]
        if missing and len(missing) < 3:
            raise ValueError(f"needs cert, key and client_ca together; missing: {', '.join(missing)}")
        return self

    @property
    def configured(self) -> bool:
        """Whether there is TLS at all."""
        return bool(self.cert)


class Libvirt(_Section):
    """The libvirt daemons of this host."""

    storage_uri: str = ""
    """Connection for pools and volumes; "" finds out."""
    domain_uris: tuple[str, ...] | None = None
    """Connections for domains; left out: found out. [] says that this host has none."""
    call_timeout_s: Annotated[float, Field(gt=0)] = 60.0
    """How long a call to libvirt is waited for, in seconds."""


class Mount(_Section):
    """How network shares are mounted; a call may say otherwise for itself."""

    deadline_s: Annotated[float, Field(gt=0)] = 120.0
    """How long a start goes on trying, in seconds."""
    attempts: Annotated[int, Field(ge=0)] = 0
    """How often it tries at most; 0 is as often as the deadline allows."""
    first_delay_s: Annotated[float, Field(gt=0)] = 0.5
    """The wait after the first attempt, in seconds; it doubles, with jitter."""
    longest_delay_s: Annotated[float, Field(gt=0)] = 15.0
    """The longest wait between two attempts, in seconds."""
    allowed_options: tuple[Literal["bg", "suid", "exec", "dev"], ...] = ()
    """Harmful mount options that pools may have all the same."""
    probe_timeout_s: Annotated[float, Field(gt=0)] = 2.0
    """A mounted share that does not answer a probe within so many seconds has missed it; two misses, and it is dead."""
    probe_interval_s: Annotated[float, Field(ge=1)] = 10.0
    """How often each network mount of the host is probed, in seconds, more or less."""
    rescue_libvirtd: bool = True
    """Whether a mount that libvirtd runs itself is ended after 10 s, while libvirtd answers nothing because of it."""


class PoolOverride(_Section):
    """What differs for one pool."""

    name: str
    """The pool's name."""
    overcommit_ratio: Ratio
    """In place of the host's."""


class ConfiguredStorageId(_Section):
    """The id of a storage that several hosts share."""

    id: Annotated[str, Field(min_length=1)]
    """The same on every host that sees the storage."""
    path: PathOrNothing = ""
    """Target directory of the pools on it; or `source`."""
    source: str = ""
    """Source of the pools on it, such as "nfs.example.com:/export"; or `path`."""

    @model_validator(mode="after")
    def _one(self) -> "ConfiguredStorageId":
        if bool(self.path) == bool(self.source):
            raise ValueError("needs either path or source")
        return self


class Log(_Section):
    """The log, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is written; debug has a line for each call."""
    format: Literal["json", "console"] = "json"
    """One JSON object a line, or text for people."""
    slow_call_s: Annotated[float, Field(gt=0)] = 1.0
    """Calls that take longer, in seconds, are logged at info."""


class Metrics(_Section):
    """Prometheus metrics over plain HTTP."""

    listen: AddressOrNothing = ""
    """Address, such as "127.0.0.1:9464"; "" is off. There is no access control: prefer loopback."""


class Limits(_Section):
    """Bounds; what exceeds them is refused with TOO_BUSY."""

    calls: Annotated[int, Field(gt=0)] = 512
    """Calls being answered at once."""
    watchers: Annotated[int, Field(gt=0)] = 256
    """Streams open at once."""
    operations: Annotated[int, Field(gt=0)] = 256
    """Operations running at once."""
    max_jobs: Annotated[int, Field(gt=0)] | None = None
    """Programs of the agent's own that fill files at once; further ones wait, PENDING. Left out: 2, but 1 on a host of
    two processors.
    """
    request_id_retention_s: Annotated[float, Field(gt=0)] = 86400.0
    """How long request ids and ended operations are remembered, in seconds."""
    drain_s: Annotated[float, Field(ge=0)] = 30.0
    """How long running operations are waited for at SIGTERM, in seconds."""


class Settings(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter="__",
    )

    mode: Literal["manage", "observe"] = "manage"
    """"observe" refuses whatever changes something."""
    state_dir: AbsolutePath = "/var/lib/poolfleet-agent"
    """Folder for operations, desired states and the agent's id; local, not on a share."""
    allowed_paths: tuple[AbsolutePath, ...] = ("/var/lib/libvirt/images", "/srv", "/mnt")
    """Folders in which pool targets, backing stores and clone sources may lie; devices in /dev too. Add where your
    shares are mounted.
    """
    staleness_s: Annotated[float, Field(ge=1)] = 60.0
    """The periodic look: how old what is seen of a volume may become, in seconds."""
    overcommit_ratio: Ratio = 0.0
    """The volumes' capacities may add up to so many times the pool's; 0 is no limit."""
    reflection_on_tcp: bool = False
    """Whether gRPC reflection answers on TCP too; on the UNIX socket it always does."""
    listen: Listen = Listen()
    tls: Tls = Tls()
    libvirt: Libvirt = Libvirt()
    mount: Mount = Mount()
    log: Log = Log()
    metrics: Metrics = Metrics()
    limits: Limits = Limits()
    pools: tuple[PoolOverride, ...] = ()
    storages: tuple[ConfiguredStorageId, ...] = ()

    @model_validator(mode="after")
    def _reachable_and_safe(self) -> "Settings":
        if not self.listen.unix and not self.listen.tcp:
            raise ValueError("listen: unix and tcp are both off, so nobody could reach the agent")
        if self.listen.tcp and not self.tls.configured:
            host, _ = split_address(self.listen.tcp)
            if not is_loopback(host):
                raise ValueError(
                    f"listen.tcp: {self.listen.tcp} can be reached from other machines, so it needs tls.cert, tls.key"
                    " and tls.client_ca; without them use 127.0.0.1"
                )
        return self

    def overcommit_ratio_of(self, pool: str) -> float:
        """The ratio that holds for a pool; 0 is no limit."""
        return next((entry.overcommit_ratio for entry in self.pools if entry.name == pool), self.overcommit_ratio)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file."""
        return env_settings, init_settings
