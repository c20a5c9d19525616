"""Which spans are two views of one call though none is the other's parent (rules R3 and R4)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from spanledger_analytics.spans import Span
from spanledger_analytics.tokens import Tokens

# Two clocks in one process (JavaScript's, and the exporter's rounding) differ by about this much.
_ID_TOLERANCE_NS = 10_000_000
FALLBACK_TOLERANCE_NS = 1_000_000
_ID_TOLERANCE_DIVISOR = 10  # an id is strong evidence: a tenth of the shorter span may stick out
_MAX_OPEN = 64  # overlapping calls of one id or one usage looked at; keeps hostile input linear

Link = Callable[[int, int], bool]


class Groups:
    """Sets of spans that are one call (union-find), with what decides further merges."""

    def __init__(self, spans: list[Span], tokens: list[Tokens]) -> None:
        self.spans = spans
        self._parent = list(range(len(spans)))
        self.input = [t.input for t in tokens]
        self.output = [t.output for t in tokens]
        self.is_failed = [
            span.status == "error" and not t.is_known for span, t in zip(spans, tokens, strict=True)
        ]
        self._scopes: dict[int, set[tuple[str, str]]] = {}
        self._ids: dict[int, str] = {}

    def find(self, index: int) -> int:
        """Return the representative of a span's group."""
        parent = self._parent
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    def union(self, one: int, other: int) -> int:
        """Make two groups one; return its representative."""
        one, other = self.find(one), self.find(other)
        if one == other:
            return one
        if other < one:
            one, other = other, one
        scopes = self.scopes(one) | self.scopes(other)
        response_id = self.response_id(one) or self.response_id(other)
        self._parent[other] = one
        self.input[one] = _larger(self.input[one], self.input[other])
        self.output[one] = _larger(self.output[one], self.output[other])
        self.is_failed[one] = self.is_failed[one] and self.is_failed[other]
        self._scopes[one], self._ids[one] = scopes, response_id
        return one

    def has_usage(self, root: int) -> bool:
        """Whether any view of the call reports tokens."""
        return self.input[root] is not None or self.output[root] is not None

    def scopes(self, root: int) -> set[tuple[str, str]]:
        """Return the (dialect, scope) pairs of the call's views."""
        found = self._scopes.get(root)
        return found or {(self.spans[root].dialect, self.spans[root].scope_name)}

    def response_id(self, root: int) -> str:
        """Return the provider's id of the call, '' when no view has it."""
        return self._ids.get(root) or self.spans[root].response_id


def _larger(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)


def link_by_response_id(groups: Groups, call_parent: list[int]) -> None:
    """Join views that carry one response id (rule R3), within and across traces.

    The id alone is not enough: test doubles and buggy gateways answer every call with the same
    id. Two views of one call come from different scopes and lie in one another in time; spans of
    one scope are different calls unless one is the other's parent.
    """
    by_id: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for index, span in enumerate(groups.spans):
        if span.response_id:
            by_id[_kind(span), span.response_id].append(index)
    for members in by_id.values():
        if len(members) == 1:
            continue
        inside = set(members)
        for index in members:
            if call_parent[index] in inside:
                groups.union(index, call_parent[index])
        _pair_up(groups, members, _is_one_call_by_id(groups))


def link_by_usage(groups: Groups) -> None:
    """Join views without a common id (rule R4): same process, same tokens, one inside the other.

    Views without any tokens (failed calls, streams) are joined when they are siblings. Needed
    where an instrumentation neither nests its span nor knows the response id.
    """
    by_usage: defaultdict[tuple[object, ...], list[int]] = defaultdict(list)
    for index, span in enumerate(groups.spans):
        tokens_in, tokens_out = groups.input[index], groups.output[index]
        if tokens_in is None and tokens_out is None:
            # Views that report nothing say little: they must also hang on one parent.
            by_usage[_kind(span), span.trace_id, span.parent_span_id].append(index)
        elif span.service_instance and tokens_in and tokens_out is not None:
            by_usage[_kind(span), span.service_instance, tokens_in, tokens_out].append(index)
    for members in by_usage.values():
        if len(members) > 1:
            _pair_up(groups, members, _is_one_call_by_usage(groups))


def is_same_model(one: Span, other: Span) -> bool:
    """Return whether two spans may speak of one model: names equal but for a date or a prefix."""
    names, others = _model_names(one), _model_names(other)
    if not names or not others:
        return True
    return any(a.startswith(b) or b.startswith(a) for a in names for b in others)


def _model_names(span: Span) -> list[str]:
    names = (span.request_model, span.response_model)
    return [name.rpartition("/")[2].lower() for name in names if name]


def _kind(span: Span) -> str:
    return "embedding" if span.role == "embedding" else "llm"


def _is_one_call_by_id(groups: Groups) -> Link:
    def is_one_call(one: int, other: int) -> bool:
        a, b = groups.spans[one], groups.spans[other]
        if a.start_ns > b.end_ns or b.start_ns > a.end_ns:
            return False
        shorter = min(a.end_ns - a.start_ns, b.end_ns - b.start_ns)
        slack = max(_ID_TOLERANCE_NS, shorter // _ID_TOLERANCE_DIVISOR)
        if _contains(a, b, slack) or _contains(b, a, slack):
            return True
        usage = (groups.input[one], groups.output[one])
        return usage == (groups.input[other], groups.output[other])

    return is_one_call


def _is_one_call_by_usage(groups: Groups) -> Link:
    def is_one_call(one: int, other: int) -> bool:
        a, b = groups.spans[one], groups.spans[other]
        id_a, id_b = groups.response_id(groups.find(one)), groups.response_id(groups.find(other))
        if id_a and id_b and id_a != id_b:
            return False
        slack = FALLBACK_TOLERANCE_NS
        return (_contains(a, b, slack) or _contains(b, a, slack)) and is_same_model(a, b)

    return is_one_call


def _contains(outer: Span, inner: Span, slack_ns: int) -> bool:
    return inner.start_ns >= outer.start_ns - slack_ns and inner.end_ns <= outer.end_ns + slack_ns


def _pair_up(groups: Groups, members: Iterable[int], is_one_call: Link) -> None:
    """Join members of different scopes, each with the tightest partner that is still free.

    ``members`` must be sorted by start. Parallel calls with equal usage are told apart because a
    group takes at most one span of each scope.
    """
    open_: list[int] = []
    for index in members:
        span = groups.spans[index]
        candidates = sorted(open_, key=lambda other: groups.spans[other].end_ns)
        for other in candidates:
            root, mine = groups.find(other), groups.find(index)
            if root == mine:
                break
            if groups.scopes(root).isdisjoint(groups.scopes(mine)) and is_one_call(other, index):
                groups.union(root, mine)
                break
        open_.append(index)
        if len(open_) > _MAX_OPEN:
            alive = span.start_ns - _ID_TOLERANCE_NS
            open_ = [i for i in open_ if groups.spans[i].end_ns >= alive][-_MAX_OPEN:]
