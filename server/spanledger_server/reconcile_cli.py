"""``spanledger reconcile``: the ledger against what providers billed. Thin: options only."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from spanledger_server.options import DEFAULT_DATA, By, Data, Output, StateUrl, StoreUrl
from spanledger_server.output import Format

app = typer.Typer(
    name="reconcile",
    help="The ledger against what providers billed: differences, causes, what to do.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class ReportFormat(StrEnum):
    """How a report is written."""

    markdown = "markdown"
    csv = "csv"
    xlsx = "xlsx"
    json = "json"


class DisputeFormat(StrEnum):
    """How a dispute pack is written."""

    csv = "csv"
    html = "html"
    json = "json"
    zip = "zip"


DaysText = Annotated[
    str,
    typer.Argument(
        metavar="DAYS",
        show_default=False,
        help="2026-11, 2026-11-18 or 2026-11-01..2026-11-18, UTC; default: the month before.",
    ),
]
MonthText = Annotated[str, typer.Argument(metavar="MONTH", help="As in 2026-11, UTC.")]
Project = Annotated[str, typer.Option(help="Whose ledger.")]
Provider = Annotated[
    str, typer.Option(help="One alone, as the ledger names it.", show_default=False)
]
File = Annotated[
    Path | None,
    typer.Option(metavar="FILE", show_default=False, help="Write there; default: print."),
]
FailBeyond = Annotated[
    bool,
    typer.Option(
        "--fail-beyond-tolerance", help="Exit with 3 when a cell is beyond tolerance: for CI."
    ),
]
_DELTA = "Only cells beyond tolerance."


@app.command(name="run")
def run(
    days: DaysText = "",
    provider: Provider = "",
    fail_beyond: FailBeyond = False,
    project: Project = "default",
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
    store_url: StoreUrl = "",
) -> None:
    """Compare days anew, keep the result, and print it by provider."""
    from spanledger_server.reconcile_changes import reconcile_days
    from spanledger_server.reconcile_session import Asked, opened_writers

    asked = Asked.of(project, days, provider)
    with opened_writers(data, state_url, store_url) as (store, state):
        beyond = reconcile_days(store, state, asked, output)
    _end(beyond, fail_beyond)


@app.command(name="show")
def show(
    days: DaysText = "",
    provider: Provider = "",
    differing: Annotated[bool, typer.Option("--beyond-tolerance", help=_DELTA)] = False,
    cell: Annotated[
        str, typer.Option(metavar="ID", help="One cell in full.", show_default=False)
    ] = "",
    project: Project = "default",
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
    store_url: StoreUrl = "",
) -> None:
    """Print what was compared, unexplained differences first."""
    from spanledger_server.reconcile_session import Asked, opened_readers
    from spanledger_server.reconcile_shown import print_cell, print_cells

    asked = Asked.of(project, days, provider)
    with opened_readers(data, state_url, store_url) as (store, _):
        if cell:
            print_cell(store, asked, cell, output)
        else:
            print_cells(store, asked, output, only_beyond=differing)


@app.command(name="causes")
def causes(
    days: DaysText = "",
    provider: Provider = "",
    project: Project = "default",
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
    store_url: StoreUrl = "",
) -> None:
    """Print what each cause explains of the difference; unexplained first."""
    from spanledger_server.reconcile_session import Asked, opened_readers
    from spanledger_server.reconcile_shown import print_causes

    asked = Asked.of(project, days, provider)
    with opened_readers(data, state_url, store_url) as (store, _):
        print_causes(store, asked, output)


@app.command(name="coverage")
def coverage(
    days: DaysText = "",
    provider: Provider = "",
    by_day: Annotated[bool, typer.Option("--by-day", help="One row per key and day.")] = False,
    project: Project = "default",
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
    store_url: StoreUrl = "",
) -> None:
    """Print how much of what each key used is in the ledger."""
    from spanledger_server.reconcile_session import Asked, opened_readers
    from spanledger_server.reconcile_shown import print_coverage

    asked = Asked.of(project, days, provider)
    with opened_readers(data, state_url, store_url) as (store, _):
        print_coverage(store, asked, output, by_day=by_day)


@app.command(name="report")
def report(
    days: DaysText = "",
    provider: Provider = "",
    output: Annotated[ReportFormat, typer.Option("--format")] = ReportFormat.markdown,
    file: File = None,
    fail_beyond: FailBeyond = False,
    project: Project = "default",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
    store_url: StoreUrl = "",
) -> None:
    """Write the report: answer, causes, inputs, coverage, every cell."""
    from spanledger_server.reconcile_files import write_report
    from spanledger_server.reconcile_session import Asked, opened_readers

    asked = Asked.of(project, days, provider)
    with opened_readers(data, state_url, store_url) as (store, state):
        beyond = write_report(store, state, asked, output.value, file)
    _end(beyond, fail_beyond)


@app.command(name="corrections")
def corrections(
    days: DaysText = "",
    provider: Provider = "",
    correction: Annotated[
        str,
        typer.Option("--id", metavar="ID", help="One correction in full.", show_default=False),
    ] = "",
    project: Project = "default",
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
    store_url: StoreUrl = "",
) -> None:
    """Print what to do about the differences, the largest first, and how each is done."""
    from spanledger_server.reconcile_corrections import print_correction, print_corrections
    from spanledger_server.reconcile_session import Asked, opened_readers

    asked = Asked.of(project, days, provider)
    with opened_readers(data, state_url, store_url) as (store, state):
        if correction:
            print_correction(store, state, asked, correction, output)
        else:
            print_corrections(store, state, asked, output)


@app.command(name="apply")
def apply(
    correction: Annotated[
        str, typer.Argument(metavar="ID", help="As `reconcile corrections` shows it.")
    ],
    days: DaysText = "",
    provider: Provider = "",
    value: Annotated[
        str, typer.Option(help="What the correction asks for.", show_default=False)
    ] = "",
    by: By = "",
    project: Project = "default",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
    store_url: StoreUrl = "",
) -> None:
    """Store a correction, price again what it is for, and compare its days anew."""
    from spanledger_server.reconcile_changes import apply_correction
    from spanledger_server.reconcile_session import Asked, opened_writers

    asked = Asked.of(project, days, provider)
    with opened_writers(data, state_url, store_url) as (store, state):
        apply_correction(store, state, asked, correction, value, by)


@app.command(name="undo")
def undo(
    action: Annotated[int, typer.Argument(metavar="ID", help="As `reconcile log` shows it.")],
    by: By = "",
    project: Project = "default",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
    store_url: StoreUrl = "",
) -> None:
    """Take a correction back that was applied, and compare its days anew."""
    from spanledger_server.reconcile_changes import undo_action
    from spanledger_server.reconcile_session import opened_writers

    with opened_writers(data, state_url, store_url) as (store, state):
        undo_action(store, state, project, action, by)


@app.command(name="adjust")
def adjust(
    month: MonthText,
    provider: Provider = "",
    remove: Annotated[
        bool, typer.Option("--remove", help="Take the adjustments out of the ledger again.")
    ] = False,
    not_final: Annotated[
        bool, typer.Option("--not-final", help="Also while the provider may change days.")
    ] = False,
    by: By = "",
    project: Project = "default",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
    store_url: StoreUrl = "",
) -> None:
    """Post a month's differences to the ledger, so that showback equals the invoice.

    They follow the month from then on: when its cells change, they are posted again.
    """
    from spanledger_server.reconcile_changes import adjust_month
    from spanledger_server.reconcile_session import Asked, opened_writers

    asked = Asked.of(project, month, provider)
    with opened_writers(data, state_url, store_url) as (store, state):
        adjust_month(store, state, asked, by, remove=remove, not_final=not_final)


@app.command(name="log")
def show_log(
    project: Project = "default",
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Show who applied, took back and posted what, the latest first."""
    from spanledger_server.reconcile_shown import print_log
    from spanledger_server.state_database import state_reader_of

    print_log(state_reader_of(data, state_url), project, output)


@app.command(name="dispute")
def dispute(
    days: DaysText = "",
    provider: Provider = "",
    cell: Annotated[
        str,
        typer.Option(
            metavar="ID", help="One cell; without: all of --provider.", show_default=False
        ),
    ] = "",
    output: Annotated[DisputeFormat, typer.Option("--format")] = DisputeFormat.csv,
    file: File = None,
    project: Project = "default",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
    store_url: StoreUrl = "",
) -> None:
    """Write what a provider needs in a dispute: calls, ids, arithmetic, its lines. No contents."""
    from spanledger_server.reconcile_files import write_dispute
    from spanledger_server.reconcile_session import Asked, opened_readers

    asked = Asked.of(project, days, provider)
    with opened_readers(data, state_url, store_url) as (store, state):
        write_dispute(store, state, asked, cell, output.value, file)


def _end(beyond: int, fail_beyond: bool) -> None:
    if beyond and fail_beyond:
        raise typer.Exit(3)
