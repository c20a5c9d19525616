"""The form of a trace: how deep, how wide, and what its end waited for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import NamedTuple

from spanledger_analytics.spans import Span

_ROOT = ""


class TraceShape(NamedTuple):
    """``depth``: spans on the longest way down; ``fan_out``: most children of one span."""

    depth: int
    fan_out: int
    critical_path_ns: int


def trace_shape(spans: list[Span], waits: Collection[str]) -> TraceShape:
    """Return the form of one trace.

    The critical path is the chain of spans that the end of the trace waited for: backwards from the
    end, a span waited for the child that ended last, that child for the one that had ended when it
    began, and so on; the rest is the span's own time. It is the method of Uber's CRISP
    (https://www.usenix.org/conference/atc22/presentation/zhang-zhizhou), which the trace view draws
    (path.js). The time of spans that only wait is left out.

    Args:
        spans: of one trace, each once.
        waits: ids of the spans that only wait.
    """
    children = _children(spans)
    return TraceShape(
        depth=_depth(children),
        fan_out=max((len(c) for parent, c in children.items() if parent != _ROOT), default=0),
        critical_path_ns=_critical_path(spans, children, waits),
    )


def _children(spans: list[Span]) -> dict[str, list[Span]]:
    """Return the spans by their parent; without one that has arrived, they are roots."""
    known = {span.span_id for span in spans}
    children: defaultdict[str, list[Span]] = defaultdict(list)
    for span in spans:
        parent = span.parent_span_id
        children[parent if parent in known else _ROOT].append(span)
    return children


def _depth(children: dict[str, list[Span]]) -> int:
    depth, level = 0, children.get(_ROOT, [])
    while level:  # spans that are above one another in a circle hang below no root
        depth += 1
        level = [child for span in level for child in children.get(span.span_id, ())]
    return depth


def _critical_path(
    spans: list[Span], children: dict[str, list[Span]], waits: Collection[str]
) -> int:
    end = max((span.end_ns for span in spans), default=0)
    start = min((span.start_ns for span in spans), default=0)
    total = 0
    tasks: list[tuple[str, int, int]] = [(_ROOT, start, end)]
    while tasks:
        span_id, from_ns, to_ns = tasks.pop()
        is_counted = span_id != _ROOT and span_id not in waits
        at = to_ns
        for child in _last_ended(children.get(span_id, ()), to_ns):
            if at <= from_ns:
                break
            child_end = min(child.end_ns, to_ns)
            if child_end > at or child.start_ns >= at:
                continue
            if is_counted:
                total += max(0, at - child_end)
            tasks.append((child.span_id, child.start_ns, child_end))
            at = child.start_ns
        if is_counted:
            total += max(0, at - from_ns)
    return total


def _last_ended(children: Collection[Span], limit_ns: int) -> list[Span]:
    if len(children) < 2:
        return list(children)
    return sorted(children, key=lambda span: (-min(span.end_ns, limit_ns), -span.start_ns))
