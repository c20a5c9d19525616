"""What ``spanledger alerts dead-letter`` shows and does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spanledger_alerts.channels import written_channels
from spanledger_alerts.dead_letters import drop, retry
from spanledger_analytics.price_book.input import time_text
from spanledger_server.alert_moments import NS_PER_S, settings_of
from spanledger_server.errors import UsageError
from spanledger_server.output import Format
from spanledger_server.prices.session import now_ns, user
from spanledger_server.rows import Row, print_rows
from spanledger_storage.alert_letters import AlertLetters, Letter
from spanledger_storage.price_state import StateEngine

_COLUMNS = (
    *("id", "ended", "channel", "project", "rule", "transition", "status", "attempts"),
    *("told_later", "reason"),
)
_SAID = {
    "waiting": "waits to be sent",
    "dropped": "dropped",
    "told": "a later message told it; nothing is left to send",
    "closed": "no dead letter any more",
}
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Asked:
    """Which letters a command is about: of these ids, or all of a channel, a project."""

    ids: tuple[int, ...] = ()
    every: bool = False
    channel: str = ""
    project: str = ""


def print_letters(state: StateEngine, asked: Asked, with_told: bool, output: Format) -> None:
    """Print dead letters, the oldest first."""
    rows: list[Row] = [
        {
            "id": one.row.id,
            "ended": time_text((one.row.ended_at_ns or 0) // NS_PER_S * NS_PER_S),
            "channel": one.row.channel,
            "project": one.row.project,
            "rule": one.row.rule,
            "transition": one.row.transition,
            "status": one.row.status,
            "attempts": one.row.attempts,
            "told_later": "yes" if one.is_told else "no",
            "reason": one.row.last_error,
        }
        for one in _found(AlertLetters(state), asked, with_told)
    ]
    print_rows(_COLUMNS, rows, output, "No dead letters.")


def retry_letters(state: StateEngine, data: Path, asked: Asked, by: str) -> None:
    """Have dead letters tried again, by whoever sends.

    Raises:
        AlertsError: the file of channels cannot be read.
        UsageError: an id is none of a dead letter, or its channel is not there any more.
    """
    letters, file = AlertLetters(state), settings_of(data).channels_file
    there = {} if file is None else written_channels(file)
    for one in _chosen(letters, asked):
        if one.row.channel not in there:
            raise UsageError(
                f"There is no channel {one.row.channel!r}: write it into channels.yaml again, or "
                "drop the letter."
            )
        print(f"{one.row.id}  {_SAID[retry(letters, one.row.id, user(by), now_ns())]}")


def drop_letters(state: StateEngine, asked: Asked, by: str) -> None:
    """Give dead letters up.

    Raises:
        UsageError: an id is none of a dead letter.
    """
    letters = AlertLetters(state)
    for one in _chosen(letters, asked):
        print(f"{one.row.id}  {_SAID[drop(letters, one.row.id, user(by), now_ns())]}")


def _found(letters: AlertLetters, asked: Asked, with_told: bool) -> list[Letter]:
    found = letters.all(
        channel=asked.channel, project=asked.project, with_told=with_told, limit=_MOST
    )
    return found[::-1]


def _chosen(letters: AlertLetters, asked: Asked) -> list[Letter]:
    if bool(asked.ids) == asked.every:
        raise UsageError("Name letters by their ids, or say --all.")
    if asked.every:
        return _found(letters, asked, with_told=False)
    if asked.channel or asked.project:
        raise UsageError("--channel and --project go with --all, not with ids.")
    return [_one(letters, letter_id) for letter_id in dict.fromkeys(asked.ids)]


def _one(letters: AlertLetters, letter_id: int) -> Letter:
    found = letters.find(letter_id)
    if found is None:
        raise UsageError(
            f"{letter_id} is no dead letter, or none any more; see `spanledger alerts dead-letter "
            "list`."
        )
    return found
