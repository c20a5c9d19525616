"""Tables of the cost explorer: names in order, names by period, what changed; and as files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pandas as pd
import pyarrow as pa

from spanledger_dashboard import format as fmt
from spanledger_dashboard import tables
from spanledger_dashboard.cost.change import Difference
from spanledger_dashboard.cost.charts import signed_usd
from spanledger_dashboard.cost.measures import DIMENSIONS, MEASURES, NO_VALUE, Measure, decimal
from spanledger_dashboard.cost.query import Answer, Question, Slice
from spanledger_dashboard.text import shortened

TOTAL = "Total"
_NAME_LIMIT = 80
_MAX_COLUMNS = 40
_MONEY = pa.decimal128(38, 12)
_SECOND = pa.timestamp("s", "UTC")

Text = Callable[[object], str]


def text_of(measure: Measure) -> Text:
    """Return the function that writes a cell of a measure."""

    def write(value: object) -> str:
        return fmt.UNKNOWN if _is_missing(value) else measure.text(Fraction(str(value)))

    return write


def ranking(answer: Answer, question: Question) -> tuple[pd.DataFrame, dict[str, Text]]:
    """Return one row per slice, the total last, and how its columns are written."""
    measure = question.measure
    groups = [[one] for one in answer.slices] + [list(answer.slices)]
    sums = [answer.sums(group, answer.starts) for group in groups]
    values = [measure.value(s) for s in sums]
    columns: dict[str, list[object]] = _names(answer, question, answer.slices, [TOTAL])
    columns[measure.label] = [_float(v) for v in values]
    formats: dict[str, Text] = {measure.label: text_of(measure)}
    if measure.is_additive and values[-1]:
        columns["Share"] = [_float(v / values[-1] if v is not None else None) for v in values]
        formats["Share"] = _percent
    for key in ("spend", "calls", "tasks"):
        other = MEASURES[key]
        is_shared = other.part in (s for shared in answer.shared.values() for s in shared)
        if other is not measure and not is_shared and any(other.part in s for s in sums):
            columns[other.label] = [_float(other.value(s)) for s in sums]
            formats[other.label] = text_of(other)
    return pd.DataFrame(columns), formats


def pivot(
    answer: Answer, question: Question, labels: Sequence[datetime], *, day_only: bool
) -> tuple[pd.DataFrame, dict[str, Text], bool]:
    """Return names by period with totals, how it is written, and whether its rows are names."""
    measure = question.measure
    groups = [[one] for one in answer.slices] + [list(answer.slices)]
    periods = _distinct([f"{t:%b %-d}" if day_only else f"{t:%b %-d, %H:%M}" for t in labels])
    cells = [
        [_float(measure.value(answer.sums(group, [start]))) for start in answer.starts]
        for group in groups
    ]
    totals = [_float(measure.value(answer.sums(group, answer.starts))) for group in groups]
    write = text_of(measure)
    if len(periods) <= _MAX_COLUMNS:
        columns: dict[str, list[object]] = _names(answer, question, answer.slices, [TOTAL])
        columns[TOTAL] = list(totals)
        for place, period in enumerate(periods):
            columns[period] = [row[place] for row in cells]
        return pd.DataFrame(columns), dict.fromkeys((TOTAL, *periods), write), True
    names = _distinct([answer.label(one) for one in answer.slices])
    columns = {"Period": [*periods, TOTAL]}
    for name, row, total in zip((TOTAL, *names), (cells[-1], *cells), (totals[-1], *totals),
                                strict=False):  # fmt: skip
        columns[name] = [*row, total]
    return pd.DataFrame(columns), dict.fromkeys((TOTAL, *names), write), False


def changes(
    found: Sequence[Difference], whole: Difference, answer: Answer, question: Question
) -> tuple[pd.DataFrame, dict[str, Text]]:
    """Return one row per name, the largest change first, everything together last."""
    measure = question.measure
    rows = [*found, whole]
    columns = _names(answer, question, [d.slice for d in found], [TOTAL])
    columns["Before"] = [_float(d.before) for d in rows]
    columns["Now"] = [_float(d.now) for d in rows]
    columns["Change"] = [_float(d.change) for d in rows]
    write = text_of(measure)
    formats: dict[str, Text] = {"Before": write, "Now": write, "Change": _signed(measure)}
    columns["In %"] = [
        None if d.change is None or not d.before else float(d.change / d.before) for d in rows
    ]
    formats["In %"] = _signed_percent
    return pd.DataFrame(columns), formats


def as_file(answer: Answer, question: Question) -> pa.Table:
    """Return one row per name and period: exact sums, UTC times; ``is_rest`` has no names."""
    rows = [(one, start) for one in answer.slices for start in answer.starts if start in one.cells]
    sums = [{**one.cells[start], **answer.shared.get(start, {})} for one, start in rows]
    table: dict[str, pa.Array[Any]] = {
        "period_start": pa.array([start for _, start in rows], _SECOND),
        "is_rest": pa.array([one.is_rest for one, _ in rows], pa.bool_()),
    }
    for place, key in enumerate(question.by):
        names = [None if one.is_rest else one.names[place] for one, _ in rows]
        table[DIMENSIONS[key].column] = pa.array(names, pa.string())
    for name in sums[0] if sums else ():
        kind = _MONEY if name.endswith("_usd") else pa.int64()
        table[name] = pa.array([s.get(name) for s in sums], kind)
    return pa.table(table)


def _names(
    answer: Answer, question: Question, slices: Sequence[Slice], more: Sequence[str]
) -> dict[str, list[object]]:
    if not question.by:
        return {"": [*(answer.label(one) for one in slices), *more]}
    columns: dict[str, list[object]] = {}
    for place, key in enumerate(question.by):
        is_first = place == 0
        cells: list[object] = []
        for one in slices:
            if one.is_rest:
                cells.append(answer.label(one) if is_first else "")
            else:
                cells.append(shortened(one.names[place] or NO_VALUE, _NAME_LIMIT))
        columns[DIMENSIONS[key].label] = [*cells, *(m if is_first else "" for m in more)]
    return columns


def _distinct(names: Sequence[str]) -> list[str]:
    """Return names of columns, which may not repeat: an hour of the clock comes twice a year."""
    seen: dict[str, int] = {TOTAL: 1, "Period": 1}
    found: list[str] = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def _signed(measure: Measure) -> Text:
    def write(value: object) -> str:
        if _is_missing(value):
            return fmt.UNKNOWN
        amount = Fraction(str(value))
        if measure.unit == "usd":
            return signed_usd(decimal(amount))
        if measure.unit == "ratio":
            return fmt.points(decimal(amount), Decimal(0))
        sign = "+" if amount > 0 else "−" if amount < 0 else ""
        return f"{sign}{measure.text(abs(amount))}"

    return write


def _percent(value: object) -> str:
    return fmt.UNKNOWN if _is_missing(value) else fmt.percent(Decimal(str(value)), 1)


def _signed_percent(value: object) -> str:
    if _is_missing(value):
        return fmt.UNKNOWN
    return (fmt.change(1 + Decimal(str(value)), 1) or fmt.UNKNOWN).replace("-", "−")


def _float(value: Fraction | None) -> float | None:
    return None if value is None else float(value)


def _is_missing(value: object) -> bool:
    return tables.usd(value) == fmt.UNKNOWN
