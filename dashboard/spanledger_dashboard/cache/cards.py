"""The cards of the Cache page."""

from __future__ import annotations

from decimal import Decimal

import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard.cache.data import Sums

Card = tuple[str, str, str]


def show_cards(total: Sums, days: Decimal) -> None:
    """Show label, figure and help of each, in one row."""
    cards = cards_of(total, days)
    with st.grid(len(cards), min_column_width=150, gap="small"):
        for label, text, explanation in cards:
            st.metric(label, text, border=True, help=explanation)


def cards_of(total: Sums, days: Decimal) -> list[Card]:
    """Return the headline figures."""
    return [
        (
            "Hit rate",
            fmt.percent(total.read_tokens, total.input_tokens),
            f"{fmt.count(total.read_tokens)} of {fmt.count(total.input_tokens)} input tokens were "
            "read from a prompt cache." + _unknown(total),
        ),
        (
            "Of eligible input",
            fmt.percent(total.read_tokens, total.eligible_tokens),
            f"Of the {fmt.count(total.eligible_tokens)} tokens in requests that were long enough "
            "for the provider to cache.",
        ),
        (
            "Net saving",
            fmt.usd(total.net_usd),
            f"Reads saved {fmt.usd(total.read_saving_usd)}, writes cost "
            f"{fmt.usd(total.write_extra_usd)} extra. Below zero, caching cost more than it saved."
            + _unpriced(total),
        ),
        (
            "Of input cost",
            fmt.percent(total.net_usd, total.full_usd),
            f"Net saving over what the input would have cost without a cache, "
            f"{fmt.usd(total.full_usd)}.",
        ),
        (
            "Lost per day",
            fmt.usd(None if total.lost_usd is None else total.lost_usd / days),
            f"{fmt.usd(total.lost_usd)} in this range: {fmt.count(total.lost_tokens)} tokens of "
            f"{fmt.calls(total.losses)} were paid again although they had been cached.",
        ),
        (
            "Reads per write",
            ratio(total.reads_per_write),
            "Tokens read for each token written"
            + (
                f"; from {ratio(total.break_even_reads)} on, caching pays."
                if total.break_even_reads is not None
                else ". Nothing was charged as a write."
            ),
        ),
        (
            "Stability",
            fmt.percent(total.shared_tokens, total.smaller_tokens),
            "How much of the smaller of two requests in a row, of one conversation, was the same "
            "from the start.",
        ),
    ]


def ratio(value: Decimal | None) -> str:
    """Return a plain ratio with the digits that matter."""
    if value is None:
        return fmt.UNKNOWN
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _unknown(total: Sums) -> str:
    if not total.unknown_calls:
        return ""
    return f" Of {fmt.calls(total.unknown_calls)} nobody reported what was cached."


def _unpriced(total: Sums) -> str:
    if not total.unpriced_calls:
        return ""
    return f" Without a price, and so not in it: {fmt.calls(total.unpriced_calls)}."
