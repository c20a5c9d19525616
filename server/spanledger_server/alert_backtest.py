"""``spanledger alerts backtest``: how often a rule would have fired."""

from __future__ import annotations

from pathlib import Path

from spanledger_alerts.backtest import backtest
from spanledger_alerts.books import rule_book
from spanledger_alerts.measures import Sources
from spanledger_analytics.price_book.input import time_text
from spanledger_server.alert_moments import NS_PER_S, settings_of
from spanledger_server.alert_shown import shown_usd, shown_value
from spanledger_server.errors import UsageError
from spanledger_server.output import Format
from spanledger_server.periods import parse_since
from spanledger_server.prices.session import now_ns
from spanledger_server.rows import Row, print_rows
from spanledger_storage.alert_state import AlertState
from spanledger_storage.budget_accounts import BudgetAccounts
from spanledger_storage.finding_state import FindingStates
from spanledger_storage.price_state import StateEngine
from spanledger_storage.projects import Projects
from spanledger_storage.store import Store

_COLUMNS = ("fired", "ended", "severity", "labels", "value", "usd")


def print_backtest(
    store: Store,
    state: StateEngine,
    data: Path,
    project: str,
    name: str,
    since: str,
    output: Format,
) -> None:
    """Print when a rule would have fired, in order.

    Raises:
        AlertsError: what it looks at has no history.
        UsageError: there is no such rule, or ``since`` is no time.
    """
    Projects(state).get(project)
    rules = {rule.name: rule for rule in rule_book(settings_of(data), AlertState(state))()}
    if name not in rules:
        raise UsageError(f"There is no rule {name!r}; see `spanledger alerts rules`.")
    now = now_ns()
    sources = Sources(store, BudgetAccounts(state), FindingStates(state))
    since_ns = parse_since("--since", since, now // NS_PER_S) * NS_PER_S
    found = backtest(rules[name], sources, project, since_ns, now)
    rows: list[Row] = [
        {
            "fired": time_text(one.fired_at_ns),
            "ended": time_text(one.ended_at_ns) if one.ended_at_ns is not None else "",
            "severity": one.severity,
            "labels": " ".join(f"{key}={value}" for key, value in one.labels.items()),
            "value": shown_value(one.value, rules[name], output),
            "usd": shown_usd(one.usd, output),
        }
        for one in found.incidents
    ]
    print_rows(_COLUMNS, rows, output, "It would not have fired.")
    if output is Format.table:
        step = f", every {found.step_s:,} s" if found.step_s > rules[name].every else ""
        print(f"{len(rows)} incidents in {found.evaluations:,} evaluations{step}.")
