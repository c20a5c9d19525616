"""Findings in the store, written as jobs write them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from spanledger_analytics.findings.finding import Finding, SpanRef, Subject
from spanledger_analytics.findings.writing import StoredScope, write_findings
from spanledger_storage.store import Store

S = 10**9
TRACE = "ab" * 16


def span_ids(*numbers: int) -> tuple[SpanRef, ...]:
    return tuple(SpanRef(TRACE, f"{number:016x}") for number in numbers)


def loop(now_s: int, name: str = "one", **columns: Any) -> Finding:
    """A loop of three spans that cost 1.50 dollars, an hour ago."""
    subject = {"trace_id": TRACE, "agent_name": "planner", "tool_name": "search", "user_id": "ann"}
    subject |= columns.pop("subject", {})
    made = Finding(
        kind="loop",
        code="exact",
        anchor=(name,),
        severity="critical",
        title=f"search repeated 5 times ({name})",
        explanation="The same call gave the same result 5 times in a row.",
        first_seen_ns=(now_s - 3_600) * S,
        last_seen_ns=(now_s - 3_500) * S,
        subject=Subject(**subject),
        evidence=span_ids(1, 2, 3),
        direct_usd=Decimal("1.5"),
        carried_usd=Decimal("0.25"),
        avoidable_usd=Decimal("1.25"),
        wasted_ns=100 * S,
        details={"period": 1, "copies": 5},
    )
    return replace(made, **columns)


def put(store: Store, now_s: int, *found: Finding, project: str = "default") -> None:
    write_findings(store, project, found, StoredScope(("none",), ()), now_s * S)
