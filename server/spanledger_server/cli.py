"""The ``spanledger`` command."""

from __future__ import annotations

import os
import signal
import sys
import threading
from copy import copy
from functools import cache
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from typer.core import TyperGroup

from spanledger import __version__
from spanledger_alerts.errors import AlertsError
from spanledger_alerts.settings import VARIABLES as ALERT_VARIABLES
from spanledger_alerts.settings import AlertSettings, beside
from spanledger_analytics.errors import AnalyticsError
from spanledger_analytics.invoices.pull_settings import VARIABLES as PULL_VARIABLES
from spanledger_collector.edge.cors import check_origin
from spanledger_collector.errors import CollectorError
from spanledger_dashboard.access.settings import VARIABLES as ACCESS_VARIABLES
from spanledger_dashboard.access.settings import DashboardAuth
from spanledger_server import (
    accounts_cli,
    alerts_cli,
    allocation_cli,
    budgets_cli,
    dead_letter_cli,
    deletion_cli,
    findings_cli,
    focus_cli,
    gpu_prices_cli,
    invoices_cli,
    keys_cli,
    projects_cli,
    quality_cli,
    reconcile_cli,
    replay_cli,
    retention_cli,
    roles,
    sdk_cli,
)
from spanledger_server.dashboard_guard import DashboardGuard
from spanledger_server.errors import StartError, UsageError
from spanledger_server.focus_cli import FOLDER as FOCUS_FOLDER
from spanledger_server.guard import INGEST_KEY, Guard, tls_files
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
from spanledger_server.output import Format
from spanledger_server.prices import cli as prices_cli
from spanledger_server.prices import service_prices_cli
from spanledger_server.run_file import running_instance
from spanledger_server.sizes import size_bytes, spool_bytes
from spanledger_storage.errors import ConfigError, StorageError
from spanledger_storage.project_settings import NAME

app = typer.Typer(
    name="spanledger",
    help="Observability and FinOps for LLM agents.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

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
Supervised = Annotated[bool, typer.Option("--supervised", hidden=True)]

_OTHER_VARIABLES = {
    "SPANLEDGER_LOG_LEVEL",
    "SPANLEDGER_LOG_FORMAT",
    "SPANLEDGER_READ_STORE_URL",
    "SPANLEDGER_OTLP_ENDPOINT",
    INGEST_KEY,
    *ACCESS_VARIABLES,
    *ALERT_VARIABLES,
    *PULL_VARIABLES,
    FOCUS_FOLDER,
    *sdk_cli.VARIABLES,
}


@app.command()
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


@app.command()
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
    project: Annotated[
        str,
        typer.Option(
            envvar="SPANLEDGER_PROJECT", help="Project of everything that comes without a key."
        ),
    ] = "default",
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
    roles.collect(
        host=host,
        http_port=http_port,
        grpc_port=grpc_port,
        data=data.expanduser(),
        store_url=_required(store_url, "--store-url", "SPANLEDGER_STORE_URL"),
        store_processes=store_processes,
        project=_project(project),
        max_spool_bytes=spool_bytes(max_spool_bytes),
        max_inflight_bytes=size_bytes(max_inflight_bytes, "--max-inflight-bytes"),
        cors_origins=_origins(cors_origin),
        guard=Guard.of(host, auth, data, state_url, tls_files(tls_cert, tls_key, tls_client_ca)),
        supervised=supervised,
    )


@app.command()
def work(
    data: Data = DEFAULT_DATA,
    store_url: StoreUrl = "",
    state_url: StateUrl = "",
    supervised: Supervised = False,
) -> None:
    """Run the jobs alone: ledger, trajectories, usage, alerts."""
    if supervised:
        roles.end_with_parent()
    for name, place in beside(data).items():
        os.environ.setdefault(name, place)
    AlertSettings.of(os.environ)  # what cannot be stops the start
    roles.work(
        store_url=_required(store_url, "--store-url", "SPANLEDGER_STORE_URL"),
        state_url=state_url or f"sqlite:///{data.expanduser() / 'state.db'}",
    )


@app.command()
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
    os.environ["SPANLEDGER_STORE_URL"] = _required(
        reader, "--store-url", "SPANLEDGER_READ_STORE_URL or SPANLEDGER_STORE_URL"
    )
    code = run_dashboard(["--host", host, "--port", str(port), *guard.tls_options()])
    if code:
        raise typer.Exit(code)


@app.command()
def api(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="SPANLEDGER_API_PORT", min=0, max=65535)] = 8502,
    data: Data = DEFAULT_DATA,
    store_url: StoreUrl = "",
    state_url: StateUrl = "",
    auth: AuthMode = None,
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
        store_url=_required(reader, "--store-url", variables),
        guard=Guard.of(host, auth, data, state_url, tls_files(tls_cert, tls_key, tls_client_ca)),
    )


