"""Prices: what a token costs, what was agreed, and what has no price yet."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import pandas as pd
import streamlit as st

from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.price_book.check import (
    SeenModel,
    load_seen_models,
    needs_rate,
    set_command,
)
from spanledger_analytics.price_book.commitments import ContractUse, Drawdown, drawdown, load_use
from spanledger_analytics.price_book.rates import FlatRate
from spanledger_analytics.price_book.store import load_overrides
from spanledger_dashboard import format as fmt
from spanledger_dashboard import pickers, shell, tables
from spanledger_dashboard.connection import state, store
from spanledger_dashboard.downloads import show_downloads, show_titled
from spanledger_dashboard.failures import explained
from spanledger_dashboard.prices import tables as price_tables
from spanledger_dashboard.prices.tables import RateFilter
from spanledger_dashboard.records import records_table
from spanledger_dashboard.text import plain
from spanledger_storage.price_state import (
    ContractRow,
    ExchangeRateRow,
    LogRow,
    PriceState,
    RateRow,
    StateEngine,
)

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig

_NS_PER_S = 10**9
_DAY_S = 86_400
_SEEN_DAYS = 30
_MAX_RATES = 500
_MAX_COMMANDS = 5
_LOG_ROWS = 200
_TIERS = ("standard", "batch", "flex", "priority", "fast")
_TABLE_ROWS = 12
_DATES = ("From", "To", "Used up")


@dataclass(frozen=True, slots=True)
class Own:
    """What the user added, as the page shows it."""

    rates: list[RateRow]
    contracts: list[ContractRow]
    exchange_rates: list[ExchangeRateRow]
    log: list[LogRow]


def _show() -> None:
    now_s = int(time.time()) // 60 * 60
    engine = state()
    own = _own(PriceState(engine)) if engine else None
    book = _book(engine, PriceState(engine).revision() if engine else 0)
    seen = [s for s in _seen(now_s) if s.unpriced_calls]
    with shell.page_head("Prices"):
        pickers.refresh_picker(is_of_range=False)
        shell.show_help()
    st.caption(
        f"List prices: {plain(book.name)}, in US dollars per million tokens unless a row says "
        "otherwise. Own rates and contracts come before them."
    )
    if own is None:
        st.info(
            "Own rates, contracts and their log are not shown: this dashboard is not told where "
            "the state database is. Set SPANLEDGER_STATE_URL for it.",
            icon=":material/database_off:",
        )
    _show_cards(own, seen, now_s)
    _show_unpriced(seen, book)
    _show_rates(_rates(book, book.overrides.revision, now_s))
    if own is not None:
        _show_own(own.rates, now_s)
        _show_contracts(own.contracts, now_s)
        _show_exchange_rates(own.exchange_rates)
        _show_log(own.log)


def _own(found: PriceState) -> Own:
    return Own(found.rates(), found.contracts(), found.exchange_rates(), found.log(_LOG_ROWS))


@st.cache_resource(ttl=3600, max_entries=2, show_spinner="Reading the price data …")
def _book(_engine: StateEngine | None, revision: int) -> PriceBook:
    del revision  # part of the cache's key: it grows with every change
    return PriceBook.bundled(load_overrides(_engine) if _engine else None)


@st.cache_resource(ttl=600, max_entries=2, show_spinner=False)
def _rates(_book: PriceBook, revision: int, now_s: int) -> list[FlatRate]:
    del revision
    return list(_book.rows(now_s * _NS_PER_S))


@st.cache_data(ttl=120, max_entries=4, show_spinner=False)
def _seen(now_s: int) -> list[SeenModel]:
    return load_seen_models(store(), (now_s - _SEEN_DAYS * _DAY_S) * _NS_PER_S)


@st.cache_data(ttl=120, max_entries=4, show_spinner=False)
def _use(_contracts: list[ContractRow], ids: tuple[str, ...], now_s: int) -> dict[str, ContractUse]:
    del ids
    return load_use(store(), _contracts, now_s * _NS_PER_S)


def _show_cards(own: Own | None, seen: Sequence[SeenModel], now_s: int) -> None:
    now_ns = now_s * _NS_PER_S
    in_force = [r for r in own.rates if price_tables.status(r, now_ns) == "in force"] if own else []
    calls = sum(s.unpriced_calls for s in seen)
    cards = (
        ("Own rates in force", fmt.count(len(in_force)) if own else fmt.UNKNOWN, ""),
        ("Contracts", fmt.count(len(own.contracts)) if own else fmt.UNKNOWN, ""),
        ("Models without a price", fmt.count(len(seen)), f"Called in the last {_SEEN_DAYS} days."),
        (
            "Calls without a price",
            fmt.short_count(calls),
            "Their tokens are counted, their cost is unknown; no spend contains them.",
        ),
    )
    with st.grid(len(cards), min_column_width=165, gap="small"):
        for label, text, explanation in cards:
            st.metric(label, text, border=True, help=explanation or None)


def _show_unpriced(seen: Sequence[SeenModel], book: PriceBook) -> None:
    if not seen:
        return
    show_titled(
        "Without a price", "unpriced", partial(records_table, seen),
        what="Models without a price, of all projects",
    )  # fmt: skip
    _table(
        price_tables.unpriced_frame(seen, book),
        {"Calls": tables.count, "Tokens": tables.short_count},
        "Models without a price",
    )
    commands = [set_command(s) for s in seen if needs_rate(s)]
    if commands:
        st.caption(
            "Say what they cost, where the product runs. Each command prints the next one, which "
            "prices the calls that are already here."
        )
        st.code("\n".join(commands[:_MAX_COMMANDS]), language="bash")


@st.fragment
def _show_rates(every: Sequence[FlatRate]) -> None:
    st.subheader("Rates in force", anchor=False)
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom", key="filters"):
        text = st.text_input(
            "Model", key="q", bind="query-params", live=True, type="search", placeholder="any",
            width=220,
        )  # fmt: skip
        provider = st.selectbox(
            "Provider",
            sorted({flat.provider for flat in every if flat.provider}),
            index=None,
            key="provider",
            bind="query-params",
            placeholder="any",
            width=170,
        )
        tier = st.selectbox(
            "Tier", _TIERS, index=None, key="tier", bind="query-params", placeholder="any",
            width=140,
        )  # fmt: skip
        is_own = st.toggle("Own rates only", key="own", bind="query-params")
        narrowed = RateFilter(provider or "", (text or "").strip(), tier or "", is_own)
        found = [flat for flat in every if narrowed.takes(flat)]
        if found:
            show_downloads(
                "rates", partial(records_table, found), what="Every rate that matches, exact"
            )
    if not found:
        st.info("No rate matches. Clear a filter.", icon=":material/search_off:")
        return
    frame = price_tables.rate_frame(found)
    shown = frame.head(_MAX_RATES)
    _table(shown, price_tables.rate_formats(shown), "Rates in force", pinned=("Provider", "Model"))
    rest = len(frame) - len(shown)
    more = f" The first {_MAX_RATES} of {fmt.count(len(frame))} rows." if rest else ""
    st.caption(
        "Per million tokens; requests and searches each. A dash costs what the wider class, the "
        f"standard tier or the smaller request costs.{more}"
    )


def _show_own(rates: Sequence[RateRow], now_s: int) -> None:
    if not rates:
        st.subheader("Own rates", anchor=False)
        _show_none(
            "No own rates. They take the place of list prices, or price what has none:",
            "spanledger prices set PROVIDER MODEL --input 2.50 --output 10",
        )
        return
    show_titled(
        "Own rates", "own-rates", partial(records_table, rates), what="Every own rate, exact"
    )
    frame = price_tables.own_frame(rates, now_s * _NS_PER_S)
    formats = {"Price": price_tables.price, "Per": tables.count, "Above": tables.count}
    _table(frame, {k: v for k, v in formats.items() if k in frame.columns}, "Own rates")


def _show_contracts(contracts: list[ContractRow], now_s: int) -> None:
    if not contracts:
        st.subheader("Contracts", anchor=False)
        _show_none(
            "No contracts. A contract is a discount or markup on list prices, with or without a "
            "commitment:",
            "spanledger prices contracts add ID PROVIDER --discount 15% "
            "--commitment 100000 --from 2026-01-01 --to 2027-01-01",
        )
        return
    use = _use(contracts, tuple(c.id for c in contracts), now_s)
    drawn: dict[str, Drawdown] = {
        c.id: drawdown(c, use.get(c.id, ContractUse()), now_s * _NS_PER_S) for c in contracts
    }
    both = [(one, drawn[one.id]) for one in contracts]
    show_titled("Contracts", "contracts", partial(records_table, both),
                what="Every contract with what was spent under it, exact")  # fmt: skip
    frame = price_tables.contract_frame(drawn, contracts)
    money = ("Spent", "Committed", "Remaining", "Per day", "At the end")
    formats = {name: tables.usd for name in money if name in frame.columns}
    formats |= {"Calls": tables.count}
    formats |= {"Used": price_tables.percent} if "Used" in frame.columns else {}
    _table(frame, formats, "Contracts")
    st.caption(
        "Spent is after the contract. Per day is the pace of the last 30 days; at the end is what "
        "will have been spent when the contract ends, at that pace."
    )


def _show_exchange_rates(rates: Sequence[ExchangeRateRow]) -> None:
    if not rates:
        st.subheader("Exchange rates", anchor=False)
        _show_none(
            "No exchange rates. Own rates in another currency need one:",
            "spanledger prices exchange-rates add EUR 1.08 --from 2026-01-01",
        )
        return
    show_titled("Exchange rates", "exchange-rates", partial(records_table, rates),
                what="Every exchange rate, exact")  # fmt: skip
    frame = price_tables.exchange_frame(rates)
    _table(frame, {"US dollars": price_tables.price}, "Exchange rates", width=640)


def _show_log(rows: Sequence[LogRow]) -> None:
    if rows:
        show_titled("Changes", "price-log", partial(records_table, rows),
                    what="The changes shown, times in UTC")  # fmt: skip
        _table(price_tables.log_frame(rows), {}, "Log of changes")
    else:
        st.subheader("Changes", anchor=False)
        st.caption("Nothing has been changed. Every change is kept here, with who made it.")


def _show_none(text: str, command: str) -> None:
    st.caption(text)
    st.code(command, language="bash")


def _table(
    frame: pd.DataFrame,
    formats: Mapping[str, price_tables.Text],
    title: str,
    *,
    pinned: Sequence[str] = (),
    width: int | Literal["stretch"] = "stretch",
) -> None:
    st.dataframe(
        tables.styled(frame, formats),
        hide_index=True,
        placeholder=fmt.UNKNOWN,
        height="content" if len(frame) <= _TABLE_ROWS else 460,
        width=width,
        column_config={
            **{name: st.column_config.Column(pinned=True) for name in pinned},
            **{name: _date_column(frame[name]) for name in _DATES if name in frame.columns},
        },
        alt=title,
    )


def _date_column(cells: pd.Series[str]) -> ColumnConfig:
    # A width that fits is guessed from the first rows, which often have no date.
    has_time = bool((cells.str.len() > len("2026-01-01")).any())
    return st.column_config.Column(width=150 if has_time else 92)


def show_page() -> None:
    """Show the page."""
    with explained():
        _show()
