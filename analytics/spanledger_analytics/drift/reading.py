"""Reads what agents did on a day and on the days before, one object per trajectory."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Literal as OneOf
from typing import NamedTuple, cast

from spanledger_analytics._rows import Literal, batches, integers, strings
from spanledger_analytics.drift.features import Sample, Trajectory
from spanledger_analytics.tools import tool_key
from spanledger_storage.store import Store

DAY_S = 86_400
REFERENCE_DAYS = 14
MOST_TRAJECTORIES = 2_000
_MOST_REQUESTS = 200  # of a trajectory: a conversation that never ends says no more with more
_MOST_CALLS = 2_000
_ANSWERS = {
    "stop": "answered",
    "length": "cut off",
    "content_filter": "refused",
    "tool_calls": "in a tool call",
    "error": "failed",
}
_KNOWN_OUTCOMES = ("completed", "failed", "escalated", "abandoned")

Row = dict[str, object]
Statement = OneOf["drift_tools", "drift_answers", "drift_calls"]


class Tools(NamedTuple):
    """Executions of tools of a trace, in order, each once, and how many failed."""

    names: list[str]
    failed: int


def read_samples(store: Store, project: str, day: int) -> list[Sample]:
    """Return every version of every agent that worked on a day, with what to compare it with.

    What a trajectory did on the day and before it are two: a conversation that began yesterday is
    not over, and one that began before goes on. Its numbers are means over requests, so that both
    compare. Of an agent, version and side at most 2,000 trajectories are read, always the same.

    Args:
        store: the telemetry store.
        project: whose agents.
        day: days since 1970, UTC.

    Raises:
        StoreError: the store does not answer.
    """
    day_s = day * DAY_S
    params: dict[str, object] = {
        "project": project,
        "from_s": max(0, day_s - REFERENCE_DAYS * DAY_S),
        "day_s": day_s,
        "to_s": day_s + DAY_S,
        "most_trajectories": MOST_TRAJECTORIES,
        "most_requests": _MOST_REQUESTS,
    }
    requests = cast("list[Row]", store.arrow("drift_requests", params).to_pylist())
    details = _Details(store, project, [str(row["trace_id"]) for row in requests])
    return _samples(requests, details)


def tools_of(calls: Iterable[tuple[str, str, str, str, int, int]]) -> Tools:
    """Return the executions that spans of tools tell of.

    Args:
        calls: span id, id of the span above, tool, call id, whether it failed and whether a log
            record tells of it, by start.
    """
    spans = list(calls)
    if not all(is_log for *_, is_log in spans):
        spans = [span for span in spans if not span[-1]]
    name_of = {span_id: tool_key(name) for span_id, _, name, *_ in spans}
    order: dict[str, str] = {}
    failed: set[str] = set()
    first: dict[str, str] = {}  # span → execution
    for span_id, parent_id, name, call_id, is_failed, _ in spans:
        key = tool_key(name)
        execution = f"{call_id}\0{key}" if call_id else span_id
        if name_of.get(parent_id) == key:
            execution = first.get(parent_id, execution)  # the client and the server of one call
        first[span_id] = execution
        order.setdefault(execution, key)
        if is_failed:
            failed.add(execution)
    return Tools(list(order.values()), len(failed))


def answer_of(status: str, finish_reason: str, output_tokens: int | None) -> str:
    """Return how the last call of a model ended; empty: nobody says."""
    if status == "error":
        return "failed"
    if output_tokens == 0 and finish_reason in ("stop", ""):
        return "empty"
    return _ANSWERS.get(finish_reason, "otherwise" if finish_reason else "")


class _Details:
    """What spans and entries of some traces tell, by trace."""

    def __init__(self, store: Store, project: str, trace_ids: list[str]) -> None:
        self._store = store
        self._project = project
        pairs = list(self._pairs(trace_ids))
        self.calls = self._tool_calls(pairs)
        self.answers = self._answers(pairs)
        self.models: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for row in self._rows("drift_calls", pairs):
            counts = {name: cast("int", row[name]) for name in ("ok", "failed") if row[name]}
            self.models[str(row["trace_id"])].update(counts)

    def tools(self, trace_id: str) -> Tools:
        return tools_of(self.calls.get(trace_id, ()))

    def _pairs(self, trace_ids: list[str]) -> Iterator[tuple[int, str]]:
        for part in batches(trace_ids):
            asked: dict[str, object] = {"project": self._project, "trace_ids": Literal(part)}
            table = self._store.arrow("ledger_trace_hours", asked)
            yield from zip(integers(table, "hour"), strings(table, "trace_id"), strict=True)

    def _rows(self, statement: Statement, pairs: list[tuple[int, str]]) -> Iterator[Row]:
        for part in batches(sorted(pairs)):
            params: dict[str, object] = {
                "project": self._project,
                "hours": Literal([hour for hour, _ in part]),
                "trace_ids": Literal([trace_id for _, trace_id in part]),
            }
            if statement == "drift_tools":
                params["most_calls"] = _MOST_CALLS
            yield from cast("list[Row]", self._store.arrow(statement, params).to_pylist())

    def _tool_calls(
        self, pairs: list[tuple[int, str]]
    ) -> dict[str, list[tuple[str, str, str, str, int, int]]]:
        found: dict[str, list[tuple[str, str, str, str, int, int]]] = {}
        for row in self._rows("drift_tools", pairs):
            calls = cast("list[dict[str, object]]", row["calls"])
            kept = found.setdefault(str(row["trace_id"]), [])
            room = _MOST_CALLS - len(kept)
            kept += [
                cast("tuple[str, str, str, str, int, int]", tuple(call.values()))
                for call in calls[:room]
            ]
        return found

    def _answers(self, pairs: list[tuple[int, str]]) -> dict[str, str]:
        latest: dict[str, tuple[int, str]] = {}
        for row in self._rows("drift_answers", pairs):
            trace_id, end_ns = str(row["trace_id"]), cast("int", row["end_ns"])
            tokens = cast("int | None", row["output_tokens"])
            answer = answer_of(str(row["status"]), str(row["finish_reason"]), tokens)
            if answer and end_ns >= latest.get(trace_id, (0, ""))[0]:
                latest[trace_id] = end_ns, answer
        return {trace_id: answer for trace_id, (_, answer) in latest.items()}


def _samples(requests: list[Row], details: _Details) -> list[Sample]:
    sides: dict[tuple[str, str, bool], dict[str, list[Row]]] = {}
    for row in requests:
        side = str(row["agent_name"]), str(row["agent_version"]), bool(row["is_now"])
        sides.setdefault(side, {}).setdefault(str(row["trajectory_id"]), []).append(row)
    made = {
        side: [_trajectory(rows, details) for rows in by_id.values()]
        for side, by_id in sides.items()
    }
    found: list[Sample] = []
    for (agent, version, is_now), now in sorted(made.items()):
        if is_now:
            others = [
                one
                for (name, other, is_later), side in made.items()
                if name == agent and other != version and not is_later
                for one in side
            ]
            before = made.get((agent, version, False), [])
            others.sort(key=lambda one: one.example)  # by id: a mix of all versions
            found.append(Sample(agent, version, now, before, others[:MOST_TRAJECTORIES]))
    return found


def _trajectory(rows: list[Row], details: _Details) -> Trajectory:
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    llm_calls = tool_calls = output_tokens = 0
    for row in rows:
        trace_id = str(row["trace_id"])
        tools = details.tools(trace_id)
        counts["tools"].update(tools.names)
        counts["tool_pairs"].update(f"{a} → {b}" for a, b in pairwise(tools.names))
        counts["tool_errors"].update(ok=len(tools.names) - tools.failed, failed=tools.failed)
        counts["model_errors"].update(details.models.get(trace_id, {}))
        counts["hand_offs"].update(cast("list[str]", row["hand_offs"]))
        if answer := details.answers.get(trace_id):
            counts["answers"][answer] += 1
        if outcome := str(row["outcome"]):
            counts["outcomes"][outcome if outcome in _KNOWN_OUTCOMES else "other"] += 1
        llm_calls += cast("int", row["llm_calls"])
        tool_calls += len(tools.names)
        output_tokens += cast("int", row["output_tokens"])
    numbers = {
        "steps": (llm_calls + tool_calls) / len(rows),
        "llm_calls": llm_calls / len(rows),
        "tool_calls": tool_calls / len(rows),
        "output_tokens": output_tokens / llm_calls if llm_calls and output_tokens else math.nan,
    }
    first = rows[0]
    return Trajectory(
        day=min(cast("int", row["day"]) for row in rows),
        counts={name: +counter for name, counter in counts.items() if counter.total()},
        numbers={name: value for name, value in numbers.items() if not math.isnan(value)},
        example=(str(first["trace_id"]), str(first["root_span_id"])),
    )