app.command(name="data-quality")(quality_cli.data_quality)
sdk_cli.add_commands(app)
app.add_typer(prices_cli.app)
app.add_typer(service_prices_cli.tools)
app.add_typer(service_prices_cli.infra)
app.add_typer(gpu_prices_cli.app)
app.add_typer(dead_letter_cli.app)
app.add_typer(projects_cli.app)
app.add_typer(keys_cli.app)
app.add_typer(accounts_cli.app)
app.add_typer(budgets_cli.app)
app.add_typer(allocation_cli.app)
app.add_typer(invoices_cli.app)
app.add_typer(replay_cli.app)
app.add_typer(findings_cli.app)
app.add_typer(alerts_cli.app)
app.add_typer(focus_cli.app)
app.add_typer(reconcile_cli.app)
app.add_typer(retention_cli.app)
app.add_typer(deletion_cli.app)


@app.command(name="migrate")
def migrate_command(
    data: Data = DEFAULT_DATA,
    store_url: StoreUrl = "",
    state_url: StateUrl = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would run, change nothing.")
    ] = False,
) -> None:
    """Bring the schemas of the store and the state database up to date (`up` does it itself)."""
    from spanledger_server.schema import migrate_all, print_pending
    from spanledger_storage.store import StoreSettings

    url = _required(store_url, "--store-url", "SPANLEDGER_STORE_URL")
    settings = StoreSettings.from_url(url)
    if dry_run:
        print_pending(settings)
    else:
        migrate_all(settings, state_url or f"sqlite:///{data.expanduser() / 'state.db'}")


@app.command()
def demo(
    data: Data = DEFAULT_DATA,
    endpoint: Annotated[
        str,
        typer.Option(help="OTLP/HTTP base URL; default: the instance that runs on --data."),
    ] = "",
    hours: Annotated[float, typer.Option(min=0, help="Hours of history to send.")] = 96.0,
    live: Annotated[
        bool, typer.Option("--live/--no-live", help="Keep sending until Ctrl-C.")
    ] = True,
) -> None:
    """Send a simulated fleet of agents: four days of history, then a live trickle."""
    from spanledger_server.demo import run_demo
    from spanledger_server.demo.gpu_run import run_gpus

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    info = None if endpoint else running_instance(data.expanduser())
    target = info.otlp_url if info else endpoint
    report = run_demo(target, hours=hours, live=False, on_progress=print, stop=stop)
    place = data.expanduser() if info else None
    run_gpus(target, place, hours=hours, live=live, say=print, stop=stop)
    if info and report.runaway_trace_ids:
        link = f"{info.dashboard_url}/trace?trace_id={report.runaway_trace_ids[0]}"
        print(f"An agent that ran away: {link}")
    if live and not stop.is_set():
        run_demo(target, hours=0, live=True, on_progress=print, stop=stop)


