"""What the cost explorer can count, and by what: one row per measure and per dimension."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import Literal

from spanledger_dashboard import format as fmt

Number = int | Decimal
Sums = Mapping[str, Number]
Unit = Literal["usd", "count", "ratio"]

NO_VALUE = "(none)"
"""How an empty name is shown, and written in a filter."""

_EXACT = Context(prec=60)


@dataclass(frozen=True, slots=True)
class Dimension:
    """One thing figures can be told apart by.

    Attributes:
        key: in the address, in filters, and in the parameters of statements.
        column: of the ledger, and of the other tables that have it.
        is_of_tasks: whether a task has one value of it; of models it uses several.
        traces_key: the address key of the trace list that narrows by it; empty: it cannot.
    """

    key: str
    label: str
    column: str
    is_of_tasks: bool = False
    traces_key: str = ""


DIMENSIONS = {
    d.key: d
    for d in (
        Dimension("model", "Model", "model", traces_key="model"),
        Dimension("agent", "Agent", "agent_name", is_of_tasks=True, traces_key="agent"),
        Dimension("provider", "Provider", "provider"),
        Dimension("service", "Service", "service_name", is_of_tasks=True, traces_key="service"),
        Dimension(
            "environment",
            "Environment",
            "environment",
            is_of_tasks=True,
            traces_key="environment",
        ),
        Dimension("user", "User", "user_id", is_of_tasks=True, traces_key="user"),
        Dimension("session", "Session", "session_id", is_of_tasks=True, traces_key="session"),
        Dimension("version", "Agent version", "agent_version"),
        Dimension("workflow", "Workflow", "workflow_name"),
        Dimension("task", "Task", "task_id", is_of_tasks=True),
        Dimension("kind", "Kind of call", "kind"),
        Dimension("requested", "Requested model", "request_model"),
        Dimension("tier", "Service tier", "service_tier"),
        Dimension("region", "Region", "region"),
        Dimension("status", "Status", "status"),
        Dimension("error", "Error", "error_type"),
    )
}


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure: a sum, or a ratio of two sums.

    Attributes:
        key: in the address.
        part: the sum, or what is divided.
        whole: what it is divided by; empty: nothing.
        per: how many of ``whole`` the ratio is told for.
        is_of_tasks: whether it needs tasks, which only whole traces have.
        rank_by: the sum that decides which names are shown; empty: ``part``.
    """

    key: str
    label: str
    unit: Unit
    part: str
    whole: str = ""
    per: int = 1
    is_of_tasks: bool = False
    rank_by: str = ""
    help: str = ""

    @property
    def is_additive(self) -> bool:
        """Whether the values of parts add up to the value of the whole."""
        return not self.whole

    @property
    def ranking(self) -> str:
        """The sum names are ranked by."""
        return self.rank_by or self.part

    def value(self, sums: Sums) -> Fraction | None:
        """Return the figure, exactly; None where it does not exist or is not known."""
        part = sums.get(self.part, 0)
        if self.part.endswith("cost_usd") and not part and _has_gaps(sums):
            return None
        if self.part.endswith("tokens") and _has_unknown_tokens_alone(sums):
            return None
        if not self.whole:
            return Fraction(part)
        whole = sums.get(self.whole, 0)
        return Fraction(part) * self.per / Fraction(whole) if whole else None

    def text(self, value: Fraction | None) -> str:
        """Return a value as people read it."""
        if value is None:
            return fmt.UNKNOWN
        if self.unit == "usd":
            return fmt.usd(decimal(value))
        if self.unit == "ratio":
            return fmt.percent(decimal(value), 1)
        return fmt.count(int(value)) if abs(value) < 100_000 else fmt.short_count(int(value))


GAPS = {
    "unpriced_calls": "not priced",
    "calls_without_usage": "without token counts",
}
"""Counts of calls that no sum of dollars contains, and what they are called."""
SELF_HOSTED = "self_hosted_calls"
"""Those without a price per token: of their machines' time, what was attributed is in the sums."""


def _has_unknown_tokens_alone(sums: Sums) -> bool:
    return bool(sums.get("calls_without_usage", 0)) and not sums.get("tokens", 0)


def _has_gaps(sums: Sums) -> bool:
    return any(sums.get(name, 0) for name in (*GAPS, SELF_HOSTED))


def decimal(value: Fraction) -> Decimal:
    """Return a fraction as a decimal; exact where it ends, else to sixty digits."""
    return _EXACT.divide(Decimal(value.numerator), Decimal(value.denominator))


MEASURES = {
    m.key: m
    for m in (
        Measure("spend", "Spend", "usd", "total_cost_usd", help="Sum of what is priced."),
        Measure("tokens", "Tokens", "count", "tokens", help="Input and output."),
        Measure("uncached", "Input tokens, uncached", "count", "uncached_tokens"),
        Measure("cache_read", "Cache read tokens", "count", "cache_read_tokens"),
        Measure("cache_write", "Cache write tokens", "count", "cache_write_tokens"),
        Measure("output", "Output tokens", "count", "output_tokens", help="With reasoning."),
        Measure(
            "reasoning",
            "Reasoning tokens",
            "count",
            "reasoning_tokens",
            help="Part of the output, where providers tell it.",
        ),
        Measure("calls", "Calls", "count", "calls"),
        Measure("errors", "Failed calls", "count", "errors"),
        Measure("tasks", "Tasks", "count", "tasks", is_of_tasks=True, help="When they began."),
        Measure(
            "completed",
            "Completed tasks",
            "count",
            "completed_tasks",
            is_of_tasks=True,
            help="Tasks that reported the outcome “completed”.",
        ),
        Measure(
            "per_task",
            "Spend per task",
            "usd",
            "total_cost_usd",
            "tasks",
            is_of_tasks=True,
            help="Spend of tasks divided by their number.",
        ),
        Measure(
            "per_completed",
            "Spend per completed task",
            "usd",
            "ended_cost_usd",
            "completed_tasks",
            is_of_tasks=True,
            rank_by="total_cost_usd",
            help="Spend of all tasks that reported an outcome, divided by those completed.",
        ),
        Measure("per_call", "Spend per call", "usd", "total_cost_usd", "calls"),
        Measure(
            "per_million", "Spend per million tokens", "usd", "total_cost_usd", "tokens", 1_000_000
        ),
        Measure(
            "cache_hit_rate",
            "Cache hit rate",
            "ratio",
            "cache_read_tokens",
            "input_tokens",
            rank_by="input_tokens",
            help="Input tokens read from the provider's prompt cache.",
        ),
        Measure("error_rate", "Error rate", "ratio", "errors", "calls", rank_by="calls"),
    )
}


def summed(many: Iterable[Sums]) -> dict[str, Number]:
    """Return the sums of sums, name by name, exactly."""
    total: dict[str, Number] = {}
    with localcontext(_EXACT):
        for sums in many:
            for name, number in sums.items():
                total[name] = total[name] + number if name in total else number
    return total
