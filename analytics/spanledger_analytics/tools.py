"""From spans to tool calls: every execution once, however many instrumentations saw it (R9)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from spanledger_analytics import _views
from spanledger_analytics._siblings import Groups, are_of_one_time, is_inside, pair_up
from spanledger_analytics.spans import Span, SpanKey
from spanledger_analytics.tokens import UNKNOWN

# What frameworks put before a tool's own name: mcp__server__tool, Plugin-tool, namespace.tool.
_PREFIX = re.compile(r"^.*(?:__|[-.:/])(?=.)")
_SEVERAL = 2
# Work below one of these was not done by the tool call above it, but by a model or an agent.
_BOUNDARIES = frozenset({"agent", "workflow", "llm", "embedding"})


class ToolCall(NamedTuple):
    """One execution of a tool; ``views`` are all spans it was seen in, the primary first."""

    primary: Span
    views: tuple[Span, ...]


def derive_tool_calls(spans: Mapping[SpanKey, Span]) -> list[Span]:
    """Return one span for each execution of a tool: the outermost, in the agent's own trace."""
    return [call.primary for call in tool_executions(spans)]


def tool_executions(spans: Mapping[SpanKey, Span]) -> list[ToolCall]:
    """Return each execution of a tool once, with all spans it was seen in.

    One execution are the spans of a framework, an MCP client and an MCP server

    1. that lie below one another, without an agent or a model call in between,
    2. that carry one call id in one trace, as long as none follows another that succeeded, or
    3. of different scopes of one process or service, with one tool name, one inside the other in
       time, of which the inner may be a trace of its own: its context was not passed on.

    ``spans`` hold whole traces, each span once. Pure, and linear in their number.
    """
    tools = sorted((s for s in spans.values() if s.role == "tool"), key=_order)
    groups = Groups(tools, [UNKNOWN] * len(tools), [span.tool_call_id for span in tools])
    _link_nested(groups, spans)
    _link_by_call_id(groups)
    _link_by_name(groups)
    members: defaultdict[int, list[Span]] = defaultdict(list)
    for index, span in enumerate(tools):
        members[groups.find(index)].append(span)
    return [_tool_call(views) for views in members.values()]


def _tool_call(views: list[Span]) -> ToolCall:
    if len(views) == 1:
        return ToolCall(views[0], (views[0],))
    primary = _views.primary_view(views)
    return ToolCall(primary, (primary, *(view for view in views if view is not primary)))


def model_call_above(span: Span, spans: Mapping[SpanKey, Span]) -> Span | None:
    """Return the model call that a span was recorded below; None: an agent's, or nobody's."""
    seen: set[SpanKey] = set()
    key = span.parent_key
    while key not in seen:
        seen.add(key)
        above = spans.get(key)
        if above is None or above.role in ("agent", "workflow"):
            return None
        if above.role in ("llm", "embedding"):
            return above
        key = above.parent_key
    return None


@lru_cache(maxsize=4096)
def tool_key(name: str) -> str:
    """Return a tool's name without what frameworks put before it."""
    return _PREFIX.sub("", name)


def is_same_tool(one: str, other: str) -> bool:
    """Return whether two names may mean one tool: equal but for a prefix, or one unknown."""
    if not one or not other or one == other:
        return True
    return tool_key(one) == tool_key(other) and (one.endswith(other) or other.endswith(one))


def _order(span: Span) -> tuple[int, int, str, str]:
    return span.start_ns, -span.end_ns, span.trace_id, span.span_id


def _link_nested(groups: Groups, spans: Mapping[SpanKey, Span]) -> None:
    index = {span.key: i for i, span in enumerate(groups.spans)}
    names = [span.tool_name for span in groups.spans]
    above: dict[SpanKey, int] = {}  # the tool at or above a span, -1 for none
    for i, span in enumerate(groups.spans):
        parent = _nearest_tool(span.parent_key, spans, index, above)
        if (
            parent >= 0
            and is_same_tool(names[parent], names[i])
            and not groups.have_two_ids(parent, i)
        ):
            names[i] = names[i] or names[parent]
            groups.union(parent, i)


def _nearest_tool(
    key: SpanKey,
    spans: Mapping[SpanKey, Span],
    index: dict[SpanKey, int],
    above: dict[SpanKey, int],
) -> int:
    path: list[SpanKey] = []
    found = -1
    while key not in above:
        above[key] = -1  # a cycle comes back here and ends
        path.append(key)
        span = spans.get(key)
        if span is None or span.role in _BOUNDARIES:
            break
        if span.role == "tool":
            found = index[key]
            break
        key = span.parent_key
    else:
        found = above[key]
    for key in path:
        above[key] = found
    return found


def _link_by_call_id(groups: Groups) -> None:
    by_id: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for index, span in enumerate(groups.spans):
        if span.tool_call_id:
            by_id[span.trace_id, span.tool_call_id].append(index)
    for members in by_id.values():
        latest = members[0]  # the one that ended last
        for index in members[1:]:
            if _is_one_execution(groups.spans[latest], groups.spans[index]):
                groups.union(latest, index)
            if groups.spans[index].end_ns >= groups.spans[latest].end_ns:
                latest = index


def _is_one_execution(earlier: Span, later: Span) -> bool:
    """Tell whether a call id means one execution: some clients number the calls of each answer."""
    if not is_same_tool(earlier.tool_name, later.tool_name):
        return False
    is_again = later.start_ns > earlier.end_ns
    if is_again and "log" in (earlier.kind, later.kind):
        is_again = not are_of_one_time(earlier, later)
    return not is_again or earlier.status == "error"


def _link_by_name(groups: Groups) -> None:
    if len(groups.scopes_of(range(len(groups.spans)))) < _SEVERAL:
        return
    same: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for index, span in enumerate(groups.spans):
        if span.tool_name:
            same[span.service_name, tool_key(span.tool_name)].append(index)

    def is_one_call(one: int, other: int) -> bool:
        a, b = groups.spans[one], groups.spans[other]
        if a.service_instance and b.service_instance and a.service_instance != b.service_instance:
            return False
        if groups.have_two_ids(one, other) or not is_same_tool(a.tool_name, b.tool_name):
            return False
        is_log = groups.is_lone_log(one) or groups.is_lone_log(other)
        return _holds(a, b) or _holds(b, a) or (is_log and are_of_one_time(a, b))

    for members in same.values():
        if len(members) > 1:
            pair_up(groups, members, is_one_call)


def _holds(outer: Span, inner: Span) -> bool:
    is_reachable = outer.trace_id == inner.trace_id or not inner.parent_span_id
    return is_reachable and is_inside(inner, outer)
