"""Token counts of one call: what is known, what is not, and how two views of it agree.

``None`` means not reported, which is never the same as zero.
"""

from __future__ import annotations

from typing import NamedTuple


class Tokens(NamedTuple):
    """Token counts; ``input`` includes cache reads and writes, ``output`` includes reasoning.

    ``cache_write`` is the total of all cache writes; the ``_5m`` and ``_1h`` parts are those
    whose lifetime was reported.
    """

    input: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    output: int | None = None
    reasoning: int | None = None
    audio_input: int | None = None
    audio_output: int | None = None
    image: int | None = None
    image_output: int | None = None
    cache_read_audio: int | None = None
    web_searches: int | None = None

    @property
    def is_known(self) -> bool:
        """Whether anything that can be billed was reported."""
        return self[0] is not None or self[5] is not None

    @property
    def uncached(self) -> int | None:
        """Input tokens not known to be cache reads or writes; None when input is unknown.

        A cache count nobody reported leaves its tokens here, so that the parts always add up
        to ``input``.
        """
        if self.input is None:
            return None
        return self.input - (self.cache_read or 0) - (self.cache_write or 0)


UNKNOWN = Tokens()
_CACHE = ("cache_read", "cache_write", "cache_write_5m", "cache_write_1h", "cache_read_audio")


def canonical(tokens: Tokens) -> Tokens:
    """Return the counts with the totals made inclusive of their parts.

    A total smaller than its parts can only come from a source that counts them apart
    (Anthropic's ``input_tokens``, Gemini's ``candidatesTokenCount``): the parts are added.
    """
    cache_write = tokens.cache_write
    lifetimes = (tokens.cache_write_5m or 0) + (tokens.cache_write_1h or 0)
    if lifetimes > (cache_write or 0):
        cache_write = lifetimes
    cached = (tokens.cache_read or 0) + (cache_write or 0)
    total = tokens.input
    if total is not None and total < cached:
        total += cached
    output, reasoning = tokens.output, tokens.reasoning
    if output is not None and reasoning is not None and output < reasoning:
        output += reasoning
    if (total, cache_write, output) == (tokens.input, tokens.cache_write, tokens.output):
        return tokens
    return tokens._replace(input=total, cache_write=cache_write, output=output)


def merge(views: list[Tokens]) -> Tokens:
    """Return one call's counts from several views of it: per field the largest known value.

    Instrumentations leave counts out far more often than they invent them. Where views file the
    same tokens under different parts, so that the parts exceed every total, the one with the
    largest total tells of the parts. Where they agree on the sum of input and output alone, the
    larger input counts: an output worked out from Gemini's total holds what its tools found.
    """
    if len(views) == 1:
        return views[0]
    merged = _largest(views)
    split = _split_otherwise(views, merged)
    if split is not None:
        merged = merged._replace(output=split.output, reasoning=split.reasoning)
    lifetimes = (merged.cache_write_5m or 0) + (merged.cache_write_1h or 0)
    cached = (merged.cache_read or 0) + max(merged.cache_write or 0, lifetimes)
    if merged.input is not None and cached > merged.input:
        fullest = max(views, key=lambda view: view.input or 0)
        merged = merged._replace(**{name: getattr(fullest, name) for name in _CACHE})
    if merged.output is not None and (merged.reasoning or 0) > merged.output:
        fullest = max(views, key=lambda view: view.output or 0)
        merged = merged._replace(reasoning=fullest.reasoning)
    return canonical(merged)


def _split_otherwise(views: list[Tokens], merged: Tokens) -> Tokens | None:
    """Return the view to follow if those with the largest sum divide it differently."""
    sums = {view: _sum(view) for view in views if None not in (view.input, view.output)}
    fullest = [view for view, total in sums.items() if total == max(sums.values())]
    if len(fullest) < 2 or _sum(merged) == sums[fullest[0]]:
        return None
    return max(fullest, key=lambda view: view.input or 0)


def _sum(tokens: Tokens) -> int:
    return (tokens.input or 0) + (tokens.output or 0)


def _largest(views: list[Tokens]) -> Tokens:
    return Tokens._make(
        max((value for value in field if value is not None), default=None)
        for field in zip(*views, strict=True)
    )
