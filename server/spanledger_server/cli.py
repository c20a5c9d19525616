"""The ``spanledger`` command."""

from __future__ import annotations

import signal
import sys
import threading
from copy import copy
from functools import cache
from typing import Annotated, NoReturn

import typer
from typer.core import TyperGroup

from spanledger import __version__
from spanledger_alerts.errors import AlertsError
from spanledger_analytics.errors import AnalyticsError
from spanledger_collector.errors import CollectorError
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
    roles_cli,
    sdk_cli,
)
from spanledger_server.environment import (
    check_variables,
    drop_service_links,
    forget_empty,
    log_settings,
    read_secret_files,
)
from spanledger_server.errors import StartError, UsageError
from spanledger_server.options import DEFAULT_DATA, Data, StateUrl, StoreUrl
from spanledger_server.output import Format
from spanledger_server.prices import cli as prices_cli
from spanledger_server.prices import service_prices_cli
from spanledger_server.run_file import running_instance
from spanledger_storage.errors import ConfigError, StorageError

app = typer.Typer(
    name="spanledger",
    help="Observability and FinOps for LLM agents.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

roles_cli.add_commands(app)
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
    from spanledger_storage.state import sqlite_url
    from spanledger_storage.store import StoreSettings

    url = roles_cli.required(store_url, "--store-url", "SPANLEDGER_STORE_URL")
    settings = StoreSettings.from_url(url)
    if dry_run:
        print_pending(settings)
    else:
        migrate_all(settings, state_url or sqlite_url(data.expanduser() / "state.db"))


@app.command()
def demo(
    data: Data = DEFAULT_DATA,
    endpoint: Annotated[
        str,
        typer.Option(help="OTLP/HTTP base URL; default: the instance that runs on --data."),
    ] = "",
    hours: Annotated[float, typer.Option(min=0, max=8760, help="Hours of history to send.")] = 96.0,
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


def _variables() -> set[str]:
    """Return the variables that options are read from."""
    options = (option for one in _ungrouped().commands.values() for option in one.params)
    return {str(option.envvar) for option in options if option.envvar}


def main() -> NoReturn:
    """Run the command line; every expected failure is one sentence on standard error."""
    try:
        drop_service_links()
        forget_empty()
        read_secret_files()
        check_variables(_variables())
        roles.configure_logging(*log_settings())
        words = sys.argv[1:] or ["--help"]
        command = _ungrouped() if words[0] in _ungrouped().commands else _everything()
        code = command(words, standalone_mode=False)
        sys.stdout.flush()  # the disk it is written to may be full
    except typer.TyperException as error:
        _fail(error.format_message(), error.exit_code)
    except (UsageError, ConfigError, AlertsError, AnalyticsError, CollectorError) as error:
        _fail(str(error), 2)
    except (StartError, StorageError, OSError) as error:
        _fail(str(error), 1)
    sys.exit(code or 0)


def _fail(message: str, code: int) -> NoReturn:
    print(f"spanledger: {message}", file=sys.stderr)
    sys.exit(code)
