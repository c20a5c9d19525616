"""What a budget says, in words and figures."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from spanledger_dashboard import format as fmt
from spanledger_storage.budget_amounts import Amounts, Forecasts
from spanledger_storage.budgets import Measure

_DAY_S = 86_400
_UNITS = {"usd": "", "tokens": " tokens", "llm_calls": " calls"}


@dataclass(frozen=True, slots=True)
class Item:
    """One budget of the page."""

    amounts: Amounts
    told: Forecasts

    @property
    def id(self) -> str:
        """Of the budget."""
        return self.amounts.budget.id

    @property
    def name(self) -> str:
        """As it was written: text from outside."""
        return self.amounts.budget.terms.name

    @property
    def whose(self) -> str:
        """Scope and selector: text from outside."""
        terms = self.amounts.budget.terms
        return f"{terms.scope} {terms.selector}".strip()

    @property
    def window(self) -> str:
        """Return the window in words."""
        terms = self.amounts.budget.terms
        if terms.period == "rolling":
            return f"last {fmt.duration((terms.rolling_s or 0) * 10**9)}"
        return terms.period

    @property
    def timezone(self) -> str:
        """Return the zone of a calendar window; empty: it rolls."""
        terms = self.amounts.budget.terms
        return "" if terms.period == "rolling" else terms.timezone

    @property
    def limit(self) -> Decimal | None:
        """Return the hard limit, else the soft one."""
        terms = self.amounts.budget.terms
        return terms.soft_limit if terms.hard_limit is None else terms.hard_limit

    @property
    def used_ratio(self) -> Decimal | None:
        """Return the spent share of the limit; None of nothing is unknown."""
        return self.amounts.spent / self.limit if self.limit else None

    @property
    def state(self) -> str:
        """Return a word and a sign of its own for each state."""
        amounts = self.amounts
        if not amounts.budget.terms.is_active:
            return "⏸ Paused"
        if amounts.level == "hard":
            return "■ Over hard limit"
        if amounts.level == "soft":
            return "▲ Over soft limit"
        return "● Refusing some" if amounts.refused else "● Within"

    def foreseen(self, name: str) -> Decimal | None:
        """Return a figure of the forecast; None: there is none."""
        return cast("Decimal | None", self.told[name])

    @property
    def exhausts_at_s(self) -> int | None:
        """Return when the hard limit is reached, unix seconds; None: not in this window."""
        return cast("int | None", self.told["exhausts_at_s"])

    def text(self, amount: Decimal | None) -> str:
        """Return an amount in the measure of the budget, short."""
        return amount_text(self.amounts.budget.terms.measure, amount)

    def text_with_unit(self, amount: Decimal | None) -> str:
        """Return an amount with its unit."""
        unit = _UNITS[self.amounts.budget.terms.measure]
        return self.text(amount) + (unit if amount is not None else "")


def amount_text(measure: Measure, amount: Decimal | None) -> str:
    """Return an amount as people read it; a dash: unknown."""
    if amount is None:
        return fmt.UNKNOWN
    return fmt.usd(amount) if measure == "usd" else fmt.short_count(int(amount))


def method_text(item: Item) -> str:
    """Return how the forecast came about, as a sentence."""
    return {
        "weekday": "Drawn 400 times from the same weekdays of the last six weeks; between low and "
        "high lie eight of ten.",
        "day": "Drawn 400 times from the days so far: there are less than two weeks of them, so "
        "that weekdays are not told apart.",
        "burn": "The burn rate goes on: there are less than three days of history, too few for an "
        "interval.",
    }.get(str(item.told["forecast_method"]), "Nothing was spent yet.")


def left_text(seconds: float) -> str:
    """Return how long until, in words."""
    if seconds <= 0:
        return "now"
    if seconds < 2 * _DAY_S:
        return f"in {_count(seconds, 3_600, 'h')}" if seconds >= 3_600 else "within 1 h"
    return f"in {_count(seconds, _DAY_S, 'd')}"


def _count(seconds: float, size: int, unit: str) -> str:
    return f"{int(seconds // size)} {unit}"
