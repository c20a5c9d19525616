"""The arithmetic behind one ledger entry: lines that add up to it, to the last digit."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

import streamlit as st
from genai_prices.data_snapshot import get_snapshot

from spanledger_analytics.entry_prices import TOKEN_COLUMNS, requests_of
from spanledger_analytics.price_book.arithmetic import Arithmetic, arithmetic
from spanledger_analytics.price_book.book import PriceBook, PriceKey
from spanledger_analytics.price_book.store import load_overrides
from spanledger_analytics.tokens import Tokens
from spanledger_dashboard.connection import state
from spanledger_dashboard.trace.data import Row
from spanledger_storage.price_state import PriceState, StateEngine

_PARTS = (
    ("Input, uncached", "uncached_tokens", "uncached_cost_usd"),
    ("Cache read", "cache_read_tokens", "cache_read_cost_usd"),
    ("Cache write", "cache_write_tokens", "cache_write_cost_usd"),
    ("Output", "output_tokens", "output_cost_usd"),
    ("Fees", "", "fees_cost_usd"),
)
_CLASSES = {
    "input": "Input, uncached",
    "cache_read": "Cache read",
    "cache_write": "Cache write",
    "cache_write_5m": "Cache write, 5 minutes",
    "cache_write_1h": "Cache write, 1 hour",
    "audio_input": "Audio input",
    "image_input": "Image input",
    "cache_read_audio": "Cache read, audio",
    "output": "Output",
    "reasoning": "Reasoning",
    "audio_output": "Audio output",
    "image_output": "Image output",
    "request": "Request",
    "web_search": "Web searches",
}
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class CostLine:
    """One line: ``count`` at ``rate_usd`` for ``per`` make ``cost_usd``.

    Attributes:
        count: tokens or pieces; None: the line is no product.
        rate_usd: None: unknown, or the line is no product.
        factor: what a contract multiplies the list price by; None on all other lines.
    """

    label: str
    count: int | None
    rate_usd: Decimal | None
    cost_usd: Decimal | None
    per: int = _MILLION
    factor: Decimal | None = None


@dataclass(frozen=True, slots=True)
class CostLines:
    """The arithmetic of an entry.

    Attributes:
        lines: add up to the entry's total.
        book: what the price book says, where that is what the entry was priced with; None: it
            has other prices today, and the lines are those the ledger keeps.
        today_usd: what the call costs by today's book; None: it has no price there.
    """

    lines: tuple[CostLine, ...]
    book: Arithmetic | None
    today_usd: Decimal | None


def cost_lines(entry: Row) -> CostLines:
    """Return the arithmetic of an entry with a known total.

    Raises:
        StateError: the state database does not answer.
    """
    found = _by_book(entry)
    today = None if found is None else found.total_usd
    if found is not None and _is_what_was_charged(entry, found):
        return CostLines(_book_lines(found), found, today)
    return CostLines(tuple(ledger_lines(entry)), None, today)


def ledger_lines(entry: Row) -> list[CostLine]:
    """Return the parts that the ledger keeps, at the rates they come to, and what is left."""
    lines: list[CostLine] = []
    for label, tokens_name, cost_name in _PARTS:
        tokens = cast("int | None", entry[tokens_name]) if tokens_name else None
        cost = cast("Decimal | None", entry[cost_name])
        if not tokens and not cost:
            continue
        rate = cost * _MILLION / tokens if cost is not None and tokens else None
        lines.append(CostLine(label, tokens, rate, cost))
    total = cast("Decimal | None", entry["total_cost_usd"])
    if total is not None:
        rest = total - sum((x.cost_usd or Decimal(0) for x in lines), Decimal(0))
        if rest:
            lines.append(CostLine("Other charges", None, None, rest))
    return lines


def price_pages(price_id: str) -> tuple[str, ...]:
    """Return the provider's own price pages that the price data name for a price id."""
    provider = price_id.partition(":")[2].partition("/")[0]
    found = (p.pricing_urls or () for p in get_snapshot().providers if p.id == provider)
    return tuple(url for urls in found for url in urls if url.startswith("https://"))


def _is_what_was_charged(entry: Row, found: Arithmetic) -> bool:
    return (found.price_id, found.contract_id, found.total_usd) == (
        entry["price_id"],
        entry["contract_id"],
        entry["total_cost_usd"],
    )


def _book_lines(found: Arithmetic) -> tuple[CostLine, ...]:
    lines = [
        CostLine(_CLASSES[x.token_class], x.count, x.rate_usd, x.cost_usd, x.per)
        for x in found.lines
    ]
    if found.contract_id:
        change = found.total_usd - found.list_usd
        label = f"Contract {found.contract_id}"
        lines.append(CostLine(label, None, None, change, factor=found.multiplier))
    return tuple(lines)


def _by_book(entry: Row) -> Arithmetic | None:
    engine = state()
    book = _book(engine, PriceState(engine).revision() if engine else 0)
    key = PriceKey(*(str(entry[name]) for name in PriceKey._fields))
    requests = requests_of(str(entry["usage_source"]), cast("int | None", entry["attempts"]))
    with _lock:  # a book is not for several threads at once
        return arithmetic(book, key, cast("int", entry["time_ns"]), _tokens(entry), requests)


def _tokens(entry: Mapping[str, object]) -> Tokens:
    return Tokens(*(cast("int | None", entry[TOKEN_COLUMNS[name]]) for name in Tokens._fields))


_lock = threading.Lock()


@st.cache_resource(ttl=3600, max_entries=2, show_spinner=False)
def _book(_engine: StateEngine | None, revision: int) -> PriceBook:
    del revision  # part of the cache's key: it grows with every change
    return PriceBook.bundled(load_overrides(_engine) if _engine else None)
