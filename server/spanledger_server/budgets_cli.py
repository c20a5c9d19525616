"""``spanledger budgets``: what may be spent, by whom, in which time. Thin: options only."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from spanledger_server.options import DEFAULT_DATA, By, Data, Output, StateUrl
from spanledger_server.output import Format

app = typer.Typer(
    name="budgets",
    help="Budgets: limits on what projects, teams, agents and others spend.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class Measured(StrEnum):
    """What a budget limits."""

    usd = "usd"
    tokens = "tokens"
    llm_calls = "llm_calls"


Name = Annotated[str, typer.Argument(metavar="NAME", help="As `budgets list` shows it.")]
Project = Annotated[str, typer.Option(help="Whose budgets.")]
Limit = Annotated[str, typer.Option(metavar="AMOUNT|none", show_default=False)]


@app.command(name="list")
def list_budgets(
    project: Project = "default",
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """List the budgets of a project, with what is spent and set aside."""
    from spanledger_server.budget_changes import print_budgets
    from spanledger_server.state_database import state_reader_of

    print_budgets(state_reader_of(data, state_url), project, output)


@app.command(name="show")
def show_budget(
    name: Name,
    project: Project = "default",
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Show everything about a budget, and when it was at a limit."""
    from spanledger_server.budget_changes import print_budget
    from spanledger_server.state_database import state_reader_of

    print_budget(state_reader_of(data, state_url), project, name, output)


@app.command(name="set")
def set_budget(
    name: Name,
    project: Project = "default",
    scope: Annotated[
        str,
        typer.Option(
            metavar="KIND[:NAME]",
            show_default=False,
            help="project, team:NAME, agent:NAME, session:ID, user:ID, task:ID, model:NAME or "
            "tag:KEY=VALUE; default: project.",
        ),
    ] = "",
    measure: Annotated[
        Measured | None, typer.Option(show_default=False, help="What is limited; default: usd.")
    ] = None,
    per: Annotated[
        str,
        typer.Option(
            metavar="WINDOW",
            show_default=False,
            help="day, week, month, or a rolling 90m, 24h, 30d; default: month.",
        ),
    ] = "",
    timezone: Annotated[
        str, typer.Option(show_default=False, help="Of day, week and month; default: UTC.")
    ] = "",
    soft: Limit = "",
    hard: Limit = "",
    owner: Annotated[str | None, typer.Option(show_default=False, help="Who is asked.")] = None,
    note: Annotated[str | None, typer.Option(show_default=False, help="What it is for.")] = None,
    active: Annotated[
        bool | None, typer.Option("--active/--paused", show_default=False, help="Whether it holds.")
    ] = None,
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Make a budget, or change what is given of the one of this name.

    People are told at the soft limit; beyond the hard one nothing more is set aside.
    """
    from spanledger_server.budget_changes import Given, set_terms
    from spanledger_server.state_database import state_writer_of

    given = Given(
        scope=scope,
        measure=measure.value if measure else "",
        per=per,
        timezone=timezone,
        soft=soft,
        hard=hard,
        owner=owner,
        note=note,
        is_active=active,
    )
    set_terms(state_writer_of(data, state_url), project, name, given, by)


@app.command(name="remove")
def remove_budget(
    name: Name,
    project: Project = "default",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Remove a budget and what it counts; the history of its breaches stays."""
    from spanledger_server.budget_changes import remove
    from spanledger_server.state_database import state_writer_of

    remove(state_writer_of(data, state_url), project, name)
