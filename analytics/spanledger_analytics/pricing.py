"""Prices many entries at once, exactly: whole picodollars in arrays of integers.

Entries are grouped by what priced them; within a group rates are single numbers and counts are
arrays. Groups whose numbers could leave 64 bits are computed with Python's integers instead, by
the same code on arrays of objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from spanledger_analytics._bill import PARTS, REASON, Counts, bill_of, factor_of, wide
from spanledger_analytics.price_book.book import PriceBook, PriceKey
from spanledger_analytics.price_book.rates import ContextPrices, Discount, Price
from spanledger_analytics.tokens import Tokens

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spanledger_analytics._bill import Bools, Ints

UNPRICED, PRICED, SELF_HOSTED = range(3)
STATUSES = ("unpriced", "priced", "self_hosted")


@dataclass(frozen=True, slots=True)
class Usage:
    """What the prices of entries depend on; arrays have one element per entry.

    Attributes:
        names: Distinct keys; ``keys`` are indices into them.
        time_ns: Start of the call, UTC nanoseconds.
        counts: By field of ``Tokens``; 0 where not reported. A field nobody reported is missing.
        known: By the same fields, whether each was reported.
        is_sum: Whether the counts may be of several requests.
        requests: Of how many requests the counts are; 0: of several, nobody knows how many.
    """

    names: Sequence[PriceKey]
    keys: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    counts: dict[str, Ints]
    known: dict[str, Bools]
    is_sum: Bools
    requests: Ints

    @classmethod
    def of(
        cls,
        keys: Sequence[PriceKey],
        times_ns: Sequence[int],
        tokens: Sequence[Tokens],
        is_sum: Sequence[bool],
        requests: Sequence[int] | None = None,
    ) -> Usage:
        """Return the usage of some entries; without ``requests`` each is one call."""
        index = {key: code for code, key in enumerate(dict.fromkeys(keys))}
        counts: dict[str, Ints] = {}
        known: dict[str, Bools] = {}
        columns = zip(Tokens._fields, zip(*tokens, strict=True), strict=True) if tokens else ()
        for name, column in columns:
            is_known = np.array([value is not None for value in column], dtype=np.bool_)
            if is_known.any():
                known[name] = is_known
                counts[name] = _integers([value or 0 for value in column])
        return cls(
            list(index),
            np.array([index[key] for key in keys], dtype=np.int64),
            np.array(times_ns, dtype=np.int64),
            counts,
            known,
            np.array(is_sum, dtype=np.bool_),
            np.array([1] * len(keys) if requests is None else requests, dtype=np.int64),
        )

    def is_known(self, name: str) -> Bools:
        """Return whether a count was reported."""
        found = self.known.get(name)
        return np.zeros(len(self.keys), dtype=np.bool_) if found is None else found


def _integers(values: list[int]) -> Ints:
    try:
        return np.array(values, dtype=np.int64)
    except OverflowError:
        return cast("Ints", np.array(values, dtype=np.object_))


@dataclass(slots=True)
class Charges:
    """What entries cost; arrays have one element per entry, money is picodollars.

    ``status``, ``reason``, ``price`` and ``contract`` are indices into ``STATUSES``, ``REASONS``,
    ``price_ids`` and ``contract_ids``. Costs are 0 unless the status is priced: ``parts`` (by
    names in ``PARTS``) add up to ``total``; ``list_total`` is before the contract.
    """

    status: NDArray[np.int8]
    reason: NDArray[np.int8]
    price: NDArray[np.int32]
    contract: NDArray[np.int32]
    price_ids: list[str]
    contract_ids: list[str]
    parts: dict[str, Ints]
    total: Ints
    list_total: Ints


def charge(usage: Usage, book: PriceBook) -> Charges:
    """Return what entries cost at the book's prices."""
    count = len(usage.keys)
    pricing = _Pricing(usage, Charges(
        np.zeros(count, dtype=np.int8),
        np.zeros(count, dtype=np.int8),
        np.zeros(count, dtype=np.int32),
        np.zeros(count, dtype=np.int32),
        [""],
        [""],
        {name: np.zeros(count, dtype=np.int64) for name in PARTS},
        np.zeros(count, dtype=np.int64),
        np.zeros(count, dtype=np.int64),
    ))  # fmt: skip
    for key, rows in _groups(usage.keys):
        schedule = book.schedule(usage.names[key])
        for code, places in _groups(schedule.codes(usage.time_ns[rows])):
            pricing.charge(schedule.segment(code), rows[places])
    return pricing.charges


