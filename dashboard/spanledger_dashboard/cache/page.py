"""Cache: what prompt caches saved, why they missed, and what another setting would have cost."""

from __future__ import annotations

from functools import partial

import pyarrow as pa
import streamlit as st

from spanledger_analytics.cache.reading import read_texts
from spanledger_analytics.cache.replaying import Advised, Period, advice_for
from spanledger_analytics.cache.texts import Segment
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.price_book.store import load_overrides
from spanledger_dashboard import scope
from spanledger_dashboard.cache import charts
from spanledger_dashboard.cache import tables as cache_tables
from spanledger_dashboard.cache.cards import show_cards
from spanledger_dashboard.cache.data import (
    Ask,
    Row,
    UsageRow,
    added,
    example_params,
    load_causes,
    load_examples,
    load_usage,
)
from spanledger_dashboard.cache.examples import show_examples
from spanledger_dashboard.connection import state, store
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.empty_state import show_no_data, show_nothing_in_range
from spanledger_dashboard.entities.detail import axis_of, show_figures
from spanledger_dashboard.failures import explained
from spanledger_dashboard.freshness import has_data
from spanledger_dashboard.scope import Scope

_EXAMPLES = 50
_POOLS = 6  # that are replayed


@st.cache_data(ttl=30, max_entries=60, show_spinner="Reading the caches …")
def _usage(ask: Ask) -> tuple[UsageRow, ...]:
    return load_usage(store(), ask)


@st.cache_data(ttl=60, max_entries=60, show_spinner="Reading the causes …")
def _causes(ask: Ask) -> tuple[Row, ...]:
    return load_causes(store(), ask)


@st.cache_data(ttl=60, max_entries=60, show_spinner="Reading examples …")
def _examples(ask: Ask, agent: str, kind: str, cause: str, detail: str) -> tuple[Row, ...]:
    names = {"agent_name": agent, "segment_kind": kind, "cause": cause, "detail": detail}
    return load_examples(store(), ask, names, _EXAMPLES)


@st.cache_data(ttl=60, max_entries=60, show_spinner="Reading what was said …")
def _texts(project: str, hashes: tuple[str, ...]) -> dict[str, Segment]:
    found = read_texts(store(), project, [bytes.fromhex(one) for one in hashes])
    return {key.hex(): segment for key, segment in found.items()}


@st.cache_data(ttl=600, max_entries=20, show_spinner="Replaying the calls …")
def _advice(period: Period) -> list[Advised]:
    engine = state()
    book = PriceBook.bundled(load_overrides(engine) if engine else None)
    return advice_for(store(), period, book, _POOLS)


def _show() -> None:
    where, now_s = scope.current(), scope.now_s()
    window = where.time_range.window(now_s)
    ask = Ask(where.project, window, where.time_range.bucket_s)
    usage = _usage(ask)
    if not usage:
        if has_data(where.project, now_s):
            show_nothing_in_range()
        else:
            show_no_data(where.project)
        return
    days = ask.days(now_s)
    show_cards(added(row.sums for row in usage), days)
    axis = axis_of(where, window)
    show_figures(
        {
            "Hit rate by model": charts.hit_rate_by_model(usage, axis),
            "Net saving by agent": charts.net_saving_by_agent(usage, axis),
        }
    )
    _heading("Why it was paid again", "cache-causes", "dashboard_cache_causes",
             ask.params(), "Causes with exact dollars")  # fmt: skip
    _show_causes(ask, where, now_s)
    _heading("By agent and model", "cache-usage", "dashboard_cache_usage",
             ask.params(bucket_s=ask.bucket_s), "Sums per bucket, agent and model")  # fmt: skip
    cache_tables.show_groups(usage)
    _show_advice(ask)


def _show_causes(ask: Ask, where: Scope, now_s: int) -> None:
    causes = _causes(ask)
    if not causes:
        st.caption("Nothing that had been cached was paid again in this time range.")
        return
    picked = cache_tables.show_causes(causes, ask.days(now_s))
    st.caption("Tokens that had been cached and were paid again, at their price beyond a cache "
               "read. Pick a row for what to do and for examples.")  # fmt: skip
    row = causes[picked] if picked is not None and picked < len(causes) else causes[0]
    names = (str(row[n]) for n in ("agent_name", "segment_kind", "cause", "detail"))
    examples = _examples(ask, *names)
    hashes = {str(e[name]) for e in examples[:5] for name in _HASHES} - {""}
    texts = _texts(ask.project, tuple(sorted(hashes))) if hashes else {}
    read = partial(_arrow, "dashboard_cache_examples", example_params(ask, row, 10_000))
    show_examples(row, examples, texts, where, read)


_HASHES = ("segment_hash", "previous_segment_hash")


def _show_advice(ask: Ask) -> None:
    found = _advice(Period(ask.project, ask.window.start_s, ask.window.end_s))
    told = [one for one in found if one.advice]
    frame = cache_tables.advice_frame(found)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**What another setting would have cost**", width="stretch")
        settings = cache_tables.settings_frame(found)
        show_downloads(
            "cache-settings",
            lambda: pa.Table.from_pandas(settings, preserve_index=False),
            what="Estimates of the replay for every setting, in dollars",
        )
    if not told:
        st.caption("No prompts with a price were recorded in this time range, so nothing can be "
                   "replayed.")  # fmt: skip
        return
    cache_tables.show_advice(frame)
    st.caption("Estimates: the newest calls of each agent and model are replayed with their own "
               "prompts and times by the provider’s rules.")  # fmt: skip
    with st.expander("All settings"):
        cache_tables.show_settings(settings)


def _heading(title: str, name: str, statement: str, params: dict[str, object], what: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{title}**", width="stretch")
        show_downloads(name, partial(_arrow, statement, params), what=what)


def _arrow(statement: str, params: dict[str, object]) -> pa.Table:
    return store().arrow(statement, params)


def show_page() -> None:
    """Show the page."""
    with explained():
        _show()
