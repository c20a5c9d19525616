"""Routes, cascades and estimates as the page shows them, with the price book of the moment."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import streamlit as st

from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.price_book.store import load_overrides
from spanledger_analytics.routing.cascades import Cascade, cascades_of
from spanledger_analytics.routing.counterfactual import Estimate, Model, estimates, sizes_of
from spanledger_analytics.routing.reading import Dearer, load_routes, load_usage, with_retries
from spanledger_analytics.routing.routes import Route
from spanledger_dashboard.connection import state, store
from spanledger_storage.price_state import PriceState, StateEngine

ROUTES = 500
_NS_PER_S = 10**9
# A price book is for one thread at a time; held while it is asked, never while the store is.
_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class Period:
    """What is looked at; hashable. Unix seconds, half open; prices are those of ``price_s``."""

    project: str
    from_s: int
    to_s: int
    price_s: int


@dataclass(frozen=True, slots=True)
class Routes:
    """The routes of a period with most attempts, and the cascades among them; of ``total``."""

    routes: Sequence[Route]
    cascades: Sequence[Cascade]
    total: int


@dataclass(frozen=True, slots=True)
class Compared:
    """What the priced calls of a class cost, and would have cost at other models' prices."""

    calls: int
    tokens: int
    paid_usd: Decimal
    estimates: Sequence[Estimate]


@st.cache_data(ttl=60, max_entries=40, show_spinner="Comparing routes …")
def load(period: Period) -> Routes:
    """Return the routes of a period.

    Raises:
        StoreError: the store does not answer.
    """
    found = load_routes(store(), period.project, period.from_s, period.to_s)
    book = _current_book()
    with _LOCK:
        shown = with_retries(found, book, period.to_s * _NS_PER_S, ROUTES)
        cascades = cascades_of(shown, Dearer(book, period.price_s * _NS_PER_S))
    return Routes(shown, cascades, len(found))


@st.cache_data(ttl=60, max_entries=60, show_spinner="Pricing the same tokens …")
def compare(period: Period, task_class: str, models: tuple[Model, ...]) -> Compared:
    """Return what the calls of a class would have cost at the models' prices.

    Raises:
        StoreError: the store does not answer.
    """
    book, at_ns = _current_book(), period.price_s * _NS_PER_S
    with _LOCK:
        sizes = sizes_of(book, models, at_ns)
    usage = load_usage(store(), period.project, period.from_s, period.to_s, task_class, sizes)
    with _LOCK:
        found = estimates(book, usage, models, at_ns)
    return Compared(
        calls=sum(one.calls for one in usage),
        tokens=sum(one.tokens["input"] + one.tokens["output"] for one in usage),
        paid_usd=sum((one.paid_usd for one in usage), Decimal(0)),
        estimates=found,
    )


def _current_book() -> PriceBook:
    engine = state()
    return _book(engine, PriceState(engine).revision() if engine else 0)


@st.cache_resource(ttl=3600, max_entries=2, show_spinner="Reading the price data …")
def _book(_engine: StateEngine | None, revision: int) -> PriceBook:
    del revision  # part of the cache's key: it grows with every change
    return PriceBook.bundled(load_overrides(_engine) if _engine else None)
