"""What ``spanledger alerts`` shows."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from spanledger_alerts.books import rule_book
from spanledger_alerts.channels import written_channels
from spanledger_alerts.facts import incident_key
from spanledger_alerts.rules import Rule
from spanledger_alerts.silences import is_active
from spanledger_alerts.stored import instance_of
from spanledger_alerts.text import figure, usd
from spanledger_analytics.price_book.input import time_text
from spanledger_server.alert_moments import NS_PER_S, settings_of
from spanledger_server.output import Format
from spanledger_server.periods import parse_since
from spanledger_server.prices.session import now_ns
from spanledger_server.rows import Row, print_rows
from spanledger_storage.alert_outbox import AlertOutbox
from spanledger_storage.alert_state import AlertState
from spanledger_storage.price_state import StateEngine
from spanledger_storage.projects import Projects

_STATES = ("pending", "firing", "recovering", "no_data", "error")
_INCIDENTS = ("id", "rule", "state", "severity", "labels", "value", "usd", "since", "acknowledged")
_RULES = (
    *("rule", "enabled", "every_s", "fires", "evaluated", "samples", "duration_ms"),
    *("left_out", "error"),
)
_SILENCES = ("id", "holds", "matchers", "from", "until", "repeats", "author", "reason")
_HISTORY = ("at", "incident", "rule", "action", "who", "note", "usd")
_CHANNELS = ("channel", "kind", "waiting", "oldest_s", "sent", "dead", "last", "outcome", "reason")


def print_incidents(state: StateEngine, data: Path, project: str, output: Format) -> None:
    """Print what fires or is pending, the most severe first."""
    Projects(state).get(project)
    kept = AlertState(state)
    acks = kept.acks(project)
    rules = {rule.name: rule for rule in rule_book(settings_of(data), kept)()}
    rows: list[Row] = []
    for row in kept.instances(project, states=_STATES):
        one = instance_of(row)
        rows.append(
            {
                "id": one.instance_id,
                "rule": row.rule,
                "state": one.state,
                "severity": one.severity,
                "labels": " ".join(f"{name}={value}" for name, value in one.labels.items()),
                "value": shown_value(one.sample.value, rules.get(row.rule), output),
                "usd": shown_usd(one.sample.usd, output),
                "since": _at(one.active_at_ns),
                "acknowledged": acks.get(incident_key(project, one), ""),
            }
        )
    rows.sort(key=lambda row: (row["severity"] != "critical", str(row["rule"]), str(row["id"])))
    print_rows(_INCIDENTS, rows, output, "Nothing fires.")


def print_rules(state: StateEngine, data: Path, project: str, output: Format) -> None:
    """Print the rules, and how they fared in a project."""
    Projects(state).get(project)
    kept = AlertState(state)
    book = rule_book(settings_of(data), kept)
    states = kept.rule_states()
    firing = [row.rule for row in kept.instances(project, states=_STATES[1:])]
    rows: list[Row] = []
    for rule in book():
        known = states.get((project, rule.name))
        rows.append(
            {
                "rule": rule.name,
                "enabled": "yes" if rule.enabled else "no",
                "every_s": rule.every,
                "fires": firing.count(rule.name),
                "evaluated": time_text(known.slot_ns) if known else "",
                "samples": known.samples if known else None,
                "duration_ms": known.duration_ns // 10**6 if known else None,
                "left_out": known.left_out or None if known else None,
                "error": known.last_error if known else "",
            }
        )
    print_rows(_RULES, rows, output, "There are no rules.")
    _print_problem(book.problem, output)


def print_silences(state: StateEngine, project: str, past: bool, output: Format) -> None:
    """Print silences, the newest first."""
    Projects(state).get(project)
    now = now_ns()
    found = AlertState(state).silences(project, with_past=past, now_ns=now)
    rows: list[Row] = [
        {
            "id": one.id,
            "holds": "yes" if is_active(one, now) else "no",
            "matchers": " ".join("".join(parts) for parts in one.matchers),
            "from": time_text(one.starts_at_ns),
            "until": time_text(one.lifted_at_ns or one.ends_at_ns),
            "repeats": f"{one.repeats} ({one.timezone})" if one.repeats else "",
            "author": one.author,
            "reason": one.reason,
        }
        for one in found
    ]
    print_rows(_SILENCES, rows, output, "Nothing is silenced.")


def print_history(
    state: StateEngine, project: str, since: str, incident: str, output: Format
) -> None:
    """Print what happened, the latest first.

    Raises:
        UsageError: ``since`` is no time.
    """
    Projects(state).get(project)
    since_ns = parse_since("--since", since, now_ns() // NS_PER_S) * NS_PER_S
    found = AlertState(state).history(project, since_ns=since_ns)
    rows: list[Row] = []
    for one in found:
        name = one.incident.split("/", 1)[-1]
        if name.startswith(incident):
            rows.append(
                {
                    "at": _at(one.at_ns),
                    "incident": name,
                    "rule": one.rule,
                    "action": one.action,
                    "who": one.who,
                    "note": one.note,
                    "usd": shown_usd(None if one.usd is None else Decimal(one.usd), output),
                }
            )
    print_rows(_HISTORY, rows, output, "Nothing happened.")


def print_channels(state: StateEngine, data: Path, output: Format) -> None:
    """Print the channels, what waits for them, and their last attempt.

    Secrets are the worker's: whoever looks need not have them.

    Raises:
        AlertsError: the file of channels cannot be read.
    """
    outbox = AlertOutbox(state)
    file = settings_of(data).channels_file
    there = {} if file is None else written_channels(file)
    health, last = outbox.health(now_ns()), outbox.last_attempts()
    rows: list[Row] = []
    for name in sorted(there.keys() | health.keys()):
        at_ns, outcome, reason = last.get(name, (None, "", ""))
        figures = health.get(name, {"waiting": 0, "oldest_s": 0, "sent": 0, "dead": 0})
        rows.append(
            {
                "channel": name,
                "kind": there[name].get("kind") if name in there else "not configured",
                **figures,
                "last": _at(at_ns) if at_ns is not None else "",
                "outcome": outcome,
                "reason": reason,
            }
        )
    print_rows(
        _CHANNELS,
        rows,
        output,
        "There are no channels; docs/alert-channels.md says how to add one.",
    )


def _at(at_ns: int) -> str:
    return time_text(at_ns // NS_PER_S * NS_PER_S)


def shown_value(value: Decimal | None, rule: Rule | None, output: Format) -> object:
    """Return a value with its unit, as the pages show it; whole where programs read it.

    That of a finding is its dollars, which stand in a column of their own.
    """
    if value is None or output is not Format.table:
        return value
    if rule is not None and rule.finding and rule.lowest is None:
        return None
    return figure(value, "count" if rule is None else rule.unit)


def shown_usd(value: Decimal | None, output: Format) -> object:
    """Return dollars as people read them; whole where programs read them."""
    return value if value is None or output is not Format.table else usd(value)


def _print_problem(problem: str, output: Format) -> None:
    if problem and output is Format.table:
        print(problem)
