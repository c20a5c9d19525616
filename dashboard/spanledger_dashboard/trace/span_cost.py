"""What one span cost and why: the arithmetic, the price, the spans that told of the call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import cast

import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard.prices.tables import day
from spanledger_dashboard.text import code, plain
from spanledger_dashboard.trace.data import Row
from spanledger_dashboard.trace.links import show_trace_link
from spanledger_dashboard.trace.price_arithmetic import CostLine, CostLines, cost_lines, price_pages

_SOURCES = {
    "span": "token counts reported on the span",
    "merged": "token counts put together from several spans of the same call",
    "raw": "token counts read from the provider's raw answer",
    "aggregate": "a sum over several calls, because no single call reported its own",
    "log": "token counts from a log record",
    "metric": "token counts from a metric",
    "estimated": "token counts estimated from the text",
    "none": "no token counts reported",
}
_FLAGS = {
    "double_instrumented": "Several instrumentations reported this call; it is counted once.",
    "views_disagree": "Its spans reported different totals; per class the largest is taken.",
    "reused_response_id": "Its response id stands on calls that cannot be one.",
    "aggregate": "Only a sum over calls is known.",
    "input_excluded_cache": "The instrumentation left cached tokens out of input; corrected.",
    "advisor_left_out": "Tokens of Anthropic's advisor, a second model, are not counted.",
    "bad_token_count": "A token count was no count; that class is unknown.",
    "estimated_usage": "This instrumentation invents counts where the provider sent none.",
    "inconsistent_usage": "The parts of its usage exceed the whole.",
    "tier_undecided": "The price depends on the size of each request, which is not known.",
    "unknown_requests": "The price has a fee per request; how many there were is not known.",
    "missing_rate": "The price lacks a rate for a class that was used.",
    "no_exchange_rate": "Its rate is in a currency without an exchange rate at that time.",
    "unknown_model": "No price is known for this model.",
}

_MODEL_KINDS = ("llm", "embedding")
_OTHER_KINDS = {
    "tool": "Call of a paid tool",
    "gpu": "Share of GPU time",
    "infra": "Share of infrastructure",
    "adjustment": "Adjustment",
}
Merged = Callable[[Row], None]


def unpriced_reason(entry: Row) -> str:
    """Return why an entry has no cost, as a sentence; empty when it has one."""
    if entry["total_cost_usd"] is not None:
        return ""
    if entry["kind"] == "tool":
        return "Its price is for a quantity that the span does not tell."
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


def show_costs(entries: Sequence[Row], show_sources: Merged) -> None:
    """Show how each entry was priced, and where merged ones are counted.

    Args:
        entries: rows of dashboard_span_entries.sql.
        show_sources: shows the spans an entry was put together from.
    """
    for entry in entries:
        if not entry["is_primary"]:
            show_merged(entry, "cost")
        else:
            _show_cost(entry)
        if len(cast("list[str]", entry["source_span_ids"])) > 1:
            show_sources(entry)


def show_merged(entry: Row, where: str) -> None:
    """Say that the call is counted on another span, and lead there.

    Args:
        entry: row of dashboard_span_entries.sql.
        where: on the page this stands.
    """
    trace_id, span_id = str(entry["primary_trace_id"]), str(entry["primary_span_id"])
    st.info(
        f"Merged into span `{span_id}`: the same call was recorded twice and is counted once, "
        f"there ({plain(fmt.usd(cast('Decimal | None', entry['total_cost_usd'])))}).",
        icon=":material/call_merge:",
    )
    show_trace_link("Open that span", trace_id, span_id, key=f"primary-{where}-{span_id}")


def _show_cost(entry: Row) -> None:
    if entry["kind"] not in _MODEL_KINDS and entry["total_cost_usd"] is not None:
        _show_other(entry)
        return
    reason = unpriced_reason(entry)
    if reason:
        st.warning(f"**Not priced.** {plain(reason)}", icon=":material/money_off:")
        found = None
    else:
        found = cost_lines(entry)
    st.markdown(_table(entry, found))
    _show_price(entry, found)
    _show_notes(entry)


def _show_other(entry: Row) -> None:
    """Show what is no call of a model: an amount, and what decided it."""
    cost = plain(fmt.usd_exact(cast("Decimal", entry["total_cost_usd"])))
    what = _OTHER_KINDS.get(str(entry["kind"]), "Other cost")
    st.markdown(f"| | Cost |\n|:--|--:|\n| {what} | **{cost}** |\n")
    if entry["price_status"] == "reported":
        st.caption("The span says what the call cost.")
    else:
        st.markdown(f":small[:gray[Price]] {code(entry['price_id'])}")
    _show_billed(entry)


def _table(entry: Row, found: CostLines | None) -> str:
    head = "| | Tokens | $ / 1M | Cost |\n|:--|--:|--:|--:|\n"
    lines = found.lines if found is not None else _counted(entry)
    total = cast("Decimal | None", entry["total_cost_usd"])
    shown = "not priced" if total is None else plain(fmt.usd_exact(total))
    return f"{head}{''.join(map(_line, lines))}| **Total, USD** | | | **{shown}** |\n"


def _counted(entry: Row) -> list[CostLine]:
    classes = (
        ("Input, uncached", "uncached_tokens"),
        ("Cache read", "cache_read_tokens"),
        ("Cache write", "cache_write_tokens"),
        ("Output", "output_tokens"),
    )
    counts = ((label, cast("int | None", entry[name])) for label, name in classes)
    return [CostLine(label, count, None, None) for label, count in counts if count]


def _line(line: CostLine) -> str:
    cost = plain(fmt.usd_exact(line.cost_usd))
    if line.factor is not None:
        rate = plain(f"× {line.factor.normalize():f}")
        return f"| {plain(line.label)} | | {rate} | {cost} |\n"
    rate = plain(fmt.UNKNOWN if line.rate_usd is None else _rate(line.rate_usd))
    each = " each" if line.per == 1 and line.rate_usd is not None else ""
    count = "" if line.count is None else fmt.count(line.count)
    return f"| {plain(line.label)} | {count} | {rate}{each} | {cost} |\n"


def _rate(rate: Decimal) -> str:
    """Return a rate with all its digits, or the digits that matter where it has no end."""
    exact = fmt.usd_exact(rate)
    return exact if len(exact) <= 12 else fmt.usd(rate)


def _show_price(entry: Row, found: CostLines | None) -> None:
    """Say which price it was, since when it holds, and how it was reported at first."""
    if found is None:
        return
    st.markdown(f":small[:gray[Price]] {code(entry['price_id'])}")
    facts = _validity(found)
    if found.book is None:
        facts.append(_no_longer(entry, found))
    st.caption(" ".join(plain(fact) for fact in facts if fact))
    pages = price_pages(str(entry["price_id"]))
    if pages:
        st.markdown(f":small[[Prices as the provider publishes them]({pages[0]})]")
    _show_billed(entry)


def _validity(found: CostLines) -> list[str]:
    book = found.book
    if book is None:
        return []
    facts = [
        f"In force since {day(book.from_ns)} (UTC)."
        if book.from_ns is not None
        else "In force for as long as the price data know."
    ]
    if book.to_ns is not None:
        facts.append(f"Until {day(book.to_ns)}.")
    if book.above_tokens:
        facts.append(f"For requests of more than {fmt.count(book.above_tokens)} input tokens.")
    for rate in book.own_rates:
        since = day(rate.effective_from_ns)
        facts.append(
            f"Own rate {rate.id} for {rate.token_class.replace('_', ' ')}: {rate.price} "
            f"{rate.currency} per {fmt.count(rate.per)}, since {since}."
        )
    if book.contract_id:
        facts.append(f"List price {fmt.usd_exact(book.list_usd)} before the contract.")
    return facts


def _no_longer(entry: Row, found: CostLines) -> str:
    rates = "The rates are what the parts in the ledger come to."
    if entry["contract_id"]:
        rates += f" They are after contract {entry['contract_id']}."
    if found.today_usd is None:
        return f"{rates} The price book has no price for this call today."
    if found.today_usd != entry["total_cost_usd"]:
        return f"{rates} By today's price book it costs {fmt.usd_exact(found.today_usd)}."
    return rates


def _show_billed(entry: Row) -> None:
    billed = cast("Decimal | None", entry["billed_cost_usd"])
    if not entry["billed_price_id"] or (
        billed == entry["total_cost_usd"] and entry["billed_price_id"] == entry["price_id"]
    ):
        st.caption("As billed at first; it was never repriced.")
        return
    total = cast("Decimal", entry["total_cost_usd"])
    change = "" if billed is None else f", {fmt.usd_exact(total - billed)} apart"
    st.info(
        f"**Repriced.** First billed {plain(fmt.usd_exact(billed))} at "
        f"{code(entry['billed_price_id'])}; now {plain(fmt.usd_exact(total))}{plain(change)}.",
        icon=":material/history:",
    )


def _show_notes(entry: Row) -> None:
    source = str(entry["usage_source"])
    facts = [f"Usage: {_SOURCES.get(source, source)}."]
    if entry["reasoning_tokens"]:
        facts.append(
            f"Output includes {fmt.count(cast('int', entry['reasoning_tokens']))} reasoning tokens."
        )
    attempts = cast("int | None", entry["attempts"])
    if attempts and attempts > 1:
        facts.append(f"{attempts} attempts were made until this answer.")
    reported = cast("Decimal | None", entry["reported_cost_usd"])
    if reported is not None:
        facts.append(
            f"The instrumentation claims {fmt.usd_exact(reported)}; it is not billed from."
        )
    facts += [_FLAGS[flag] for flag in cast("list[str]", entry["flags"]) if flag in _FLAGS]
    st.caption(plain(" ".join(facts)))
