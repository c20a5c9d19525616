"""Rows of ``findings``: from what a detector says to what is stored, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple

import pyarrow as pa

from spanledger_analytics import _rows
from spanledger_analytics._rows import Stored
from spanledger_analytics.findings.finding import MOST_EVIDENCE, Finding
from spanledger_storage.finding_state import PATTERN_LIMIT

_TITLE_LIMIT = 500
_TEXT_LIMIT = 8_000
_DETAILS_LIMIT = 100_000
_STEP = Decimal("1e-12")
_DIGITS = Context(prec=38, rounding=ROUND_HALF_EVEN)
_MOST_USD = Decimal(10) ** 24
_LAST_NS = 2**63 - 1


class FindingRow(NamedTuple):
    """One row without the two columns that only say how new it is.

    Field names are column names, except ``first_seen_ns``, ``last_seen_ns`` and ``detected_ns``
    (UTC nanoseconds).
    """

    project: str
    finding_id: str
    kind: str
    code: str
    severity: str
    is_sure: int
    title: str
    explanation: str
    first_seen_ns: int
    last_seen_ns: int
    detected_ns: int
    is_open: int
    trace_id: str
    session_id: str
    user_id: str
    agent_name: str
    agent_version: str
    model: str
    tool_name: str
    pattern: str
    evidence: tuple[tuple[str, str], ...]
    evidence_count: int
    direct_usd: Decimal | None
    carried_usd: Decimal | None
    avoidable_usd: Decimal | None
    wasted_ns: int
    details: str

    @property
    def is_alarm(self) -> bool:
        """Whether it asks for somebody."""
        return self.severity != "info"

    @property
    def worth_usd(self) -> Decimal:
        """What it is ordered by where not all can be told: unknown counts as nothing."""
        known = self.direct_usd if self.avoidable_usd is None else self.avoidable_usd
        return known or Decimal(0)


_COLUMNS = {
    "first_seen_ns": "first_seen",
    "last_seen_ns": "last_seen",
    "detected_ns": "detected_at",
}
_TYPES: dict[str, pa.DataType] = {
    **dict.fromkeys(_COLUMNS, _rows.TIME),
    **dict.fromkeys(("is_sure", "is_open"), pa.uint8()),
    **dict.fromkeys(("direct_usd", "carried_usd", "avoidable_usd"), _rows.USD),
    **dict.fromkeys(("evidence_count", "wasted_ns"), _rows.COUNT),
    "evidence": _rows.SPAN_KEYS,
}
SCHEMA = pa.schema(
    [(_COLUMNS.get(name, name), _TYPES.get(name, _rows.STRING)) for name in FindingRow._fields]
)


def row_of(project: str, finding: Finding, detected_ns: int) -> FindingRow:
    """Return a finding as it is stored: texts, money and times within what columns hold."""
    subject = finding.subject
    first_ns = min(max(0, finding.first_seen_ns), _LAST_NS)
    return FindingRow(
        project=project,
        finding_id=finding.finding_id,
        kind=_text(finding.kind),
        code=_text(finding.code),
        severity=finding.severity,
        is_sure=int(finding.is_sure),
        title=_text(finding.title, _TITLE_LIMIT),
        explanation=_text(finding.explanation, _TEXT_LIMIT),
        first_seen_ns=first_ns,
        last_seen_ns=min(max(first_ns, finding.last_seen_ns), _LAST_NS),
        detected_ns=detected_ns,
        is_open=int(finding.is_open),
        trace_id=_text(subject.trace_id),
        session_id=_text(subject.session_id),
        user_id=_text(subject.user_id),
        agent_name=_text(subject.agent_name),
        agent_version=_text(subject.agent_version),
        model=_text(subject.model),
        tool_name=_text(subject.tool_name),
        pattern=_text(finding.pattern, PATTERN_LIMIT),
        evidence=tuple((ref.trace_id, ref.span_id) for ref in finding.evidence[:MOST_EVIDENCE]),
        evidence_count=len(finding.evidence),
        direct_usd=_usd(finding.direct_usd),
        carried_usd=_usd(finding.carried_usd),
        avoidable_usd=_usd(finding.avoidable_usd),
        wasted_ns=min(max(0, finding.wasted_ns), _LAST_NS),
        details=_details(finding),
    )


def read_rows(tables: Iterable[pa.Table]) -> Stored[FindingRow]:
    """Return stored rows, as the statements ``findings_stored_…`` give them; each once."""
    stored = Stored.of(tables, FindingRow._fields, FindingRow._make)
    return stored._replace(rows=list({sort_key(row): row for row in stored.rows}.values()))


def sort_key(row: FindingRow) -> tuple[str, int, str, str]:
    """Return what a row replaces another by."""
    return row.project, row.first_seen_ns // _rows.HOUR_NS, row.kind, row.finding_id


def _text(value: str, limit: int = _TEXT_LIMIT) -> str:
    """Return a text that every database takes: no zero bytes, no halves of characters."""
    return value[:limit].replace("\0", "").encode(errors="replace").decode()


def _details(finding: Finding) -> str:
    """Return the figures as JSON; ones that JSON cannot say, or too many, as a remark."""
    try:
        said = json.dumps(dict(finding.details), sort_keys=True, allow_nan=False, default=str)
    except ValueError as error:
        return json.dumps({"unreadable": str(error)[:80]})
    if len(said) > _DETAILS_LIMIT:
        return json.dumps({"unreadable": f"{len(said)} characters"})
    return _text(said, _DETAILS_LIMIT)


def _usd(amount: Decimal | None) -> Decimal | None:
    """Return dollars as the column has them; None for what nobody can have spent."""
    if amount is None or not amount.is_finite() or abs(amount) > _MOST_USD:
        return None
    return amount.quantize(_STEP, context=_DIGITS)
