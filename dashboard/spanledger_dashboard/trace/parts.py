"""The trajectory a trace is part of: its traces, and how it spent its time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from spanledger_dashboard.read_ahead import begin
from spanledger_dashboard.trace.data import Row, TraceKey
from spanledger_storage.store import Store

# Traces that point here are looked for in all spans of the time around.
_LINKS_S = 86_400
_NS_PER_S = 10**9


@dataclass(frozen=True, slots=True)
class TracePart:
    """One trace of a trajectory.

    Attributes:
        start_ms: unix; None: of a linked trace that is not stored.
        cost_usd: None: nothing priced.
        is_session: it is of the same session.
        link: "" no span link, "to": this trace points to it, "from": it points here.
        span_id: the span at its end of the link; empty: none.
    """

    trace_id: str
    name: str
    start_ms: int | None
    duration_ns: int | None
    error_count: int
    cost_usd: Decimal | None
    is_session: bool
    link: str
    span_id: str


@dataclass(frozen=True, slots=True)
class Trajectory:
    """The parts of a trajectory by start, this trace among them; alone where it has no others.

    Attributes:
        place: of this trace among the parts.
        summary: the row of dashboard_trajectory.sql; None while the jobs have not seen the trace.
    """

    parts: tuple[TracePart, ...]
    place: int
    summary: Row | None = None

    @property
    def number(self) -> int:
        """The place of this trace among all traces, from 1; only the nearest are parts."""
        return self._trace_ids.index(self.parts[self.place].trace_id) + 1

    @property
    def total(self) -> int:
        """How many traces there are, linked ones that are not stored among them."""
        return len(self._trace_ids)

    @property
    def _trace_ids(self) -> list[str]:
        known = cast("list[str]", (self.summary or {}).get("trace_ids") or [])
        parts = [part.trace_id for part in self.parts]
        # Linked ones that the trajectory does not hold come last.
        return [*known, *(one for one in parts if one not in set(known))] if known else parts

    @property
    def previous(self) -> TracePart | None:
        """The part before this one."""
        return self._at(self.place - 1)

    @property
    def next(self) -> TracePart | None:
        """The part after this one."""
        return self._at(self.place + 1)

    def _at(self, place: int) -> TracePart | None:
        return self.parts[place] if 0 <= place < len(self.parts) else None


@dataclass(frozen=True, slots=True)
class Moment:
    """When it is asked how a trajectory is going, unix seconds, and what makes it abandoned."""

    now_s: int
    abandoned_after_s: int


def load_parts(
    store: Store, key: TraceKey, session_id: str, start_ns: int, end_ns: int, at: Moment
) -> Trajectory:
    """Read the trajectory a trace is part of.

    Raises:
        StoreError: the store does not answer.
    """
    moment = {"now_s": at.now_s, "abandoned_after_s": at.abandoned_after_s}
    whole = begin(lambda: store.rows("dashboard_trajectory", {**key.params, **moment}))
    start_s, end_s = start_ns // _NS_PER_S, end_ns // _NS_PER_S + 1
    links = store.rows(
        "dashboard_trace_links",
        {**key.params, "from_s": start_s - _LINKS_S, "to_s": end_s + _LINKS_S},
    )
    summaries = whole.result()
    summary = summaries[0] if summaries else None
    members = cast("list[str]", summary["trace_ids"]) if summary else []
    linked = {str(link["trace_id"]) for link in links}
    found = store.rows(
        "dashboard_trace_parts",
        {
            "project": key.project,
            "session": session_id,
            "trace_ids": sorted({key.trace_id, *members, *linked}),
            "around_ms": start_ns // 1_000_000,
        },
    )
    return trajectory_of(key.trace_id, found, links, summary)


def trajectory_of(
    trace_id: str, found: Sequence[Row], links: Sequence[Row], summary: Row | None = None
) -> Trajectory:
    """Return the trajectory from what its statements say: parts, links, the whole.

    Linked traces that are not stored come last: it is not known when they ran.
    """
    linked = {str(link["trace_id"]): link for link in reversed(links)}
    parts = [_part(row, linked.get(str(row["trace_id"]))) for row in found]
    if trace_id not in {part.trace_id for part in parts}:
        # The jobs have not seen it yet, so it is the newest there is.
        parts.append(TracePart(trace_id, "", None, None, 0, None, False, "", ""))
    known = {part.trace_id for part in parts}
    parts += [
        TracePart(other, "", None, None, 0, None, False, *_link(link))
        for other, link in linked.items()
        if other not in known
    ]
    place = next(n for n, part in enumerate(parts) if part.trace_id == trace_id)
    return Trajectory(tuple(parts), place, summary)


def _part(row: Row, link: Row | None) -> TracePart:
    return TracePart(
        trace_id=str(row["trace_id"]),
        name=str(row["name"]),
        start_ms=cast("int", row["start_ms"]),
        duration_ns=cast("int", row["duration_ns"]),
        error_count=cast("int", row["error_count"]),
        cost_usd=cast("Decimal | None", row["total_cost_usd"]),
        is_session=bool(row["is_same_session"]),
        link="" if link is None else _link(link)[0],
        span_id="" if link is None else _link(link)[1],
    )


def _link(link: Row) -> tuple[str, str]:
    return "from" if link["is_incoming"] else "to", str(link["span_id"])
