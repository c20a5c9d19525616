"""What a notification says, and text that is fit for a line."""

from __future__ import annotations

import unicodedata
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spanledger_alerts.content import incident
from spanledger_alerts.notification import Unit
from spanledger_alerts.text import duration, figure, iso, moment, one_line, usd, web_address
from tests.alerts.channels.incidents import BASE, BEGAN_NS, facts


def test_an_incident_says_what_since_when_how_much_and_why() -> None:
    told = incident(facts(), BASE)
    assert told.title == "Cost per hour: $12.40 (agent researcher-1)"
    assert list(told.lines) == [
        "What one agent spends.",
        "Since 2025-11-21 13:00 UTC.",
        "Value $12.40; it alerts from $10.00.",
        "Usual $3.10; this is 4 times as much.",
        "Likely cause: The agent repeats search 41 times.",
        "Owner: on-call",
    ]


def test_what_is_said_already_is_not_said_again() -> None:
    labels = {"kind": "loop", "code": "exact", "agent": "planner", "trace": "a" * 32}
    told = incident(facts(headline="The same call 9 times", labels=labels, value=None), BASE)
    assert "Where: agent planner" in told.lines
    assert "Cost: $12.40." in told.lines
    other = incident(facts(unit="count", value=Decimal(3)), BASE)
    assert "Cost: $12.40." in other.lines


def test_links_lead_to_the_view_three_traces_and_the_runbook() -> None:
    told = incident(facts(), f"{BASE}/")
    about = f"incident={'/'.join(told.key.split('/')[1:])}".replace("/", "%2F")
    assert [(link.text, link.url) for link in told.links] == [
        ("Open incident", f"{BASE}/incidents?{about}&project=shop"),
        (
            "Open view",
            f"{BASE}/traces?from=1763726400&to=1763730060&agent=researcher-1&project=shop",
        ),
        *((f"Trace {n}", f"{BASE}/trace?trace_id={c * 32}&project=shop") for n, c in _TRACES),
        ("Runbook", "https://wiki.example.com/cost"),
    ]
    assert [link.text for link in incident(facts()).links] == ["Runbook"]
    assert not incident(facts(runbook="javascript:alert(1)"), "").links


_TRACES = ((1, "a"), (2, "b"), (3, "c"))


def test_an_incident_that_ended_says_how_long_it_took() -> None:
    told = incident(facts(ended_ns=BEGAN_NS + 725 * 10**9, acknowledged_by="ana"), BASE)
    assert "From 2025-11-21 13:00 UTC to 2025-11-21 13:12 UTC (12 min)." in told.lines
    assert "Acknowledged by ana" in told.lines


def test_what_is_over_says_how_bad_it_was() -> None:
    over: dict[str, Any] = {"ended_ns": BEGAN_NS + 10**9, "value": Decimal("0.12")}
    told = incident(facts(**over, worst=Decimal(25), usd=Decimal(25)), BASE)
    assert told.title == "Cost per hour: $25.00 (agent researcher-1)"
    assert "Last value $0.120, at its worst $25.00; it alerts from $10.00." in told.lines
    assert not any(line.startswith("Cost:") for line in told.lines)
    assert told.usd == "$25.00"
    other = incident(facts(**over, unit="count", worst=Decimal("0.12")), BASE)
    assert "Last value 0.12; it alerts from 10." in other.lines
    assert "Cost: $12.40 at its worst." in other.lines
    finding = incident(facts(ended_ns=BEGAN_NS, cause="finding", value=None), BASE)
    assert "Cost: $12.40 in all." in finding.lines


def test_a_finding_speaks_for_itself() -> None:
    told = incident(facts(headline="Loop of 41 steps: $3.20", value=None, threshold=None), BASE)
    assert told.title == "Loop of 41 steps: $3.20"
    assert "Where: agent researcher-1" in told.lines
    assert told.value == ""


@pytest.mark.parametrize(
    ("cause", "title"),
    [
        ("no_data", "No data: Cost per hour (agent researcher-1)"),
        ("error", "Rule cannot be evaluated: Cost per hour (agent researcher-1)"),
    ],
)
def test_without_a_value_the_title_says_so(cause: str, title: str) -> None:
    assert incident(facts(cause=cause, value=None), BASE).title == title


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        ("12.4", "usd", "$12.40"),
        ("1234567.891", "usd", "$1,234,567.89"),
        ("0.00042", "usd", "$0.000420"),
        ("-0.5", "usd", "-$0.500"),
        ("0", "usd", "$0.00"),
        ("0.0421", "ratio", "4.21 %"),
        ("1", "ratio", "100 %"),
        ("1.25", "seconds", "1.25 s"),
        ("5400", "seconds", "1 h 30 min"),
        ("1234567", "tokens", "1,234,567 tokens"),
        ("41", "count", "41"),
        ("0", "count", "0"),
    ],
)
def test_figures_read_with_their_unit(value: str, unit: Unit, shown: str) -> None:
    assert figure(Decimal(value), unit) == shown


def test_times_and_durations_read_plainly() -> None:
    assert [duration(s) for s in (0, 59, 60, 3_600, 93_600)] == [
        *("0 s", "59 s", "1 min", "1 h", "1 d 2 h"),
    ]
    assert moment(BEGAN_NS) == "2025-11-21 13:00 UTC"
    assert iso(BEGAN_NS + 5_000_000) == "2025-11-21T13:00:00.005Z"
    assert usd(Decimal("0.9999")) == "$1.00"


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=2_000), st.integers(10, 300))
@example("00000000\u061b", 10)  # what turns the line is what is cut off
@example("000000000\u0627", 10)
def test_any_text_becomes_one_short_line(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert not {unicodedata.category(c) for c in line} & {"Cc", "Cs", "Zl", "Zp"}
    assert not set(line) & set("\u202a\u202b\u202d\u202e\u2066\u2067")
    assert one_line(line, limit) == line
    assert "@here" not in line.lower()


def test_a_line_keeps_its_text_and_loses_what_turns_or_calls() -> None:
    assert one_line("data_loader  v2\n\tfast") == "data_loader v2 fast"
    assert one_line("\u202eevil\u2066") == "evil"
    assert one_line("hi @channel ana@example.com") == "hi @\u2060channel ana@example.com"
    assert one_line("שלום") == "\u2068שלום\u2069"
    assert one_line("x" * 50, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("https://example.com/a?b=c&d=%20", True),
        ("http://localhost:8501/x", True),
        ("javascript:alert(1)", False),
        ("https://a.b/x|y", False),
        ("https://a.b/ x", False),
        ('https://a.b/"onclick', False),
        ("https://a.b/\n", False),
        ("https://é.com/", False),
    ],
)
def test_only_plain_addresses_are_offered(text: str, is_one: bool) -> None:
    assert web_address(text) == is_one
