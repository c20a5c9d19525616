"""What people say of findings: joined with them here, so that every page agrees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spanledger_analytics.findings.muting import Said
from spanledger_dashboard.connection import findings
from spanledger_dashboard.findings.data import Found
from spanledger_storage.finding_state import PATTERN_LIMIT

STATE_NAMES = {
    "open": "Open",
    "acknowledged": "Acknowledged",
    "resolved": "Resolved",
    "false_alarm": "False alarm",
    "expected": "Expected",
}


def joined(found: Sequence[Found], said: Said) -> list[Found]:
    """Return the findings with what people say of them, in the same order."""
    told = [said.about(one.finding_id, one.pattern[:PATTERN_LIMIT], one.last_ns) for one in found]
    return [
        replace(one, state=verdict.state, is_muted=verdict.is_muted, is_back=verdict.is_back)
        for one, verdict in zip(found, told, strict=True)
    ]


def as_said(found: Sequence[Found], project: str) -> list[Found]:
    """Return the findings with what people say of them now; new ones without a state database.

    Raises:
        Denied: the project is not open to the reader.
        StateError: the state database does not answer.
    """
    said = findings() if found else None
    return list(found) if said is None else joined(found, said.of(project))
