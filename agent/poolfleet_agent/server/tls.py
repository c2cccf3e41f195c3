"""mTLS: the agent's certificate and the CA of its clients, from files that are read again when they change."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import grpc
import structlog

from poolfleet_agent.config.load import ConfigurationError
from poolfleet_agent.config.settings import Tls

_log = structlog.stdlib.get_logger(__name__)

_Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class _Files:
    cert: Path
    key: Path
    client_ca: Path

    def stamp(self) -> _Stamp:
        """What changes when a file is replaced or written."""
        stats = [path.stat() for path in (self.cert, self.key, self.client_ca)]
        return tuple((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in stats)

    def read(self) -> grpc.ServerCertificateConfiguration:
        """Read certificates that fit together; raises OSError or ValueError with a sentence."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.cert, self.key, password=_no_password)
        except ssl.SSLError as error:
            raise ValueError(f"cert {self.cert} and key {self.key} are not a certificate and its key (PEM)") from error
        authorities = self.client_ca.read_bytes()
        try:
            context.load_verify_locations(cadata=authorities.decode("ascii"))
        except (ssl.SSLError, ValueError) as error:
            raise ValueError(f"client_ca {self.client_ca} holds no certificate (PEM)") from error
        return grpc.ssl_server_certificate_configuration(
            [(self.key.read_bytes(), self.cert.read_bytes())], root_certificates=authorities
        )


class CertificateSource:
    """The certificates in use. gRPC asks for them, on a thread of its own, before each handshake."""

    def __init__(self, tls: Tls) -> None:
        """Read the files; raises ConfigurationError."""
        self._files = _Files(Path(tls.cert), Path(tls.key), Path(tls.client_ca))
        try:
            self._stamp = self._files.stamp()
            self._initial = self._files.read()
        except (OSError, ValueError) as error:
            raise ConfigurationError([f"tls: {_words(error)}"]) from error

    def credentials(self) -> grpc.ServerCredentials:
        """Credentials that refuse clients without a certificate of the CA."""
        # The stubs do not know that None is an answer.
        fetcher = cast("Callable[[], grpc.ServerCertificateConfiguration]", self.changed)
        return grpc.dynamic_ssl_server_credentials(self._initial, fetcher, require_client_authentication=True)

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Read the files again if they changed and fit together; None: go on with the ones in use."""
        try:
            stamp = self._files.stamp()
            if stamp == self._stamp:
                return None
            fresh = self._files.read()
            if self._files.stamp() != stamp:
                return None
        except (OSError, ValueError) as error:
            _log.error("new certificates cannot be used; going on with the old ones", error=_words(error))
            return None
        self._stamp = stamp
        _log.info("certificates read again", cert=str(self._files.cert))
        return fresh


def _no_password() -> str:
    # Without this, an encrypted key makes OpenSSL ask on the terminal.
    raise ValueError("the key is encrypted; give one that is not")


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)
