"""``spanledger allocation``: rules that say who bears costs, and the report. Thin: options only."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from spanledger_server.options import (
    DEFAULT_DATA,
    All,
    By,
    Data,
    Entirely,
    From,
    Note,
    Output,
    StateUrl,
    StoreUrl,
    To,
)
from spanledger_server.output import Format

app = typer.Typer(
    name="allocation",
    help="Who bears what: rules, shared costs, the report of a month.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class Split(StrEnum):
    """How shared costs are split."""

    even = "even"
    spend = "spend"
    tokens = "tokens"
    percent = "percent"


class OwnerField(StrEnum):
    """What an owner is told by."""

    team = "team"
    cost_center = "cost_center"
    customer = "customer"


class ReportBy(StrEnum):
    """What rows of the report are."""

    team = "team"
    cost_center = "cost_center"
    customer = "customer"
    owner = "owner"


class Shape(StrEnum):
    """Which rows an export has."""

    plain = "plain"
    focus = "focus"


Name = Annotated[str, typer.Argument(metavar="NAME", help="As `allocation list` shows it.")]
Project = Annotated[str, typer.Option(help="Whose costs.")]
_OWNER = "Name, or dimension:NAME to take it from one."


@app.command(name="list")
def list_rules(
    project: Project = "default",
    withdrawn: All = False,
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """List rules in the order they are asked in, with those that ended and those to come."""
    from spanledger_server.allocation_changes import print_rules
    from spanledger_server.state_database import state_reader_of

    print_rules(state_reader_of(data, state_url), project, output, withdrawn=withdrawn)


@app.command(name="set")
def set_rule(
    name: Name,
    match: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=VALUE",
            show_default=False,
            help="What has to hold, as in agent=support-* or dimension.team=core; repeat it for "
            "more; none: every entry meets it.",
        ),
    ] = None,
    team: Annotated[str, typer.Option(help=_OWNER, show_default=False)] = "",
    cost_center: Annotated[str, typer.Option(help=_OWNER, show_default=False)] = "",
    customer: Annotated[str, typer.Option(help=_OWNER, show_default=False)] = "",
    shared: Annotated[
        str,
        typer.Option(metavar="POOL", help="Split it as costs of this pool.", show_default=False),
    ] = "",
    split: Annotated[
        Split | None, typer.Option(help="Of --shared; default: spend.", show_default=False)
    ] = None,
    among: Annotated[
        OwnerField | None, typer.Option(help="Of --shared; default: team.", show_default=False)
    ] = None,
    percent: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PERCENT",
            show_default=False,
            help="Of --split percent; they add up to 100.",
        ),
    ] = None,
    position: Annotated[int, typer.Option(help="Rules of lower ones are asked first.")] = 500,
    project: Project = "default",
    start: From = "",
    end: To = "",
    note: Note = "",
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Make a rule, or let it say something else from a moment on."""
    from spanledger_server.allocation_changes import Given, set_from
    from spanledger_server.state_database import state_writer_of

    given = Given(
        conditions=match or [],
        owner={"team": team, "cost_center": cost_center, "customer": customer},
        pool=shared,
        split=split.value if split else "",
        among=among.value if among else "",
        percents=percent or [],
        position=position,
        start=start,
        end=end,
        note=note,
    )
    set_from(state_writer_of(data, state_url), project, name, given, by)


@app.command(name="remove")
def remove_rule(
    name: Name,
    project: Project = "default",
    start: From = "",
    entirely: Entirely = False,
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Let a rule end, now or on a date; reports of earlier time keep it."""
    from spanledger_server.allocation_changes import remove
    from spanledger_server.state_database import state_writer_of

    remove(state_writer_of(data, state_url), project, name, start, entirely, by)


@app.command(name="log")
def show_log(
    project: Project = "default",
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Show who changed which rule, the latest first."""
    from spanledger_server.allocation_changes import print_log
    from spanledger_server.state_database import state_reader_of

    print_log(state_reader_of(data, state_url), project, output)


@app.command(name="check")
def check(
    facts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FIELD=VALUE …",
            show_default=False,
            help="As in agent=support-bot model=gpt-4o.",
        ),
    ] = None,
    trace: Annotated[
        str, typer.Option(metavar="ID", help="Instead: entries of a trace.", show_default=False)
    ] = "",
    entry: Annotated[
        str, typer.Option(metavar="ID", help="Of --trace, one entry alone.", show_default=False)
    ] = "",
    at: Annotated[
        str, typer.Option(metavar="TIME", help="Of FIELD=VALUE; default: now.", show_default=False)
    ] = "",
    project: Project = "default",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
    store_url: StoreUrl = "",
) -> None:
    """Explain which rule entries meet, and why not one before it."""
    from spanledger_server.allocation_report import check_facts, check_trace
    from spanledger_server.errors import UsageError
    from spanledger_server.prices.session import open_store
    from spanledger_server.state_database import state_reader_of

    if bool(facts) == bool(trace) or (entry and not trace):
        raise UsageError("Give FIELD=VALUE …, or --trace ID, with --entry ID for one entry of it.")
    state = state_reader_of(data, state_url)
    if not trace:
        check_facts(state, project, facts or [], at)
        return
    with open_store(data, store_url) as store:
        check_trace(state, store, project, trace, entry)


@app.command(name="report")
def report(
    month: Annotated[
        str, typer.Option(metavar="YYYY-MM", help="Default: the running one.", show_default=False)
    ] = "",
    by_owner: Annotated[
        ReportBy, typer.Option("--by-owner", help="What rows are.")
    ] = ReportBy.team,
    timezone: Annotated[str, typer.Option(help="Whose calendar, as in Europe/Berlin.")] = "UTC",
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", show_default=False, help="Write all rows there: .csv or .parquet."
        ),
    ] = None,
    shape: Annotated[Shape, typer.Option(help="Of --file.")] = Shape.plain,
    project: Project = "default",
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
    store_url: StoreUrl = "",
) -> None:
    """Print what owners bear in a month against the month before; or write it to a file."""
    from spanledger_server.allocation_report import Asked, print_report, write_report
    from spanledger_server.prices.session import open_store
    from spanledger_server.state_database import state_reader_of

    asked = Asked.of(state_reader_of(data, state_url), project, month, timezone)
    with open_store(data, store_url) as store:
        if file is None:
            print_report(store, asked, by_owner.value, output)
        else:
            write_report(store, asked, file, is_focus=shape is Shape.focus)
