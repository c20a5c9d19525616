"""What ``spanledger reconcile corrections`` prints: what to do, and how each is done."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from spanledger_analytics.invoices.rules import rules_of
from spanledger_analytics.reconciliation.correction import WAYS, Correction, Way
from spanledger_analytics.reconciliation.suggestions import read_suggestions
from spanledger_server.errors import UsageError
from spanledger_server.output import Format
from spanledger_server.reconcile_session import Asked
from spanledger_server.reconcile_shown import print_dollars
from spanledger_storage.price_state import StateEngine
from spanledger_storage.store import Store

_COLUMNS = ("id", "usd", "done_by", "cause", "kind", "title", "asks", "command", "advice")
_WAYS: Mapping[Way, str] = {
    "apply": "apply",
    "apply_with_value": "apply --value",
    "adjust": "adjust",
    "dispute": "dispute",
    "by_hand": "by hand",
}
_SHORT_ID = 12
_FEWEST_DIGITS = 4


def print_corrections(store: Store, state: StateEngine, asked: Asked, output: Format) -> None:
    """Print what to do, and how each is done."""
    found = read_corrections(store, state, asked)
    is_table = output is Format.table
    rows: list[dict[str, object]] = [
        {
            "id": one.correction_id,
            "usd": one.usd,
            "done_by": _WAYS[one.way] if is_table else one.way,
            "cause": str(one.cause),
            "kind": "" if is_table else one.kind,
            "title": one.title,
            "asks": "" if is_table else one.asks,
            "command": "" if is_table else one.command,
            "advice": "" if is_table else one.advice,
        }
        for one in found
    ]
    print_dollars(_COLUMNS, rows, output, "Nothing to correct.")
    if is_table and found:
        print(f"\n{_ways_text(found, asked.days.text)}")


def _ways_text(found: Sequence[Correction], days: str) -> str:
    """Return how what is there is done: a line for each way, with the first that is done so."""
    firsts = {one.way: one for one in reversed(found)}
    commands: Mapping[Way, str] = {
        "apply": "apply {id} {days}",
        "apply_with_value": "apply {id} {days} --value {value}",
        "adjust": "adjust {month}",
        "dispute": "dispute {days} --provider {provider} --format zip --file dispute.zip",
        "by_hand": "corrections {days} --id {id}",
    }
    lines: list[str] = []
    for way, command in commands.items():
        if one := firsts.get(way):
            text = command.format(
                id=one.correction_id, days=days, month=days[:7], provider=shlex.quote(one.provider),
                value=shlex.quote(one.example or "VALUE"),
            )  # fmt: skip
            lines.append(f"{_WAYS[way]:13}  spanledger reconcile {text}")
    return "\n".join(lines)


def print_correction(
    store: Store, state: StateEngine, asked: Asked, begins: str, output: Format
) -> None:
    """Print one correction in full.

    Raises:
        UsageError: none of these days begins so, or several do.
    """
    one = found_correction(read_corrections(store, state, asked), begins)
    told: dict[str, object] = {
        "id": one.correction_id, "title": one.title, "advice": one.advice,
        "done_by": WAYS[one.way], "asks": one.asks, "for_example": one.example,
        "command": one.command, "cause": str(one.cause), "provider": one.provider,
        "first_day": one.first_day.isoformat(), "last_day": one.last_day.isoformat(),
        "usd": one.usd, "size_usd": one.size_usd,
        "cells": " ".join(cell[:_SHORT_ID] for cell in one.cells),
    }  # fmt: skip
    rows = [{"field": name, "value": value} for name, value in told.items() if value != ""]
    print_dollars(("field", "value"), rows, output)


def found_correction(corrections: Sequence[Correction], begins: str) -> Correction:
    """Return the only correction whose id begins so.

    Raises:
        UsageError: there is none, or there are several.
    """
    begins = begins.strip().lower()
    found = [one for one in corrections if one.correction_id.startswith(begins)]
    if len(begins) < _FEWEST_DIGITS or len(found) != 1:
        count = len(found) if len(begins) >= _FEWEST_DIGITS else 0
        raise UsageError(
            f"{count or 'No'} corrections of these days begin with {begins[:20]!r}; `spanledger "
            "reconcile corrections` lists them."
        )
    return found[0]


def read_corrections(store: Store, state: StateEngine, asked: Asked) -> list[Correction]:
    """Return the corrections of some days, with the texts nobody has mapped."""
    rules = rules_of(state, asked.project)
    return read_suggestions(store, asked.read(store), rules, asked.provider)