@app.command()
def doctor(
    data: Data = DEFAULT_DATA,
    timeout_s: Annotated[float, typer.Option("--timeout", min=1, help="Seconds to wait.")] = 30.0,
) -> None:
    """Send a probe trace and say how long until it was queryable, or what is wrong."""
    from spanledger_server.doctor import examine

    is_well = examine(data.expanduser(), timeout_s, say=print)
    sdk_cli.print_captured()
    if not is_well:
        raise typer.Exit(1)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One SELECT statement.")],
    output: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.table,
    data: Data = DEFAULT_DATA,
) -> None:
    """Read the store while it runs, as a read-only user with limits."""
    from spanledger_server.output import print_query

    print_query(query, output, data.expanduser())


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


@cache
def _everything() -> TyperGroup:
    """Return the command with all of its groups; making it takes a quarter of a second."""
    return typer.main.get_group(app)


@cache
def _ungrouped() -> TyperGroup:
    """Return the commands of one word alone, as `up` and its roles are: a tenth of that."""
    ungrouped = copy(app)
    ungrouped.registered_groups = []
    return typer.main.get_group(ungrouped)


def main() -> NoReturn:
    """Run the command line; every expected failure is one sentence on standard error."""
    try:
        _read_secret_files()
        _check_variables()
        level = os.environ.get("SPANLEDGER_LOG_LEVEL", "info")
        if level.lower() not in ("debug", "info", "warning", "error"):
            raise UsageError(
                f"SPANLEDGER_LOG_LEVEL must be debug, info, warning or error, not {level!r}."
            )
        log_format = os.environ.get("SPANLEDGER_LOG_FORMAT", "text")
        if log_format not in ("text", "json"):
            raise UsageError(f"SPANLEDGER_LOG_FORMAT must be text or json, not {log_format!r}.")
        roles.configure_logging(level, log_format)
        words = sys.argv[1:] or ["--help"]
        command = _ungrouped() if words[0] in _ungrouped().commands else _everything()
        code = command(words, standalone_mode=False)
    except typer.TyperException as error:
        _fail(error.format_message(), error.exit_code)
    except (UsageError, ConfigError, AlertsError, AnalyticsError, CollectorError) as error:
        _fail(str(error), 2)
    except (StartError, StorageError) as error:
        _fail(str(error), 1)
    sys.exit(code or 0)


def _fail(message: str, code: int) -> NoReturn:
    print(f"spanledger: {message}", file=sys.stderr)
    sys.exit(code)


def _read_secret_files() -> None:
    """Let every variable come from a file: ``NAME_FILE`` (Docker and Kubernetes secrets)."""
    for name in [n for n in os.environ if n.startswith("SPANLEDGER_") and n.endswith("_FILE")]:
        path = os.environ.pop(name)
        try:
            os.environ[name[: -len("_FILE")]] = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise UsageError(f"{name} names {path}, which cannot be read: {error.strerror}.") from (
                None
            )


def _check_variables() -> None:
    """Refuse misspelt variables: a setting that is silently ignored is worse than none."""
    known = set(_OTHER_VARIABLES)
    for sub in _ungrouped().commands.values():
        known.update(str(p.envvar) for p in sub.params if p.envvar)
    unknown = sorted(n for n in os.environ if n.startswith("SPANLEDGER_") and n not in known)
    if unknown:
        raise UsageError(
            f"{', '.join(unknown)}: no such setting; known are {', '.join(sorted(known))}."
        )


def _origins(given: list[str] | None) -> tuple[str, ...]:
    return tuple(check_origin(origin) for origin in given or ())


def _required(value: str, option: str, variable: str) -> str:
    if not value:
        raise UsageError(f"This command needs a store: give {option} or set {variable}.")
    return value


def _project(name: str) -> str:
    if not NAME.fullmatch(name):
        raise UsageError(
            "--project must be 1 to 64 letters, digits, '-', '_' or '.', and begin with a letter "
            f"or digit, not {name[:80]!r}."
        )
    return name
