"""What entries of one price cost: disjoint counts times rates, in whole picodollars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

import numpy as np

from spanledger_analytics.price_book.rates import Discount, Price

if TYPE_CHECKING:
    from numpy.typing import NDArray

    # Of 64 bits, or Python's own (dtype object) where these do not hold the numbers. The same
    # operators work on both, and numpy's types have no name for "either".
    Ints: TypeAlias = NDArray[np.int64]
    Bools: TypeAlias = NDArray[np.bool_]

REASONS = (
    "",
    "unknown_model",
    "missing_rate",
    "tier_undecided",
    "no_exchange_rate",
    "inconsistent_usage",
    "unknown_requests",
)
"""Why an entry is unpriced; '' for priced ones, and where no usage is known."""
REASON = {name: code for code, name in enumerate(REASONS)}

PARTS = ("uncached", "cache_read", "cache_write", "output", "fees")

_SAFE = 2**61  # doubled when rounding, and still below 2^63
_MOST = 10**36  # picodollars that a Decimal(38, 12) holds, with room for sums
_INPUT_PARTS = frozenset(
    {
        "cache_read",
        "cache_write",
        "cache_write_5m",
        "cache_write_1h",
        "audio_input",
        "image",
        "cache_read_audio",
    }
)
_OUTPUT_PARTS = frozenset({"reasoning", "audio_output", "image_output"})

_Line = tuple[str, "Ints"]
"""A class and how many tokens or pieces of it."""


class Bill(NamedTuple):
    """What entries of one price cost in picodollars; ``reason`` is not 0 where that is unknown."""

    reason: NDArray[np.int8]
    parts: list[Ints]
    total: Ints
    list_total: Ints


def wide(column: Ints) -> Ints:
    """Return a column of Python's own integers."""
    return cast("Ints", column.astype(np.object_))


def factor_of(price: Price, discount: Discount | None) -> int:
    """Return the largest number by which counts are multiplied on the way to a cost."""
    factor = max(price.largest_sum, price.scale, 1)
    if discount is not None:
        factor *= max(abs(discount.numerator), discount.denominator)
    return factor


def bill_of(price: Price, discount: Discount | None, counts: Counts) -> Bill:
    """Return what entries cost at one price.

    Parts are rounded half to even to whole picodollars, before and after the contract, so that
    they always add up to the totals.
    """
    lines, is_bad = lines_of(price, counts)
    list_parts = [_divided(_sum(part, price, counts), price.scale) for part in lines]
    parts = list_parts
    if discount is not None:
        factor, divisor = discount.numerator, discount.denominator
        parts = [_divided(part * factor, divisor) for part in list_parts]
    total, list_total = sum(parts[1:], parts[0]), sum(list_parts[1:], list_parts[0])
    reason = np.zeros(len(counts.zero), dtype=np.int8)
    for name, count in (line for part in lines for line in part):
        if getattr(price, name) is None:
            absence = "no_exchange_rate" if name in price.unconverted else "missing_rate"
            reason[_true(count > 0)] = REASON[absence]
    if counts.zero.dtype == np.object_:
        is_bad |= _true(abs(total) > _MOST) | _true(abs(list_total) > _MOST)
    if price.has_request_fee:
        reason[_true(counts.requests == 0)] = REASON["unknown_requests"]
    reason[is_bad] = REASON["inconsistent_usage"]
    return Bill(reason, parts, total, list_total)


def _divided(scaled: Ints, divisor: int) -> Ints:
    """Return whole numbers, rounded half to even."""
    if divisor == 1:
        return scaled
    whole = scaled // divisor
    twice = 2 * (scaled - whole * divisor)
    return whole + (_true(twice > divisor) | _true((twice == divisor) & (whole % 2 == 1)))


def _sum(part: Sequence[_Line], price: Price, counts: Counts) -> Ints:
    """Return counts times rates, in picodollars times the price's scale."""
    cost = counts.zero
    for name, count in part:
        rate: int | None = getattr(price, name)
        if rate:
            cost = cost + count * rate
    return cost


def _true(comparison: object) -> Bools:
    """Return a comparison's result as booleans; of Python's integers it is an array of objects."""
    return np.asarray(comparison, dtype=np.bool_)


def _chosen(condition: Bools, yes: Ints, no: Ints) -> Ints:
    return cast("Ints", np.where(condition, yes, no))


