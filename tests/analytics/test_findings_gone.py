"""Findings go with what they are about: by age, and with a deleted trace, session or user."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
import sqlalchemy as sa

from spanledger_analytics.deletion.remove import Deletion
from spanledger_analytics.deletion.subject import Kind
from spanledger_analytics.deletion.subject import Subject as Whom
from spanledger_analytics.findings.finding import Finding, SpanRef, Subject
from spanledger_analytics.findings.writing import StoredScope, write_findings
from spanledger_storage.project_settings import Project
from spanledger_storage.retention_state import RetentionState
from spanledger_storage.store import Store
from tests.analytics.expiring import DAY, NOW, World, ago
from tests.otlp import span
from tests.variants import first

ANN, BOB = "a" * 32, "b" * 32


def finding(anchor: str, subject: Subject, *traces: str, at: int = NOW, lasts: int = 0) -> Finding:
    return Finding(
        kind="loop",
        code="exact",
        anchor=(anchor,),
        severity="warning",
        title=anchor,
        explanation="",
        first_seen_ns=at,
        last_seen_ns=at + lasts,
        subject=subject,
        evidence=tuple(SpanRef(trace_id, "1" * 16) for trace_id in traces),
    )


def put(store: Store, *found: Finding, project: str = "a") -> None:
    scope = StoredScope(("loop",), from_ns=0, to_ns=2**62)
    write_findings(store, project, found, scope, time.time_ns())


def titles(store: Store, project: str = "a") -> dict[str, list[str]]:
    rows = store.sql_rows(
        "SELECT title, evidence.trace_id AS traces FROM findings FINAL"
        " WHERE is_deleted = 0 AND project = {p:String}",
        {"p": project},
    )
    return {str(row["title"]): list(row["traces"]) for row in rows}  # type: ignore[call-overload]


@pytest.fixture
def world(store: Store, state: sa.Engine) -> World:
    return World(store, RetentionState(state))


def test_findings_stay_as_long_as_spans(world: World, store: Store) -> None:
    old = finding("old", Subject(trace_id=ANN), at=ago(40))
    lasting = finding("lasting", Subject(trace_id=ANN), at=ago(40), lasts=38 * DAY)
    new = finding("new", Subject(trace_id=BOB), at=ago(1))
    put(store, old, lasting, new)
    put(store, old, project="for ever")
    world.keep("a", spans_days=7)
    world.job.run_once()
    assert set(titles(store)) == {"lasting", "new"}
    assert set(titles(store, "for ever")) == {"old"}


@pytest.mark.parametrize("kind", first([Kind.USER, Kind.TRACE, Kind.SESSION]))
def test_findings_go_with_whom_they_are_about(
    world: World, store: Store, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = Subject(trace_id=ANN, session_id="s1", user_id="ann")
    put(
        store,
        finding("hers", ann, ANN),
        finding("of her sessions", replace(ann, trace_id="")),
        finding("of many", Subject(), BOB, ANN, BOB),
        finding("his", Subject(trace_id=BOB, session_id="s2", user_id="bob"), BOB),
    )
    put(store, finding("hers", ann, ANN), project="other")
    hers = span(trace_id=bytes.fromhex(ANN), start_ns=NOW, session__id="s1", user__id="ann")
    world.spans(hers)
    world.derive()
    monkeypatch.setattr("spanledger_analytics.deletion.remove._STEP_S", 0)
    whom = {Kind.TRACE: ANN, Kind.SESSION: "s1", Kind.USER: "ann"}[kind]
    deletion = Deletion(
        store,
        Whom(Project("a"), kind, whom),
        keep_cost=False,
        now_ns=time.time_ns,
        sleep=lambda _: None,
    )
    _, result = deletion.run()
    gone = {"hers"} if kind is Kind.TRACE else {"hers", "of her sessions"}
    assert result.found["findings"] == len(gone)
    assert result.left["findings"] == 0
    left = titles(store)
    assert set(left) == {"hers", "of her sessions", "of many", "his"} - gone
    assert left["of many"] == [BOB, BOB]
    assert result.found["evidence in findings"] == 2
    assert result.left["evidence in findings"] == 0
    assert set(titles(store, "other")) == {"hers"}


def test_a_finding_whose_details_alone_name_a_trace_loses_it(store: Store) -> None:
    """As findings do whose evidence an earlier version cleaned."""
    told = [{"agent": f"as {trace}", "trace_id": trace, "usd": "1"} for trace in (ANN, BOB)]
    put(store, replace(finding("of many", Subject(), BOB), details={"traces": told}))
    put(store, replace(finding("of many", Subject(), BOB), details={"traces": told, "n": 1}))
    deletion = Deletion(
        store,
        Whom(Project("a"), Kind.TRACE, ANN),
        keep_cost=True,
        now_ns=time.time_ns,
        sleep=lambda _: None,
    )
    _, planned = deletion.plan()
    _, result = deletion.run()
    assert planned.found["evidence in findings"] in (1, 2)  # the replaced row may be merged
    assert not any(result.left.values())
    rows = store.sql_rows("SELECT details FROM findings FINAL WHERE is_deleted = 0")
    [details] = (json.loads(str(row["details"])) for row in rows)
    assert [one["trace_id"] for one in details["traces"]] == ["", BOB]
    assert store.sql_rows(f"SELECT 1 FROM findings WHERE details LIKE '%{ANN}%'") == []
