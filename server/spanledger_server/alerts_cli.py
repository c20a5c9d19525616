"""``spanledger alerts``: what fires, rules, silences, channels. Thin: options only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spanledger_server.alert_letters_cli import app as letters
from spanledger_server.options import DEFAULT_DATA, By, Data, Output, StateUrl, StoreUrl
from spanledger_server.output import Format

app = typer.Typer(
    name="alerts",
    help="Alerts: incidents, the rules they come from, silences, channels.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(letters)

Project = Annotated[str, typer.Option(help="Whose alerts.")]
Incident = Annotated[
    str, typer.Argument(metavar="ID", help="As `alerts list` shows it, or how it begins.")
]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the history.")]
Since = Annotated[str, typer.Option(metavar="TIME", help="90m, 24h, 7d, a date or a time.")]


@app.command(name="list")
def list_incidents(
    project: Project = "default",
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """List what fires, or is about to."""
    from spanledger_server.alert_shown import print_incidents
    from spanledger_server.state_database import state_reader_of

    print_incidents(state_reader_of(data, state_url), data, project, output)


@app.command(name="rules")
def list_rules(
    project: Project = "default",
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """List the rules, with how their last evaluation went."""
    from spanledger_server.alert_shown import print_rules
    from spanledger_server.state_database import state_reader_of

    print_rules(state_reader_of(data, state_url), data, project, output)


@app.command(name="check")
def check(
    place: Annotated[
        Path | None,
        typer.Argument(
            metavar="PLACE",
            help="A folder of rules and channels, or a file of either; default: what the worker "
            "reads, DATA/alerts.",
        ),
    ] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Read rules and channels, and say every mistake in them, with file and line."""
    from spanledger_server.alert_changes import check_place

    check_place(place, data)


@app.command(name="test")
def send_test(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="As channels.yaml calls it.")],
    data: Data = DEFAULT_DATA,
) -> None:
    """Send a test through a channel."""
    from spanledger_server.alert_changes import send_test

    send_test(channel, data)


@app.command(name="ack")
def acknowledge(
    incident: Incident,
    project: Project = "default",
    note: Annotated[str, typer.Option(help="Kept in the history.", show_default=False)] = "",
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Say that somebody looks after an incident: it is not repeated, and goes to nobody else."""
    from spanledger_server.alert_changes import acknowledge
    from spanledger_server.state_database import state_writer_of

    acknowledge(state_writer_of(data, state_url), project, incident, by, note)


@app.command(name="silence")
def silence(
    matchers: Annotated[
        list[str],
        typer.Argument(
            metavar="LABEL=VALUE...",
            help="All must hold: =, !=, or =~ and !~ with a regular expression; also rule= and "
            "severity=.",
        ),
    ],
    reason: Reason,
    last: Annotated[
        str, typer.Option("--for", metavar="TIME", help="How long: 30m, 2h, 7d.")
    ] = "2h",
    start: Annotated[
        str,
        typer.Option(
            "--from",
            show_default=False,
            help="Date, by the clock of --timezone, or RFC 3339; default: now.",
        ),
    ] = "",
    repeats: Annotated[
        str, typer.Option("--repeat", help="daily or weekly: a maintenance window.")
    ] = "",
    timezone: Annotated[str, typer.Option(help="By whose clock it begins and repeats.")] = "UTC",
    project: Project = "default",
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Keep incidents quiet for a time; those that were told still end."""
    from spanledger_server.alert_changes import Asked, silence
    from spanledger_server.state_database import state_writer_of

    asked = Asked(tuple(matchers), reason, last, start, repeats, timezone)
    silence(state_writer_of(data, state_url), project, asked, by)


@app.command(name="silences")
def silences(
    project: Project = "default",
    past: Annotated[bool, typer.Option("--all", help="With those that are over.")] = False,
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """List silences and maintenance windows."""
    from spanledger_server.alert_shown import print_silences
    from spanledger_server.state_database import state_reader_of

    print_silences(state_reader_of(data, state_url), project, past, output)


@app.command(name="unsilence")
def unsilence(
    silence_id: Annotated[str, typer.Argument(metavar="ID", help="As `alerts silences` shows it.")],
    project: Project = "default",
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """End a silence."""
    from spanledger_server.alert_changes import unsilence
    from spanledger_server.state_database import state_writer_of

    unsilence(state_writer_of(data, state_url), project, silence_id, by)


@app.command(name="history")
def history(
    project: Project = "default",
    since: Since = "7d",
    incident: Annotated[
        str, typer.Option(metavar="ID", help="Of one incident.", show_default=False)
    ] = "",
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """List what happened, the latest first: what fired, who was told, what people did."""
    from spanledger_server.alert_shown import print_history
    from spanledger_server.state_database import state_reader_of

    print_history(state_reader_of(data, state_url), project, since, incident, output)


@app.command(name="channels")
def channels(
    output: Output = Format.table, data: Data = DEFAULT_DATA, state_url: StateUrl = ""
) -> None:
    """List the channels, with how their last delivery went."""
    from spanledger_server.alert_shown import print_channels
    from spanledger_server.state_database import state_reader_of

    print_channels(state_reader_of(data, state_url), data, output)


@app.command(name="backtest")
def backtest(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="Name of a rule.")],
    project: Project = "default",
    since: Since = "7d",
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
    store_url: StoreUrl = "",
) -> None:
    """Run a rule over what is stored, and say when it would have fired."""
    from spanledger_server.alert_backtest import print_backtest
    from spanledger_server.prices.session import open_store
    from spanledger_server.state_database import state_reader_of

    with open_store(data, store_url) as store:
        state = state_reader_of(data, state_url)
        print_backtest(store, state, data, project, rule, since, output)
