"""What ``spanledger allocation`` shows and changes of rules."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from spanledger_analytics.allocation.changes import end_rule, parse_condition, set_rule
from spanledger_analytics.price_book.input import NS_PER_S, parse_time, time_text
from spanledger_server.errors import UsageError
from spanledger_server.output import Format
from spanledger_server.prices.session import moment, now_ns, user
from spanledger_server.rows import print_rows
from spanledger_storage.allocation_rules import AllocationRules, RuleRow
from spanledger_storage.price_state import StateEngine
from spanledger_storage.projects import Projects

_COLUMNS = (
    "position", "name", "conditions", "team", "cost_center", "customer", "shared", "split", "from",
    "to", "note", "status",
)  # fmt: skip
_LOG_COLUMNS = ("at", "who", "action", "rule", "before", "after")
_LOG_ROWS = 1_000
_NOTHING = "No rules. Make one: spanledger allocation set NAME --match agent=NAME --team TEAM"
_SHOWN_IN_LOG = (
    "conditions", "owner", "pool", "split", "among", "percents", "position", "effective_from_s",
    "effective_to_s",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Given:
    """The options of ``allocation set``, as they were typed; empty: not given."""

    conditions: Sequence[str] = ()
    owner: Mapping[str, str] = field(default_factory=dict)
    pool: str = ""
    split: str = ""
    among: str = ""
    percents: Sequence[str] = ()
    position: int = 500
    start: str = ""
    end: str = ""
    note: str = ""


def print_rules(state: StateEngine, project: str, output: Format, *, withdrawn: bool) -> None:
    """Print the rules of a project.

    Raises:
        ConfigError: there is no such project.
    """
    Projects(state).get(project)
    now_s = now_ns() // NS_PER_S
    rows = AllocationRules(state).rows(project, withdrawn=withdrawn)
    print_rows(_COLUMNS, [_fields(row, now_s) for row in rows], output, _NOTHING)


def set_from(state: StateEngine, project: str, name: str, given: Given, by: str) -> None:
    """Store a rule as it was typed, and say what became of it.

    Raises:
        AllocationError: the rule cannot be.
        ConfigError: there is no such project.
    """
    Projects(state).get(project)
    row = RuleRow(
        project=project,
        name=name,
        position=given.position,
        effective_from_s=_seconds(moment(given.start, "--from"), "--from"),
        effective_to_s=_seconds(parse_time(given.end, "--to"), "--to") if given.end else None,
        conditions=_pairs((parse_condition(text) for text in given.conditions), "--match"),
        owner={name: value.strip() for name, value in given.owner.items() if value.strip()},
        pool=given.pool.strip(),
        split=given.split,
        among=given.among,
        percents=_pairs((_percent(text) for text in given.percents), "--percent"),
        note=given.note,
    )
    with AllocationRules(state).change(user(by), now_ns()) as change:
        outcome, stored = set_rule(change, row)
    since = _time(stored.effective_from_s)
    print(f"Rule {stored.name!r} (position {stored.position}): {_says(stored)} from {since}, "
          f"{outcome}.")  # fmt: skip


def remove(
    state: StateEngine, project: str, name: str, start: str, entirely: bool, by: str
) -> None:
    """Let a rule end, or take it back, and say so.

    Raises:
        AllocationError: there is no such rule.
    """
    at_s = None if entirely else _seconds(moment(start, "--from"), "--from")
    with AllocationRules(state).change(user(by), now_ns()) as change:
        changed = end_rule(change, project, name, at_s)
    for row in changed:
        if row.withdrawn_at_ns is not None:
            print(f"Rule {row.name!r} from {_time(row.effective_from_s)} is withdrawn.")
        else:
            print(f"Rule {row.name!r} ends on {_time(row.effective_to_s or 0)}.")


def print_log(state: StateEngine, project: str, output: Format) -> None:
    """Print who changed what, the latest first."""
    rows = [
        {
            "at": time_text(entry.at_ns),
            "who": entry.who,
            "action": entry.action,
            "rule": entry.rule,
            "before": _logged(entry.before),
            "after": _logged(entry.after),
        }
        for entry in AllocationRules(state).log(project, _LOG_ROWS)
    ]
    print_rows(_LOG_COLUMNS, rows, output, "No rule was ever changed.")


def _fields(row: RuleRow, now_s: int) -> dict[str, object]:
    return {
        "position": row.position,
        "name": row.name,
        "conditions": ", ".join(f"{n}={v}" for n, v in sorted(row.conditions.items())) or "(all)",
        **row.owner,
        "shared": row.pool,
        "split": f"{row.split} among {row.among}{_shares(row)}" if row.pool else "",
        "from": _time(row.effective_from_s),
        "to": "" if row.effective_to_s is None else _time(row.effective_to_s),
        "note": row.note,
        "status": _status(row, now_s),
    }


def _shares(row: RuleRow) -> str:
    text = ", ".join(f"{name} {percent}%" for name, percent in sorted(row.percents.items()))
    return f": {text}" if text else ""


def _status(row: RuleRow, now_s: int) -> str:
    if row.withdrawn_at_ns is not None:
        return "withdrawn"
    if row.effective_to_s is not None and row.effective_to_s <= now_s:
        return "ended"
    return "" if row.effective_from_s <= now_s else "to come"


def _says(row: RuleRow) -> str:
    if row.pool:
        return f"shared as {row.pool}, split by {row.split} among {row.among}"
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in row.owner.items())


def _percent(text: str) -> tuple[str, str]:
    name, equals, percent = text.rpartition("=")
    if not equals or not name.strip():
        raise UsageError(f"--percent is written NAME=40, not {text[:80]!r}.")
    return name.strip(), percent.strip()


def _pairs(pairs: Iterable[tuple[str, str]], option: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise UsageError(f"{option} names {name[:80]!r} twice; all that is given has to hold.")
        found[name] = value
    return found


def _seconds(ns: int, option: str) -> int:
    if ns % NS_PER_S:
        raise UsageError(f"{option} must be a whole second.")
    return ns // NS_PER_S


def _time(unix_s: int) -> str:
    return time_text(unix_s * NS_PER_S)


def _logged(text: str | None) -> str:
    if text is None:
        return ""
    row = json.loads(text)
    return json.dumps({n: row[n] for n in _SHOWN_IN_LOG if row[n] not in ("", None, {})})
