"""The collector as one process: both OTLP servers, the spool and the flushers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from spanledger_collector.access import Access, OpenAccess
from spanledger_collector.errors import CollectorError
from spanledger_collector.flush import Flusher
from spanledger_collector.grpc_server import add_health, create_server
from spanledger_collector.http_server import create_app
from spanledger_collector.intake import Intake
from spanledger_collector.spool import Spool
from spanledger_collector.telemetry import Telemetry
from spanledger_storage.errors import StoreError
from spanledger_storage.project_settings import DEFAULT_PROJECT, Project
from spanledger_storage.store import Store, StoreSettings

log = logging.getLogger(__name__)

_GRACE_S = 1.0


@dataclass(frozen=True, slots=True)
class CollectorSettings:
    """What a collector needs to run.

    Attributes:
        host: address to listen on.
        http_port: OTLP/HTTP.
        grpc_port: OTLP/gRPC.
        spool: the spool file; its directory is created.
        store: where rows go.
        access: says for which project a request is taken.
        store_processes: processes that decode and insert, side by side.
        max_request_bytes: limit of one request, compressed and decompressed.
        max_spool_bytes: beyond this, requests are refused retryably.
        not_ready: what else must be up before ``/readyz`` says so, one phrase each.
    """

    host: str
    http_port: int
    grpc_port: int
    spool: Path
    store: StoreSettings
    access: Access = field(default_factory=lambda: OpenAccess(Project(DEFAULT_PROJECT)))
    store_processes: int = 2
    max_request_bytes: int = 64 << 20
    max_spool_bytes: int = 10 << 30
    not_ready: Callable[[], list[str]] = list


class PortTaken(CollectorError):
    """A port cannot be listened on; the message names it and the option that changes it."""


class _HttpServer(uvicorn.Server):
    """uvicorn without its signal handlers: the process has one owner of signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


async def serve(settings: CollectorSettings, stop: asyncio.Event) -> None:
    """Run until ``stop`` is set, then refuse, drain and end within about two seconds.

    Raises:
        PortTaken: before anything was accepted.
        SpoolError: the spool cannot be opened.
    """
    listener = _listen(settings.host, settings.http_port)
    spool = Spool(settings.spool, max_bytes=settings.max_spool_bytes)
    intake = Intake(spool, Telemetry())
    # The end of the pipeline starts first and stops last.
    flushers = [Flusher(spool, settings.store, n) for n in range(settings.store_processes)]
    for flusher in flushers:
        flusher.start()
    grpc_server = create_server(intake, settings.access, settings.max_request_bytes)
    await add_health(grpc_server)
    _bind_grpc(grpc_server, settings)
    await grpc_server.start()
    app = create_app(intake, settings.access, _Readiness(settings), settings.max_request_bytes)
    http_server = _HttpServer(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=int(_GRACE_S),
            backlog=2048,
        )
    )
    serving = asyncio.create_task(http_server.serve(sockets=[listener]))
    log.info("listening on %s: HTTP %d, gRPC %d", settings.host, settings.http_port,
             settings.grpc_port)  # fmt: skip
    await stop.wait()
    intake.close()
    http_server.should_exit = True
    await asyncio.gather(serving, grpc_server.stop(_GRACE_S))
    for flusher in flushers:
        await asyncio.to_thread(flusher.stop)
    spool.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise _port_taken(host, port, "--http-port", error) from None
    return listener


def _bind_grpc(server: object, settings: CollectorSettings) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        server.add_insecure_port(f"{host}:{settings.grpc_port}")  # type: ignore[attr-defined]
    except RuntimeError as error:
        raise _port_taken(settings.host, settings.grpc_port, "--grpc-port", error) from None


def _port_taken(host: str, port: int, option: str, error: Exception) -> PortTaken:
    reason = getattr(error, "strerror", None) or "the address cannot be used"
    return PortTaken(f"Cannot listen on {host}:{port} ({reason}); choose another with {option}.")


class _Readiness:
    """Says what is not ready: the store, and whatever the settings add."""

    def __init__(self, settings: CollectorSettings) -> None:
        self._settings = settings
        self._store: Store | None = None

    def __call__(self) -> list[str]:
        missing = self._settings.not_ready()
        try:
            self._store = self._store or Store.connect(self._settings.store)
            self._store.sql_rows("SELECT 1 FROM touches LIMIT 0")
        except StoreError as error:
            missing = [*missing, f"store: {error}"]
        return missing
