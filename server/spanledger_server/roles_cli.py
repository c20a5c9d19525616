"""The commands that run: everything on one machine, or one role alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Annotated

import typer

from spanledger_alerts.settings import AlertSettings, beside
from spanledger_collector.edge.cors import check_origin
from spanledger_dashboard.access.settings import DashboardAuth
from spanledger_server import roles
from spanledger_server.dashboard_guard import DashboardGuard
from spanledger_server.errors import UsageError
from spanledger_server.guard import Guard, tls_files
from spanledger_server.options import (
    DEFAULT_DATA,
    AuthMode,
    CorsOrigins,
    DashboardSignIn,
    Data,
    InflightBytes,
    SignIn,
    SpoolBytes,
    StateUrl,
    StoreUrl,
    TlsCert,
    TlsClientCa,
    TlsKey,
)
from spanledger_server.sizes import size_bytes, spool_bytes
from spanledger_storage.project_settings import NAME, NAME_RULE

Host = Annotated[
    str, typer.Option("--host", envvar="SPANLEDGER_HOST", help="Address to listen on.")
]
HttpPort = Annotated[
    int,
    typer.Option("--http-port", envvar="SPANLEDGER_HTTP_PORT", min=0, max=65535, help="OTLP/HTTP."),
]
GrpcPort = Annotated[
    int,
    typer.Option("--grpc-port", envvar="SPANLEDGER_GRPC_PORT", min=0, max=65535, help="OTLP/gRPC."),
]
OwnProject = Annotated[
    str,
    typer.Option(
        "--project",
        envvar="SPANLEDGER_PROJECT",
        help="Project of SPANLEDGER_INGEST_KEY, and of whatever comes without a key.",
    ),
]
Supervised = Annotated[bool, typer.Option("--supervised", hidden=True)]


def add_commands(app: typer.Typer) -> None:
    """Add the commands in the order in which help lists them."""
    for run in (up, collect, work, dashboard, api):
        app.command()(run)


def up(
    data: Data = DEFAULT_DATA,
    host: Host = "127.0.0.1",
    http_port: HttpPort = 4318,
    grpc_port: GrpcPort = 4317,
    dashboard_port: Annotated[
        int,
        typer.Option(envvar="SPANLEDGER_DASHBOARD_PORT", min=0, max=65535, help="Dashboard."),
    ] = 8501,
    api_port: Annotated[
        int,
        typer.Option(envvar="SPANLEDGER_API_PORT", min=0, max=65535, help="API for programs."),
    ] = 8502,
    engine_port: Annotated[
        int,
        typer.Option(
            envvar="SPANLEDGER_ENGINE_PORT", min=0, max=65535, help="Local engine (loopback)."
        ),
    ] = 18123,
    store_url: StoreUrl = "",
    state_url: StateUrl = "",
    max_spool_bytes: SpoolBytes = "",
    max_inflight_bytes: InflightBytes = "",
    cors_origin: CorsOrigins = None,
    auth: AuthMode = None,
    dashboard_auth: DashboardSignIn = DashboardAuth.NONE,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tls_client_ca: TlsClientCa = None,
) -> None:
    """Run everything on this machine: engine, collector, worker, dashboard and API.

    Without --store-url a private ClickHouse engine keeps the data in the data directory. With
    another --host the collector and the API ask for keys; the dashboard stays on loopback unless
    --dashboard-auth says how people sign in.
    """
    from spanledger_server.supervisor import Supervisor
    from spanledger_server.up_settings import UpSettings

    ports = {
        "--http-port": http_port,
        "--grpc-port": grpc_port,
        "--dashboard-port": dashboard_port,
        "--api-port": api_port,
    }
    _check_ports(ports if store_url else {**ports, "--engine-port": engine_port})
    tls = tls_files(tls_cert, tls_key, tls_client_ca)
    guard = Guard.of(host, auth, data, state_url, tls)
    dashboard_guard = DashboardGuard(dashboard_auth, data.expanduser(), state_url, tls)
    dashboard_guard.check()
    supervisor = Supervisor(
        UpSettings(
            data=data.expanduser(),
            host=host,
            http_port=http_port,
            grpc_port=grpc_port,
            dashboard_port=dashboard_port,
            api_port=api_port,
            engine_port=engine_port,
            store_url=store_url or None,
            read_store_url=os.environ.get("SPANLEDGER_READ_STORE_URL"),
            state_url=state_url or None,
            max_spool_bytes=spool_bytes(max_spool_bytes),
            max_inflight_bytes=size_bytes(max_inflight_bytes, "--max-inflight-bytes"),
            cors_origins=_origins(cors_origin),
            guard=guard,
            dashboard_guard=dashboard_guard,
        ),
        say=lambda text: print(text, flush=True),
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: supervisor.request_stop())
    supervisor.run()


def collect(
    data: Data = DEFAULT_DATA,
    host: Host = "127.0.0.1",
    http_port: HttpPort = 4318,
    grpc_port: GrpcPort = 4317,
    store_url: StoreUrl = "",
    store_processes: Annotated[
        int,
        typer.Option(
            envvar="SPANLEDGER_STORE_PROCESSES",
            min=1,
            max=64,
            help="Processes that decode and insert, side by side.",
        ),
    ] = 2,
    project: OwnProject = "default",
    state_url: StateUrl = "",
    max_spool_bytes: SpoolBytes = "",
    max_inflight_bytes: InflightBytes = "",
    cors_origin: CorsOrigins = None,
    auth: AuthMode = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tls_client_ca: TlsClientCa = None,
    supervised: Supervised = False,
) -> None:
    """Run a collector alone, against a ClickHouse server. Any number may run side by side."""
    if supervised:
        roles.end_with_parent()
    _check_ports({"--http-port": http_port, "--grpc-port": grpc_port})
    roles.collect(
        host=host,
        http_port=http_port,
        grpc_port=grpc_port,
        data=data.expanduser(),
        store_url=required(store_url, "--store-url", "SPANLEDGER_STORE_URL"),
        store_processes=store_processes,
        project=_project(project),
        max_spool_bytes=spool_bytes(max_spool_bytes),
        max_inflight_bytes=size_bytes(max_inflight_bytes, "--max-inflight-bytes"),
        cors_origins=_origins(cors_origin),
        guard=Guard.of(host, auth, data, state_url, tls_files(tls_cert, tls_key, tls_client_ca)),
        supervised=supervised,
    )


def work(
    data: Data = DEFAULT_DATA,
    store_url: StoreUrl = "",
    state_url: StateUrl = "",
    supervised: Supervised = False,
) -> None:
    """Run the jobs alone: ledger, trajectories, usage, alerts. Of several, one does."""
    from spanledger_storage.state import sqlite_url

    if supervised:
        roles.end_with_parent()
    for name, place in beside(data).items():
        os.environ.setdefault(name, place)
    AlertSettings.of(os.environ)  # what cannot be stops the start
    roles.work(
        store_url=required(store_url, "--store-url", "SPANLEDGER_STORE_URL"),
        state_url=state_url or sqlite_url(data.expanduser() / "state.db"),
        data=data.expanduser() if supervised else None,
    )


def dashboard(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="SPANLEDGER_DASHBOARD_PORT", min=0, max=65535)] = 8501,
    data: Data = DEFAULT_DATA,
    store_url: StoreUrl = "",
    state_url: StateUrl = "",
    auth: SignIn = DashboardAuth.NONE,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    supervised: Supervised = False,
) -> None:
    """Run the dashboard alone. It reads with SPANLEDGER_READ_STORE_URL when that is set.

    Beyond loopback people sign in: with accounts of `spanledger accounts`, or by OIDC. TLS is used
    where people sign in.
    """
    from spanledger_dashboard.__main__ import main as run_dashboard

    if supervised:
        roles.end_with_parent()
    guard = DashboardGuard(auth, data, state_url, tls_files(tls_cert, tls_key, None))
    guard.prepare(host)
    reader = os.environ.get("SPANLEDGER_READ_STORE_URL") or store_url
    os.environ["SPANLEDGER_STORE_URL"] = required(
        reader, "--store-url", "SPANLEDGER_READ_STORE_URL or SPANLEDGER_STORE_URL"
    )
    code = run_dashboard(["--host", host, "--port", str(port), *guard.tls_options()])
    if code:
        raise typer.Exit(code)


def api(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="SPANLEDGER_API_PORT", min=0, max=65535)] = 8502,
    data: Data = DEFAULT_DATA,
    store_url: StoreUrl = "",
    state_url: StateUrl = "",
    auth: AuthMode = None,
    project: OwnProject = "default",
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tls_client_ca: TlsClientCa = None,
    supervised: Supervised = False,
) -> None:
    """Run the API alone. It reads with SPANLEDGER_READ_STORE_URL when that is set."""
    if supervised:
        roles.end_with_parent()
    reader = os.environ.get("SPANLEDGER_READ_STORE_URL") or store_url
    variables = "SPANLEDGER_READ_STORE_URL or SPANLEDGER_STORE_URL"
    roles.api(
        host=host,
        port=port,
        store_url=required(reader, "--store-url", variables),
        project=_project(project),
        guard=Guard.of(host, auth, data, state_url, tls_files(tls_cert, tls_key, tls_client_ca)),
    )


def _check_ports(ports: Mapping[str, int]) -> None:
    """Return if no two options name the same port; 0 is any free one.

    Raises:
        UsageError: some do; the message says which.
    """
    for port in filter(None, ports.values()):
        same = [option for option, other in ports.items() if other == port]
        if len(same) > 1:
            raise UsageError(
                f"The same port, {port}, is that of {' and '.join(same)}: give each its own."
            )


def _origins(given: list[str] | None) -> tuple[str, ...]:
    return tuple(check_origin(origin) for origin in given or ())


def required(value: str, option: str, variable: str) -> str:
    """Return the place of the store; raises UsageError where none is given."""
    if not value:
        raise UsageError(f"This command needs a store: give {option} or set {variable}.")
    return value


def _project(name: str) -> str:
    if not NAME.fullmatch(name):
        raise UsageError(f"--project {NAME_RULE} {name[:80]!r}.")
    return name
