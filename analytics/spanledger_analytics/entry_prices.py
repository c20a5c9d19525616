"""Gives ledger entries their prices: stored prices stay, other entries are priced now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Context, Decimal
from functools import lru_cache
from operator import itemgetter

from spanledger_analytics._bill import PARTS, REASONS
from spanledger_analytics.entries import Entry
from spanledger_analytics.price_book.book import PriceBook, PriceKey
from spanledger_analytics.pricing import PRICED, STATUSES, Charges, Usage, charge
from spanledger_analytics.tokens import Tokens

SUM_SOURCES = frozenset({"aggregate", "metric"})
"""Values of ``usage_source`` whose counts may be of several requests."""

_EXACT = Context(prec=60)


def requests_of(usage_source: str, attempts: int | None) -> int:
    """Return of how many requests an entry's counts are; 0: of several, nobody knows how many."""
    if usage_source == "metric":
        return attempts or 0
    return 0 if usage_source in SUM_SOURCES else 1


_FIRST_PRICE = Entry._fields.index("price_status")
_END_PRICE = Entry._fields.index("billed_cost_usd") + 1

TOKEN_COLUMNS: dict[str, str] = {
    name: name if name == "web_searches" else f"{name}_tokens" for name in Tokens._fields
}
"""Column of the ledger by field of ``Tokens``."""

_key_of = itemgetter(
    *(Entry._fields.index(name) for name in PriceKey._fields),
)
_tokens_of = itemgetter(*(Entry._fields.index(column) for column in TOKEN_COLUMNS.values()))
_inputs_of = itemgetter(
    *(
        Entry._fields.index(name)
        for name in (*PriceKey._fields, *TOKEN_COLUMNS.values())
        if name != "request_model"
    )
)


@lru_cache(maxsize=1024)  # most entries have parts that cost nothing
def usd(picodollars: int) -> Decimal:
    """Return dollars, exactly."""
    return _EXACT.scaleb(Decimal(picodollars), -12)


def price_entries(
    entries: Sequence[Entry], stored: Iterable[Entry], book: PriceBook
) -> list[Entry]:
    """Return entries with their prices.

    1. An entry that is stored with a price, and with the same provider, model, tier, region,
       time and usage, keeps that price to the letter: price data that became newer, late spans
       and restarts change no bill. Repricing does, and says so. It may be stored under another
       id: a view that came late, around the others, is the primary from then on.
    2. All others are priced by the book. Their ``billed`` columns hold the first price; while
       the usage itself still changes, they follow it.
    """
    before = _Before(stored, entries)
    priced: list[Entry] = []
    new: list[int] = []
    for place, entry in enumerate(entries):
        known = before.of(entry)
        if known is not None and _keeps_price(entry, known) and not before.is_torn(entry, known):
            entry = _with_price_of(entry, known)
        else:
            new.append(place)
        priced.append(entry)
    if new:
        charges = charge(_usage([entries[place] for place in new]), book)
        for row, place in enumerate(new):
            entry = entries[place]
            priced[place] = _charged(entry, before.of(entry), charges, row)
    return priced


class _Before:
    """What is stored of derived entries: by id, or else by a span of theirs."""

    def __init__(self, stored: Iterable[Entry], entries: Iterable[Entry]) -> None:
        self._by_id = {entry.entry_id: entry for entry in stored}
        gone = self._by_id.keys() - {entry.entry_id for entry in entries}
        moved = [self._by_id[one] for one in gone]
        self._by_span = {span: entry for entry in moved for span in entry.source_spans}

    def of(self, entry: Entry) -> Entry | None:
        """Return what is stored of an entry, None: nothing."""
        return self._by_id.get(entry.entry_id) or next(self._moved(entry), None)

    def is_torn(self, entry: Entry, known: Entry) -> bool:
        """Whether the entry is stored under two ids at two prices: the present one decides.

        A repricing met the step that gave it another id.
        """
        price = known.price_id, known.total_cost_usd
        return any(
            _keeps_price(entry, one) and (one.price_id, one.total_cost_usd) != price
            for one in self._moved(entry)
        )

    def _moved(self, entry: Entry) -> Iterator[Entry]:
        """Yield what is stored of its spans under ids that are derived no more."""
        return (self._by_span[span] for span in entry.source_spans if span in self._by_span)


def _keeps_price(entry: Entry, known: Entry) -> bool:
    return known.price_status == "priced" and has_same_inputs(entry, known)


def has_same_inputs(entry: Entry, known: Entry) -> bool:
    """Return whether everything the price of a stored entry depends on is equal.

    Another view of the call may name it ``merged``, say which model was asked for where that did
    not matter, or have begun sooner, within the call: none of these is another usage.
    """
    lasts_ns = max(entry.duration_ns, known.duration_ns)
    return bool(
        _inputs_of(entry) == _inputs_of(known)
        and abs(entry.time_ns - known.time_ns) <= lasts_ns
        and known.request_model in ("", entry.request_model)
        and (entry.usage_source in SUM_SOURCES) == (known.usage_source in SUM_SOURCES)
        and _requests_of(entry) == _requests_of(known)
    )


def _requests_of(entry: Entry) -> int:
    return requests_of(entry.usage_source, entry.attempts)


def _with_price_of(entry: Entry, known: Entry) -> Entry:
    return Entry._make(
        (*entry[:_FIRST_PRICE], *known[_FIRST_PRICE:_END_PRICE], *entry[_END_PRICE:])
    )


def _usage(entries: Sequence[Entry]) -> Usage:
    return Usage.of(
        [PriceKey._make(_key_of(entry)) for entry in entries],
        [entry.time_ns for entry in entries],
        [Tokens._make(_tokens_of(entry)) for entry in entries],
        [entry.usage_source in SUM_SOURCES for entry in entries],
        [_requests_of(entry) for entry in entries],
    )


def _charged(entry: Entry, known: Entry | None, charges: Charges, row: int) -> Entry:
    """Return an entry with what it was charged; ``known`` is what is stored of it."""
    reason = REASONS[charges.reason[row]]
    entry = entry._replace(
        price_status=STATUSES[charges.status[row]],
        flags=tuple(sorted({*entry.flags, reason})) if reason else entry.flags,
    )
    if charges.status[row] == PRICED:
        entry = _priced(entry, charges, row)
    if known is not None and known.billed_price_id and has_same_inputs(entry, known):
        entry = entry._replace(
            billed_price_id=known.billed_price_id, billed_cost_usd=known.billed_cost_usd
        )
    return entry


def _priced(entry: Entry, charges: Charges, row: int) -> Entry:
    price_id, total = charges.price_ids[charges.price[row]], usd(int(charges.total[row]))
    parts = [
        None
        if any(entry[place] is None for place in places)
        else usd(int(charges.parts[part][row]))
        for part, places in _PART_PLACES.items()
    ]
    return Entry._make(
        (
            *entry[:_FIRST_PRICE],
            entry.price_status,
            price_id,
            charges.contract_ids[charges.contract[row]],
            *parts,
            total,
            usd(int(charges.list_total[row])),
            price_id,
            total,
            *entry[_END_PRICE:],
        )
    )


PART_COLUMNS: dict[str, tuple[str, ...]] = {
    "uncached": ("input_tokens",),
    "cache_read": ("input_tokens", "cache_read_tokens"),
    "cache_write": ("input_tokens", "cache_write_tokens"),
    "output": ("output_tokens",),
    "fees": (),
}
"""Columns of the ledger that must be known for a part of the cost to be."""
_PART_PLACES = {
    part: tuple(Entry._fields.index(column) for column in PART_COLUMNS[part]) for part in PARTS
}
