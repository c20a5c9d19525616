"""Trajectories: one row each, from the rows of their traces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import pyarrow as pa

from spanledger_analytics import _rows
from spanledger_analytics.context_growth import lanes
from spanledger_analytics.intervals import length
from spanledger_analytics.spans import Dimensions
from spanledger_analytics.traces import TYPES, Trace
from spanledger_analytics.trajectory_status import CLOSED, OPEN, WAITING
from spanledger_analytics.trajectory_times import TrajectoryTimes, trajectory_times


class Trajectory(NamedTuple):
    """One row of ``trajectories`` without the two columns that only say how new it is.

    Field names are column names, except ``start_ns`` and ``end_ns`` (UTC nanoseconds), and
    ``lane_…`` for ``lanes.…``.
    """

    project: str
    trajectory_id: str
    trace_ids: tuple[str, ...]
    name: str
    start_ns: int
    end_ns: int
    status: str
    waits_for: str
    outcome: str
    score: float | None
    service_name: str
    environment: str
    agent_name: str
    agents: tuple[str, ...]
    models: tuple[str, ...]
    session_id: str
    user_id: str
    task_id: str
    dimensions: Dimensions
    traces: int
    requests: int
    failed_traces: int
    span_count: int
    error_count: int
    llm_calls: int
    embedding_calls: int
    tool_calls: int
    unpriced_calls: int
    calls_without_usage: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    total_cost_usd: Decimal | None
    depth: int
    fan_out: int
    trace_depth: int
    trace_fan_out: int
    trace_fan_in: int
    critical_path_ns: int
    active_ns: int
    waiting_ns: int
    waiting_human_ns: int
    idle_ns: int
    lane_agent_name: tuple[str, ...]
    lane_calls: tuple[int, ...]
    lane_first_prompt_tokens: tuple[int, ...]
    lane_last_prompt_tokens: tuple[int, ...]
    lane_max_prompt_tokens: tuple[int, ...]
    lane_tokens_per_call: tuple[float, ...]


_LANE = "lane_"
_TYPES: dict[str, pa.DataType] = {
    **TYPES,
    "trace_ids": _rows.STRINGS,
    **dict.fromkeys(
        ("traces", "requests", "failed_traces", "trace_depth", "trace_fan_out", "trace_fan_in"),
        _rows.SMALL_COUNT,
    ),
    "idle_ns": _rows.COUNT,
    "lane_agent_name": _rows.STRINGS,
    "lane_calls": pa.list_(_rows.SMALL_COUNT),
    "lane_first_prompt_tokens": pa.list_(_rows.COUNT),
    "lane_last_prompt_tokens": pa.list_(_rows.COUNT),
    "lane_max_prompt_tokens": pa.list_(_rows.COUNT),
    "lane_tokens_per_call": pa.list_(pa.float64()),
}


def _column(field: str) -> str:
    if field.startswith(_LANE):
        return f"lanes.{field.removeprefix(_LANE)}"
    return {"start_ns": "start_time", "end_ns": "end_time"}.get(field, field)


SCHEMA = pa.schema([(_column(name), _TYPES.get(name, _rows.STRING)) for name in Trajectory._fields])
"""Columns of the table, in the order of the fields."""
FIELDS = tuple(
    name.replace(_LANE, "lanes.", 1) if name.startswith(_LANE) else name
    for name in Trajectory._fields
)
"""Result columns of the statement ``trajectories_stored``, in the order of the fields."""


def in_order(traces: Iterable[Trace]) -> list[Trace]:
    """Return the traces of a trajectory as it tells of them: by start, then by id."""
    return sorted(traces, key=lambda trace: (trace.start_ns, trace.trace_id))


def derive_trajectory(trajectory_id: str, traces: Sequence[Trace]) -> Trajectory:
    """Return the row of a trajectory; pure.

    Args:
        trajectory_id: see trajectory_groups.py for how it is chosen.
        traces: all of them, at least one, as ``in_order`` returns them.
    """
    first = traces[0]
    ways = _ways(traces)
    times = trajectory_times(traces)
    outcome, score = _outcome(traces)
    growth = lanes(_calls(traces))
    costs = [t.total_cost_usd for t in traces if t.total_cost_usd is not None]
    start_ns, end_ns = first.start_ns, max(trace.end_ns for trace in traces)
    return Trajectory(
        project=first.project,
        trajectory_id=trajectory_id,
        trace_ids=tuple(trace.trace_id for trace in traces),
        name=_first(traces, "name"),
        start_ns=start_ns,
        end_ns=end_ns,
        status=_status(traces, times),
        waits_for=times.waits_for,
        outcome=outcome,
        score=score,
        service_name=_first(traces, "service_name"),
        environment=_first(traces, "environment"),
        agent_name=_first(traces, "agent_name"),
        agents=tuple(dict.fromkeys(agent for trace in traces for agent in trace.agents)),
        models=tuple(sorted({model for trace in traces for model in trace.models})),
        session_id=_first(traces, "session_id"),
        user_id=_first(traces, "user_id"),
        task_id=_first(traces, "task_id"),
        dimensions=_dimensions(traces),
        traces=len(traces),
        requests=sum(not parents for parents in ways.values()),
        failed_traces=sum(trace.error_count > 0 for trace in traces),
        span_count=_sum(traces, "span_count"),
        error_count=_sum(traces, "error_count"),
        llm_calls=_sum(traces, "llm_calls"),
        embedding_calls=_sum(traces, "embedding_calls"),
        tool_calls=_sum(traces, "tool_calls"),
        unpriced_calls=_sum(traces, "unpriced_calls"),
        calls_without_usage=_sum(traces, "calls_without_usage"),
        input_tokens=_sum(traces, "input_tokens"),
        cache_read_tokens=_sum(traces, "cache_read_tokens"),
        cache_write_tokens=_sum(traces, "cache_write_tokens"),
        output_tokens=_sum(traces, "output_tokens"),
        reasoning_tokens=_sum(traces, "reasoning_tokens"),
        total_cost_usd=sum(costs, Decimal(0)) if costs else None,
        depth=max(trace.depth for trace in traces),
        fan_out=max(trace.fan_out for trace in traces),
        trace_depth=_longest(ways),
        trace_fan_out=_widest(ways),
        trace_fan_in=max(len(parents) for parents in ways.values()),
        critical_path_ns=_critical_path(traces),
        active_ns=length(times.active),
        waiting_ns=length(times.waiting),
        waiting_human_ns=length(times.human),
        idle_ns=max(0, end_ns - start_ns) - length(times.active) - length(times.waiting),
        lane_agent_name=tuple(lane.agent_name for lane in growth),
        lane_calls=tuple(lane.calls for lane in growth),
        lane_first_prompt_tokens=tuple(lane.first_prompt_tokens for lane in growth),
        lane_last_prompt_tokens=tuple(lane.last_prompt_tokens for lane in growth),
        lane_max_prompt_tokens=tuple(lane.max_prompt_tokens for lane in growth),
        lane_tokens_per_call=tuple(lane.tokens_per_call for lane in growth),
    )


def _sum(traces: Sequence[Trace], name: str) -> int:
    if len(traces) == 1:  # as of most: it takes half of the time
        return int(getattr(traces[0], name))
    return sum(getattr(trace, name) for trace in traces)


def _first(traces: Sequence[Trace], name: str) -> str:
    if len(traces) == 1:
        return str(getattr(traces[0], name))
    return next((value for trace in traces if (value := str(getattr(trace, name)))), "")


def _outcome(traces: Sequence[Trace]) -> tuple[str, float | None]:
    """Return the outcome that was reported last, and its score or else the last one."""
    newest = sorted(traces, key=lambda trace: (trace.end_ns, trace.trace_id), reverse=True)
    told = next((trace for trace in newest if trace.outcome), newest[0])
    scores = (trace.score for trace in (told, *newest) if trace.score is not None)
    return told.outcome, next(scores, None)


def _dimensions(traces: Sequence[Trace]) -> Dimensions:
    found: dict[str, str] = {}
    for trace in traces:
        for name, value in trace.dimensions:
            found.setdefault(name, value)
    return tuple(sorted(found.items()))


def _calls(traces: Sequence[Trace]) -> list[tuple[int, str, int]]:
    """Return start, agent and prompt of all LLM calls, by time."""
    found: list[tuple[int, str, int]] = []
    for trace in traces:
        found += zip(trace.call_times, trace.call_lanes, trace.call_prompts, strict=True)
    return sorted(found, key=lambda call: call[0]) if len(traces) > 1 else found


def _ways(traces: Sequence[Trace]) -> dict[str, set[str]]:
    """Return by trace the traces it goes on with: those it links to, else where it began.

    Only traces that began before count, so that there is no circle.
    """
    before: set[str] = set()
    ways: dict[str, set[str]] = {}
    for trace in traces:
        parents = before.intersection(trace.linked_traces)
        if not parents and trace.began_in in before:
            parents = {trace.began_in}
        ways[trace.trace_id] = parents
        before.add(trace.trace_id)
    return ways


def _longest(ways: Mapping[str, set[str]]) -> int:
    depth: dict[str, int] = {}
    for trace_id, parents in ways.items():
        depth[trace_id] = 1 + max((depth[parent] for parent in parents), default=0)
    return max(depth.values())


def _widest(ways: Mapping[str, set[str]]) -> int:
    followers = Counter(parent for parents in ways.values() for parent in parents)
    return max(followers.values(), default=0)


def _critical_path(traces: Sequence[Trace]) -> int:
    """Return what the end waited for: the trace that ended last, the last one before it, etc."""
    total = 0
    at = max(trace.end_ns for trace in traces)
    for trace in sorted(traces, key=lambda t: (-t.end_ns, -t.start_ns, t.trace_id)):
        if trace.end_ns <= at and trace.start_ns < at:
            total += trace.critical_path_ns
            at = trace.start_ns
    return total


def _status(traces: Sequence[Trace], times: TrajectoryTimes) -> str:
    if times.pauses:
        return WAITING
    return OPEN if any(trace.status == OPEN for trace in traces) else CLOSED
