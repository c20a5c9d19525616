"""Which spans are two views of one call though none is the other's parent (rules R3 and R4)."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from spanledger_analytics.spans import Span
from spanledger_analytics.tokens import Tokens

# Two clocks in one process (JavaScript's, and the exporter's rounding) differ by about this much.
_ID_TOLERANCE_NS = 10_000_000
FALLBACK_TOLERANCE_NS = 1_000_000
# A log record is stamped when it is written, and its start is reckoned from a rounded duration.
LOG_TOLERANCE_NS = 1_000_000_000
_ID_TOLERANCE_DIVISOR = 10  # an id is strong evidence: a tenth of the shorter span may stick out
_MAX_OPEN = 64  # overlapping calls of one id or one usage looked at; keeps hostile input linear
_FEW_SCOPES = 16
_SEVERAL = 2

Link = Callable[[int, int], bool]


class Groups:
    """Sets of spans that are one call (union-find), with what decides further merges.

    ``ids``: what identifies each span's call to others, '' where the span does not say.
    """

    def __init__(self, spans: list[Span], tokens: list[Tokens], ids: list[str]) -> None:
        self.spans = spans
        self.ids = ids
        self._parent = list(range(len(spans)))
        self._is_joined = [False] * len(spans)
        self.input = [t.input for t in tokens]
        self.output = [t.output for t in tokens]
        self.is_failed = [
            span.status == "error" and not t.is_known for span, t in zip(spans, tokens, strict=True)
        ]
        self._scope = [_scope(span) for span in spans]
        self._scopes: dict[int, set[tuple[str, str]]] = {}  # of groups of several

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
        few, many = sorted((self._all_scopes(one), self._all_scopes(other)), key=len)
        many.update(few)  # the smaller into the larger: no group is copied again and again
        self.ids[one] = self.ids[one] or self.ids[other]
        self._parent[other] = one
        self._is_joined[one] = self._is_joined[other] = True
        self.input[one] = _larger(self.input[one], self.input[other])
        self.output[one] = _larger(self.output[one], self.output[other])
        self.is_failed[one] = self.is_failed[one] and self.is_failed[other]
        self._scopes[one] = many
        return one

    def is_lone_log(self, index: int) -> bool:
        """Return whether a span was a log record, and nobody knows yet of which call."""
        return self.spans[index].kind == "log" and not self._is_joined[index]

    def has_usage(self, root: int) -> bool:
        """Whether any view of the call reports tokens."""
        return self.input[root] is not None or self.output[root] is not None

    def _all_scopes(self, root: int) -> set[tuple[str, str]]:
        return self._scopes.get(root) or {self._scope[root]}

    def scopes_of(self, members: Iterable[int]) -> set[tuple[str, str]]:
        """Return the scopes of some spans: dialect and name; log records are a scope apart."""
        return {self._scope[index] for index in members}

    def has_scopes(self, root: int, scopes: set[tuple[str, str]]) -> bool:
        """Return whether views of a call come from all of these scopes; False for very many."""
        return len(scopes) <= _FEW_SCOPES and scopes <= self._all_scopes(root)

    def share_scope(self, one: int, other: int) -> bool:
        """Return whether two calls, given by their representatives, have a scope in common."""
        ours, theirs = self._scopes.get(one), self._scopes.get(other)
        if ours is None:
            scope = self._scope[one]
            return scope == self._scope[other] if theirs is None else scope in theirs
        return self._scope[other] in ours if theirs is None else not ours.isdisjoint(theirs)

    def have_two_ids(self, one: int, other: int) -> bool:
        """Return whether two spans' groups are known to be different calls by their ids."""
        ids = self.ids[self.find(one)], self.ids[self.find(other)]
        return bool(ids[0] and ids[1] and ids[0] != ids[1])


def _scope(span: Span) -> tuple[str, str]:
    return "log" if span.kind == "log" else span.dialect, span.scope_name


def link_logs(groups: Groups, call_parent: list[int]) -> None:
    """Join a call that a log record told of with the call span the record was written in.

    Such a record describes its span; it is no call below it, so ``call_parent`` forgets it. Where
    one scope wrote several records in a span, or other counts, they tell of calls below it.
    """
    written: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    for index, span in enumerate(groups.spans):
        above = call_parent[index]
        if span.kind == "log" and above >= 0 and groups.spans[above].key == span.parent_key:
            written[above, span.scope_name].append(index)
    for (above, _), records in written.items():
        if len(records) == 1 and _may_agree(groups, above, records[0]):
            groups.union(above, records[0])
            call_parent[records[0]] = -1


