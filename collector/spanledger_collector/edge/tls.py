"""TLS of both servers, from files."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from spanledger_collector.errors import CollectorError

if TYPE_CHECKING:
    import grpc


class TlsError(CollectorError):
    """A certificate or key cannot be used; the message names the file and the option."""


class UvicornTls(TypedDict, total=False):
    """Options of ``uvicorn.Config``: https://www.uvicorn.org/settings/#https."""

    ssl_certfile: str
    ssl_keyfile: str
    ssl_ca_certs: str
    ssl_cert_reqs: int


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files.

    Attributes:
        cert: certificate of the server, followed by those of the authorities between.
        key: its private key, without a passphrase.
        client_ca: authorities of clients' certificates; given, every client needs one.
    """

    cert: Path
    key: Path
    client_ca: Path | None = None

    def check(self) -> None:
        """Read the files.

        Raises:
            TlsError: one cannot be read, is not PEM, or the key is not the certificate's.
        """
        for option, path in self._options():
            try:
                path.read_bytes()
            except OSError as error:
                raise TlsError(f"{option} {path} cannot be read: {error.strerror}.") from None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # An empty passphrase: else OpenSSL would ask for one on the terminal.
            context.load_cert_chain(self.cert, self.key, password="")
        except ssl.SSLError as error:
            raise TlsError(
                f"--tls-cert {self.cert} and --tls-key {self.key} do not go together "
                f"({error.reason or 'not PEM'}): the first must hold the certificate, the second "
                "its private key without a passphrase, both in PEM."
            ) from None
        if self.client_ca:
            self._check_client_ca(context, self.client_ca)

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """Return what ``add_secure_port`` of gRPC needs."""
        import grpc  # the API and the dashboard, which ask for the files too, do without

        authorities = self.client_ca.read_bytes() if self.client_ca else None
        return grpc.ssl_server_credentials(
            [(self.key.read_bytes(), self.cert.read_bytes())],
            root_certificates=authorities,
            require_client_auth=authorities is not None,
        )

    def uvicorn_options(self) -> UvicornTls:
        """Return the options of ``uvicorn.Config``."""
        options: UvicornTls = {"ssl_certfile": str(self.cert), "ssl_keyfile": str(self.key)}
        if self.client_ca:
            options["ssl_ca_certs"] = str(self.client_ca)
            options["ssl_cert_reqs"] = ssl.CERT_REQUIRED
        return options

    def _options(self) -> list[tuple[str, Path]]:
        files = [("--tls-cert", self.cert), ("--tls-key", self.key)]
        return [*files, ("--tls-client-ca", self.client_ca)] if self.client_ca else files

    @staticmethod
    def _check_client_ca(context: ssl.SSLContext, path: Path) -> None:
        try:
            context.load_verify_locations(path)
        except ssl.SSLError as error:
            raise TlsError(
                f"--tls-client-ca {path} holds no certificate in PEM ({error.reason})."
            ) from None
