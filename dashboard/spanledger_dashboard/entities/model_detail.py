"""What only models have: a price in force, time to the first token, reasons to stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import cast

import pandas as pd
import streamlit as st

from spanledger_analytics.price_book.book import PriceBook, PriceKey
from spanledger_analytics.price_book.store import load_overrides
from spanledger_dashboard import format as fmt
from spanledger_dashboard import line_charts, tables
from spanledger_dashboard.connection import state, store
from spanledger_dashboard.downloads import show_titled
from spanledger_dashboard.entities.columns import ratio
from spanledger_dashboard.entities.detail import axis_of, read_latencies, show_figure
from spanledger_dashboard.entities.kinds import MODELS
from spanledger_dashboard.entities.listing import read_entities
from spanledger_dashboard.entities.page import Detail
from spanledger_dashboard.prices import tables as price_tables
from spanledger_dashboard.records import records_table
from spanledger_dashboard.time_range import Window
from spanledger_storage.price_state import PriceState, StateEngine

_NS_PER_S = 10**9


def show_answers(detail: Detail) -> None:
    """Show how fast a model begins to answer, and why it stops."""
    left, right = st.columns([2, 1])
    latencies = read_latencies(detail.where, detail.window, detail.only)
    with left:
        if latencies.total.streamed_calls:
            axis = axis_of(detail.where, detail.window)
            figure = line_charts.latency_lines(latencies.by_bucket, axis, is_ttft=True)
            show_figure("Time to the first token", figure)
        else:
            st.caption(
                "Time to the first token: no call of this model tells it. Streamed calls do, "
                "where their instrumentation does."
            )
    with right, st.container(border=True):
        reasons = _reasons(detail.where.project, detail.only.value, detail.window)
        show_titled("Why it stopped", "reasons", partial(records_table, reasons),
                    what="Calls by the reason to stop", is_small=True)  # fmt: skip
        st.dataframe(
            tables.styled(reason_frame(reasons), {"Calls": tables.count, "Share": ratio}),
            hide_index=True,
            placeholder=fmt.UNKNOWN,
            height="content",
            alt="Reasons to stop, most frequent first",
        )


def reason_frame(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Return the reasons a model stopped for, most frequent first, with their share of all."""
    total = sum(cast("int", row["calls"]) for row in rows)
    return pd.DataFrame(
        {
            "Reason": [row["reason"] or "(not told)" for row in rows],
            "Calls": [row["calls"] for row in rows],
            "Share": [cast("int", row["calls"]) / total for row in rows],
        }
    )


def show_price(detail: Detail) -> None:
    """Show the rates in force now, as the Prices page writes them."""
    found = read_entities(MODELS, detail.slice(detail.only))
    providers = found.rows[0].providers if found.rows else ()
    engine = state()
    book = _book(engine, PriceState(engine).revision() if engine else 0)
    rates = [
        rate
        for provider in providers or ("",)
        for rate in book.rates_of(PriceKey(provider, detail.only.value), detail.now_s * _NS_PER_S)
    ]
    if not rates:
        st.markdown("**Price in force**")
        st.caption("No price is known for this model. Prices says how to add one.")
    else:
        show_titled("Price in force", "rates", partial(records_table, rates),
                    what="Every rate in force, exact", is_small=True)  # fmt: skip
        frame = price_tables.rate_frame(rates)
        st.dataframe(
            tables.styled(frame, price_tables.rate_formats(frame)),
            hide_index=True,
            placeholder=fmt.UNKNOWN,
            height="content",
            alt="Rates in force",
        )
        st.caption("Per million tokens; requests and searches each. Contracts are not in it.")
    st.page_link("app_pages/prices.py", label="All prices", icon=":material/sell:")


@st.cache_resource(ttl=3600, max_entries=2, show_spinner="Reading the price data …")
def _book(_engine: StateEngine | None, revision: int) -> PriceBook:
    del revision  # part of the cache's key: it grows with every change
    return PriceBook.bundled(load_overrides(_engine) if _engine else None)


@st.cache_data(ttl=60, max_entries=50, show_spinner="Adding up …")
def _reasons(project: str, model: str, window: Window) -> list[dict[str, object]]:
    return store().rows(
        "dashboard_stop_reasons",
        {"project": project, "model": model, "from_s": window.start_s, "to_s": window.end_s},
    )