class Counts:
    """Counts of entries of one price, in integers wide enough for its arithmetic.

    Args:
        counts: By field of ``Tokens``; 0 where not reported; a field nobody reported is missing.
        known: By the same fields, whether each was reported.
        requests: Of how many requests each entry is; 0: of several, nobody knows how many.
        factor: The largest number by which costs will be multiplied.
    """

    def __init__(
        self, counts: dict[str, Ints], known: dict[str, Bools], requests: Ints, factor: int
    ) -> None:
        self._known = known
        size = len(requests)
        columns = (requests, *counts.values())
        largest = max(int(column.max(initial=0)) for column in columns) + 1
        is_wide = largest * max(factor, len(counts) + 1) >= _SAFE
        self.zero: Ints = np.zeros(size, dtype=np.int64)
        if is_wide:
            self.zero = wide(self.zero)
        self.never: Bools = np.zeros(size, dtype=np.bool_)
        self.requests: Ints = requests.astype(self.zero.dtype)
        self._counts = {k: column.astype(self.zero.dtype) for k, column in counts.items()}
        # Without a total, its parts say nothing about the rest.
        for whole, parts in (("input", _INPUT_PARTS), ("output", _OUTPUT_PARTS)):
            is_unknown = ~self.is_known(whole)
            if is_unknown.any():
                for name in parts & self._counts.keys():
                    self._counts[name] = _chosen(is_unknown, self.zero, self._counts[name])

    def __getitem__(self, name: str) -> Ints:
        return self._counts.get(name, self.zero)

    def is_known(self, name: str) -> Bools:
        """Return whether a count was reported."""
        return self._known.get(name, self.never)


def lines_of(price: Price, counts: Counts) -> tuple[list[list[_Line]], Bools]:
    """Return disjoint counts by class for each of ``PARTS``, and who contradicts himself."""
    inputs, is_bad = _input_lines(price, counts)
    output, is_bad_output = _output_lines(price, counts)
    fees = [("web_search", counts["web_searches"])]
    if price.request is not None or "request" in price.unconverted:
        fees.append(("request", counts.requests))
    return [*inputs, output, fees], is_bad | is_bad_output


def _input_lines(price: Price, counts: Counts) -> tuple[list[list[_Line]], Bools]:
    """Return the lines of uncached input, cache reads and cache writes.

    A medium without a rate of its own is text. Of cached audio that nobody counted, as much is
    assumed as makes the parts fit, and only where the price does not depend on it.
    """
    read, write = counts["cache_read"], counts["cache_write"]
    short, long = counts["cache_write_5m"], counts["cache_write_1h"]
    uncached = counts["input"] - read - write
    image = counts["image"] if price.image_input != price.input else counts.zero
    is_open = _is_split_open(price, counts, image, "image_input", "cache_read_image")
    audio, cached_audio = counts.zero, counts.zero
    if (price.audio_input, price.cache_read_audio) != (price.input, price.cache_read):
        audio = counts["audio_input"]
        is_told = counts.is_known("cache_read_audio")
        least: Ints = np.maximum(audio + image - uncached, 0)
        assumed = _chosen(_true(read > 0), least, counts.zero)
        cached_audio = _chosen(is_told, counts["cache_read_audio"], assumed)
        is_told = is_told | ~_is_split_open(price, counts, audio, "audio_input", "cache_read_audio")
        is_open = is_open | ~is_told
    fresh_audio = audio - cached_audio
    text = uncached - fresh_audio - image
    lines = [
        [("input", text), ("audio_input", fresh_audio), ("image_input", image)],
        [("cache_read", read - cached_audio), ("cache_read_audio", cached_audio)],
        [
            ("cache_write", write - short - long),
            ("cache_write_5m", short),
            ("cache_write_1h", long),
        ],
    ]
    return lines, is_open | _is_negative(lines, counts)


def _is_split_open(price: Price, counts: Counts, medium: Ints, fresh: str, cached: str) -> Bools:
    """Return where the cost depends on how much of the cache reads was of a medium."""
    rates = [getattr(price, name) or 0 for name in ("input", fresh, "cache_read", cached)]
    if rates[0] - rates[1] - rates[2] + rates[3] == 0:
        return counts.never
    return _true(medium > 0) & _true(counts["cache_read"] > 0)


def _output_lines(price: Price, counts: Counts) -> tuple[list[_Line], Bools]:
    """Return the lines of output; a class without a rate of its own is plain output."""
    apart = [
        (name, counts[name])
        for name in ("reasoning", "audio_output", "image_output")
        if getattr(price, name) != price.output
    ]
    rest = counts["output"]
    for _, count in apart:
        rest = rest - count
    lines = [("output", rest), *apart]
    return lines, _is_negative([lines], counts)


def _is_negative(parts: Sequence[Sequence[_Line]], counts: Counts) -> Bools:
    is_negative = counts.never
    for part in parts:
        for _, count in part:
            is_negative = is_negative | _true(count < 0)
    return is_negative
