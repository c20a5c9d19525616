"""``spanledger alerts dead-letter``: notifications that a channel refused. Thin: options only."""

from __future__ import annotations

from typing import Annotated

import typer

from spanledger_server.options import DEFAULT_DATA, By, Data, Output, StateUrl
from spanledger_server.output import Format

app = typer.Typer(
    name="dead-letter",
    help="Notifications that a channel refused, or did not take in a day.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

ChannelName = Annotated[str, typer.Option("--channel", help="Of this one.", show_default=False)]
ProjectName = Annotated[str, typer.Option("--project", help="Of this one.", show_default=False)]
Ids = Annotated[list[int] | None, typer.Argument(metavar="ID...", help="As `list` shows them.")]
Every = Annotated[bool, typer.Option("--all", help="Every one that the options name.")]


@app.command(name="list")
def list_letters(
    channel: ChannelName = "",
    project: ProjectName = "",
    told: Annotated[
        bool, typer.Option("--told", help="With those that a later message told.")
    ] = False,
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """List them, the oldest first."""
    from spanledger_server.alert_letters import Asked, print_letters
    from spanledger_server.state_database import state_reader_of

    asked = Asked(channel=channel, project=project)
    print_letters(state_reader_of(data, state_url), asked, told, output)


@app.command(name="retry")
def retry(
    ids: Ids = None,
    every: Every = False,
    channel: ChannelName = "",
    project: ProjectName = "",
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Have them tried again: the channel is told how things are now, of each incident once."""
    from spanledger_server.alert_letters import Asked, retry_letters
    from spanledger_server.state_database import state_writer_of

    asked = Asked(tuple(ids or ()), every, channel, project)
    retry_letters(state_writer_of(data, state_url), data, asked, by)


@app.command(name="drop")
def drop(
    ids: Ids = None,
    every: Every = False,
    channel: ChannelName = "",
    project: ProjectName = "",
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Give them up: nobody is told, and what the channel has open stays open there."""
    from spanledger_server.alert_letters import Asked, drop_letters
    from spanledger_server.state_database import state_writer_of

    asked = Asked(tuple(ids or ()), every, channel, project)
    drop_letters(state_writer_of(data, state_url), asked, by)
