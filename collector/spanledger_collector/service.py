"""The collector as one process: both OTLP servers, the spool and the flushers."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import uvicorn

from spanledger_collector import memory
from spanledger_collector.access.senders import Access, OpenAccess
from spanledger_collector.edge.admission import Admission
from spanledger_collector.edge.cors import check_origin
from spanledger_collector.edge.edge import Edge
from spanledger_collector.edge.grpc_server import Health, create_server
from spanledger_collector.edge.hosts import OnlyLocalNames
from spanledger_collector.edge.http_protocol import IDLE_S, Connection
from spanledger_collector.edge.http_server import App, create_app
from spanledger_collector.edge.readiness import Readiness
from spanledger_collector.edge.status_page import StatusPage
from spanledger_collector.edge.tls import TlsFiles, UvicornTls
from spanledger_collector.errors import CollectorError
from spanledger_collector.intake import Intake
from spanledger_collector.spool.budget import default_budget
from spanledger_collector.spool.figures import show_spool
from spanledger_collector.spool.spool import Spool
from spanledger_collector.store.flush import Flusher
from spanledger_collector.telemetry import Telemetry
from spanledger_storage.project_settings import DEFAULT_PROJECT, Project
from spanledger_storage.store import StoreSettings

log = logging.getLogger(__name__)

DEFAULT_INFLIGHT_BYTES = 256 << 20
_GRACE_S = 1.0
_HEALTH_EVERY_S = 0.5
_OPEN_FILES = 65_536


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
        tls: certificate and key of both servers; None: plain text.
        store_processes: processes that decode and insert, side by side.
        max_request_bytes: limit of one request, compressed and decompressed.
        max_inflight_bytes: limit of all requests in memory; beyond it, they are refused retryably.
        max_spool_bytes: from 95 % of this on requests are refused retryably; None: 10 GiB or a
            fifth of the volume.
        cors_origins: origins of web pages that may send; none: no page may.
        not_ready: what else must be up before ``/readyz`` says so, one phrase each.
    """

    host: str
    http_port: int
    grpc_port: int
    spool: Path
    store: StoreSettings
    access: Access = field(default_factory=lambda: OpenAccess(Project(DEFAULT_PROJECT)))
    tls: TlsFiles | None = None
    store_processes: int = 2
    max_request_bytes: int = 64 << 20
    max_inflight_bytes: int = DEFAULT_INFLIGHT_BYTES
    max_spool_bytes: int | None = None
    cors_origins: tuple[str, ...] = ()
    not_ready: Callable[[], list[str]] = list


class PortTaken(CollectorError):
    """A port cannot be listened on; the message names it and the option that changes it."""