def link_stream_ends(groups: Groups, call_parent: list[int]) -> None:
    """Join a span that ended before its stream with the record that its scope wrote at the end.

    Logfire does so. The record hangs beside the span; a call below the span, seen by the client
    itself, tells by its tokens which of several streams the record is about.
    """
    below: dict[int, int] = {}
    for index, above in enumerate(call_parent):
        if above >= 0 and groups.has_usage(index):
            below[above] = -1 if above in below else index
    begun: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, span in enumerate(groups.spans):
        # Without a parent each lies in a trace of its own.
        home = span.trace_id if span.parent_span_id or not span.process else span.process
        place = home, span.parent_span_id, span.scope_name, span.request_model
        if span.kind == "log":
            own = _begun_before(groups, index, begun[place], below)
            if own is not None:
                begun[place].remove(own)
                call_parent[index] = -1
                groups.union(own, index)
                groups.union(own, below.get(own, own))
        elif span.status != "error" and not groups.has_usage(index):
            begun[place].append(index)
            del begun[place][:-_MAX_OPEN]


def _begun_before(
    groups: Groups, record: int, begun: list[int], below: Mapping[int, int]
) -> int | None:
    """Return which of some spans began the stream whose end a record tells; None: nobody knows."""
    usage = groups.input[record], groups.output[record]
    found: list[tuple[bool, bool, int, int]] = []
    for index in begun:
        inner = below.get(index)
        if inner == -1:
            continue  # it stands over several calls
        is_told = inner is not None and usage == (groups.input[inner], groups.output[inner])
        gap_ns = groups.spans[record].start_ns - groups.spans[index].end_ns
        if -FALLBACK_TOLERANCE_NS <= gap_ns <= LOG_TOLERANCE_NS or is_told:
            found.append((is_told, inner is None, -gap_ns, index))
    # Where the client counted otherwise, as of a stream that broke off, only one may be meant.
    told = [one for one in found if one[0] or one[1]] or (found if len(found) == 1 else [])
    return max(told)[-1] if told else None


def _may_agree(groups: Groups, one: int, other: int) -> bool:
    """Return whether no total that both report differs."""
    pairs = ((side[one], side[other]) for side in (groups.input, groups.output))
    return all(a is None or b is None or a == b for a, b in pairs)


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
        pair_up(groups, members, _is_one_call_by_id(groups))


def link_by_usage(groups: Groups, call_parent: list[int]) -> None:
    """Join views without a common id (rule R4): same trace or process, same tokens, same time.

    One must lie inside the other, but for views that a log record told of: their clocks are
    coarse. Views without any tokens (failed calls, streams) are joined when they are siblings, or
    failed at one model and are the roots of their traces.
    Needed where an instrumentation neither nests its span nor knows the response id.
    """
    live_below = Counter(p for i, p in enumerate(call_parent) if not groups.is_failed[i])
    silent: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    failed: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    by_trace: defaultdict[tuple[object, ...], list[int]] = defaultdict(list)
    by_process: defaultdict[tuple[object, ...], list[int]] = defaultdict(list)
    for index, span in enumerate(groups.spans):
        tokens_in, tokens_out = groups.input[index], groups.output[index]
        if tokens_in is None and tokens_out is None:
            # Views that report nothing say little: they must also hang on one parent, and be no
            # router over several calls.
            if live_below[index] < _SEVERAL:
                silent[_kind(span), span.trace_id, span.parent_span_id].append(index)
            is_root = groups.is_failed[index] and not span.parent_span_id
            if is_root and span.process and span.request_model:
                failed[_kind(span), span.process, span.request_model].append(index)
        elif tokens_in and (tokens_out is not None or span.role == "embedding"):
            by_trace[_kind(span), span.trace_id, tokens_in, tokens_out or 0].append(index)
            if span.process:
                by_process[_kind(span), span.process, tokens_in, tokens_out or 0].append(index)
    in_trace = [m for m in (*silent.values(), *by_trace.values()) if len(m) > 1]
    in_process = [m for m in (*failed.values(), *by_process.values()) if len(m) > 1]
    is_one_call = _is_one_call_by_usage(groups)
    for members in (*in_trace, *in_process):
        _join_below(groups, members, call_parent, is_one_call)
    for members in (*in_trace, *in_process):
        pair_up(groups, members, is_one_call)
    for found in (in_trace, in_process):  # a record's own trace before others
        logged = [m for m in found if any(map(groups.is_lone_log, m))]
        for are_close in (_are_nested, are_of_one_time):  # first those whose clocks agree
            for members in logged:
                pair_up(groups, members, _is_one_call_by_log(groups, are_close))
    _link_silent(groups, live_below)


