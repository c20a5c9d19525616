"""What a token or piece of each class costs: one set of rates, and how it becomes whole numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import lcm

PICODOLLARS = 10**12

PicoRates = Mapping[str, Fraction | None]
"""Picodollars per token or piece by class; None: in a currency without an exchange rate."""


@dataclass(frozen=True, slots=True)
class FlatRate:
    """One rate as a table shows it: what holds at a moment, in the currency it is given in.

    Attributes:
        provider: id as in the price data.
        model: id as in the price data, or the name or prefix of an own rate.
        region: "" is any region.
        service_tier: "" is the standard tier.
        above_tokens: holds for requests of more input tokens than this; 0: for all.
        token_class: one of ``TOKEN_CLASSES`` or ``FEES``.
        price: in ``currency`` for ``per`` tokens or pieces.
        per: tokens or pieces.
        currency: ISO 4217.
        effective_from_ns: first instant, UTC nanoseconds; None: as long as the data know.
        effective_to_ns: first instant it no longer holds; None: open, or not known yet.
        source: name of the price data, or ``own:`` and the id of the rate.
        price_id: as in the ledger.
    """

    provider: str
    model: str
    region: str
    service_tier: str
    above_tokens: int
    token_class: str
    price: Decimal
    per: int
    currency: str
    effective_from_ns: int | None
    effective_to_ns: int | None
    source: str
    price_id: str


# Where tokens of a class without a rate of its own belong, nearest first: that is what a provider
# without a separate price for them charges. Fees belong nowhere.
_ENCLOSING: Mapping[str, tuple[str, ...]] = {
    "input": (),
    "cache_read": ("input",),
    "cache_write": ("input",),
    "cache_write_5m": ("cache_write", "input"),
    "cache_write_1h": ("cache_write", "input"),
    "audio_input": ("input",),
    "image_input": ("input",),
    "cache_read_audio": ("cache_read", "audio_input", "input"),
    "cache_read_image": ("cache_read", "image_input", "input"),
    "output": (),
    "reasoning": ("output",),
    "audio_output": ("output",),
    "image_output": ("output",),
    "request": (),
    "web_search": (),
}
CLASSES = tuple(_ENCLOSING)


@dataclass(frozen=True, slots=True)
class Price:
    """Rates per class in picodollars / ``scale`` per token or piece; None: no rate.

    ``scale`` is 1 unless a rate is finer than a picodollar. A class without a rate of its own
    already holds the enclosing class's. ``unconverted``: classes whose rate is in a currency
    without an exchange rate at that time; they are None too.
    """

    price_id: str
    scale: int
    unconverted: frozenset[str]
    input: int | None
    cache_read: int | None
    cache_write: int | None
    cache_write_5m: int | None
    cache_write_1h: int | None
    audio_input: int | None
    image_input: int | None
    cache_read_audio: int | None
    cache_read_image: int | None
    output: int | None
    reasoning: int | None
    audio_output: int | None
    image_output: int | None
    request: int | None
    web_search: int | None

    @classmethod
    def of(cls, price_id: str, rates: PicoRates) -> Price:
        """Return the price that rates of single classes make."""
        chosen = {name: _found(name, rates) for name in CLASSES}
        known = {name: rates[key] for name, key in chosen.items() if key is not None}
        scale = lcm(*(rate.denominator for rate in known.values() if rate is not None))
        whole = {
            name: int(rate * scale) if (rate := known.get(name)) is not None else None
            for name in CLASSES
        }
        unconverted = frozenset(name for name, rate in known.items() if rate is None)
        return cls(price_id, scale, unconverted, **whole)

    @property
    def largest_sum(self) -> int:
        """The sum of all rates, each without its sign: no call costs more per token."""
        return sum(abs(rate) for rate in self._rates() if rate is not None)

    @property
    def is_empty(self) -> bool:
        """Whether there is no rate at all."""
        return not self.unconverted and all(rate is None for rate in self._rates())

    @property
    def has_request_fee(self) -> bool:
        """Whether the cost depends on how many requests there were."""
        return bool(self.request) or "request" in self.unconverted

    def _rates(self) -> Iterable[int | None]:
        return (getattr(self, name) for name in CLASSES)


def _found(name: str, rates: PicoRates) -> str | None:
    """Return the class whose rate this class has: its own, or the nearest enclosing one's."""
    return next((key for key in (name, *_ENCLOSING[name]) if key in rates), None)


@dataclass(frozen=True, slots=True)
class Discount:
    """A contract's factor on the list cost, as a fraction of whole numbers."""

    contract_id: str
    numerator: int
    denominator: int


@dataclass(frozen=True, slots=True)
class ContextPrices:
    """Prices of one model in one period, by size of the request, and the contract that applies.

    ``bands[i]`` holds for requests of more than ``starts[i]`` input tokens; ``starts[0]`` is -1.
    Without bands there is no price, and ``absence`` says why: unknown_model, missing_rate, or
    self_hosted, which is no fault.
    """

    starts: tuple[int, ...]
    bands: tuple[Price, ...]
    discount: Discount | None = None
    absence: str = ""

    def for_input(self, input_tokens: int | None) -> Price | None:
        """Return the price of a request, None when its size decides and is unknown."""
        if len(self.bands) <= 1:
            return next(iter(self.bands), None)
        if input_tokens is None:
            return None
        return next(
            band
            for start, band in zip(reversed(self.starts), reversed(self.bands), strict=True)
            if input_tokens > start
        )