class _HttpServer(uvicorn.Server):
    """uvicorn without its signal handlers: the process has one owner of signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


async def serve(settings: CollectorSettings, stop: asyncio.Event) -> None:
    """Run until ``stop`` is set, then drain and end within about two seconds.

    Raises:
        PortTaken: before anything was accepted.
        TlsError: the certificate or key cannot be used.
        OriginError: an origin of web pages is none.
        SpoolError: the spool cannot be opened.
    """
    if settings.tls:
        settings.tls.check()
    for origin in settings.cors_origins:
        check_origin(origin)
    _allow_many_connections()
    memory.keep_some()
    listener = _listen(settings.host, settings.http_port)
    telemetry = Telemetry()
    spool = _open_spool(settings, telemetry)
    intake = Intake(spool, telemetry)
    # The end of the pipeline starts first and stops last.
    flushers = _start_flushers(settings, spool, telemetry)
    readiness = Readiness(spool, settings.store, settings.not_ready)
    page = StatusPage(telemetry, readiness.problems, lambda: _last_errors(flushers))
    servers = _Servers(settings, _edge(settings, intake, telemetry), readiness)
    grpc_port = await servers.start(listener, page)
    http_port = listener.getsockname()[1]  # of 0, which is any free one
    log.info("listening on %s: HTTP %d, gRPC %d", settings.host, http_port, grpc_port)
    await stop.wait()
    await servers.stop()
    intake.close()
    for flusher in flushers:
        flusher.ask_to_stop()
    await asyncio.gather(*(asyncio.to_thread(flusher.stop) for flusher in flushers))
    spool.close()


def _edge(settings: CollectorSettings, intake: Intake, telemetry: Telemetry) -> Edge:
    admission = Admission(settings.max_inflight_bytes, telemetry.inflight_bytes)
    # What could never fit in memory must not be refused as if it might later.
    max_bytes = min(settings.max_request_bytes, settings.max_inflight_bytes)
    return Edge(intake, settings.access, admission, telemetry, max_bytes)


class _Servers:
    """Both servers, from the first connection to the last answer."""

    def __init__(self, settings: CollectorSettings, edge: Edge, readiness: Readiness) -> None:
        self._settings = settings
        self._edge = edge
        self._readiness = readiness
        self._grpc = create_server(edge)
        self._health = Health(self._grpc, readiness.refusals)

    async def start(self, listener: socket.socket, page: StatusPage) -> int:
        """Take requests from now on; return the port of gRPC.

        Raises:
            PortTaken: that of gRPC.
        """
        grpc_port = _bind_grpc(self._grpc, self._settings)
        await self._grpc.start()
        origins = [check_origin(origin) for origin in self._settings.cors_origins]
        app = create_app(self._edge, self._readiness.problems, page.render, origins)
        if isinstance(self._settings.access, OpenAccess):
            app = OnlyLocalNames(app, self._settings.host)
        self._http = _HttpServer(_http_config(app, self._settings))
        self._serving = asyncio.create_task(self._http.serve(sockets=[listener]))
        self._watching = asyncio.create_task(_watch(self._health))
        return grpc_port

    async def stop(self) -> None:
        """Answer what is under way, and send whoever asks elsewhere."""
        self._readiness.close()
        self._watching.cancel()
        await self._health.update()
        self._http.should_exit = True
        await asyncio.gather(self._serving, self._grpc.stop(_GRACE_S))


def _open_spool(settings: CollectorSettings, telemetry: Telemetry) -> Spool:
    budget = settings.max_spool_bytes or default_budget(settings.spool.parent)
    spool = Spool(settings.spool, max_bytes=budget, telemetry=telemetry)
    show_spool(telemetry, spool)
    return spool


def _start_flushers(
    settings: CollectorSettings, spool: Spool, telemetry: Telemetry
) -> list[Flusher]:
    scratch = settings.spool.parent / "tmp"
    flushers = [
        Flusher(spool, settings.store, rank, telemetry=telemetry, scratch=scratch)
        for rank in range(settings.store_processes)
    ]
    for flusher in flushers:
        flusher.start()
    return flushers


def _http_config(app: App, settings: CollectorSettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        interface="asgi3",
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        log_level="error",  # no line for what is not HTTP, or anybody could fill the log
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=int(_GRACE_S),
        backlog=2048,
        **(settings.tls.uvicorn_options() if settings.tls else UvicornTls()),
    )


async def _watch(health: Health) -> None:
    while True:
        await health.update()
        await asyncio.sleep(_HEALTH_EVERY_S)


def _last_errors(flushers: list[Flusher]) -> list[str]:
    return sorted({flusher.last_error for flusher in flushers if flusher.last_error})


def _allow_many_connections() -> None:
    """Raise the limit of open files as far as the system allows without asking anybody."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


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


def _bind_grpc(server: grpc.aio.Server, settings: CollectorSettings) -> int:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        if settings.tls:
            credentials = settings.tls.grpc_credentials()
            return int(server.add_secure_port(f"{host}:{settings.grpc_port}", credentials))
        return int(server.add_insecure_port(f"{host}:{settings.grpc_port}"))
    except RuntimeError as error:
        raise _port_taken(settings.host, settings.grpc_port, "--grpc-port", error) from None


def _port_taken(host: str, port: int, option: str, error: Exception) -> PortTaken:
    reason = getattr(error, "strerror", None) or "the address cannot be used"
    if isinstance(error, socket.gaierror) or getattr(error, "errno", 0) == errno.EADDRNOTAVAIL:
        return PortTaken(
            f"Cannot listen on {host} ({reason}); give an address of this machine with --host."
        )
    return PortTaken(f"Cannot listen on {host}:{port} ({reason}); choose another with {option}.")
