"""Rates of one model at one moment, and what a call costs at them: exact whole picodollars."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from spanledger_analytics.tokens import Tokens


class Cost(NamedTuple):
    """Picodollars of one call; None: the class was not reported.

    ``total`` is the sum of the parts and of ``request``, a fee per call that few models have.
    """

    uncached: int | None
    cache_read: int | None
    cache_write: int | None
    output: int | None
    request: int
    total: int


@dataclass(frozen=True, slots=True)
class Price:
    """Rates per token class in picodollars / ``scale`` per token; None: no rate.

    ``scale`` is 1 unless the data hold a rate finer than a picodollar per token. ``audio_input``,
    ``image_input``, ``cache_*`` and ``reasoning`` already hold the enclosing class's rate where
    the data have none of their own.
    """

    price_id: str
    scale: int
    input: int | None
    cache_read: int | None
    cache_write: int | None
    cache_write_5m: int | None
    cache_write_1h: int | None
    audio_input: int | None
    image_input: int | None
    output: int | None
    reasoning: int | None
    audio_output: int | None
    request: int
    needs_cached_audio: bool
    needs_cached_image: bool

    def cost(self, tokens: Tokens) -> Cost | None:
        """Return what a call cost, None when a class it used has no rate.

        Parts are rounded half to even to a whole picodollar (only where ``scale`` > 1), so that
        the total is exactly the sum of the parts.
        """
        inputs = self._input_cost(tokens)
        if inputs is None:
            return None
        output = self._output_cost(tokens)
        if output is None and tokens.output is not None:
            return None
        uncached, cache_read, cache_write = inputs
        request = self._round(self.request)
        parts = (uncached, cache_read, cache_write, output, request)
        return Cost(*parts[:4], request, sum(part for part in parts if part))

    def _input_cost(self, tokens: Tokens) -> tuple[int | None, int | None, int | None] | None:
        if tokens.input is None:
            return None, None, None
        if self.input is None or self.cache_read is None or self._is_split_unknown(tokens):
            return (0, None, None) if tokens.input == 0 else None
        audio = 0 if self.audio_input == self.input else tokens.audio_input or 0
        image = 0 if self.image_input == self.input else tokens.image or 0
        text = (tokens.uncached or 0) - audio - image
        writes = self._write_cost(tokens)
        if text < 0 or writes is None:
            return None
        uncached = text * self.input + audio * (self.audio_input or 0)
        return (
            self._round(uncached + image * (self.image_input or 0)),
            None if tokens.cache_read is None else self._round(tokens.cache_read * self.cache_read),
            None if tokens.cache_write is None else self._round(writes),
        )

    def _is_split_unknown(self, tokens: Tokens) -> bool:
        # Cached audio has a rate of its own, and nobody says how much of the cache was audio.
        if not tokens.cache_read:
            return False
        return bool(
            (self.needs_cached_audio and tokens.audio_input)
            or (self.needs_cached_image and tokens.image)
        )

    def _write_cost(self, tokens: Tokens) -> int | None:
        if not tokens.cache_write:
            return 0
        if self.cache_write is None:
            return None
        short, long = tokens.cache_write_5m or 0, tokens.cache_write_1h or 0
        unknown = tokens.cache_write - short - long
        return (
            unknown * self.cache_write
            + short * (self.cache_write_5m or 0)
            + long * (self.cache_write_1h or 0)
        )

    def _output_cost(self, tokens: Tokens) -> int | None:
        if not tokens.output:
            return tokens.output
        if self.output is None:
            return None
        reasoning, audio = 0, 0
        if self.reasoning != self.output:
            reasoning = tokens.reasoning or 0
        if self.audio_output != self.output:
            audio = tokens.audio_output or 0
        text = tokens.output - reasoning - audio
        if text < 0:
            return None
        cost = text * self.output + reasoning * (self.reasoning or 0)
        return self._round(cost + audio * (self.audio_output or 0))

    def _round(self, scaled: int) -> int:
        return scaled if self.scale == 1 else round(Fraction(scaled, self.scale))


@dataclass(frozen=True, slots=True)
class ContextPrices:
    """Prices of one model at one moment, by size of the request.

    ``bands[i]`` holds for requests of more than ``starts[i]`` input tokens; ``starts[0]`` is -1.
    """

    starts: tuple[int, ...]
    bands: tuple[Price, ...]

    def for_input(self, input_tokens: int | None) -> Price | None:
        """Return the price of a request, None when its size decides and is unknown."""
        if len(self.bands) == 1:
            return self.bands[0]
        if input_tokens is None:
            return None
        for start, band in zip(reversed(self.starts), reversed(self.bands), strict=True):
            if input_tokens > start:
                return band
        return None
