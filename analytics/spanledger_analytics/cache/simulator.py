"""A prompt cache, replayed: what calls would have read and written under other rules.

Positions are the segments of the prompts; tokens at them are exact where a call ended there, and
estimated in between. Where the provider caches by itself, every position can be read from; where
blocks are marked, what a call marks is the head that it shares with other conversations, the end
of its system prompt, and its own end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

from spanledger_analytics.cache.calls import Prompt
from spanledger_analytics.cache.limits import CacheRules
from spanledger_analytics.cache.texts import MESSAGE, Segment


class Replayed(NamedTuple):
    """A call to replay.

    Attributes:
        start_ns: its start.
        ready_ns: from when on others can read what it put into the cache.
        nodes: a hash of the prompt up to each segment, in order.
        tokens: input tokens up to each; the last is all of it.
        marks: how many segments lie before each marked block's end, ascending.
    """

    start_ns: int
    ready_ns: int
    nodes: tuple[int, ...]
    tokens: tuple[int, ...]
    marks: tuple[int, ...]


class Used(NamedTuple):
    """Tokens of one call that the replayed cache would have had, and would have taken in."""

    read: int
    written: int


class Keeping(NamedTuple):
    """What a replay assumes besides the provider's rules.

    Attributes:
        ttl_s: lifetime without use.
        pings: keep-alive reads of a head after its last use, at most; one at the end of each
            lifetime.
    """

    ttl_s: int
    pings: int = 0


class Replay(NamedTuple):
    """What a replay gives: per call in the order of ``calls``, and tokens of keep-alive reads."""

    used: list[Used]
    pinged_tokens: int


class _Kept:
    __slots__ = ("last_ns", "pings", "ready_ns", "tokens")

    def __init__(self, tokens: int, ready_ns: int) -> None:
        self.tokens, self.ready_ns, self.last_ns, self.pings = tokens, ready_ns, ready_ns, 0


def replay(calls: Sequence[Replayed], rules: CacheRules, keeping: Keeping) -> Replay:
    """Return what each call would have read and written; ``calls`` in order of start.

    1. The longest prefix that is in the cache, ready and not expired is read; that starts its
       lifetime anew, and that of the marked blocks within it.
    2. What follows is written: up to the last mark, or all of it where caching is automatic.
    3. A prefix shorter than the minimum is neither read nor written.
    """
    ttl_ns = keeping.ttl_s * 10**9
    kept: dict[int, _Kept] = {}
    heads = {call.nodes[call.marks[0] - 1] for call in calls if len(call.marks) > 1}
    used: list[Used] = []
    for call in calls:
        places = range(1, len(call.nodes) + 1) if rules.is_automatic else call.marks
        read, hit = 0, 0
        for place in range(len(call.nodes), 0, -1):
            node = kept.get(call.nodes[place - 1])
            if node is None or node.ready_ns > call.start_ns:
                continue
            pings = keeping.pings if call.nodes[place - 1] in heads else 0
            if call.start_ns - node.last_ns <= ttl_ns * (pings + 1):
                read, hit = _stepped(min(node.tokens, call.tokens[place - 1]), rules), place
                break
        if not read:
            hit = 0
        for place in places:
            _keep(kept, call, place, is_read=place <= hit, ttl_ns=ttl_ns, rules=rules)
        if hit and call.nodes[hit - 1] in kept:
            _use(kept[call.nodes[hit - 1]], call.start_ns, ttl_ns)
        last = call.tokens[places[-1] - 1] if places else 0
        used.append(Used(read, max(0, _stepped(last, rules) - read)))
    return Replay(used, _pinged(kept, heads, calls, keeping))


def replayed_calls(
    calls: Sequence[Prompt], texts: Mapping[bytes, Segment], stable: frozenset[int] = frozenset()
) -> list[Replayed]:
    """Return prompts of one pool in order of start as calls to replay; those without are left out.

    Args:
        calls: the calls.
        texts: what segments say, as far as it is known: their sizes place a call's tokens.
        stable: places of segments that are taken as equal in all calls: a prompt as it could be.
    """
    ordered = sorted((call for call in calls if call.segments), key=lambda call: call.order)
    nodes = [_nodes(call.segments, stable) for call in ordered]
    anchors = {
        chain[-1]: call.entry.input_tokens for call, chain in zip(ordered, nodes, strict=True)
    }
    lanes: defaultdict[int, set[int]] = defaultdict(set)
    for call, chain in zip(ordered, nodes, strict=True):
        for node in chain:
            lanes[node].add(call.entry.lane)
    shared = {node for node, of in lanes.items() if len(of) > 1}
    made: list[Replayed] = []
    for call, chain in zip(ordered, nodes, strict=True):
        heads = {sum(node in shared for node in chain), _instructions(call, texts)}
        marks = (*sorted(head for head in heads if 0 < head < len(chain)), len(chain))
        tokens = _places(call, chain, anchors, texts)
        made.append(Replayed(call.start_ns, call.ready_ns, chain, tokens, marks))
    return made


def _keep(
    kept: dict[int, _Kept],
    call: Replayed,
    place: int,
    *,
    is_read: bool,
    ttl_ns: int,
    rules: CacheRules,
) -> None:
    node, tokens = call.nodes[place - 1], call.tokens[place - 1]
    if tokens < rules.minimum_tokens:
        return
    known = kept.get(node)
    if known is not None and is_read:
        _use(known, call.start_ns, ttl_ns)
    elif known is None or known.ready_ns <= call.start_ns:
        fresh = _Kept(tokens, call.ready_ns)
        fresh.pings = known.pings if known else 0
        kept[node] = fresh


def _use(node: _Kept, now_ns: int, ttl_ns: int) -> None:
    node.pings += max(0, now_ns - node.last_ns) // ttl_ns
    node.last_ns = max(node.last_ns, now_ns)


def _pinged(
    kept: Mapping[int, _Kept], heads: set[int], calls: Sequence[Replayed], keeping: Keeping
) -> int:
    """Return tokens of all keep-alive reads, those after the last use of each head among them."""
    if not keeping.pings or not calls:
        return 0
    end_ns, ttl_ns = calls[-1].start_ns, keeping.ttl_s * 10**9
    total = 0
    for name in heads & kept.keys():
        node = kept[name]
        after = min(keeping.pings, max(0, end_ns - node.last_ns) // ttl_ns)
        total += node.tokens * (node.pings + after)
    return total


def _stepped(tokens: int, rules: CacheRules) -> int:
    whole = tokens // rules.step_tokens * rules.step_tokens
    return whole if whole >= rules.minimum_tokens else 0


def _nodes(segments: Sequence[bytes], stable: frozenset[int]) -> tuple[int, ...]:
    made: list[int] = []
    chain = blake2b(digest_size=8)
    for place, segment in enumerate(segments):
        chain.update(b"stable" if place in stable else segment)
        made.append(int.from_bytes(chain.digest(), "little"))
    return tuple(made)


def _instructions(call: Prompt, texts: Mapping[bytes, Segment]) -> int:
    """Return how many segments at the start are tools and system prompt."""
    count = 0
    for segment in call.segments:
        text = texts.get(segment)
        if text is None or text.kind == MESSAGE:
            break
        count += 1
    return count


def _places(
    call: Prompt, chain: Sequence[int], anchors: Mapping[int, int], texts: Mapping[bytes, Segment]
) -> tuple[int, ...]:
    """Return the tokens up to each segment: known where a call ended, by size in between."""
    known = [texts[segment].size for segment in call.segments if segment in texts]
    usual = max(1, sum(known) // len(known)) if known else 1
    weights = [texts[one].size if one in texts else usual for one in call.segments]
    total = call.entry.input_tokens
    tokens: list[int] = []
    start, base = 0, 0
    for place, node in enumerate(chain):
        end = total if place == len(chain) - 1 else anchors.get(node)
        if end is None or not base <= end <= total:
            continue
        weight, so_far = max(1, sum(weights[start : place + 1])), 0
        for one in weights[start : place + 1]:
            so_far += one
            tokens.append(base + (end - base) * so_far // weight)
        tokens[-1] = end
        start, base = place + 1, end
    return tuple(tokens)
