"""Writing findings: replaced, removed, kept, and never a storm of alarms."""

from __future__ import annotations

import logging
from dataclasses import replace
from decimal import Decimal

import pytest

from spanledger_analytics.findings.finding import Finding, SpanRef, Subject
from spanledger_analytics.findings.writing import (
    MORE_CRITICAL,
    MOST_ALARMS,
    StoredScope,
    read_stored,
    write_findings,
)
from spanledger_storage.store import Store

NOW = 1_760_000_000 * 10**9
HOUR = 3_600 * 10**9
TRACE = "a" * 32


def finding(anchor: str = "x", *, first: int = NOW, usd: str | None = "0.25") -> Finding:
    return Finding(
        kind="loop",
        code="exact",
        anchor=(TRACE, anchor),
        severity="warning",
        title="The same call 5 times",
        explanation="It repeats.",
        first_seen_ns=first,
        last_seen_ns=first + 10**9,
        subject=Subject(trace_id=TRACE, agent_name="bot", tool_name="search"),
        evidence=(SpanRef(TRACE, "1" * 16), SpanRef(TRACE, "2" * 16)),
        direct_usd=None if usd is None else Decimal(usd),
        details={"count": 5, "ratio": 0.5, "names": ["a"]},
    )


OF_TRACE = StoredScope(kinds=("loop",), trace_ids=[TRACE])


def versions(store: Store) -> int:
    [row] = store.sql_rows("SELECT count() AS n FROM findings")
    return int(str(row["n"]))


def current(store: Store) -> list[dict[str, object]]:
    sql = "SELECT * FROM findings FINAL WHERE is_deleted = 0 ORDER BY finding_id"
    return [dict(row) for row in store.sql_rows(sql)]


def test_a_finding_is_written_once_however_often_it_is_found(store: Store) -> None:
    assert write_findings(store, "p", [finding()], OF_TRACE, NOW) == (1, 0)
    assert write_findings(store, "p", [finding()], OF_TRACE, NOW + HOUR) == (0, 0)
    [row] = current(store)
    assert row["direct_usd"] == Decimal("0.25")
    assert row["evidence_count"] == 2
    assert row["details"] == '{"count": 5, "names": ["a"], "ratio": 0.5}'
    assert row["pattern"] == "loop / exact / bot / search"
    assert versions(store) == 1


def test_a_finding_that_grows_keeps_when_it_was_detected(store: Store) -> None:
    write_findings(store, "p", [finding()], OF_TRACE, NOW)
    grown = replace(finding(), last_seen_ns=NOW + 90 * 10**9, direct_usd=Decimal(2))
    assert write_findings(store, "p", [grown], OF_TRACE, NOW + HOUR) == (1, 0)
    [row] = read_stored(store, "p", OF_TRACE).rows
    assert (row.detected_ns, row.direct_usd) == (NOW, Decimal(2))


def test_a_finding_that_began_earlier_than_was_known_is_still_one(store: Store) -> None:
    write_findings(store, "p", [finding()], OF_TRACE, NOW)
    earlier = finding(first=NOW - HOUR)
    assert write_findings(store, "p", [earlier], OF_TRACE, NOW + 1) == (1, 1)
    [row] = read_stored(store, "p", OF_TRACE).rows
    assert (row.first_seen_ns, row.detected_ns) == (NOW - HOUR, NOW)


def test_what_is_found_no_more_goes_and_nothing_else(store: Store) -> None:
    other = replace(finding("y"), subject=Subject(trace_id="b" * 32))
    write_findings(store, "p", [finding(), other], StoredScope(("loop",), [TRACE, "b" * 32]), NOW)
    write_findings(store, "q", [finding()], OF_TRACE, NOW)
    assert write_findings(store, "p", [], OF_TRACE, NOW + 1) == (0, 1)
    assert {(row["project"], row["trace_id"]) for row in current(store)} == {
        ("p", "b" * 32),
        ("q", TRACE),
    }


