"""What ``spanledger budgets`` shows and changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import cast

from spanledger_analytics.price_book.input import time_text
from spanledger_server.errors import UsageError
from spanledger_server.output import Format
from spanledger_server.periods import parse_length
from spanledger_server.prices.session import now_ns, user
from spanledger_server.rows import print_rows
from spanledger_storage.budget_accounts import BudgetAccounts
from spanledger_storage.budget_amounts import Amounts, Forecasts
from spanledger_storage.budget_windows import PERIODS, Period
from spanledger_storage.budgets import SCOPES, Budgets, BudgetTerms, Measure
from spanledger_storage.errors import ConfigError
from spanledger_storage.price_state import StateEngine
from spanledger_storage.projects import Projects

_COLUMNS = (
    *("name", "scope", "selector", "measure", "window", "spent", "reserved"),
    *("soft_limit", "hard_limit", "left", "level", "owner", "status"),
)
_BREACH_COLUMNS = ("level", "began", "ended", "limit", "peak", "refused")
_NOTHING = "No budgets. Make one: spanledger budgets set NAME --hard 100"


@dataclass(frozen=True, slots=True)
class Given:
    """The options of ``budgets set``, as they were typed; empty or None: not given."""

    scope: str = ""
    measure: str = ""
    per: str = ""
    timezone: str = ""
    soft: str = ""
    hard: str = ""
    owner: str | None = None
    note: str | None = None
    is_active: bool | None = None


def print_budgets(state: StateEngine, project: str, output: Format) -> None:
    """Print the budgets of a project.

    Raises:
        ConfigError: there is no such project.
    """
    Projects(state).get(project)
    found = BudgetAccounts(state).state(project, now_ns())
    print_rows(_COLUMNS, [_fields(amounts) for amounts, _ in found], output, _NOTHING)


def print_budget(state: StateEngine, project: str, name: str, output: Format) -> None:
    """Print a budget, its forecast and its breaches.

    Raises:
        ConfigError: there is no such budget.
    """
    budgets = Budgets(state)
    budget = budgets.get(project, name)
    found = BudgetAccounts(state).state(project, now_ns(), budget_id=budget.id)
    rows = [
        {"field": field, "value": value}
        for amounts, forecasts in found
        for field, value in (_fields(amounts) | _details(amounts, forecasts)).items()
    ]
    print_rows(("field", "value"), rows, output)
    if output is Format.table:
        breaches = [
            {
                "level": breach.level,
                "began": time_text(breach.began_at_ns),
                "ended": time_text(breach.ended_at_ns) if breach.ended_at_ns else "lasts",
                "limit": breach.limit_amount.normalize(),
                "peak": breach.peak_amount,
                "refused": breach.count,
            }
            for breach in budgets.breaches(project, budget.id)
        ]
        print()
        print_rows(_BREACH_COLUMNS, breaches, output, "It was never at a limit.")


def set_terms(state: StateEngine, project: str, name: str, given: Given, by: str) -> None:
    """Make a budget, or change the one of this name.

    Raises:
        ConfigError: there is no such project, or the terms cannot be.
        UsageError: an option cannot be read.
    """
    Projects(state).get(project)
    budgets = Budgets(state)
    before = next((b for b in budgets.of(project) if name in (b.terms.name, b.id)), None)
    new = BudgetTerms(name=name, scope="project", selector="", measure="usd", period="month")
    terms = _changed(before.terms if before else new, given)
    if before is None:
        budgets.create(project, terms, user(by), now_ns())
        print(f"Budget {terms.name} is made. What it has spent shows within seconds.")
    else:
        budgets.change(project, before.id, terms, user(by), now_ns())
        print(f"Budget {before.terms.name} is changed.")


def remove(state: StateEngine, project: str, name: str) -> None:
    """Remove a budget; raises ConfigError when there is none of this name."""
    removed = Budgets(state).remove(project, name, now_ns())
    print(f"Budget {removed.terms.name} of project {project} is removed.")


def _changed(terms: BudgetTerms, given: Given) -> BudgetTerms:
    if given.scope:
        scope, _, selector = given.scope.partition(":")
        if scope not in SCOPES:
            raise UsageError(f"--scope begins with one of {', '.join(SCOPES)}, not {scope[:40]!r}.")
        terms = replace(terms, scope=scope, selector=selector)
    if given.measure:
        terms = replace(terms, measure=cast("Measure", given.measure))
    if given.per:
        period, rolling_s = window_of(given.per)
        terms = replace(terms, period=period, rolling_s=rolling_s)
    if given.soft:
        terms = replace(terms, soft_limit=_limit(given.soft, "--soft"))
    if given.hard:
        terms = replace(terms, hard_limit=_limit(given.hard, "--hard"))
    return replace(
        terms,
        timezone=given.timezone or terms.timezone,
        owner=terms.owner if given.owner is None else given.owner,
        note=terms.note if given.note is None else given.note,
        is_active=terms.is_active if given.is_active is None else given.is_active,
    )


def window_of(text: str) -> tuple[Period, int | None]:
    """Return period and seconds of a rolling window.

    Raises:
        UsageError: it is neither a calendar window nor a length.
    """
    length_s = parse_length(text)
    if length_s is not None:
        return "rolling", length_s
    if text in PERIODS and text != "rolling":
        return cast("Period", text), None
    raise UsageError(f"--per is day, week, month, or a length such as 90m, 24h, 30d: not {text!r}.")


def _limit(text: str, option: str) -> Decimal | None:
    if text == "none":
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ConfigError(f"{option} must be an amount or none, not {text[:40]!r}.") from None


def _fields(amounts: Amounts) -> dict[str, object]:
    terms = amounts.budget.terms
    length_s = terms.rolling_s or 0
    return {
        "name": terms.name,
        "scope": terms.scope,
        "selector": terms.selector,
        "measure": terms.measure,
        "window": f"rolling {length_s} s" if length_s else f"{terms.period} {terms.timezone}",
        "spent": amounts.spent,
        "reserved": amounts.reserved,
        "soft_limit": terms.soft_limit,
        "hard_limit": terms.hard_limit,
        "left": amounts.room,
        "level": amounts.level,
        "owner": terms.owner,
        "status": "active" if terms.is_active else "paused",
    }


def _details(amounts: Amounts, forecasts: Forecasts) -> dict[str, object]:
    budget, window = amounts.budget, amounts.window
    exhausts_at_s = cast("int | None", forecasts["exhausts_at_s"])
    as_of_ns = amounts.ledger_as_of_ns
    return {
        "id": budget.id,
        "from": time_text(window.start_s * 10**9),
        "to": time_text(window.end_s * 10**9),
        "in_ledger": amounts.in_ledger,
        "settled": amounts.settled,
        "ledger_as_of": time_text(as_of_ns) if as_of_ns else "",
        "refused": amounts.refused,
        "passed": amounts.passed,
        "burn_per_hour": forecasts["burn_per_hour"],
        "forecast_low": forecasts["forecast_low"],
        "forecast_mid": forecasts["forecast_mid"],
        "forecast_high": forecasts["forecast_high"],
        "forecast_method": forecasts["forecast_method"],
        "exhausts_at": time_text(exhausts_at_s * 10**9) if exhausts_at_s else "",
        "note": budget.terms.note,
        "changed": time_text(budget.changed_at_ns),
        "changed_by": budget.changed_by,
    }
