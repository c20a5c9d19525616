"""The row of one call: what its cache saved, what it is compared with, what it lost and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from spanledger_analytics.cache.calls import CacheEntry, Prompt
from spanledger_analytics.cache.causes import Cause, cause_of
from spanledger_analytics.cache.contents import Contents
from spanledger_analytics.cache.expected import (
    cached_tokens,
    expected_tokens,
    is_loss,
    is_unseen_loss,
    shared_tokens,
    ttl_ns,
)
from spanledger_analytics.cache.limits import CacheRules, rules_for
from spanledger_analytics.cache.matching import BRANCHED, STABLE, Match, best_match
from spanledger_analytics.cache.rates import Rates, lost_usd, money_of
from spanledger_analytics.cache.rows import MOST_USD, CacheRow
from spanledger_analytics.price_book.rates import ContextPrices

LANE_BACK_NS = 24 * 3_600 * 10**9
"""How long ago an earlier call of the lane may have begun."""
POOL_BACK_NS = 3_600 * 10**9
"""The same for calls of other lanes: no provider keeps a prefix for longer without being asked."""
LANE_CALLS, POOL_CALLS = 32, 16
"""How many of the latest earlier calls are looked at."""

_SEARCHED_TOKENS = 256
Prices = Callable[[CacheEntry], ContextPrices]


class Finding(NamedTuple):
    """What the comparison of one call tells."""

    match: Match | None = None
    cause: Cause = Cause("")
    lost_tokens: int = 0


def explain(
    project: str,
    call: Prompt,
    finding: Finding,
    rates: Rates | None,
    *,
    is_opener: bool,
) -> CacheRow:
    """Return the row of a call.

    Args:
        project: whose call it is.
        call: the call.
        finding: as ``find_cause`` returns it.
        rates: of its input; None: not known.
        is_opener: whether it continues no call of its lane.
    """
    if rates and finding.lost_tokens and rates.read >= rates.input:
        finding = Finding(finding.match, Cause("not_cached"))  # no cheaper read was to be had
    entry, match, cause = call.entry, finding.match, finding.cause
    previous = match.previous if match else None
    shared, smaller = shared_tokens(call, match) if match and call.segments else (0, 0)
    money = money_of(entry, rates) if rates else None
    if money and max(map(abs, money)) > MOST_USD:
        money = rates = None
    is_content = bool(match and previous and cause.kind)
    place = match.shared if match else 0
    return CacheRow(
        project=project,
        time_ns=entry.time_ns,
        lane=call.lane,
        pool=call.pool,
        is_opener=int(is_opener),
        entry_id=entry.entry_id,
        trace_id=entry.trace_id,
        span_id=entry.span_id,
        duration_ns=entry.duration_ns,
        agent_name=entry.agent_name,
        provider=entry.provider,
        model=entry.model,
        input_tokens=entry.input_tokens,
        cache_read_tokens=entry.cache_read_tokens,
        cache_write_tokens=entry.cache_write_tokens,
        cache_write_1h_tokens=entry.cache_write_1h_tokens,
        minimum_tokens=_rules(call).minimum_tokens,
        read_factor=rates.factor(rates.read) if rates else None,
        write_5m_factor=rates.factor(rates.write_5m) if rates else None,
        write_1h_factor=rates.factor(rates.write_1h) if rates else None,
        full_cost_usd=money.full_usd if money else None,
        read_saving_usd=money.read_saving_usd if money else None,
        write_extra_usd=money.write_extra_usd if money else None,
        segments=len(call.segments),
        previous_trace_id=previous.entry.trace_id if previous else "",
        previous_span_id=previous.entry.span_id if previous else "",
        previous_segments=len(previous.segments) if previous else 0,
        gap_ns=call.start_ns - previous.end_ns if previous else 0,
        shared_segments=place,
        shared_tokens=shared,
        smaller_tokens=smaller,
        cause=cause.name,
        segment_kind=cause.kind,
        detail=cause.detail,
        position=cause.position,
        segment_hash=_hex(call, place) if is_content else "",
        previous_segment_hash=_hex(previous, place) if is_content and previous else "",
        lost_tokens=finding.lost_tokens,
        lost_usd=lost_usd(entry, rates, finding.lost_tokens) if rates else None,
    )


def find_cause(
    call: Prompt, lane: Sequence[Prompt], pool: Sequence[Prompt], contents: Contents
) -> tuple[Finding, bool]:
    """Return what a call lost and why, and whether it opens a lane.

    1. Compare it with the calls of its lane that used the same model, then with those of others.
    2. What continues none of these is compared with the openers of its pool.
    3. Where it read as much as it could, nothing was lost and no reason is looked for.

    Args:
        call: the call.
        lane: earlier calls of its lane, at most ``LANE_CALLS``.
        pool: earlier openers of its pool, at most ``POOL_CALLS``.
        contents: what segments say; asked only where the call may have lost something.
    """
    if not call.segments:
        return _without_prompt(call, lane), True
    unread = call.entry.input_tokens - call.entry.read
    same = [one for one in lane if one.model == call.model]
    match = best_match(call, same, contents if unread >= _SEARCHED_TOKENS else _NO_CONTENTS)
    if match is not None and match.relation != BRANCHED:
        return _finding(call, match, [*same, *pool], contents), False
    switched = _switched(call, lane, match)
    if switched is not None:
        return _finding(call, switched, lane, contents), False
    found = best_match(call, pool, contents if _may_have_lost(call) else _NO_CONTENTS)
    if found and (match is None or _rank(found) > _rank(match)):
        match = found
    if match is None:
        return Finding(cause=Cause("first")), True
    return _finding(call, match, [*same, *pool], contents), True


def _finding(call: Prompt, match: Match, others: Sequence[Prompt], contents: Contents) -> Finding:
    rules = _rules(call)
    if call.entry.cache_read_tokens is None:
        return Finding(match, Cause("unknown"))
    expected = expected_tokens(call, match, rules, contents)
    if expected is None:
        return Finding(match, Cause("unknown"))
    if expected < rules.minimum_tokens and not call.entry.read:
        return Finding(match, Cause(_why_nothing(call, match, rules)))
    if not is_loss(expected, call.entry.read, rules):
        return Finding(match)
    cause = cause_of(call, match, others, expected, rules, contents)
    return Finding(match, cause, expected - call.entry.read if cause.name else 0)


def _why_nothing(call: Prompt, match: Match, rules: CacheRules) -> str:
    """Return why nothing could be read: too short, never cached, or nothing in common."""
    if match.relation not in STABLE:
        return ""
    sizes = (call.entry.input_tokens, match.previous.entry.input_tokens)
    return "below_minimum" if min(sizes) < rules.minimum_tokens else "not_cached"


def _switched(call: Prompt, lane: Sequence[Prompt], match: Match | None) -> Match | None:
    """Return the call of another model that this one goes on from, while that is still cached."""
    others = [one for one in lane if one.model != call.model]
    found = best_match(call, others, _NO_CONTENTS)
    if found is None or found.relation not in STABLE:
        return None
    if match is not None and found.shared <= match.shared:
        return None
    rules = rules_for(found.previous.entry.provider, found.previous.entry.model)
    is_gone = call.start_ns - found.previous.end_ns > ttl_ns(found, rules)
    return None if is_gone else found


def _rank(match: Match) -> tuple[bool, int, tuple[int, str]]:
    return match.relation != BRANCHED, match.shared, match.previous.order


def _without_prompt(call: Prompt, lane: Sequence[Prompt]) -> Finding:
    """Compare token counts alone: a prompt that grew, of which next to nothing was read.

    Only with a call right before it that was over and young enough, because nothing tells whether
    the two belong together.
    """
    rules = _rules(call)
    previous = next((one for one in reversed(lane) if one.model == call.model), None)
    if previous is None:
        return Finding(cause=Cause("first"))
    match = Match(previous, 0, BRANCHED)
    cached, read = cached_tokens(previous, rules), call.entry.cache_read_tokens
    if cached is None or read is None:
        return Finding(match, Cause("unknown"))
    is_lost = is_unseen_loss(
        cached,
        call.entry.input_tokens,
        read,
        call.start_ns - previous.end_ns,
        rules,
        is_long=bool(previous.entry.cache_write_1h_tokens),
    )
    return Finding(match, Cause("unseen"), cached - read) if is_lost else Finding(match)


def _may_have_lost(call: Prompt) -> bool:
    """Return whether texts are worth reading: little was read, or much was written anew."""
    entry, minimum = call.entry, _rules(call).minimum_tokens
    return entry.input_tokens >= minimum and (
        entry.read < minimum or entry.write >= _SEARCHED_TOKENS
    )


def _rules(call: Prompt) -> CacheRules:
    return rules_for(call.entry.provider, call.entry.model or call.entry.request_model)


def _hex(call: Prompt, place: int) -> str:
    return call.segments[place].hex() if place < len(call.segments) else ""


class _Nothing(Contents):
    """Contents that nobody looks up."""

    def get(self, digest: bytes) -> None:
        """Return None."""
        del digest


_NO_CONTENTS = _Nothing()
