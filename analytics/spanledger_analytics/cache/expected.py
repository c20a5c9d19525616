"""How many tokens a call could have read from the cache, had nothing gone wrong."""

from __future__ import annotations

from spanledger_analytics.cache.calls import Prompt
from spanledger_analytics.cache.contents import Contents
from spanledger_analytics.cache.limits import LONG_TTL_S, CacheRules
from spanledger_analytics.cache.matching import BRANCHED, EXTENDED, SHORTENED, Match

HARDLY_READ = 0.1
"""Reading no more than this share is reading nothing."""
_LEAST_LOST = 256
_LEAST_SHARE = 0.05
_SAME_BLOCK = 0.02


def cached_tokens(call: Prompt, rules: CacheRules) -> int | None:
    """Return how long a prefix a call left in the cache; None: nobody said.

    Where the provider caches by itself: all of its input in whole steps. Elsewhere what it read
    and wrote, which ends at the last block it marked.
    """
    entry = call.entry
    told = None
    if entry.cache_read_tokens is not None or entry.cache_write_tokens is not None:
        told = entry.read + entry.write
    if rules.is_automatic and told is not None:
        whole = entry.input_tokens // rules.step_tokens * rules.step_tokens
        told = max(told, whole if whole >= rules.minimum_tokens else 0)
    return told


def expected_tokens(
    call: Prompt, match: Match, rules: CacheRules, contents: Contents
) -> int | None:
    """Return how many tokens of the call could have come from the cache; None: nobody said.

    * The call has all of the earlier one, or all behind one changed segment: what that cached.
    * It is the beginning of the earlier one: what is known to end within it.
    * Only a head is shared, or one segment is another version: up to the end of that head.
    """
    previous, entry = match.previous.entry, call.entry
    cached = cached_tokens(match.previous, rules)
    if cached is None:
        return None
    if match.relation == EXTENDED or match.has_same_rest:
        return min(cached, entry.input_tokens)
    if match.relation == SHORTENED:
        whole = entry.input_tokens // rules.step_tokens * rules.step_tokens
        return min(cached, whole) if rules.is_automatic else min(previous.read, whole)
    if match.relation == BRANCHED:
        return _shared_head(call, match, cached)
    return min(cached, _head_tokens(call, match.shared + 1, contents))


def _shared_head(call: Prompt, match: Match, cached: int) -> int:
    """Return what two requests that begin alike are known to share.

    That is what the earlier one read itself, or wrote as a block of the same size as this one.
    """
    entry, previous = call.entry, match.previous.entry
    block = entry.read + entry.write
    if previous.write and block and abs(block - cached) <= _SAME_BLOCK * cached:
        return min(cached, block)
    return previous.read if previous.read <= entry.input_tokens else 0


def _head_tokens(call: Prompt, segments: int, contents: Contents) -> int:
    """Return the tokens of the first segments, by their share of characters, else of segments."""
    sizes = [segment.size if (segment := contents.get(d)) else 0 for d in call.segments]
    if not all(sizes):
        sizes = [1] * len(call.segments)
    return call.entry.input_tokens * sum(sizes[:segments]) // max(1, sum(sizes))


def is_loss(expected: int, read: int, rules: CacheRules) -> bool:
    """Return whether a call read so much less than it could that it is worth a reason."""
    lost = expected - read
    return lost >= max(_LEAST_LOST, 2 * rules.step_tokens, _LEAST_SHARE * expected)


def is_unseen_loss(
    cached: int, input_tokens: int, read: int, gap_ns: int, rules: CacheRules, *, is_long: bool
) -> bool:
    """Return whether token counts alone tell that a prompt was cached and not read.

    Args:
        cached: tokens the call right before it, to the same model, had in the cache.
        input_tokens: of this call; a shorter prompt is another one.
        read: tokens it read.
        gap_ns: from the end of the one before to the start of this; negative: they overlap.
        rules: of the provider.
        is_long: whether the one before wrote for an hour.
    """
    lifetime_s = LONG_TTL_S if is_long else rules.ttl_s
    return (
        cached >= rules.minimum_tokens
        and input_tokens >= cached
        and read <= HARDLY_READ * cached
        and 0 <= gap_ns <= lifetime_s * 10**9
    )


def shared_tokens(call: Prompt, match: Match) -> tuple[int, int]:
    """Return tokens of the common start, and of the smaller request.

    Exact where one request continues the other; else by the share of segments, and at least what
    was read from the cache.
    """
    smaller = min(call.entry.input_tokens, match.previous.entry.input_tokens)
    if match.relation in (EXTENDED, SHORTENED):
        return smaller, smaller
    part = call.entry.input_tokens * match.shared // max(1, len(call.segments))
    return min(smaller, max(part, call.entry.read)), smaller


def ttl_ns(match: Match, rules: CacheRules) -> int:
    """Return how long the earlier call's prefix stays without being used, nanoseconds."""
    is_long = bool(match.previous.entry.cache_write_1h_tokens)
    return (LONG_TTL_S if is_long else rules.ttl_s) * 10**9
