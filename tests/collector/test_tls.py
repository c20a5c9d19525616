"""TLS of both servers, with certificates made for the test."""

from __future__ import annotations

import socket
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import pytest
import trustme
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
    OTLPSpanExporter as GrpcExporter,
)
from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
    OTLPSpanExporter as HttpExporter,
)

from spanledger_collector.edge.tls import TlsError, TlsFiles
from spanledger_storage.store import Store
from tests.instance import command, environment, wait_until
from tests.keys import BODY, PROTOBUF, export, send_grpc
from tests.otlp import GRPC_METHOD
from tests.ports import free_port
from tests.running import RunningCollector, running_collector


@dataclass
class Certificates:
    """A server's and a client's certificate, of two authorities."""

    server: TlsFiles
    authority: Path
    client_authority: Path
    client: tuple[Path, Path]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("tls")
    made: dict[str, Path] = {}
    for name in ("server", "client"):
        authority = trustme.CA()
        own = authority.issue_cert("127.0.0.1", "localhost")
        for kind, blobs in {
            "ca": [authority.cert_pem],
            "key": [own.private_key_pem],
            "cert": own.cert_chain_pems,
        }.items():
            made[f"{name} {kind}"] = path = folder / f"{name}-{kind}.pem"
            path.write_bytes(b"".join(blob.bytes() for blob in blobs))
    return Certificates(
        TlsFiles(made["server cert"], made["server key"]),
        made["server ca"],
        made["client ca"],
        (made["client cert"], made["client key"]),
    )


def send_grpc_tls(
    running: RunningCollector, authority: Path, client: tuple[Path, Path] | None = None
) -> None:
    cert, key = (path.read_bytes() for path in client) if client else (None, None)
    credentials = grpc.ssl_channel_credentials(authority.read_bytes(), key, cert)
    with grpc.secure_channel(f"localhost:{running.grpc_port}", credentials) as channel:
        method = channel.unary_unary(
            GRPC_METHOD, request_serializer=bytes, response_deserializer=bytes
        )
        method(BODY, timeout=10)


def test_both_protocols_speak_tls(
    store: Store, tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # they win over what an exporter is given
        monkeypatch.delenv(name, raising=False)
    with running_collector(store, tmp_path, tls=certificates.server) as running:
        send_grpc_tls(running, certificates.authority)
        export(
            HttpExporter(
                endpoint=f"{running.url}/v1/traces",
                certificate_file=str(certificates.authority),
            ),
            "over https",
        )
        endpoint = f"https://localhost:{running.grpc_port}"
        credentials = grpc.ssl_channel_credentials(certificates.authority.read_bytes())
        export(GrpcExporter(endpoint=endpoint, credentials=credentials), "over grpcs")
        running.await_spans(3)
        with pytest.raises(httpx.ConnectError):  # who does not trust the authority
            httpx.post(f"{running.url}/v1/traces", content=BODY, headers=PROTOBUF)
        with pytest.raises(httpx.TransportError):  # plain text
            httpx.post(f"http://127.0.0.1:{running.http_port}/v1/traces", content=BODY)
        with pytest.raises(grpc.RpcError):
            send_grpc(running, {}, timeout_s=1)
        running.await_spans(3)


def test_with_an_authority_for_clients_every_client_needs_a_certificate(
    store: Store, tmp_path: Path, certificates: Certificates
) -> None:
    files = TlsFiles(
        certificates.server.cert, certificates.server.key, certificates.client_authority
    )
    trust = ssl.create_default_context(cafile=str(certificates.authority))
    with running_collector(store, tmp_path, tls=files) as running:
        with pytest.raises(httpx.TransportError), httpx.Client(verify=trust) as stranger:
            stranger.get(f"{running.url}/healthz")
        with pytest.raises(grpc.RpcError):
            send_grpc_tls(running, certificates.authority)
        known = ssl.create_default_context(cafile=str(certificates.authority))
        known.load_cert_chain(*certificates.client)
        with httpx.Client(verify=known) as client:
            url = f"{running.url}/v1/traces"
            assert client.post(url, content=BODY, headers=PROTOBUF).status_code == 200
        send_grpc_tls(running, certificates.authority, certificates.client)
        running.await_spans(1)  # the same span twice


def test_whoever_speaks_no_tls_leaves_no_line_in_the_log(
    tmp_path: Path, certificates: Certificates
) -> None:
    grpc_port, log = free_port(), tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command("collect"), "--data", str(tmp_path), "--store-url", "clickhouse://127.0.0.1:1/x",
             "--http-port", str(free_port()), "--grpc-port", str(grpc_port),
             "--tls-cert", str(certificates.server.cert),
             "--tls-key", str(certificates.server.key)],
            stdout=output, stderr=output, env=environment(),
        )  # fmt: skip
    try:
        wait_until(lambda: "listening on" in log.read_text())
        before = log.read_text()
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", grpc_port), timeout=10) as stranger:
                stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
                while stranger.recv(4096):
                    pass
    finally:
        process.terminate()
        process.wait(20)
    told = log.read_text().removeprefix(before)
    assert "Handshake" not in told


def test_files_that_cannot_be_used_are_named(tmp_path: Path, certificates: Certificates) -> None:
    good, empty, missing = certificates.server, tmp_path / "empty.pem", tmp_path / "none.pem"
    empty.write_text("")
    other_key = certificates.client[1]
    for files, message in (
        (TlsFiles(missing, good.key), "--tls-cert .*none.pem cannot be read"),
        (TlsFiles(good.cert, missing), "--tls-key .*none.pem cannot be read"),
        (TlsFiles(good.cert, good.key, missing), "--tls-client-ca .*none.pem cannot be read"),
        (TlsFiles(good.cert, other_key), "do not go together"),
        (TlsFiles(empty, good.key), "do not go together"),
        (TlsFiles(good.cert, empty), "do not go together"),
        (TlsFiles(good.key, good.cert), "do not go together"),
        (TlsFiles(good.cert, good.key, empty), "--tls-client-ca .* no certificate"),
    ):
        with pytest.raises(TlsError, match=message):
            files.check()
    good.check()
