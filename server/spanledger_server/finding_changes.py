"""What ``spanledger findings`` shows and changes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spanledger_analytics.findings.muting import Said, Verdict
from spanledger_analytics.findings.shown import (
    MOST,
    Listing,
    Shown,
    Wanted,
    joined,
    read_shown,
)
from spanledger_analytics.findings.writing import read_by_id
from spanledger_analytics.price_book.input import time_text
from spanledger_server.errors import UsageError
from spanledger_server.output import Format
from spanledger_server.periods import parse_since
from spanledger_server.prices.session import now_ns, user
from spanledger_server.rows import print_rows
from spanledger_storage.errors import ConfigError
from spanledger_storage.finding_state import FindingStates
from spanledger_storage.price_state import StateEngine
from spanledger_storage.projects import Projects
from spanledger_storage.store import Store

_NS_PER_S = 10**9
_LAST_NS = 2**62  # beyond what clocks say
_ID_DIGITS = 32
_FEWEST_DIGITS = 6
_SHOWN_SPANS = 20
_COLUMNS = (
    *("finding_id", "kind", "severity", "state", "avoidable_usd", "direct_usd", "title"),
    *("agent_name", "last_seen", "trace_id"),
)
_ALL_COLUMNS = (
    *("finding_id", "kind", "code", "severity", "state", "is_muted", "is_back", "note", "who"),
    *("title", "explanation", "first_seen", "last_seen", "detected_at", "is_open", "is_sure"),
    *("trace_id", "session_id", "user_id", "agent_name", "agent_version", "model", "tool_name"),
    *("pattern", "evidence_count", "direct_usd", "carried_usd", "avoidable_usd", "wasted_ns"),
    "details",
)
_MUTE_COLUMNS = ("pattern", "since", "until", "who", "reason", "finding_id")
_LOG_COLUMNS = ("at", "who", "action", "note")


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of ``findings list`` as typed; empty: not given."""

    project: str
    kind: str = ""
    severity: str = ""
    state: str = ""
    since: str = "7d"
    with_muted: bool = False

    def wanted(self, now: int) -> Wanted:
        """Return what they ask for, at a time (UTC nanoseconds).

        Raises:
            UsageError: --since is no time.
        """
        return Wanted(
            from_ns=parse_since("since", self.since, now // _NS_PER_S) * _NS_PER_S,
            to_ns=now + 86_400 * _NS_PER_S,  # a clock may be ahead
            kind=self.kind,
            severity=self.severity,
            state=self.state,
            with_muted=self.with_muted,
        )


def print_findings(store: Store, state: StateEngine, asked: Asked, output: Format) -> None:
    """Print findings, the dearest first.

    Raises:
        ConfigError: there is no such project.
        UsageError: --since is no time.
    """
    Projects(state).get(asked.project)
    now = now_ns()
    found = read_shown(store, FindingStates(state), asked.project, asked.wanted(now), now)
    rows = [_fields(one) for one in found.shown]
    if output is Format.json:
        _print_json([{name: row[name] for name in _ALL_COLUMNS} for row in rows])
        return
    columns = _COLUMNS if output is Format.table else _ALL_COLUMNS
    print_rows(columns, rows, output, "Nothing was found.")
    if output is Format.table:
        for line in _remarks(found):
            print(line)


def print_finding(
    store: Store, state: StateEngine, project: str, finding_id: str, output: Format
) -> None:
    """Print one finding, its spans and what people said of it.

    Raises:
        UsageError: there is none, or several begin so.
    """
    kept = FindingStates(state)
    shown = _found(store, kept, project, finding_id)
    [row] = read_by_id(store, project, [shown.row.finding_id]).rows
    fields = _fields(shown)
    history = kept.history(project, row.finding_id)
    said = [
        {"at": time_text(one.at_ns), "who": one.who, "action": one.action, "note": one.note}
        for one in history
    ]
    spans = [{"trace_id": trace_id, "span_id": span_id} for trace_id, span_id in row.evidence]
    if output is Format.json:
        own = {name: fields[name] for name in _ALL_COLUMNS}
        _print_json([{**own, "evidence": spans, "history": said}])
        return
    rows = [
        {"field": name, "value": fields[name]} for name in _ALL_COLUMNS if _is_told(fields[name])
    ]
    print_rows(("field", "value"), rows, output)
    if output is Format.table:
        print()
        print_rows(("trace_id", "span_id"), spans[:_SHOWN_SPANS], output, "No spans.")
        if row.evidence_count > _SHOWN_SPANS:
            print(f"and {row.evidence_count - _SHOWN_SPANS:,} more")
        print()
        print_rows(_LOG_COLUMNS, said, output, "Nobody has said anything.")


def say(
    store: Store,
    state: StateEngine,
    project: str,
    finding_id: str,
    new_state: str,
    note: str,
    by: str,
) -> None:
    """Put a finding into a state.

    Raises:
        UsageError: there is none, or several begin so.
        ConfigError: the note is too long.
    """
    kept = FindingStates(state)
    row = _found(store, kept, project, finding_id).row
    kept.say(
        project,
        row.finding_id,
        new_state,
        pattern=row.pattern,
        who=user(by),
        now_ns=time.time_ns(),  # what is said later holds, also within a second
        note=note,
    )
    print(f"Finding {row.finding_id} is {new_state.replace('_', ' ')}: {row.title}")
    if new_state == "false_alarm":
        print(f"Findings of its pattern are hidden from now on: {row.pattern}")


def print_mutes(state: StateEngine, project: str, output: Format) -> None:
    """Print what is muted; raises ConfigError when there is no such project."""
    Projects(state).get(project)
    rows = [
        {
            "pattern": mute.pattern,
            "since": time_text(mute.at_ns),
            "until": time_text(mute.until_ns) if mute.until_ns else "",
            "who": mute.who,
            "reason": mute.reason,
            "finding_id": mute.finding_id,
        }
        for mute in FindingStates(state).mutes(project)
    ]
    print_rows(_MUTE_COLUMNS, rows, output, "Nothing is muted.")


def unmute(state: StateEngine, project: str, pattern: str, by: str) -> None:
    """Show findings of a pattern again; raises ConfigError when it is not muted."""
    if not FindingStates(state).unmute(project, pattern, who=user(by), now_ns=now_ns()):
        raise ConfigError(
            f"The pattern {pattern[:200]!r} is not muted in project {project}; "
            "`spanledger findings mutes` lists those that are."
        )
    print(f"Findings of this pattern are shown again: {pattern}")


def _print_json(rows: Sequence[Mapping[str, object]]) -> None:
    """Print a list, one object a line; decimals are strings."""
    lines = (json.dumps(row, ensure_ascii=False, default=str) for row in rows)
    print("[\n" + ",\n".join(lines) + "\n]" if rows else "[]")


def _found(store: Store, kept: FindingStates, project: str, finding_id: str) -> Shown:
    """Return the finding of an id, or the only one that begins so."""
    begins = finding_id.strip().lower()
    if not _FEWEST_DIGITS <= len(begins) <= _ID_DIGITS:
        raise UsageError(f"Give {_FEWEST_DIGITS} to {_ID_DIGITS} digits of the finding's id.")
    if len(begins) == _ID_DIGITS:
        rows = read_by_id(store, project, [begins]).rows
        found = joined(rows, Said.read(kept, project, now_ns(), [begins]))
    else:
        wanted = Wanted(0, _LAST_NS, finding=begins, with_muted=True)
        found = read_shown(store, kept, project, wanted, now_ns()).shown
    if not found:
        raise UsageError(f"Project {project} has no finding {finding_id[:40]!r}.")
    if len(found) > 1:
        raise UsageError(f"{len(found)} findings begin with {begins!r}: give more digits.")
    return found[0]


def _fields(shown: Shown) -> Mapping[str, object]:
    row, verdict = shown
    return {
        **row._asdict(),
        **_said(verdict),
        "first_seen": time_text(row.first_seen_ns),
        "last_seen": time_text(row.last_seen_ns),
        "detected_at": time_text(row.detected_ns),
        "is_open": bool(row.is_open),
        "is_sure": bool(row.is_sure),
        "details": json.loads(row.details or "{}"),
    }


def _said(verdict: Verdict) -> dict[str, object]:
    return {
        "state": verdict.state,
        "is_muted": verdict.is_muted,
        "is_back": verdict.is_back,
        "note": verdict.note,
        "who": verdict.who,
    }


def _is_told(value: object) -> bool:
    return value not in (None, "", False, {})


def _remarks(found: Listing) -> list[str]:
    lines: list[str] = []
    if found.muted:
        lines.append(f"{found.muted:,} muted: --muted shows them.")
    if len(found.shown) + found.muted >= MOST:
        lines.append(f"These are the dearest {MOST:,}: a later --since shows fewer.")
    return lines
