"""Which traces hold a second record of a tool call, told by service, tool and time (rule R9)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from itertools import accumulate
from typing import NamedTuple

from spanledger_analytics._siblings import FALLBACK_TOLERANCE_NS
from spanledger_analytics.spans import Span
from spanledger_analytics.tools import tool_key


class Interval(NamedTuple):
    """When a tool ran, in UTC nanoseconds; field names are columns of ``ledger_tool_spans``."""

    trace_id: str
    service_name: str
    tool_name: str
    start_ns: int
    end_ns: int


def intervals(spans: Iterable[Span]) -> list[Interval]:
    """Return when the tools of some spans ran."""
    return [Interval(s.trace_id, s.service_name, s.tool_name, s.start_ns, s.end_ns) for s in spans]


def traces_inside(inner: list[Interval], outer: list[Interval]) -> set[str]:
    """Return the traces of those of ``inner`` that lie inside one of ``outer``; O(n log n)."""
    found: set[str] = set()
    for those, these in _alike(inner, outer):
        starts = [one.start_ns for one in these]
        latest_ends = list(accumulate((one.end_ns for one in these), max))
        for one in those:
            at = bisect_right(starts, one.start_ns + FALLBACK_TOLERANCE_NS)
            if at and latest_ends[at - 1] >= one.end_ns - FALLBACK_TOLERANCE_NS:
                found.add(one.trace_id)
    return found


def traces_around(outer: list[Interval], inner: list[Interval]) -> set[str]:
    """Return the traces of those of ``outer`` that hold one of ``inner``; O(n log n)."""
    found: set[str] = set()
    for those, these in _alike(outer, inner):
        starts = [one.start_ns for one in these]
        first_ends = list(accumulate((one.end_ns for one in reversed(these)), min))
        for one in those:
            later = len(these) - bisect_left(starts, one.start_ns - FALLBACK_TOLERANCE_NS)
            if later and first_ends[later - 1] <= one.end_ns + FALLBACK_TOLERANCE_NS:
                found.add(one.trace_id)
    return found


def _alike(
    those: list[Interval], these: list[Interval]
) -> Iterable[tuple[list[Interval], list[Interval]]]:
    """Yield both sides by service and tool, ``these`` sorted by start."""
    by_tool: defaultdict[tuple[str, str], tuple[list[Interval], list[Interval]]] = defaultdict(
        lambda: ([], [])
    )
    for side, intervals_ in enumerate((those, these)):
        for one in intervals_:
            by_tool[one.service_name, tool_key(one.tool_name)][side].append(one)
    for left, right in by_tool.values():
        if left and right:
            yield left, sorted(right, key=lambda one: one.start_ns)
