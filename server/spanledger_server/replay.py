"""Golden trajectories beside a store: saving them, and finding what to compare with them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, cast

from spanledger_analytics.golden.alignment import DiffStep, Side, Totals
from spanledger_analytics.golden.content import golden_content, golden_side
from spanledger_analytics.golden.judge import Tolerances, Verdict, judge
from spanledger_dashboard.compare.golden import diff_steps
from spanledger_dashboard.trace.data import find_trace
from spanledger_dashboard.trace.steps import load_steps
from spanledger_server.errors import UsageError
from spanledger_storage.saved_views import SavedView, SavedViews
from spanledger_storage.store import Store

GOLDEN: Final = "golden"

MOST_CANDIDATES = 200
_MOST_TRACES = 500
_LAST_S = 2**32 - 1
_POLL_S = 1.0

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which trajectories are candidates; empty: any. Unix seconds, half open.

    ``by`` is the dimension whose value is the name of a golden trajectory, ``dimension`` any other.
    """

    from_s: int
    to_s: int = _LAST_S
    ids: tuple[str, ...] = ()
    task: str = ""
    session: str = ""
    by: str = ""
    by_value: str = ""
    dimension: str = ""
    dimension_value: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trajectory that is compared; ``has_ended``: no root span of it is missing."""

    side: Side
    has_ended: bool
    unpriced_calls: int
    calls_without_usage: int


@dataclass(frozen=True, slots=True)
class Judged:
    """A golden trajectory, and how each candidate compares with it."""

    name: str
    golden: Side
    verdicts: tuple[tuple[Candidate, Verdict], ...]


def save_golden(
    views: SavedViews, store: Store, project: str, wanted_id: str, name: str, who: str
) -> Side:
    """Save a trajectory under a name; what had this name before is replaced.

    Args:
        views: where to.
        store: where the trajectory is.
        project: of both.
        wanted_id: of the trajectory, or of a trace of it.
        name: empty: as the trajectory is called.
        who: who saves it.

    Raises:
        UsageError: there is no such trajectory, it has not ended, or it is too large.
    """
    rows = _rows(store, project, Wanted(0, ids=(wanted_id.strip().lower(),)), 1)
    if not rows:
        raise UsageError(
            f"Project {project} has no trajectory {wanted_id[:64]!r}; traces appear within seconds."
        )
    candidate = _candidate(store, project, rows[0])
    if not candidate.has_ended:
        raise UsageError("This trajectory has not ended; only one that has can be golden.")
    if not candidate.side.steps:
        raise UsageError("No step of this trajectory is stored any more.")
    try:
        views.save(GOLDEN, project, name or candidate.side.name, _content(candidate), who=who)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return candidate.side


def goldens(views: SavedViews, project: str, names: Sequence[str] = ()) -> dict[str, Side]:
    """Return golden trajectories by name, all of a project where none is named.

    Raises:
        UsageError: one that is named does not exist, or cannot be read.
    """
    saved = {view.name: view for view in views.of(GOLDEN, project)}
    missing = [name for name in names if name not in saved]
    if missing:
        known = ", ".join(saved) or "none is saved"
        raise UsageError(f"No golden trajectory {missing[0][:128]!r} in {project}: {known}.")
    return {name: side_of_view(saved[name]) for name in names or saved}


def side_of_view(view: SavedView) -> Side:
    """Return what a saved view holds.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return golden_side(view.content)
    except ValueError as error:
        raise UsageError(f"{view.name}: {error}") from None