def _join_below(
    groups: Groups, members: Sequence[int], call_parent: list[int], is_one_call: Link
) -> None:
    """Join views with the one they hang on, before any other can take them.

    Of parallel calls with equal tokens the outer view of one fits the inner view of another, too;
    both would become one, because each is tied to its own by its parent.
    """
    inside = set(members)
    for index in members:
        parent = call_parent[index]
        if parent in inside:
            mine, above = groups.find(index), groups.find(parent)
            if not groups.share_scope(mine, above) and is_one_call(parent, index):
                groups.union(above, mine)


def _link_silent(groups: Groups, live_below: Counter[int]) -> None:
    """Join a view without tokens with the one beside it that knows them.

    Comes last: a view that found its partner by id or by tokens takes no other of that scope.
    """
    siblings: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, span in enumerate(groups.spans):
        # A silent view with a call below it is that call's.
        is_leaf = groups.has_usage(groups.find(index)) or not live_below[index]
        if span.parent_span_id and is_leaf:
            siblings[_kind(span), span.trace_id, span.parent_span_id].append(index)
    is_one_call = _is_one_call_by_usage(groups)

    def completes(one: int, other: int) -> bool:
        knows = groups.has_usage(groups.find(one)), groups.has_usage(groups.find(other))
        ends_alike = not _end_differently(groups.spans[one], groups.spans[other])
        return knows[0] != knows[1] and ends_alike and is_one_call(one, other)

    for members in siblings.values():
        if len({groups.has_usage(groups.find(index)) for index in members}) > 1:
            pair_up(groups, members, completes)


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
        if is_inside(b, a, slack) or is_inside(a, b, slack):
            return True
        usage = (groups.input[one], groups.output[one])
        return usage == (groups.input[other], groups.output[other])

    return is_one_call


def _is_one_call_by_usage(groups: Groups) -> Link:
    def is_one_call(one: int, other: int) -> bool:
        if groups.is_lone_log(one) or groups.is_lone_log(other):
            return False
        a, b = groups.spans[one], groups.spans[other]
        return _are_nested(a, b) and not groups.have_two_ids(one, other) and is_same_model(a, b)

    return is_one_call


def _is_one_call_by_log(groups: Groups, are_close: Callable[[Span, Span], bool]) -> Link:
    def is_one_call(one: int, other: int) -> bool:
        if not (groups.is_lone_log(one) or groups.is_lone_log(other)):
            return False
        a, b = groups.spans[one], groups.spans[other]
        if not are_close(a, b) or _end_differently(a, b):
            return False
        return not groups.have_two_ids(one, other) and is_same_model(a, b)

    return is_one_call


def _are_nested(a: Span, b: Span) -> bool:
    return is_inside(a, b) or is_inside(b, a)


def _end_differently(a: Span, b: Span) -> bool:
    return (a.status == "error") != (b.status == "error")


def are_of_one_time(a: Span, b: Span) -> bool:
    """Return whether a log record may tell of what a span of its trace shows, or overlaps it."""
    if a.trace_id != b.trace_id:
        return False
    slack_ns = LOG_TOLERANCE_NS
    return a.start_ns <= b.end_ns + slack_ns and b.start_ns <= a.end_ns + slack_ns


def is_inside(inner: Span, outer: Span, slack_ns: int = FALLBACK_TOLERANCE_NS) -> bool:
    """Return whether a span lies inside another in time, or sticks out by no more than this."""
    return inner.start_ns >= outer.start_ns - slack_ns and inner.end_ns <= outer.end_ns + slack_ns


def pair_up(groups: Groups, members: Sequence[int], is_one_call: Link) -> None:
    """Join members of different scopes, each with the tightest partner that is still free.

    ``members`` must be sorted by start. Parallel calls with equal usage are told apart because a
    group takes at most one span of each scope.
    """
    scopes = groups.scopes_of(members)
    if len(scopes) == 1:
        return
    open_: list[tuple[int, int]] = []  # end and index of those that may find a partner
    for index in members:
        span, mine = groups.spans[index], groups.find(index)
        del open_[: bisect_left(open_, (span.start_ns - LOG_TOLERANCE_NS, -1))]
        for place, (_, other) in enumerate(open_):
            root = groups.find(other)
            if root == mine:
                break
            if not groups.share_scope(root, mine) and is_one_call(other, index):
                mine = groups.union(root, mine)
                if groups.has_scopes(mine, scopes):
                    del open_[place]
                break
        if not groups.has_scopes(mine, scopes):
            insort(open_, (span.end_ns, index))
            del open_[:-_MAX_OPEN]
