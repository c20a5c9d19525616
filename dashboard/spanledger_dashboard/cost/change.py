"""Why a figure differs from that of another period: in words, as a waterfall, name by name."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import cast

from spanledger_analytics.change.decomposition import (
    INPUT_CLASSES,
    OUTPUT_CLASS,
    UNEXPLAINED,
    Change,
    ModelUse,
    Period,
    explain,
)
from spanledger_dashboard import format as fmt
from spanledger_dashboard.cost.charts import signed_usd
from spanledger_dashboard.cost.measures import DIMENSIONS, GAPS, MEASURES, Measure, decimal
from spanledger_dashboard.cost.query import (
    Answer,
    Filters,
    Question,
    Slice,
    Stretch,
    load_answer,
    row_parameters,
)
from spanledger_dashboard.hourly import is_answered_hourly
from spanledger_dashboard.read_ahead import begin
from spanledger_storage.store import Store

Row = Mapping[str, object]

FEES = "fees"
# What a factor is called, what it is called when it made things dearer, and when cheaper.
_WORDS = {
    "tasks": ("Tasks", "more tasks", "fewer tasks"),
    "calls": ("Calls per task", "more calls per task", "fewer calls per task"),
    "prompts": ("Prompt length", "longer prompts", "shorter prompts"),
    "answers": ("Answer length", "longer answers", "shorter answers"),
    "models": ("Model mix", "a dearer mix of models", "a cheaper mix of models"),
    "cache": ("Cache use", "worse cache use", "better cache use"),
    "prices": ("Prices", "higher prices", "lower prices"),
    FEES: ("Fees", "more fees", "fewer fees"),
    UNEXPLAINED: ("Other costs", "more of other costs", "less of other costs"),
}
_CALLS_ALONE = ("Calls", "more calls", "fewer calls")
_NAMED_AT_MOST = 4
_NAMED_FROM = Fraction(3, 100)  # of all movements together
_MANY_NAMES = 1_000


@dataclass(frozen=True, slots=True)
class Compared:
    """Two periods of equal kind.

    Attributes:
        now: what is over of the period shown.
        before: the period it is compared with; it ends before ``now`` begins.
    """

    now: Stretch
    before: Stretch


@dataclass(frozen=True, slots=True)
class Explained:
    """Why spend changed, and what the dollars of each period do not contain.

    Attributes:
        has_tasks: whether tasks are one of the factors.
        gaps_now: calls without a price or without token counts.
        gaps_before: the same, before.
    """

    change: Change
    has_tasks: bool
    gaps_now: int
    gaps_before: int

    @property
    def steps(self) -> list[tuple[str, Decimal]]:
        """The parts by name, in their order; those of nothing are left out."""
        parts = self.change.parts.items()
        return [(words(name, self.has_tasks)[0], usd) for name, usd in parts if usd]


@dataclass(frozen=True, slots=True)
class Difference:
    """One name in both periods; ``change`` None: one of the values does not exist."""

    slice: Slice
    before: Fraction | None
    now: Fraction | None

    @property
    def change(self) -> Fraction | None:
        """How much more than before."""
        if self.before is None or self.now is None:
            return None
        return self.now - self.before


def words(part: str, has_tasks: bool) -> tuple[str, str, str]:
    """Return what a part is called, what it is when it rose, and when it fell."""
    return _CALLS_ALONE if part == "calls" and not has_tasks else _WORDS[part]


def load_explained(store: Store, project: str, compared: Compared, filters: Filters) -> Explained:
    """Read what the spend of two periods is made of, and take its difference apart.

    Raises:
        StoreError: the store does not answer.
    """
    parameters = row_parameters(project, compared.now, compared.before, filters)
    columns = tuple(DIMENSIONS[key].column for key, _ in filters)
    edges = (*compared.now.edges, *compared.before.edges)
    is_hourly = is_answered_hourly(columns, *edges, by_user=True)
    statement = "dashboard_cost_parts_by_user" if is_hourly else "dashboard_cost_parts"
    reading = begin(lambda: store.rows(statement, parameters))
    tasks = _tasks(store, project, compared, filters)
    rows = reading.result()
    before, now = (
        _period([r for r in rows if r["is_now"] == is_now], tasks[is_now]) for is_now in (0, 1)
    )
    change = explain(before, now)
    return Explained(
        change=change,
        has_tasks="tasks" in change.parts,
        gaps_before=_gaps(rows, 0),
        gaps_now=_gaps(rows, 1),
    )


def load_differences(store: Store, question: Question, compared: Compared) -> Answer:
    """Read the sums of each name in both periods; the first bucket is before, the second now.

    Raises:
        StoreError: the store does not answer.
        ValueError: the question has no answer.
    """
    starts = (compared.before.start_s, compared.now.start_s)
    return load_answer(
        store,
        replace(
            question, stretch=compared.now, also=compared.before, starts=starts, top=_MANY_NAMES
        ),
    )


def differences(answer: Answer, measure: Measure) -> list[Difference]:
    """Return each name in both periods: the largest change first, what is not named last."""
    before, now = answer.starts
    found = [
        Difference(
            one,
            _value(answer, measure, [one], before),
            _value(answer, measure, [one], now),
        )
        for one in answer.slices
    ]
    return sorted(found, key=lambda d: (d.slice.is_rest, -abs(d.change or 0)))


def overall(answer: Answer, measure: Measure) -> Difference:
    """Return everything together in both periods."""
    before, now = (_value(answer, measure, answer.slices, start) for start in answer.starts)
    return Difference(Slice((), {}), before, now)


def headline(measure: Measure, before: Fraction | None, now: Fraction | None) -> str:
    """Return how a figure changed, as a sentence without its end; ``Spend rose by $1.20 (+8.0%)``.

    The text holds no markdown.
    """
    if before is None or now is None:
        return f"{measure.label}: {measure.text(before)} before, {measure.text(now)} now"
    difference = now - before
    if not difference:
        return f"{measure.label} did not change ({measure.text(now)})"
    verb = "rose" if difference > 0 else "fell"
    if measure.unit == "ratio":
        by = fmt.points(abs(decimal(difference)), Decimal(0)).lstrip("+")
        return f"{measure.label} {verb} by {by}, from {measure.text(before)} to {measure.text(now)}"
    change = fmt.change(decimal(now), decimal(before))
    return f"{measure.label} {verb} by {measure.text(abs(difference))}" + (
        f" ({change})" if change else " (from nothing)"
    )


def reasons(explained: Explained) -> str:
    """Return the parts that matter, as a list in words; the rest is one. Empty: nothing moved.

    The text holds no markdown.
    """
    parts = [(name, usd) for name, usd in explained.change.parts.items() if usd]
    moved = sum((abs(Fraction(usd)) for _, usd in parts), Fraction(0))
    ranked = sorted(parts, key=lambda part: -abs(part[1]))
    named = [p for p in ranked[:_NAMED_AT_MOST] if abs(Fraction(p[1])) >= _NAMED_FROM * moved]
    said = [
        f"{signed_usd(usd)} {words(name, explained.has_tasks)[1 if usd > 0 else 2]}"
        for name, usd in named
    ]
    left = sum((usd for name, usd in ranked if (name, usd) not in named), Decimal(0))
    return ", ".join([*said, *([f"{signed_usd(left)} all else"] if left else [])])


def _value(
    answer: Answer, measure: Measure, slices: Sequence[Slice], start: int
) -> Fraction | None:
    return measure.value(answer.sums(slices, [start]))


def _tasks(store: Store, project: str, compared: Compared, filters: Filters) -> tuple[int, int]:
    """Return the tasks that began before and now, narrowed by what tasks have."""
    question = Question(
        project=project,
        stretch=compared.now,
        also=compared.before,
        starts=(compared.before.start_s, compared.now.start_s),
        measure=MEASURES["tasks"],
        filters=tuple(f for f in filters if DIMENSIONS[f[0]].is_of_tasks),
    )
    answer = load_answer(store, question)
    before, now = (answer.sums(answer.slices, [start]) for start in question.starts)
    return int(before.get("tasks", 0)), int(now.get("tasks", 0))


def _period(rows: Sequence[Row], tasks: int) -> Period:
    models: dict[Hashable, ModelUse] = {}
    other = {FEES: Decimal(0), UNEXPLAINED: Decimal(0)}
    for row in rows:
        kinds = (*INPUT_CLASSES, OUTPUT_CLASS)
        costs = {kind: _usd(row[f"{kind}_cost_usd"]) for kind in kinds}
        tokens = {kind: cast("int", row[f"{kind}_tokens"]) for kind in kinds}
        models[row["provider"], row["model"]] = ModelUse(tokens, costs)
        fees = _usd(row["fees_cost_usd"])
        other[FEES] += fees
        known = sum(costs.values(), fees)
        other[UNEXPLAINED] += _usd(row["total_cost_usd"]) - known
    calls = sum(cast("int", row["calls"]) for row in rows)
    return Period(calls=calls, models=models, tasks=tasks, other_usd=other)


def _gaps(rows: Sequence[Row], is_now: int) -> int:
    return sum(cast("int", row[name]) for row in rows if row["is_now"] == is_now for name in GAPS)


def _usd(value: object) -> Decimal:
    return cast("Decimal", value)
