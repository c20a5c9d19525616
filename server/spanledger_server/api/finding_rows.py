"""What the findings' part of the API takes and answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from spanledger_analytics.findings.shown import Shown
from spanledger_server.api.models import Usd
from spanledger_server.api.row_types import Big, Moment, Money, Row
from spanledger_server.api.rows import moment_text
from spanledger_storage.finding_state import NOTE_LIMIT, FindingState, LogRow, MuteRow

_NO_ZERO = r"^[^\x00]*$"


class Finding(Row):
    """Something that wastes money or is not as it was."""

    finding_id: str
    kind: str = Field(description="loop silent_failure error_cascade context_bloat …")
    code: str = Field(description="Which rule found it.")
    severity: str = Field(description="info warning critical.")
    state: str = Field(description="open acknowledged resolved false_alarm expected.")
    muted: bool = Field(description="Its pattern is muted; hidden unless asked for.")
    back: bool = Field(description="It was resolved, and has been seen since.")
    is_sure: int = Field(description="0: little history or an estimate says so.")
    is_open: int = Field(description="1: it had not ended when it was looked at last.")
    title: str
    explanation: str
    first_seen: Moment
    last_seen: Moment
    detected_at: Moment
    trace_id: str = Field(description="Empty: it is about no single trace.")
    session_id: str
    user_id: str
    agent_name: str
    agent_version: str
    model: str
    tool_name: str
    pattern: str = Field(description="What findings of one cause share.")
    evidence_count: Big
    direct_usd: Money | None = Field(description="What the wasted spans cost; null: unknown.")
    carried_usd: Money | None
    avoidable_usd: Money | None
    wasted_ns: Big
    details: str = Field(description="JSON: figures of the kind.")


class Evidence(BaseModel):
    """A span that shows a finding."""

    trace_id: str
    span_id: str


class Said(BaseModel):
    """What somebody said of a finding."""

    at: Moment
    who: str
    action: str = Field(description="The state; mute, unmute.")
    note: str

    @classmethod
    def of(cls, row: LogRow) -> Said:
        """Return it as answered."""
        return cls(at=moment_text(row.at_ns), who=row.who, action=row.action, note=row.note)


class OneFinding(BaseModel):
    """A finding, its spans, and what was said of it."""

    project: str
    finding_id: str
    kind: str
    code: str
    severity: str
    state: FindingState
    muted: bool
    back: bool
    note: str = Field(description="What was said last.")
    is_sure: bool
    is_open: bool
    title: str
    explanation: str
    first_seen: Moment
    last_seen: Moment
    detected_at: Moment
    trace_id: str
    session_id: str
    user_id: str
    agent_name: str
    agent_version: str
    model: str
    tool_name: str
    pattern: str
    evidence_count: int
    evidence: list[Evidence] = Field(description="In order, at most 1,000.")
    direct_usd: Usd | None
    carried_usd: Usd | None
    avoidable_usd: Usd | None
    wasted_ns: Big
    details: str
    history: list[Said] = Field(description="The latest first.")

    @classmethod
    def of(cls, shown: Shown, history: list[LogRow]) -> OneFinding:
        """Return it as answered."""
        row, verdict = shown
        return cls(
            project=row.project,
            finding_id=row.finding_id,
            kind=row.kind,
            code=row.code,
            severity=row.severity,
            title=row.title,
            explanation=row.explanation,
            trace_id=row.trace_id,
            session_id=row.session_id,
            user_id=row.user_id,
            agent_name=row.agent_name,
            agent_version=row.agent_version,
            model=row.model,
            tool_name=row.tool_name,
            pattern=row.pattern,
            evidence_count=row.evidence_count,
            details=row.details,
            state=verdict.state,
            muted=verdict.is_muted,
            back=verdict.is_back,
            note=verdict.note,
            is_sure=bool(row.is_sure),
            is_open=bool(row.is_open),
            first_seen=moment_text(row.first_seen_ns),
            last_seen=moment_text(row.last_seen_ns),
            detected_at=moment_text(row.detected_ns),
            evidence=[Evidence(trace_id=one, span_id=other) for one, other in row.evidence],
            direct_usd=row.direct_usd,
            carried_usd=row.carried_usd,
            avoidable_usd=row.avoidable_usd,
            wasted_ns=str(row.wasted_ns),
            history=[Said.of(one) for one in history],
        )


class StateBody(BaseModel):
    """What is said of a finding."""

    model_config = ConfigDict(extra="forbid")
    state: FindingState
    note: Annotated[str, StringConstraints(max_length=NOTE_LIMIT, pattern=_NO_ZERO)] = ""


class Mute(BaseModel):
    """A pattern whose findings are hidden."""

    pattern: str
    finding_id: str = Field(description="Of the false alarm it was muted with.")
    reason: str
    who: str
    since: Moment
    until: Moment | None = Field(description="null: for good.")

    @classmethod
    def of(cls, row: MuteRow) -> Mute:
        """Return it as answered."""
        return cls(
            pattern=row.pattern,
            finding_id=row.finding_id,
            reason=row.reason,
            who=row.who,
            since=moment_text(row.at_ns),
            until=None if row.until_ns is None else moment_text(row.until_ns),
        )


class MuteList(BaseModel):
    """What is muted, by pattern."""

    project: str
    mutes: list[Mute]
