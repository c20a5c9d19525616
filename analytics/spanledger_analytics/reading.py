"""Reads whole traces, and the traces tied to them, from the store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from spanledger_analytics._rows import (
    HOUR_NS,
    Literal,
    asked,
    asked_ids,
    batches,
    integers,
    strings,
    values_of,
)
from spanledger_analytics._siblings import FALLBACK_TOLERANCE_NS, LOG_TOLERANCE_NS
from spanledger_analytics._sums import SLACK_NS, Stretch, sessions_of_calls, sums_of_sessions
from spanledger_analytics.calls import Call
from spanledger_analytics.spans import Span, SpanKey, read_spans, span_tokens
from spanledger_analytics.tool_traces import Interval, intervals, traces_around, traces_inside
from spanledger_storage.store import Store

_MAX_ROUNDS = 6
MAX_TRACES_OF_ID = 10_000  # of a test double; only those at the same time are read
_MAX_TRACES_OF_SESSION = 1_000  # at one time; more are of a service that names no sessions apart
_LONGEST_SUM_HOURS = 7 * 24  # and the calls of longer ones are looked for in its first week
_SUM_BEFORE_HOURS = 24  # how long before a call the agent began that sums it up, at most
_LAST_HOUR_S = 2**32 - 1  # what toStartOfHour says of every time from 2106 on
_EARLIER_NS = 60 * 10**9

HourPairs = tuple[list[int], list[str]]


class TraceGroup:
    """The spans of some traces of one project, and of the traces that share calls with them.

    Reads grow the group only; traces without spans do not belong to it.

    Args:
        store: The telemetry store.
        project: Of the traces.
        touched: Hours of traces beside those in ``trace_hours``, which is fed behind ``touches``:
            an engine that is killed between the two has the touch without its hour.
    """

    def __init__(
        self,
        store: Store,
        project: str,
        touched: Mapping[str, Collection[int]] = MappingProxyType({}),
    ) -> None:
        self.store = store
        self.project = project
        self._touched = touched
        self._asked_traces: set[str] = set()
        self._pairs: list[tuple[int, str]] = []
        self.spans: list[Span] = []
        self.trace_ids: set[str] = set()
        """The traces whose spans were found."""

    @property
    def asked_traces(self) -> set[str]:
        """The traces that were looked for, whether or not spans were found."""
        return set(self._asked_traces)

    def keys_of(self, trace_ids: Iterable[str]) -> set[SpanKey]:
        """Return the spans that are stored of other traces, without adding them to the group."""
        _, spans = self._spans_of(sorted(set(trace_ids)))
        return {span.key for span in spans}

    def add(self, trace_ids: Iterable[str]) -> bool:
        """Read traces and, again and again, those that share a response id at the same time.

        Returns whether anything new was read. The search ends after a few rounds: chains of
        traces longer than that come from clients that repeat an id.
        """
        before = len(self.spans)
        new = set(trace_ids) - self._asked_traces
        for _ in range(_MAX_ROUNDS):
            if not new:
                break
            self._asked_traces |= new
            start = len(self.spans)
            self._read(sorted(new))
            new = self._tied_traces(self.spans[start:]) - self._asked_traces
        return len(self.spans) > before

    def _read(self, trace_ids: list[str]) -> None:
        pairs, spans = self._spans_of(trace_ids)
        self._pairs += pairs
        self.spans += spans
        self.trace_ids.update([span.trace_id for span in spans])

    def _spans_of(self, trace_ids: list[str]) -> tuple[list[tuple[int, str]], list[Span]]:
        pairs = [(hour, name) for name in trace_ids for hour in self._touched.get(name, ())]
        spans: list[Span] = []
        for part in batches(trace_ids):
            params: dict[str, object] = {"project": self.project, "trace_ids": Literal(part)}
            table = self.store.arrow("ledger_trace_hours", params)
            pairs += zip(integers(table, "hour"), strings(table, "trace_id"), strict=True)
        pairs = list(set(pairs))
        for params in self._pair_params(pairs):
            spans += read_spans(self.store.arrow("ledger_spans", params))
        return pairs, spans

    def pairs(self) -> list[tuple[int, str]]:
        """Return the hours (UTC, UNIX seconds) in which traces of the group have spans."""
        return [pair for pair in self._pairs if pair[1] in self.trace_ids]

    def pair_params(self) -> Iterable[dict[str, object]]:
        """Return statement parameters that name every hour and trace of the group, in parts."""
        return self._pair_params(self.pairs())

    def _pair_params(self, pairs: list[tuple[int, str]]) -> Iterable[dict[str, object]]:
        for part in batches(sorted(pairs)):
            yield {"project": self.project, "asked": asked(("hour", "trace_id"), part)}

    def _tied_traces(self, spans: list[Span]) -> set[str]:
        shared = self._shared_ids([span for span in spans if span.response_id])
        told = {span.key: span for span in spans if span.response_id in shared}
        found: set[str] = set()
        for part in batches(list(told.values())):
            params: dict[str, object] = {
                "project": self.project,
                "hours": _hours_around(part),
                "response_ids": Literal([span.response_id for span in part]),
                "trace_ids": Literal([span.trace_id for span in part]),
                "starts": Literal([span.start_ns for span in part]),
                "ends": Literal([span.end_ns for span in part]),
                "max_traces": MAX_TRACES_OF_ID,
            }
            table = self.store.arrow("ledger_response_traces", params)
            found.update(strings(table, "trace_id"))
        return found

    def _shared_ids(self, spans: list[Span]) -> set[str]:
        found: set[str] = set()
        for part in batches(spans):
            params: dict[str, object] = {
                "project": self.project,
                "hours": _hours_around(part),
                "asked": asked_ids("response_id", sorted({span.response_id for span in part})),
            }
            found.update(strings(self.store.arrow("ledger_shared_ids", params), "response_id"))
        return found

    def add_tool_partners(self) -> bool:
        """Read the traces in which a tool call of the group may have been recorded again (R9).

        These are traces that begin with a tool's span and lie inside a tool call of the group, or
        the other way round. Returns whether anything new was read.
        """
        tools = [span for span in self.spans if span.role == "tool" and span.tool_name]
        roots = [span for span in tools if not span.parent_span_id]
        inside = self._tool_intervals(tools, is_root=True)
        around = self._tool_intervals(roots, is_root=False)
        return self.add(
            traces_inside(inside, intervals(tools)) | traces_around(around, intervals(roots))
        )

    def _tool_intervals(self, near: list[Span], *, is_root: bool) -> list[Interval]:
        if not near:
            return []
        params: dict[str, object] = {
            "project": self.project,
            "hours": _hours_around(near),
            "services": Literal(sorted({span.service_name for span in near})),
            "from_ns": min(span.start_ns for span in near),
            "to_ns": max(span.end_ns for span in near),
            "is_root": int(is_root),
        }
        table = self.store.arrow("ledger_tool_spans", params)
        columns = [values_of(table.column(field)) for field in Interval._fields]
        return list(map(Interval._make, zip(*columns, strict=True)))

    def add_partners(self, calls: Collection[Call]) -> bool:
        """Read the traces in which one of these calls may be told again (rules R4 and R1).

        By their tokens only calls that a single scope recorded are looked for, and of those only
        such that could lie in a trace of their own or lack a response id. Of an agent's sum the
        traces with its session's calls are looked for, and the other way round. Returns whether
        anything new was read.
        """
        lonely = [call.primary for call in calls if _is_lonely(call)]
        silent = [call.primary for call in calls if _is_silent_root(call.primary)]
        found: set[str] = set()
        for part in batches(lonely):
            params = {"project": self.project, **_partner_params(part)}
            table = self.store.arrow("ledger_partner_traces", params)
            found.update(strings(table, "trace_id"))
        for part in batches(silent):
            params = {"project": self.project, **_silent_partner_params(part)}
            table = self.store.arrow("ledger_silent_partner_traces", params)
            found.update(strings(table, "trace_id"))
        return self.add(found | self._session_traces(calls))

    def _session_traces(self, calls: Collection[Call]) -> set[str]:
        found: set[str] = set()
        for part in batches(sums_of_sessions(calls)):
            params = {
                **self._stretch_params(part, 0),
                "trace_ids": Literal(s.trace_id for s in part),
            }
            found.update(strings(self.store.arrow("ledger_session_traces", params), "trace_id"))
        for part in batches(sessions_of_calls(calls)):
            params = self._stretch_params(part, _SUM_BEFORE_HOURS)
            found.update(strings(self.store.arrow("ledger_session_sums", params), "trace_id"))
        return found

    def _stretch_params(self, part: Collection[Stretch], hours_before: int) -> dict[str, object]:
        hours: set[int] = set()
        for stretch in part:
            first = (stretch.start_ns - _EARLIER_NS) // HOUR_NS - hours_before
            hours.update(
                range(first, min(stretch.end_ns // HOUR_NS, first + _LONGEST_SUM_HOURS) + 1)
            )
        return {
            "project": self.project,
            "hours": _start_hours(hours),
            "session_ids": Literal(stretch.session_id for stretch in part),
            "starts": Literal(stretch.start_ns - SLACK_NS for stretch in part),
            "ends": Literal(stretch.end_ns + SLACK_NS for stretch in part),
            "max_traces": _MAX_TRACES_OF_SESSION,
        }


def _is_lonely(call: Call) -> bool:
    span = call.primary
    return bool(
        (not span.response_id or not span.parent_span_id)
        and not call.has_many_scopes
        and span.role in ("llm", "embedding")
        and span.process
        and span.input_tokens
        and span.output_tokens is not None
    )


def _is_silent_root(span: Span) -> bool:
    """Tell whether a call may lie in two traces that tokens do not tie."""
    is_told = span_tokens(span).is_known and span.kind != "log"
    return bool(not span.parent_span_id and span.process and span.request_model and not is_told)


def _hours_around(spans: Collection[Span]) -> list[int]:
    """Return the start hours in which spans that overlap these may begin."""
    hours = {span.start_ns // HOUR_NS for span in spans}
    hours |= {(span.start_ns - _EARLIER_NS) // HOUR_NS for span in spans}
    hours |= {span.end_ns // HOUR_NS for span in spans}
    return _start_hours(hours)


def _start_hours(hours: Iterable[int]) -> list[int]:
    # Within what DateTime holds: clocks may say 1970 or 2262.
    return sorted({min(max(0, hour * 3_600), _LAST_HOUR_S) for hour in hours})


def _partner_params(spans: Collection[Span]) -> dict[str, object]:
    has_logs = any(span.kind == "log" for span in spans)
    return {
        "hours": _hours_around(spans),
        "instances": Literal([span.process for span in spans]),
        "scopes": Literal([span.scope_name for span in spans]),
        "inputs": Literal([span.input_tokens or 0 for span in spans]),
        "outputs": Literal([span.output_tokens or 0 for span in spans]),
        "starts": Literal([span.start_ns for span in spans]),
        "ends": Literal([span.end_ns for span in spans]),
        "has_ids": Literal([int(bool(span.response_id)) for span in spans]),
        "slack_ns": LOG_TOLERANCE_NS if has_logs else FALLBACK_TOLERANCE_NS,
    }


def _silent_partner_params(spans: Collection[Span]) -> dict[str, object]:
    failed = [int(span.status == "error" and not span_tokens(span).is_known) for span in spans]
    return {
        "hours": _hours_around(spans),
        "trace_ids": Literal([span.trace_id for span in spans]),
        "instances": Literal([span.process for span in spans]),
        "models": Literal([span.request_model for span in spans]),
        "scopes": Literal([span.scope_name for span in spans]),
        "starts": Literal([span.start_ns for span in spans]),
        "ends": Literal([span.end_ns for span in spans]),
        "are_logs": Literal([int(span.kind == "log") for span in spans]),
        "are_failed": Literal(failed),
        "slack_ns": FALLBACK_TOLERANCE_NS,
        "gap_ns": LOG_TOLERANCE_NS,
    }
