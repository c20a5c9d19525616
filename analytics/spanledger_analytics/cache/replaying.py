"""Reads what a replay needs, and gives advice for the pools that spend most on input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from spanledger_analytics import _rows
from spanledger_analytics.cache.advice import Advice, Priced, advise
from spanledger_analytics.cache.calls import Prompt
from spanledger_analytics.cache.limits import rules_for
from spanledger_analytics.cache.rates import book_prices, money_of, rates_of
from spanledger_analytics.cache.reading import read_entries, read_prompts, read_texts
from spanledger_analytics.cache.texts import Segment
from spanledger_analytics.price_book.book import PriceBook
from spanledger_storage.store import Store

_CALLS = 1_000  # replayed of one pool, the newest
_HEAD_SEGMENTS = 4
_TEXTS = 1_500  # segments that are looked up, the most frequent


class Period(NamedTuple):
    """Of which project and time, unix seconds; ``to_s`` is the first second after it."""

    project: str
    from_s: int
    to_s: int


class Advised(NamedTuple):
    """Advice for one pool; ``calls`` are all of the period, the replay took the newest."""

    agent_name: str
    provider: str
    model: str
    calls: int
    full_usd: Decimal | None
    advice: Advice | None


def advice_for(store: Store, period: Period, book: PriceBook, pools: int) -> list[Advised]:
    """Return advice for the pools whose input costs most.

    Raises:
        StoreError: the store refused or did not answer.
    """
    params = {**period._asdict(), "pools": pools}
    return [
        Advised(
            str(row["agent_name"]),
            str(row["provider"]),
            str(row["model"]),
            int(str(row["calls"])),
            None if row["full_usd"] is None else Decimal(str(row["full_usd"])),
            _advice(store, period, book, int(str(row["pool"])), _places(row["unstable"])),
        )
        for row in store.rows("cache_pools", params)
    ]


def _advice(
    store: Store, period: Period, book: PriceBook, pool: int, unstable: Sequence[int]
) -> Advice | None:
    params = {**period._asdict(), "pool": pool, "calls": _CALLS}
    table = store.arrow("cache_pool_calls", params)
    hours, traces = _rows.integers(table, "hour"), _rows.strings(table, "trace_id")
    wanted = zip(hours, traces, _rows.strings(table, "entry_id"), strict=True)
    entries = read_entries(store, period.project, wanted)
    prices = book_prices(book)
    prompts = read_prompts(store, period.project, entries.values())
    priced: list[Priced] = []
    for prompt in prompts.values():
        rates = rates_of(prompt.entry, prices)
        if rates is not None:
            money = money_of(prompt.entry, rates)
            billed = money.full_usd - money.read_saving_usd + money.write_extra_usd
            priced.append(Priced(prompt, rates, billed))
    if not priced:
        return None
    entry = priced[0].prompt.entry
    rules = rules_for(entry.provider, entry.model or entry.request_model)
    texts = _texts(store, period.project, [call.prompt for call in priced])
    return advise(priced, rules, texts, unstable)


def _texts(store: Store, project: str, prompts: Sequence[Prompt]) -> Mapping[bytes, Segment]:
    """Return the segments that most prompts begin with; empty without content."""
    found = Counter(digest for one in prompts for digest in one.segments[:_HEAD_SEGMENTS])
    return read_texts(store, project, [digest for digest, _ in found.most_common(_TEXTS)])


def _places(value: object) -> list[int]:
    return [int(str(place)) for place in value] if isinstance(value, (list, tuple)) else []
