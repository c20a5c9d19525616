"""The arithmetic behind the cost of one span, from the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard.text import plain
from spanledger_dashboard.trace_data import Row

_PARTS = (
    ("Input, uncached", "uncached_tokens", "uncached_cost_usd"),
    ("Cache read", "cache_read_tokens", "cache_read_cost_usd"),
    ("Cache write", "cache_write_tokens", "cache_write_cost_usd"),
    ("Output", "output_tokens", "output_cost_usd"),
)
_TOKENS_PER_RATE = 1_000_000
_SOURCES = {
    "span": "token counts reported on the span",
    "merged": "token counts put together from several spans of the same call",
    "raw": "token counts read from the provider's raw answer",
    "aggregate": "a share of counts reported for several calls together",
    "log": "token counts from a log record",
    "metric": "token counts from a metric",
    "estimated": "token counts estimated from the text",
    "none": "no token counts reported",
}


@dataclass(frozen=True, slots=True)
class CostLine:
    """One line of the arithmetic: ``tokens`` at ``usd_per_million`` make ``cost_usd``."""

    label: str
    tokens: int | None
    usd_per_million: Decimal | None
    cost_usd: Decimal | None


def cost_lines(entry: Row) -> list[CostLine]:
    """Return the parts that were used or cost anything, then what they leave of the total."""
    lines: list[CostLine] = []
    for label, tokens_name, cost_name in _PARTS:
        tokens = cast("int | None", entry[tokens_name])
        cost = cast("Decimal | None", entry[cost_name])
        if not tokens and not cost:
            continue
        rate = cost * _TOKENS_PER_RATE / tokens if cost is not None and tokens else None
        lines.append(CostLine(label, tokens, rate, cost))
    total = cast("Decimal | None", entry["total_cost_usd"])
    rest = (
        None
        if total is None
        else total - sum((x.cost_usd or Decimal(0) for x in lines), Decimal(0))
    )
    if rest:
        lines.append(CostLine("Other charges", None, None, rest))
    return lines


def unpriced_reason(entry: Row) -> str:
    """Return why an entry has no cost, as a sentence; empty when it has one."""
    if entry["total_cost_usd"] is not None:
        return ""
    if entry["usage_source"] == "none":
        return "The call reported no token counts, so there is nothing to price."
    if entry["price_status"] == "self_hosted":
        return "Self-hosted model: its cost is the machine's, not a price per token."
    model = f"{entry['provider']} {entry['model']}".strip() or "this call"
    return f"No price is known for {model} at the time of the call."


def cost_text(entry: Row | None) -> str:
    """Return the cost of an entry as shown in the head of a span."""
    if entry is None:
        return fmt.UNKNOWN
    if not entry["is_primary"]:
        return "merged"
    cost = cast("Decimal | None", entry["total_cost_usd"])
    return "not priced" if cost is None else fmt.usd(cost)


def show_costs(entries: Sequence[Row]) -> None:
    """Show how each entry was priced, and where merged ones are counted."""
    for entry in entries:
        if not entry["is_primary"]:
            show_merged(entry)
            continue
        reason = unpriced_reason(entry)
        if reason:
            st.warning(f"**Not priced.** {plain(reason)}", icon=":material/money_off:")
        st.markdown(_table(entry))
        _show_origin(entry)


def show_merged(entry: Row) -> None:
    """Say that the call is counted on another span, and lead there."""
    trace_id, span_id = str(entry["primary_trace_id"]), str(entry["primary_span_id"])
    st.info(
        f"Merged into span `{span_id}`: the same call was recorded twice and is counted once, "
        f"there ({plain(fmt.usd(cast('Decimal | None', entry['total_cost_usd'])))}).",
        icon=":material/call_merge:",
    )
    st.page_link(
        "app_pages/trace.py",
        label="Open that span",
        icon=":material/arrow_forward:",
        query_params={"trace_id": trace_id, "span_id": span_id},
    )


def _table(entry: Row) -> str:
    head = "| | Tokens | $ / 1M | Cost |\n|:--|--:|--:|--:|\n"
    body = "".join(
        f"| {line.label} | {fmt.count(line.tokens)} | {_cell(line.usd_per_million)} "
        f"| {_cell(line.cost_usd, exact=True)} |\n"
        for line in cost_lines(entry)
    )
    total = cast("Decimal | None", entry["total_cost_usd"])
    shown = "not priced" if total is None else plain(fmt.usd_exact(total))
    return f"{head}{body}| **Total** | | | **{shown}** |\n"


def _cell(amount: Decimal | None, *, exact: bool = False) -> str:
    return plain(fmt.usd_exact(amount) if exact else fmt.usd(amount))


def _show_origin(entry: Row) -> None:
    source = str(entry["usage_source"])
    facts = [f"Usage: {_SOURCES.get(source, source)}."]
    if entry["reasoning_tokens"]:
        facts.append(
            f"Output includes {fmt.count(cast('int', entry['reasoning_tokens']))} reasoning tokens."
        )
    if entry["price_id"]:
        facts.append(f"Price: {entry['price_id']}.")
    reported = cast("Decimal | None", entry["reported_cost_usd"])
    if reported is not None:
        facts.append(
            f"The instrumentation claims {fmt.usd_exact(reported)}; it is not billed from."
        )
    others = len(cast("list[str]", entry["source_span_ids"])) - 1
    if others > 0:
        facts.append(f"Seen in {others} more span{'' if others == 1 else 's'}; counted here.")
    st.caption(plain(" ".join(facts)))
