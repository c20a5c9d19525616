"""``spanledger projects``: tenants and what each decides for itself. Thin: options only."""

from __future__ import annotations

from typing import Annotated

import typer

from spanledger_server.options import DEFAULT_DATA, By, Data, Output, StateUrl
from spanledger_server.output import Format

app = typer.Typer(
    name="projects",
    help="Projects: limits, privacy and retention of each.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(metavar="PROJECT")]
Dollars = Annotated[
    str,
    typer.Option(metavar="USD|none", show_default=False, help="What costs more is a finding."),
]
Percent = Annotated[
    str,
    typer.Option(
        metavar="PERCENT|none", show_default=False, help="Of a bill, that does not matter."
    ),
]
Days = Annotated[str, typer.Option(metavar="DAYS|none", show_default=False, help="none: for ever.")]


@app.command(name="list")
def list_projects(
    output: Output = Format.table, data: Data = DEFAULT_DATA, state_url: StateUrl = ""
) -> None:
    """List projects."""
    from spanledger_server.project_changes import print_projects
    from spanledger_server.state_database import state_reader_of

    print_projects(state_reader_of(data, state_url), output)


@app.command(name="show")
def show_project(
    name: Name,
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Show every setting of a project."""
    from spanledger_server.project_changes import print_project
    from spanledger_server.state_database import state_reader_of

    print_project(state_reader_of(data, state_url), name, output)


@app.command(name="create")
def create_project(
    name: Name, by: By = "", data: Data = DEFAULT_DATA, state_url: StateUrl = ""
) -> None:
    """Make a project; it keeps everything, without limits, until it is set otherwise."""
    from spanledger_server.guard import placed
    from spanledger_server.project_changes import create
    from spanledger_server.state_database import state_maker_of

    make_key = f"spanledger keys create --project {name} --scope ingest"
    create(state_maker_of(data, state_url), name, by, placed(make_key, data, state_url))


@app.command(name="set")
def set_project(
    ctx: typer.Context,
    name: Name,
    items_per_s: Annotated[
        str,
        typer.Option(
            metavar="N|none", show_default=False, help="Spans, log records and data points."
        ),
    ] = "",
    bytes_per_s: Annotated[
        str, typer.Option(metavar="N|none", show_default=False, help="Decompressed.")
    ] = "",
    content: Annotated[
        str,
        typer.Option(metavar="full|off", show_default=False, help="Whether what was said is kept."),
    ] = "",
    content_sample_rate: Annotated[
        str,
        typer.Option(
            metavar="RATIO|none", show_default=False, help="Share of traces that keep content."
        ),
    ] = "",
    drop_key: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY|none", help="Attributes to remove, * for any characters; the whole list."
        ),
    ] = None,
    hash_key: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY|none", help="Attributes to keep as a hash; the whole list."),
    ] = None,
    redact: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PRESET|none", help="email, card, api_key, phone in texts; the whole list."
        ),
    ] = None,
    pattern: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=REGEX|none", help="What to replace by [NAME] in texts; the whole list."
        ),
    ] = None,
    content_days: Days = "",
    spans_days: Days = "",
    metrics_days: Days = "",
    ledger_days: Days = "",
    max_llm_calls_per_request: Annotated[
        str, typer.Option(metavar="N|none", show_default=False, help="More are a finding.")
    ] = "",
    max_usd_per_request: Dollars = "",
    max_usd_per_session: Dollars = "",
    max_usd_per_user_day: Dollars = "",
    poll_tool: Annotated[
        list[str] | None,
        typer.Option(metavar="TOOL|none", help="Tools that ask again on purpose; the whole list."),
    ] = None,
    mutating_tool: Annotated[
        list[str] | None,
        typer.Option(metavar="TOOL|none", help="Tools that change something; the whole list."),
    ] = None,
    disable_detector: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME|none", help="Detectors to do without; the whole list."),
    ] = None,
    tolerance_cell_usd: Annotated[
        str,
        typer.Option(metavar="USD|none", show_default=False, help="Of a bill, never matters."),
    ] = "",
    tolerance_cell_percent: Percent = "",
    tolerance_day_percent: Percent = "",
    tolerance_month_percent: Percent = "",
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Change settings of a project; what is left out stays. `none` goes back to the default.

    Options that take several values replace the whole list: repeat them.
    """
    from spanledger_server.project_changes import PLACES, change
    from spanledger_server.state_database import state_maker_of

    given = {option: ctx.params[option[2:].replace("-", "_")] or "" for option in PLACES}
    change(state_maker_of(data, state_url), name, given, by)


@app.command(name="log")
def show_log(
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="Entries, newest first.")] = 50,
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Show who changed which project or key, and when."""
    from spanledger_server.project_changes import print_log
    from spanledger_server.state_database import state_reader_of

    print_log(state_reader_of(data, state_url), limit, output)
