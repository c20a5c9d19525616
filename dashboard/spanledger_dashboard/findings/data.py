"""What the pages on findings read: findings of a time range, one of them, its spans."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple, cast

from spanledger_dashboard.time_range import Window
from spanledger_storage.store import Store

Row = Mapping[str, object]
MOST = 5_000
"""Findings read for one page, the dearest; a project has this many in a bad month."""
KIND_NAMES = {
    "loop": "Loop",
    "silent_failure": "Silent failure",
    "error_cascade": "Error cascade",
    "context_bloat": "Context bloat",
    "latency_growth": "Latency growth",
    "amplification": "Call amplification",
    "cost_anomaly": "Cost anomaly",
    "drift": "Drift",
    "regression": "Regression",
}
SURPRISES = frozenset({"cost_anomaly", "drift", "regression"})
"""Kinds that compare periods: their dollars are a difference and hold those of other findings."""


@dataclass(frozen=True, slots=True)
class Found:
    """A finding as the pages show it; texts are empty where they do not apply.

    Attributes:
        first_ns: start of the first span or bucket, unix; ``last_ns``: end of the last.
        detected_s: when a job first found it, unix.
        is_open: it was still going on when a job last looked.
        direct_usd: what the wasted spans cost; None: unknown, as of the other amounts.
        carried_usd: estimate of what later calls paid for carrying them along.
        avoidable_usd: what stopping at the first warning would have saved.
        state: what people say: ``open``, ``acknowledged``, ``resolved``, ``false_alarm`` or
            ``expected``.
        is_muted: its pattern is muted: somebody called a finding of one cause a false alarm.
        is_back: it was resolved, and has been seen since.
    """

    finding_id: str
    kind: str
    code: str
    severity: str
    is_sure: bool
    title: str
    explanation: str
    first_ns: int
    last_ns: int
    detected_s: int
    is_open: bool
    trace_id: str
    session_id: str
    user_id: str
    agent_name: str
    agent_version: str
    model: str
    tool_name: str
    pattern: str
    evidence_count: int
    direct_usd: Decimal | None
    carried_usd: Decimal | None
    avoidable_usd: Decimal | None
    wasted_ns: int
    details: str
    state: str = "open"
    is_muted: bool = False
    is_back: bool = False

    @property
    def worth_usd(self) -> Decimal | None:
        """What it is ordered by: what could have been saved, else what was wasted."""
        return self.direct_usd if self.avoidable_usd is None else self.avoidable_usd

    @property
    def is_surprise(self) -> bool:
        """Whether its dollars are a difference of periods."""
        return self.kind in SURPRISES

    @property
    def kind_name(self) -> str:
        """The kind as people read it."""
        return KIND_NAMES.get(self.kind, self.kind.replace("_", " "))

    @property
    def figures(self) -> dict[str, object]:
        """What the detector measured; empty when it cannot be read."""
        try:
            found: object = json.loads(self.details or "{}")
        except ValueError:
            return {}
        return cast("dict[str, object]", found) if isinstance(found, dict) else {}

    def holds(self, text: str) -> bool:
        """Return whether some text of the finding holds another, in any case."""
        wanted = text.casefold()
        said = (
            self.title, self.explanation, self.kind_name, self.code, self.agent_name, self.model,
            self.tool_name, self.user_id, self.session_id, self.trace_id, self.finding_id,
        )  # fmt: skip
        return any(wanted in one.casefold() for one in said)


@dataclass(frozen=True, slots=True)
class Findings:
    """The findings of a time range, the dearest first.

    Attributes:
        matches: how many there are; more than ``found`` where not all were read.
    """

    found: tuple[Found, ...]
    matches: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """The spans that show a finding, in order: side by side the ids of traces and spans."""

    traces: tuple[str, ...]
    spans: tuple[str, ...]

    def in_trace(self, trace_id: str) -> list[str]:
        """Return the spans of one trace, in order."""
        pairs = zip(self.traces, self.spans, strict=True)
        return [span for trace, span in pairs if trace == trace_id]


class Shown(NamedTuple):
    """Where a finding shows.

    Attributes:
        spans: hashes of its evidence, as far as it is kept.
        traces: hashes of the traces of all of it.
        is_whole: all of the evidence is kept.
    """

    spans: frozenset[int] = frozenset()
    traces: frozenset[int] = frozenset()
    is_whole: bool = True


def load_findings(
    store: Store, project: str, window: Window, kinds: Sequence[str] = (), most: int = MOST
) -> Findings:
    """Read the findings seen in a window, of some kinds or all, in the state of new ones.

    Figures come with anomalies alone; ``load_finding`` has those of any kind.

    Raises:
        StoreError: the store does not answer.
    """
    params = _params(project, window, kinds) | {"most": most}
    rows = store.rows("dashboard_findings", params)
    matches = int(str(rows[0]["matches"])) if rows else 0
    return Findings(tuple(_found(row) for row in rows), matches)


def load_overlaps(
    store: Store, project: str, window: Window, kinds: Sequence[str] = ()
) -> dict[str, Shown]:
    """Read where findings show that share a trace.

    Raises:
        StoreError: the store does not answer.
    """
    rows = store.rows("dashboard_finding_spans", _params(project, window, kinds))
    return {
        str(row["finding_id"]): Shown(
            frozenset(cast("Iterable[int]", row["spans"])),
            frozenset(cast("Iterable[int]", row["traces"])),
            bool(row["is_whole"]),
        )
        for row in rows
    }


def load_finding(store: Store, project: str, finding_id: str) -> tuple[Found, Evidence] | None:
    """Read one finding with its evidence; None: there is none of this id in the project.

    Raises:
        StoreError: the store does not answer.
    """
    rows = store.rows("dashboard_finding", {"project": project, "finding_id": finding_id})
    if not rows:
        return None
    traces, spans = (
        cast("Iterable[str]", rows[0][n]) for n in ("evidence_traces", "evidence_spans")
    )
    return _found(rows[0]), Evidence(tuple(traces), tuple(spans))


def load_evidence(store: Store, project: str, finding: Found, shown: Evidence) -> list[Row]:
    """Read what is stored of some of a finding's spans (dashboard_finding_evidence.sql), by start.

    Raises:
        StoreError: the store does not answer.
    """
    params = {
        "project": project,
        "from_s": finding.first_ns // 10**9,
        "to_s": -(-finding.last_ns // 10**9),
        "traces": list(shown.traces),
        "spans": list(shown.spans),
    }
    return [*store.rows("dashboard_finding_evidence", params)]


def _params(project: str, window: Window, kinds: Sequence[str]) -> dict[str, object]:
    return {
        "project": project,
        "from_s": window.start_s,
        "to_s": window.end_s,
        "kinds": list(kinds),
    }


def _found(row: Row) -> Found:
    texts = {name: str(row[name]) for name in _TEXTS}
    counts = {name: int(str(row[name])) for name in _COUNTS}
    money = {name: _decimal(row[name]) for name in _MONEY}
    values: dict[str, Any] = {**texts, **counts, **money}
    return Found(is_sure=bool(row["is_sure"]), is_open=bool(row["is_open"]), **values)


def _decimal(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))


_TEXTS = (
    "finding_id", "kind", "code", "severity", "title", "explanation", "trace_id", "session_id",
    "user_id", "agent_name", "agent_version", "model", "tool_name", "pattern", "details",
)  # fmt: skip
_COUNTS = ("first_ns", "last_ns", "detected_s", "evidence_count", "wasted_ns")
_MONEY = ("direct_usd", "carried_usd", "avoidable_usd")