def check(
    store: Store,
    project: str,
    golden: Mapping[str, Side],
    wanted: Wanted,
    tolerances: Tolerances,
    wait_s: float = 0.0,
) -> list[Judged]:
    """Return how candidates compare with golden trajectories.

    The trajectory that was saved is a candidate only by its id.

    Args:
        store: the telemetry store.
        project: whose trajectories.
        golden: by name.
        wanted: the candidates.
        tolerances: what they may be worse by.
        wait_s: seconds to wait until every golden trajectory has a candidate and all have ended.

    Raises:
        UsageError: a candidate is too large.
    """
    deadline = time.monotonic() + wait_s
    while True:
        found = {
            name: _candidate_rows(store, project, name, golden[name], wanted) for name in golden
        }
        is_settled = all(rows and all(map(_has_ended, rows)) for rows in found.values())
        if is_settled or time.monotonic() >= deadline:
            break
        time.sleep(_POLL_S)
    return [
        Judged(name, golden[name], _verdicts(store, project, golden[name], rows, tolerances))
        for name, rows in found.items()
    ]


def _candidate_rows(
    store: Store, project: str, name: str, golden: Side, wanted: Wanted
) -> list[Row]:
    named = replace(wanted, by_value=name) if wanted.by else wanted
    rows = _rows(store, project, named, MOST_CANDIDATES + 1)
    if len(rows) > MOST_CANDIDATES:
        raise UsageError(
            f"More than {MOST_CANDIDATES} trajectories are candidates for {name}: narrow them by "
            "--since, --task, --session or --dimension."
        )
    if wanted.ids:
        return rows
    return [row for row in rows if golden.trace_id not in cast("list[str]", row["trace_ids"])]


def _rows(store: Store, project: str, wanted: Wanted, most: int) -> list[Row]:
    params: dict[str, object] = {
        "project": project,
        "from_s": wanted.from_s,
        "to_s": wanted.to_s,
        "ids": list(wanted.ids),
        "task": wanted.task,
        "session": wanted.session,
        "by": wanted.by,
        "by_value": wanted.by_value,
        "dimension": wanted.dimension,
        "dimension_value": wanted.dimension_value,
        "most": most,
    }
    return list(store.rows("replay_trajectories", params))


def _verdicts(
    store: Store, project: str, golden: Side, rows: Sequence[Row], tolerances: Tolerances
) -> tuple[tuple[Candidate, Verdict], ...]:
    found: list[tuple[Candidate, Verdict]] = []
    for row in rows:
        one = _candidate(store, project, row)
        found.append((one, judge(golden, one.side, tolerances, has_ended=one.has_ended)))
    return tuple(found)


def _candidate(store: Store, project: str, row: Row) -> Candidate:
    trace_ids = cast("list[str]", row["trace_ids"])
    if len(trace_ids) > _MOST_TRACES:
        raise UsageError(
            f"Trajectory {row['trajectory_id']} has {len(trace_ids):,} traces; at most "
            f"{_MOST_TRACES} can be compared."
        )
    side = Side(
        trace_id=str(row["trajectory_id"]),
        name=str(row["name"]) or "(no name)",
        start_ns=cast("int", row["start_ns"]),
        totals=Totals(
            cost_usd=cast("Decimal | None", row["total_cost_usd"]),
            tokens=cast("int", row["tokens"]),
            duration_ns=cast("int", row["duration_ns"]),
            llm_calls=cast("int", row["llm_calls"]),
            spans=cast("int", row["span_count"]),
            errors=cast("int", row["error_count"]),
        ),
        steps=_steps(store, project, trace_ids),
        outcome=str(row["outcome"]),
    )
    unpriced, silent = (cast("int", row[c]) for c in ("unpriced_calls", "calls_without_usage"))
    return Candidate(side, _has_ended(row), unpriced, silent)


def _steps(store: Store, project: str, trace_ids: Sequence[str]) -> tuple[DiffStep, ...]:
    """Return the steps of traces, one trace after the other."""
    found: list[DiffStep] = []
    for trace_id in trace_ids:
        key = find_trace(store, trace_id, project, (project,))
        if key is not None:
            found += diff_steps(load_steps(store, key))
    return tuple(found)


def _has_ended(row: Row) -> bool:
    return row["status"] == "closed"


def _content(candidate: Candidate) -> dict[str, object]:
    return golden_content(candidate.side)
