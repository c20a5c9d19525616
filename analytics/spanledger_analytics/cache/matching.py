"""Which earlier call a request continues, and how: prompts are compared segment by segment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from heapq import nlargest
from typing import NamedTuple

from spanledger_analytics.cache.calls import Prompt
from spanledger_analytics.cache.contents import Contents
from spanledger_analytics.cache.texts import (
    MESSAGE,
    SYSTEM,
    TOOLS,
    Segment,
    first_difference,
    similarity,
    tool_name,
)

EXTENDED, SHORTENED, CHANGED, BRANCHED = "extended", "shortened", "changed", "branched"
"""How a request stands to an earlier one: it has all of it; it is its beginning; one segment
differs and what follows is the same again; they only begin alike."""

STABLE = (EXTENDED, SHORTENED)
ALIKE = 0.7
"""Share of words; below it, two texts are two texts and not versions of one."""
_SAME_TOOLS = 0.5
_REST = 0.5  # of a user's message: how much must be equal again behind the difference
_LOOKED_AT = 4  # candidates whose texts are compared where no hash is shared
_SUMMARY = re.compile(r"(?i)summar|compact|conversation so far|continued from|earlier messages")
_SUMMARY_WITHIN = 400  # characters from the start
_FEW = 4  # segments that are compared one by one
_SUMMED_UP = 4  # segments that a summary stands for, at least


class Match(NamedTuple):
    """The earlier call a request is compared with.

    Attributes:
        previous: that call.
        shared: segments from the start that are equal.
        relation: how they stand to each other.
        has_same_rest: whether segments behind the first difference are equal again.
        has_same_place: whether they are so at the same places, or the one that differs is
            another version of the earlier one.
    """

    previous: Prompt
    shared: int
    relation: str
    has_same_rest: bool = False
    has_same_place: bool = False


def shared_segments(one: Sequence[bytes], other: Sequence[bytes], start: int = 0) -> int:
    """Return how many segments from ``start`` on are equal."""
    low, high = start, min(len(one), len(other))
    if low >= high or one[low] != other[low]:
        return 0
    for at in range(low + 1, min(high, low + _FEW)):
        if one[at] != other[at]:  # as of conversations that only begin alike
            return at - start
    if one[low:high] == other[low:high]:  # as of most: the later request goes on with the earlier
        return high - low
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low - start


def best_match(call: Prompt, candidates: Iterable[Prompt], contents: Contents) -> Match | None:
    """Return the candidate of which the call could use most, the latest of several.

    Counted are the segments from the start, and those behind one changed segment; where nothing
    is shared, the latest few are compared by what they say. None: it continues none of them.
    """
    candidates = list(candidates)
    known: dict[str, _Overlap] = {}
    stable = _most_used(call, candidates, known)
    if stable is not None:
        return _match(call, stable, contents)
    best = nlargest(_LOOKED_AT, _overlaps(call, candidates, known), key=_use)
    for overlap in best:
        match = _match(call, overlap, contents)
        if match.relation != BRANCHED:
            return match
    if not best or not best[0].shared:
        return None
    return Match(best[0].previous, best[0].shared, BRANCHED)


class _Overlap(NamedTuple):
    previous: Prompt
    shared: int
    behind: int  # equal segments behind the first that differs
    is_stable: bool


def _most_used(
    call: Prompt, candidates: Sequence[Prompt], known: dict[str, _Overlap]
) -> _Overlap | None:
    """Return the candidate of which the call could use most, if one of the two has all the other.

    Of most calls that is the one before: older ones are not looked at, because they are shorter.
    What is compared is added to ``known``, by entry id.
    """
    best: _Overlap | None = None
    most, size = 0, len(call.segments)
    for candidate in reversed(candidates):
        length = min(len(candidate.segments), size)
        if length and length >= most and _is_related(call, candidate):
            known[candidate.entry.entry_id] = overlap = _overlap(call, candidate)
            if best is None or _use(overlap) > _use(best):
                best, most = overlap, overlap.shared + overlap.behind
    return best if best is not None and best.is_stable else None


def _overlaps(
    call: Prompt, candidates: Iterable[Prompt], known: Mapping[str, _Overlap]
) -> list[_Overlap]:
    """Return what the call has in common with candidates; of those with nothing, the latest."""
    related: list[_Overlap] = []
    others: list[Prompt] = []
    for candidate in candidates:
        if not candidate.segments:
            continue
        found = known.get(candidate.entry.entry_id)
        if found is not None:
            related.append(found)
        elif _is_related(call, candidate):
            related.append(_overlap(call, candidate))
        else:
            others.append(candidate)
    if len(others) > _LOOKED_AT:
        others = nlargest(_LOOKED_AT, others, key=lambda one: one.order)
    return related + [_Overlap(one, 0, 0, is_stable=False) for one in others]


def _is_related(call: Prompt, candidate: Prompt) -> bool:
    """Return whether two requests have their first segment in common, or their second."""
    one, other = call.segments, candidate.segments
    return one[0] == other[0] or (len(one) > 1 and len(other) > 1 and one[1] == other[1])


def _use(overlap: _Overlap) -> tuple[int, bool, tuple[int, str]]:
    return overlap.shared + overlap.behind, overlap.is_stable, overlap.previous.order


def _overlap(call: Prompt, previous: Prompt) -> _Overlap:
    shared = shared_segments(previous.segments, call.segments)
    if shared and shared in (len(previous.segments), len(call.segments)):
        return _Overlap(previous, shared, 0, is_stable=True)
    behind = shared_segments(previous.segments, call.segments, shared + 1)
    return _Overlap(previous, shared, behind, is_stable=False)


def _match(call: Prompt, overlap: _Overlap, contents: Contents) -> Match:
    previous, shared, behind, is_stable = overlap
    if is_stable:
        relation = EXTENDED if shared == len(previous.segments) else SHORTENED
        return Match(previous, shared, relation)
    old, new = previous.segments[shared + 1 :], call.segments[shared + 1 :]
    # Equal to the end in both may be two prompts for one question as well as one that changed.
    goes_on = 0 < behind == len(old) < len(new)
    if goes_on or _have_moved(previous.segments[shared:], call.segments[shared:]):
        return Match(previous, shared, CHANGED, has_same_rest=True, has_same_place=goes_on)
    if shared < min(len(previous.segments), len(call.segments)):
        before = contents.get(previous.segments[shared])
        after = contents.get(call.segments[shared])
        if before and after and _is_version(before, after, is_first=shared < 2):
            return Match(previous, shared, CHANGED, behind > 0, has_same_place=True)
        if after and is_summary(after) and len(previous.segments) - shared >= _SUMMED_UP:
            return Match(previous, shared, CHANGED)
    return Match(previous, shared, BRANCHED)


def is_summary(segment: Segment) -> bool:
    """Return whether a message says that it stands for earlier ones."""
    text = segment.text[:_SUMMARY_WITHIN]
    return segment.kind == MESSAGE and _SUMMARY.search(text) is not None


def _have_moved(old: Sequence[bytes], new: Sequence[bytes]) -> bool:
    """Return whether much of what an earlier request ended with stands elsewhere in the later."""
    common = len(set(old) & set(new))
    return common >= 2 and len(set(new)) > common and 2 * common >= min(len(old), len(new)) - 1


def _is_version(before: Segment, after: Segment, *, is_first: bool) -> bool:
    """Return whether one segment is another version of the other."""
    if before.kind != after.kind:
        return False
    if before.kind == TOOLS:
        old, new = ({tool_name(t) for t in s.tools} for s in (before, after))
        return len(old & new) >= _SAME_TOOLS * max(len(old), len(new), 1)
    if before.kind == MESSAGE and before.attachments != after.attachments:
        return before.text == after.text and bool(before.text)
    if similarity(before.text, after.text) < ALIKE:
        return False
    if before.kind == SYSTEM:
        return True
    difference = first_difference(before.text, after.text)
    return is_first and difference is not None and difference.rest_ratio >= _REST