def test_a_job_of_a_time_owns_its_rules_alone(store: Store) -> None:
    late = finding("late", first=NOW + HOUR)
    whole = StoredScope(("loop",), from_ns=NOW - HOUR, to_ns=NOW + 2 * HOUR)
    write_findings(store, "p", [finding(), late], whole, NOW)
    this_hour = StoredScope(("loop",), from_ns=NOW, to_ns=NOW + HOUR)
    assert write_findings(store, "p", [], replace(this_hour, codes=("cycle",)), NOW) == (0, 0)
    assert write_findings(store, "p", [], this_hour, NOW + 1) == (0, 1)
    assert [row.finding_id for row in read_stored(store, "p", whole).rows] == [late.finding_id]


def test_an_hour_has_a_bounded_number_of_alarms(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    dear = [finding(f"dear {i}", usd="9.5") for i in range(30)]
    cheap = [finding(f"cheap {i}", usd=None) for i in range(MOST_ALARMS)]
    with caplog.at_level(logging.WARNING):
        write_findings(store, "storm", [*cheap, *dear], OF_TRACE, NOW)
        write_findings(store, "storm", [*cheap, *dear], OF_TRACE, NOW + HOUR)  # the same as before
    assert [record.message.split(":")[0] for record in caplog.records] == ["storm"]
    rows = read_stored(store, "storm", OF_TRACE).rows
    alarms = {row.finding_id for row in rows if row.is_alarm}
    assert len(rows) == MOST_ALARMS + 30
    assert len(alarms) == MOST_ALARMS
    assert alarms >= {one.finding_id for one in dear}
    assert all('"bounded": true' in row.details for row in rows if not row.is_alarm)
    assert versions(store) == MOST_ALARMS + 30


def test_the_next_hour_has_its_own_alarms_and_what_turns_dangerous_counts(store: Store) -> None:
    most = MOST_ALARMS + MORE_CRITICAL
    first = [replace(finding(f"{i}"), severity="info") for i in range(most + 5)]
    write_findings(store, "p", first, OF_TRACE, NOW)
    worse = [replace(one, severity="critical") for one in first]
    more = [finding(f"next {i}") for i in range(7)]
    write_findings(store, "p", [*worse, *more], OF_TRACE, NOW + HOUR)
    rows = read_stored(store, "p", OF_TRACE).rows
    told = [row.detected_ns for row in rows if row.is_alarm]
    assert (told.count(NOW), told.count(NOW + HOUR)) == (most, 7)


def test_many_small_alarms_do_not_silence_a_critical_one(store: Store) -> None:
    small = [finding(f"{i}", usd="0.01") for i in range(MOST_ALARMS)]
    write_findings(store, "p", small, OF_TRACE, NOW)
    loop = finding("loop", usd="0.02")
    write_findings(store, "p", [*small, loop], OF_TRACE, NOW + 1)
    assert not alarm_of(store, loop)  # a warning beyond the bound
    loop = replace(loop, severity="critical", direct_usd=Decimal(14))
    write_findings(store, "p", [*small, loop], OF_TRACE, NOW + 2)
    assert alarm_of(store, loop)
    write_findings(store, "p", [*small, loop], OF_TRACE, NOW + 3)
    assert alarm_of(store, loop)


def alarm_of(store: Store, one: Finding) -> bool:
    rows = read_stored(store, "p", OF_TRACE).rows
    return next(row.is_alarm for row in rows if row.finding_id == one.finding_id)


def test_texts_money_and_times_beyond_all_bounds_are_taken(store: Store) -> None:
    odd = replace(
        finding("odd \ud800"[:4], usd="1e30"),
        title="x" * 2_000 + "\0",
        first_seen_ns=-5,
        last_seen_ns=-9,
        wasted_ns=-1,
        details={"bad": float("nan")},
    )
    write_findings(store, "p", [odd], OF_TRACE, NOW)
    [row] = read_stored(store, "p", OF_TRACE).rows
    assert (len(row.title), row.first_seen_ns, row.last_seen_ns) == (500, 0, 0)
    assert (row.direct_usd, row.wasted_ns) == (None, 0)
    assert "unreadable" in row.details
    assert write_findings(store, "p", [odd], OF_TRACE, NOW + 1) == (0, 0)