def _groups(codes: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Return each distinct code with the places where it stands."""
    if not codes.size:
        return
    first = int(codes[0])
    if (codes == first).all():
        yield first, np.arange(codes.size)
        return
    order = np.argsort(codes, kind="stable")
    sorted_codes = codes[order]
    bounds = np.flatnonzero(sorted_codes[1:] != sorted_codes[:-1]) + 1
    for places in np.split(order, bounds):
        yield int(codes[places[0]]), places


class _Pricing:
    """Fills in charges, group by group."""

    def __init__(self, usage: Usage, charges: Charges) -> None:
        self.charges = charges
        self._usage = usage
        self._is_known = usage.is_known("input") | usage.is_known("output")
        self._ids: dict[str, int] = {}
        self._contracts: dict[str, int] = {}

    def charge(self, prices: ContextPrices, rows: NDArray[np.int64]) -> None:
        """Price entries of one segment."""
        if prices.absence == "self_hosted":
            self.charges.status[rows] = SELF_HOSTED
            return
        rows = rows[self._is_known[rows]]
        if prices.absence:
            self.charges.reason[rows] = REASON[prices.absence]
        elif len(prices.bands) == 1:
            self._charge_band(prices.bands[0], prices.discount, rows)
        else:
            self._charge_bands(prices, rows)

    def _charge_bands(self, prices: ContextPrices, rows: NDArray[np.int64]) -> None:
        """Price entries by the size of the request; a sum only if every request was small."""
        sizes = self._usage.counts.get("input")
        if sizes is None:
            self.charges.reason[rows] = REASON["tier_undecided"]
            return
        is_decided = self._usage.known["input"][rows]
        is_decided &= ~self._usage.is_sum[rows] | (sizes[rows] <= prices.starts[1])
        self.charges.reason[rows[~is_decided]] = REASON["tier_undecided"]
        rows = rows[is_decided]
        # The band of the last start below the size.
        bands = np.searchsorted(np.array(prices.starts), sizes[rows], side="left") - 1
        for band, places in _groups(bands):
            self._charge_band(prices.bands[band], prices.discount, rows[places])

    def _charge_band(
        self, price: Price, discount: Discount | None, rows: NDArray[np.int64]
    ) -> None:
        usage = self._usage
        counts = Counts(
            {name: column[rows] for name, column in usage.counts.items()},
            {name: column[rows] for name, column in usage.known.items()},
            usage.requests[rows],
            factor_of(price, discount),
        )
        bill = bill_of(price, discount, counts)
        charges = self.charges
        charges.reason[rows] = bill.reason
        good = bill.reason == 0
        if not good.all():
            rows = rows[good]
        charges.status[rows] = PRICED
        charges.price[rows] = _index(self._ids, charges.price_ids, price.price_id)
        if discount is not None:
            contract = _index(self._contracts, charges.contract_ids, discount.contract_id)
            charges.contract[rows] = contract
        for name, cost in zip(PARTS, bill.parts, strict=True):
            charges.parts[name] = _put(charges.parts[name], rows, cost[good])
        charges.total = _put(charges.total, rows, bill.total[good])
        charges.list_total = _put(charges.list_total, rows, bill.list_total[good])


def _index(known: dict[str, int], names: list[str], name: str) -> int:
    if name not in known:
        known[name] = len(names)
        names.append(name)
    return known[name]


def _put(column: Ints, rows: NDArray[np.int64], values: Ints) -> Ints:
    """Write values, in a column of Python's integers where 64 bits do not hold them."""
    if values.dtype == np.object_ and column.dtype != np.object_:
        if values.size and int(abs(values).max()) >= 2**63:
            column = wide(column)
        else:
            values = values.astype(np.int64)
    column[rows] = values
    return column
