"""Which spans are one call because one lies below the other (rule R2)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from spanledger_analytics._siblings import Groups, is_same_model
from spanledger_analytics.spans import Span, SpanKey

# A call below one of these was made by a tool, agent or call of another kind that the outer model
# started: work of its own, unless its tokens say otherwise.
_BOUNDARIES = frozenset({"tool", "agent", "guardrail", "retrieval", "llm", "embedding"})
_NOBODY = (-1, False)
_MOST_COMPARED = 64  # keeps hostile input linear


@dataclass(slots=True)
class Ancestry:
    """For every call span the nearest call span of its kind above it.

    ``parent`` holds indices, -1 for none; ``is_far[i]`` tells that a tool or agent lies between.
    """

    parent: list[int]
    is_far: list[bool]


_ROLES = {
    "llm": frozenset({"llm", "server"}),
    "embedding": frozenset({"embedding", "server"}),
    "aggregate": frozenset({"agent", "workflow"}),
}
_KINDS = {
    "llm": ("llm",),
    "embedding": ("embedding",),
    "server": ("llm", "embedding"),
    "agent": ("aggregate",),
    "workflow": ("aggregate",),
}


def ancestry(calls: list[Span], spans: dict[SpanKey, Span]) -> Ancestry:
    """Find for each of some spans the nearest of them above it that is of its kind.

    Kinds are model calls, embeddings, and aggregates (agents and workflows); a server's span is
    of its client's kind. Linear, without recursion; parent cycles are cut.
    """
    index = {span.key: i for i, span in enumerate(calls)}
    memos: dict[str, dict[SpanKey, tuple[int, bool]]] = {kind: {} for kind in _ROLES}
    parent: list[int] = []
    is_far: list[bool] = []
    for span in calls:
        found = _NOBODY
        for kind in _KINDS[span.role]:
            found = _nearest(span.parent_key, _ROLES[kind], spans, index, memos[kind])
            if found[0] >= 0:
                break
        parent.append(found[0])
        is_far.append(found[1])
    _cut_cycles(parent)
    return Ancestry(parent, is_far)


def _nearest(
    start: SpanKey,
    roles: frozenset[str],
    spans: dict[SpanKey, Span],
    index: dict[SpanKey, int],
    memo: dict[SpanKey, tuple[int, bool]],
) -> tuple[int, bool]:
    """Return the nearest indexed span at or above one, and whether a boundary lies before it."""
    path: list[Span] = []
    key = start
    while key not in memo:
        span = spans.get(key)
        if span is None:
            break
        memo[key] = _NOBODY  # a cycle comes back here and ends
        path.append(span)
        key = (span.trace_id, span.parent_span_id)
    found = memo.get(key, _NOBODY)
    for span in reversed(path):
        key = (span.trace_id, span.span_id)
        if span.role in roles and key in index:
            found = (index[key], False)
        elif found[0] >= 0 and span.role in _BOUNDARIES:
            found = (found[0], True)
        memo[key] = found
    return found


def _cut_cycles(parent: list[int]) -> None:
    """Make the first member of each cycle a root; ``parent`` is changed in place."""
    walk = [-1] * len(parent)
    for start in range(len(parent)):
        index = start
        while index >= 0 and walk[index] < 0:
            walk[index] = start
            index = parent[index]
        if index >= 0 and walk[index] == start:
            cycle = [index]
            while parent[cycle[-1]] != index:
                cycle.append(parent[cycle[-1]])
            parent[min(cycle)] = -1


@dataclass(slots=True)
class _Found:
    """Calls found below a span. Parts nest, so that passing them up a long chain costs nothing.

    ``size`` counts calls, ``live`` those that are more than a failed attempt; ``single`` is the
    group when there is exactly one live call or when there is one call in all.
    """

    parts: list[int | _Found] = field(default_factory=list["int | _Found"])
    size: int = 0
    live: int = 0
    used: int = 0
    input: int = 0
    output: int = 0
    single: int = -1

    def add(self, other: _Found) -> None:
        """Count another set of calls in."""
        if not other.parts:
            return
        [first, *more] = other.parts
        self.parts.append(other if more or isinstance(first, int) else first)
        self.size += other.size
        self.single = other.single if self.live == 0 else -1 if other.live else self.single
        self.live += other.live
        self.used += other.used
        self.input += other.input
        self.output += other.output

    def roots(self) -> list[int]:
        """Return all groups in it."""
        found: list[int] = []
        stack: list[int | _Found] = list(self.parts)
        while stack:
            part = stack.pop()
            if isinstance(part, int):
                found.append(part)
            else:
                stack.extend(part.parts)
        return found


def _one(groups: Groups, root: int) -> _Found:
    used = groups.has_usage(root)
    return _Found(
        parts=[root],
        size=1,
        live=int(not groups.is_failed[root]),
        used=int(used),
        input=groups.input[root] or 0,
        output=groups.output[root] or 0,
        single=root,
    )


def _without_single(found: _Found) -> _Found:
    """Return what stands beside the one live call of a finding: failed attempts elsewhere."""
    rest = _Found()
    for part in found.parts:
        if isinstance(part, _Found) and not part.live:
            rest.add(part)
    return rest


def _is_close(one: int, other: int) -> bool:
    return 2 * max(one, other) <= 3 * min(one, other)


class _Below:
    """What was found below one call span, near and beyond a tool or agent."""

    __slots__ = ("far", "near")

    def __init__(self) -> None:
        self.near: list[_Found] = []
        self.far: list[_Found] = []


def merge_nested(groups: Groups, above: Ancestry) -> set[int]:
    """Join outer and inner views of one call in place; return groups that are not calls.

    1. One call below a span: the same call, seen from further out.
    2. Several below: the span is an aggregate of them, or a router or fallback over them; they
       are the calls and the span is none.
    3. Failed attempts without usage beside the one that answered belong to its call when they
       asked the same model; attempts at other models are calls of their own.
    """
    nesting = _Nesting(groups)
    pending = [0] * len(above.parent)
    for parent in above.parent:
        if parent >= 0:
            pending[parent] += 1
    ready = deque(i for i, count in enumerate(pending) if not count)
    while ready:
        index = ready.popleft()
        parent = above.parent[index]
        if parent < 0 and not nesting.has_below(index):
            continue  # the usual call: nothing above, nothing below
        main, beyond = nesting.resolve(index)
        if parent < 0:
            continue
        below = nesting.below(parent)
        (below.far if above.is_far[index] else below.near).append(main)
        if beyond is not None:
            below.far.append(beyond)
        pending[parent] -= 1
        if not pending[parent]:
            ready.append(parent)
    return {groups.find(index) for index in nesting.wrappers}


class _Nesting:
    def __init__(self, groups: Groups) -> None:
        self._groups = groups
        self._below: dict[int, _Below] = {}
        self.wrappers: list[int] = []

    def below(self, index: int) -> _Below:
        return self._below.setdefault(index, _Below())

    def has_below(self, index: int) -> bool:
        return index in self._below

    def resolve(self, index: int) -> tuple[_Found, _Found | None]:
        """Decide about one span whose children are decided.

        Returns the calls it stands for, and those beyond a tool or agent that stay apart.
        """
        below = self._below.pop(index, None)
        own = self._groups.find(index)
        if below is None:
            return _one(self._groups, own), None
        near, far = self._collect(below.near, own), self._collect(below.far, own)
        if far.parts and self._takes_far(own, near, far):
            near.add(far)
            far = _Found()
        return self._resolve_near(index, near, below.near), far if far.parts else None

    def _collect(self, found: list[_Found], own: int) -> _Found:
        """Add findings up, each group once; views already known to be this span's are left out."""
        total = _Found()
        seen = {own}
        for one in found:
            if len(one.parts) == 1 and isinstance(one.parts[0], int):
                root = self._groups.find(one.parts[0])
                if root in seen:
                    continue
                seen.add(root)
                one = _one(self._groups, root)
            total.add(one)
        return total

    def _takes_far(self, own: int, near: _Found, far: _Found) -> bool:
        """Tell whether calls beyond a tool or agent explain the span's own tokens."""
        groups = self._groups
        if not groups.has_usage(own):
            return near.live == 0 and self._may_wrap(own, far)
        usage = (groups.input[own] or 0, groups.output[own] or 0)
        return far.used > 0 and usage == (near.input + far.input, near.output + far.output)

    def _may_wrap(self, own: int, far: _Found) -> bool:
        """Tell whether a span without tokens can be nothing but its view of what lies far below.

        One that names its model had a call of its own, unless the only one below is at that model.
        """
        spans = self._groups.spans
        if far.live == 1:
            return is_same_model(spans[far.single], spans[own])
        return not far.live or not (spans[own].request_model or spans[own].response_model)

    def _resolve_near(self, index: int, near: _Found, children: list[_Found]) -> _Found:
        groups = self._groups
        own = groups.find(index)
        if self._is_own_child(own, children):
            # Seen twice, as this span and as one of its children: the others are other calls.
            rest = self._absorb_failed(own, near)
            return self._with(own, rest)
        if near.live == 0:
            return self._resolve_failed(own, near)
        if self._is_apart(own, near):
            return self._with(own, self._absorb_failed(own, near))
        if near.live == 1:
            root = groups.union(own, near.single)
            return self._with(root, self._absorb_failed(root, near))
        if self._covers(own, near):
            for root in near.roots():
                own = groups.union(own, root)
            return _one(groups, own)
        self.wrappers.append(index)
        return near

    def _is_apart(self, own: int, near: _Found) -> bool:
        """Tell whether the span is a call of its own, during which others were made.

        A helper that an agent's step asks, for example: another model, and other amounts than the
        span's. Amounts of one call that two instrumentations count come close.
        """
        groups = self._groups
        if not groups.has_usage(own) or near.used < near.live or near.size > _MOST_COMPARED:
            return False
        usage = (groups.input[own] or 0, groups.output[own] or 0)
        if _is_close(usage[0], near.input) or _is_close(usage[1], near.output):
            return False
        outer = groups.spans[own]
        for root in near.roots():
            if groups.is_failed[root]:
                continue
            amounts = (groups.input[root] or 0, groups.output[root] or 0)
            is_echo = all(map(_is_close, usage, amounts))  # a router that repeats what it chose
            inner = groups.spans[root]
            if is_echo or inner.role == "server" or is_same_model(inner, outer):
                return False
        return True

    def _is_own_child(self, own: int, children: list[_Found]) -> bool:
        find = self._groups.find
        return any(
            len(one.parts) == 1 and isinstance(one.parts[0], int) and find(one.parts[0]) == own
            for one in children
        )

    def _resolve_failed(self, own: int, near: _Found) -> _Found:
        """Decide about a span below which everything failed without usage, or nothing was."""
        rest = self._absorb_failed(own, near)
        if self._groups.is_failed[own] and rest.parts and len(rest.parts) == len(near.parts):
            self.wrappers.append(own)  # a router none of whose models answered
            return rest
        return self._with(self._groups.find(own), rest)

    def _absorb_failed(self, root: int, near: _Found) -> _Found:
        """Join failed attempts at the root's model to it; return what is left beside it."""
        groups = self._groups
        rest = _Found()
        for part in near.parts:
            inner = part.parts[0] if isinstance(part, _Found) and len(part.parts) == 1 else part
            if isinstance(inner, int):
                other = groups.find(inner)
                if other == groups.find(root):
                    continue
                same = is_same_model(groups.spans[other], groups.spans[root])
                if groups.is_failed[other] and same:
                    groups.union(root, other)
                    continue
                rest.add(_one(groups, other))
            elif inner.live == 1 and groups.find(inner.single) == groups.find(root):
                rest.add(_without_single(inner))
            else:
                rest.add(inner)
        return rest

    def _with(self, root: int, rest: _Found) -> _Found:
        total = _one(self._groups, self._groups.find(root))
        if not rest.parts:
            return total
        both = _Found()
        both.add(total)
        both.add(rest)
        return both

    def _covers(self, own: int, near: _Found) -> bool:
        """Tell whether the span knows more tokens than calls of which some report none."""
        groups = self._groups
        if not groups.has_usage(own) or near.used == near.live:
            return False
        usage = (groups.input[own] or 0, groups.output[own] or 0)
        known = (near.input, near.output)
        return usage != known and usage[0] >= known[0] and usage[1] >= known[1]
