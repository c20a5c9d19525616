"""``spanledger findings``: what wastes money or is not as it was. Thin: options only."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from spanledger_server.options import DEFAULT_DATA, By, Data, Output, StateUrl, StoreUrl
from spanledger_server.output import Format

app = typer.Typer(
    name="findings",
    help="Findings: what wastes money or is not as it was, and what people say of it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class Severity(StrEnum):
    """How much a finding matters."""

    info = "info"
    warning = "warning"
    critical = "critical"


class State(StrEnum):
    """What people say of a finding."""

    open = "open"
    acknowledged = "acknowledged"
    resolved = "resolved"
    false_alarm = "false_alarm"
    expected = "expected"


Finding = Annotated[
    str, typer.Argument(metavar="ID", help="As `findings list` shows it, or how it begins.")
]
Project = Annotated[str, typer.Option(help="Whose findings.")]
Note = Annotated[str, typer.Option(help="Why; kept in the history.", show_default=False)]


@app.command(name="list")
def list_findings(
    project: Project = "default",
    kind: Annotated[str, typer.Option(help="As in loop; default: all.", show_default=False)] = "",
    severity: Annotated[
        Severity | None, typer.Option(help="Default: all.", show_default=False)
    ] = None,
    state: Annotated[
        State | None, typer.Option(help="As it is now; default: all.", show_default=False)
    ] = None,
    since: Annotated[
        str, typer.Option(metavar="TIME", help="90m, 24h, 7d, a date or an RFC 3339 time.")
    ] = "7d",
    muted: Annotated[bool, typer.Option("--muted", help="Show muted ones as well.")] = False,
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
    store_url: StoreUrl = "",
) -> None:
    """List what was seen of late, the dearest first."""
    from spanledger_server.finding_changes import Asked, print_findings
    from spanledger_server.prices.session import open_store
    from spanledger_server.state_database import state_reader_of

    asked = Asked(
        project,
        kind=kind,
        severity=severity.value if severity else "",
        state=state.value if state else "",
        since=since,
        with_muted=muted,
    )
    with open_store(data, store_url) as store:
        print_findings(store, state_reader_of(data, state_url), asked, output)


@app.command(name="show")
def show_finding(
    finding: Finding,
    project: Project = "default",
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
    store_url: StoreUrl = "",
) -> None:
    """Show everything about a finding: what happened, its spans, what people said of it."""
    from spanledger_server.finding_changes import print_finding
    from spanledger_server.prices.session import open_store
    from spanledger_server.state_database import state_reader_of

    with open_store(data, store_url) as store:
        print_finding(store, state_reader_of(data, state_url), project, finding, output)


class _Place(NamedTuple):
    """Where findings, and what is said of them, are kept."""

    data: Path
    state_url: str
    store_url: str


def _say(state: State, finding: str, project: str, note: str, by: str, at: _Place) -> None:
    from spanledger_server.finding_changes import say
    from spanledger_server.prices.session import open_store
    from spanledger_server.state_database import state_writer_of

    with open_store(at.data, at.store_url) as store:
        kept = state_writer_of(at.data, at.state_url)
        say(store, kept, project, finding, state.value, note, by)


_SAID = (
    ("acknowledge", State.acknowledged, "Say that somebody looks after a finding."),
    (
        "resolve",
        State.resolved,
        "Say that its cause is gone; seen again later, the finding is open again.",
    ),
    (
        "false-alarm",
        State.false_alarm,
        "Say that nothing is wrong: findings of its pattern are hidden from now on.",
    ),
    (
        "expected",
        State.expected,
        "Say that it was planned: it is right, and nobody has to do anything.",
    ),
    (
        "reopen",
        State.open,
        "Take back what was said; of a false alarm, its pattern is no longer muted.",
    ),
)


def _add_said(name: str, state: State, text: str) -> None:
    """Add a command that says one thing of a finding."""

    @app.command(name=name, help=text)
    def said(
        finding: Finding,
        project: Project = "default",
        note: Note = "",
        by: By = "",
        data: Data = DEFAULT_DATA,
        state_url: StateUrl = "",
        store_url: StoreUrl = "",
    ) -> None:
        _say(state, finding, project, note, by, _Place(data, state_url, store_url))


for _name, _state, _text in _SAID:
    _add_said(_name, _state, _text)


@app.command(name="mutes")
def mutes(
    project: Project = "default",
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """List the patterns whose findings are hidden."""
    from spanledger_server.finding_changes import print_mutes
    from spanledger_server.state_database import state_reader_of

    print_mutes(state_reader_of(data, state_url), project, output)


@app.command(name="unmute")
def unmute(
    pattern: Annotated[
        str, typer.Argument(metavar="PATTERN", help="As `findings mutes` shows it.")
    ],
    project: Project = "default",
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Show findings of a pattern again."""
    from spanledger_server.finding_changes import unmute
    from spanledger_server.state_database import state_writer_of

    unmute(state_writer_of(data, state_url), project, pattern, by)
