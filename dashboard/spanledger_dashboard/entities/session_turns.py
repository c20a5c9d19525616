"""A session as one conversation: its traces in order, what was asked, answered and spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from spanledger_dashboard.trace.data import load_messages
from spanledger_dashboard.trace.message_parts import Part, parse_message, text_of
from spanledger_storage.store import Store

MAX_TURNS = 500
_HOUR_S = 3_600

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Words:
    """What was said in a trace; empty: not stored, or no text."""

    question: str = ""
    answer: str = ""


def load_turns(store: Store, params: Mapping[str, object]) -> list[dict[str, object]]:
    """Read the traces of a session, the oldest first; columns as in dashboard_entity_traces.sql.

    Raises:
        StoreError: the store does not answer.
    """
    return store.rows(
        "dashboard_entity_traces", {**params, "sort": "oldest", "page_size": MAX_TURNS}
    )


def cumulative(turns: Sequence[Row]) -> list[Decimal]:
    """Return the dollars of a session after each turn; what is not priced adds nothing."""
    total, sums = Decimal(0), list[Decimal]()
    for turn in turns:
        total += cast("Decimal | None", turn["total_cost_usd"]) or Decimal(0)
        sums.append(total)
    return sums


def load_words(store: Store, project: str, turns: Sequence[Row]) -> dict[str, Words]:
    """Read the last question and the last answer of each trace, by trace id.

    Raises:
        StoreError: the store does not answer.
    """
    if not turns:
        return {}
    rows = store.rows(
        "dashboard_session_turns",
        {
            "project": project,
            "trace_ids": [str(turn["trace_id"]) for turn in turns],
            "hours": sorted({hour for turn in turns for hour in _hours(turn)}),
        },
    )
    hashes = [h for row in rows for name in ("asked", "answered") for h in _hashes(row, name)]
    contents = load_messages(store, project, hashes)
    return {
        str(row["trace_id"]): Words(
            question=_last_text(_hashes(row, "asked"), contents, "user"),
            answer=_last_text(_hashes(row, "answered"), contents, "assistant"),
        )
        for row in rows
    }


def _hours(turn: Row) -> range:
    start_s = cast("int", turn["start_ms"]) // 1000
    end_s = start_s + cast("int", turn["duration_ns"]) // 10**9
    return range(start_s - start_s % _HOUR_S, end_s + 1, _HOUR_S)


def _hashes(row: Row, name: str) -> list[str]:
    return cast("list[str]", row[name])


def _last_text(hashes: Sequence[str], contents: Mapping[str, str], role: str) -> str:
    """Return the text of the last message of a role that has any."""
    for found in reversed(hashes):
        said_by, parts = parse_message(contents.get(found, ""))
        text = _text(parts)
        if said_by == role and text:
            return text
    return ""


def _text(parts: Sequence[Part]) -> str:
    return text_of(parts).strip()
