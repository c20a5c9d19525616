"""The metric cards of what was used: one row of the table below each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard.charts import Axis
from spanledger_dashboard.usage import Totals, Usage, UsageRow, summed

Number = Decimal | int


@dataclass(frozen=True, slots=True)
class Card:
    """One figure.

    Attributes:
        text: the figure as shown.
        value: the number behind it, None where it does not exist (a rate of nothing).
        is_rate: True: the change is told in percentage points.
        good: whether more is better ("normal"), worse ("inverse") or neither ("off").
    """

    label: str
    text: Callable[[Totals], str]
    value: Callable[[Totals], Number | None]
    help: Callable[[Totals], str]
    good: Literal["normal", "inverse", "off"] = "off"
    is_rate: bool = False


def _rate(part: int, whole: int) -> Decimal | None:
    return Decimal(part) / whole if whole else None


def _not_in_it(t: Totals) -> str:
    """Return a sentence on each kind of call that has no price, after a space each."""
    said = ""
    if t.unpriced_calls:
        said += f" Without a price: {fmt.calls(t.unpriced_calls)}."
    if t.self_hosted_calls:
        said += f" On own machines, without a price per token: {fmt.calls(t.self_hosted_calls)}."
    return said


def said_tokens(t: Totals) -> str:
    """Return a sentence on the tokens in and out."""
    if t.tokens is None:
        return "Nobody reported how many."
    return f"{fmt.count(t.input_tokens)} in, {fmt.count(t.output_tokens)} out."


CARDS = (
    Card(
        "Spend",
        lambda t: fmt.usd(t.cost_usd),
        lambda t: t.total_cost_usd,
        lambda t: f"Sum of what is priced.{_not_in_it(t)}",
        good="inverse",
    ),
    Card(
        "Tokens",
        lambda t: fmt.short_count(t.tokens),
        lambda t: t.tokens,
        said_tokens,
    ),
    Card(
        "LLM calls",
        lambda t: fmt.count(t.llm_calls) if t.llm_calls < 100_000 else fmt.short_count(t.llm_calls),
        lambda t: t.llm_calls,
        lambda t: "Each call once, however many spans it was seen in.",
    ),
    Card(
        "Error rate",
        lambda t: fmt.percent(t.errors, t.calls),
        lambda t: _rate(t.errors, t.calls),
        lambda t: f"{fmt.count(t.errors)} of {fmt.calls(t.calls)} failed.",
        good="inverse",
        is_rate=True,
    ),
    Card(
        "Cache hit rate",
        lambda t: fmt.percent(t.cache_read_tokens, t.input_tokens),
        lambda t: _rate(t.cache_read_tokens, t.input_tokens),
        lambda t: (
            f"{fmt.count(t.cache_read_tokens)} of {fmt.count(t.input_tokens)} input tokens "
            "were read from the provider's prompt cache."
        ),
        good="normal",
        is_rate=True,
    ),
)


def show_cards(usage: Usage, axis: Axis, period: str) -> None:
    """Show every card; ``period`` names what the change is against."""
    total = usage.totals
    per_bucket = _per_bucket(usage.rows, axis)
    with st.grid(len(CARDS), min_column_width=165, gap="small"):
        for card in CARDS:
            change = change_of(card, usage)
            is_flat = is_no_change(change)
            st.metric(
                card.label,
                card.text(total),
                change,
                delta_color="off" if is_flat else card.good,
                delta_arrow="off" if is_flat else "auto",
                delta_description=period if change else "nothing earlier to compare",
                border=True,
                chart_data=_trend(card, per_bucket),
                chart_type="area",
                help=f"{card.help(total)} The change compares bars of the charts that are over.",
            )


def _trend(card: Card, per_bucket: Sequence[Totals]) -> list[float]:
    """Return a number per bucket; a rate has none where nothing happened."""
    values = [card.value(totals) for totals in per_bucket]
    return [float(value or 0) for value in values if value is not None or not card.is_rate]


def _per_bucket(rows: Sequence[UsageRow], axis: Axis) -> list[Totals]:
    sorted_rows: dict[int, list[UsageRow]] = {start: [] for start in axis.starts_s}
    for row in rows:
        sorted_rows[row.bucket_s].append(row)
    return [summed(found) for found in sorted_rows.values()]


def is_no_change(change: str | None) -> bool:
    """Return whether a change is none, or none worth a colour."""
    return not change or not change.strip("+-0.% p")


def change_of(card: Card, usage: Usage) -> str | None:
    """Return the change of a figure against the period before; None: nothing to compare."""
    now, before = card.value(usage.complete), card.value(usage.before)
    if now is None or before is None:
        return None
    return fmt.points(Decimal(now), Decimal(before)) if card.is_rate else fmt.change(now, before)
