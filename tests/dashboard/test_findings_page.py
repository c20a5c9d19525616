"""The Findings page with none, one and many, hostile texts, states, mutes, and who may say them."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
import streamlit as st
from streamlit.testing.v1 import AppTest

import spanledger_dashboard
from spanledger_dashboard import connection
from spanledger_dashboard.access import Viewer
from spanledger_dashboard.findings.data import Found, load_findings, load_overlaps
from spanledger_dashboard.findings.figures import listings, scalars
from spanledger_dashboard.findings.totals import counted_once
from spanledger_dashboard.overview import attention
from spanledger_dashboard.time_range import RANGES
from spanledger_dashboard.trace.data import TraceKey, find_trace, load_trace
from spanledger_dashboard.trace.marks import find_marks
from spanledger_dashboard.trace.marks.found import marks_of
from spanledger_dashboard.trace.shape import TraceShape
from spanledger_storage.account_roles import Role
from spanledger_storage.finding_state import FindingStates
from spanledger_storage.store import Store
from tests.dashboard.found import TRACE, S, loop, put, span_ids
from tests.dashboard.seed import Seeder

APP = Path(spanledger_dashboard.__file__).parent / "app.py"
EVIL = "x`; **b** :red[r] <img src=x>"


@pytest.fixture
def app(store_url: str, state: sa.Engine) -> AppTest:
    assert store_url
    assert state
    return AppTest.from_file(str(APP), default_timeout=30)


def page(app: AppTest, **params: str) -> AppTest:
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page("app_pages/findings.py")
    app.run()
    assert not app.exception
    return app


def text(app: AppTest) -> str:
    blocks = [*app.markdown, *app.caption, *app.info, *app.subheader, *app.code, *app.error]
    return "\n".join(str(b.value) for b in blocks).replace("\\", "").replace("\u2060", "")


def cards(app: AppTest) -> dict[str, str]:
    return {m.label: m.value for m in app.metric}


def titles(app: AppTest) -> list[str]:
    return list(app.dataframe[0].value["What"]) if app.dataframe else []


def press(app: AppTest, label: str) -> None:
    next(one for one in app.button if one.label == label).click().run()
    assert not app.exception


def seen(store: Store, now_s: int) -> list[Found]:
    return list(load_findings(store, "default", RANGES["24h"].window(now_s)).found)


def total(store: Store, now_s: int, found: list[Found]) -> Decimal | None:
    spans = load_overlaps(store, "default", RANGES["24h"].window(now_s))
    return counted_once(found, spans, "direct_usd")


def test_without_findings_it_says_so(app: AppTest, seed: Seeder) -> None:
    assert "No data yet" in text(page(app))
    seed.span(TRACE, f"{1:016x}")
    seed.insert()
    st.cache_data.clear()
    assert "Nothing was found in project default" in text(page(app))


def test_one_finding_and_its_detail(app: AppTest, store: Store, seed: Seeder, now_s: int) -> None:
    for number in (1, 2, 3):
        span = seed.span(TRACE, f"{number:016x}", name="search", role="tool", at_s=-3_590 + number)
        seed.entry(span, "0.5")
    seed.insert()
    put(store, now_s, loop(now_s))
    shown = page(app)
    assert cards(shown)["Open"] == "1"
    assert cards(shown)["Wasted"] == "$1.50"
    assert cards(shown)["Avoidable"] == "$1.25"
    assert cards(shown)["Carried, estimate"] == "$0.250"
    assert titles(shown) == ["search repeated 5 times (one)"]

    shown = page(app, finding=loop(now_s).finding_id)
    assert "The same call gave the same result 5 times in a row." in text(shown)
    frames = [frame.value for frame in shown.dataframe]
    spans = next(frame for frame in frames if "Span" in frame)
    assert list(spans["Cost"]) == [0.5, 0.5, 0.5]
    figures = next(frame for frame in frames if "Figure" in frame)
    assert dict(zip(figures["Figure"], figures["Value"], strict=True))["Copies"] == "5"
    links = [link.proto.query_string for link in shown.get("page_link")]
    assert any(f"finding={loop(now_s).finding_id}" in one and f"{1:016x}" in one for one in links)


def test_findings_of_the_same_spans_are_not_added_up(store: Store, now_s: int) -> None:
    found = [
        loop(now_s, "dear"),
        loop(now_s, "cheap", evidence=span_ids(3, 4), direct_usd=Decimal(1)),
        loop(now_s, "apart", evidence=span_ids(8), direct_usd=Decimal("0.1")),
        loop(now_s, "unknown", evidence=span_ids(9), direct_usd=None),
    ]
    put(store, now_s, *found)
    assert total(store, now_s, seen(store, now_s)) == Decimal("1.6")
    rest = [one for one in seen(store, now_s) if "dear" not in one.title]
    assert total(store, now_s, rest) == Decimal("1.1")
    assert total(store, now_s, [one for one in rest if one.direct_usd is None]) is None


def test_the_sum_never_exceeds_the_cost_of_all_spans(store: Store, now_s: int) -> None:
    rng = random.Random(3)
    found = []
    for number in range(60):
        members = rng.sample(range(1, 40), rng.randint(1, 6))
        found.append(loop(now_s, str(number), evidence=span_ids(*members),
                          direct_usd=Decimal(len(members))))  # fmt: skip
    put(store, now_s, *found)
    summed = total(store, now_s, seen(store, now_s))
    union = {ref for one in found for ref in one.evidence}
    assert summed is not None
    assert max(one.direct_usd for one in found if one.direct_usd) <= summed <= len(union)


def test_filters_are_links(app: AppTest, store: Store, now_s: int) -> None:
    other = loop(now_s, "two", severity="warning", kind="silent_failure", code="payload",
                 evidence=span_ids(7),
                 subject={"agent_name": "writer", "tool_name": "mail"})  # fmt: skip
    put(store, now_s, loop(now_s), other)
    assert len(titles(page(app))) == 2
    for params in ({"agent": "writer", "tool": "mail"}, {"kind": "Silent failure", "q": "(TWO)"}):
        fresh = AppTest.from_file(str(APP), default_timeout=30)
        assert titles(page(fresh, **params)) == ["search repeated 5 times (two)"], params


def test_many_and_hostile_texts(app: AppTest, store: Store, now_s: int) -> None:
    evil = loop(now_s, "evil", title=EVIL, explanation=EVIL, direct_usd=Decimal(99),
                avoidable_usd=None, carried_usd=None, details={EVIL: EVIL, "rows": [{EVIL: EVIL}]},
                subject={"agent_name": EVIL, "tool_name": EVIL, "user_id": EVIL})  # fmt: skip
    many = [loop(now_s, str(n), evidence=span_ids(n)) for n in range(10, 60)]
    put(store, now_s, evil, *many)
    shown = page(app)
    assert cards(shown)["Open"] == "51"
    assert titles(shown)[0] == EVIL
    shown = page(app, finding=evil.finding_id)
    raw = "\n".join(str(m.value) for m in [*shown.markdown, *shown.caption, *shown.subheader])
    assert r"\<img" in raw
    assert "<img" not in raw.replace(r"\<img", "")
    assert ":red[" not in raw.replace("\u2060", "")


def test_what_people_say_moves_and_mutes_findings(
    app: AppTest, store: Store, state: sa.Engine, now_s: int
) -> None:
    put(store, now_s, loop(now_s), loop(now_s, "two", evidence=span_ids(7)))
    shown = page(app, finding=loop(now_s).finding_id)
    next(field for field in shown.text_input if field.label == "Note").input("on it")
    press(shown, "Acknowledge")
    assert "Acknowledged by local: on it" in text(shown)
    press(shown, "False alarm")
    said = FindingStates(state)
    assert [mute.pattern for mute in said.mutes("default")] == ["loop / exact / planner / search"]

    fresh = AppTest.from_file(str(APP), default_timeout=30)
    assert titles(page(fresh)) == []
    assert "Everything that matches is muted" in text(fresh)
    assert [one.label for one in fresh.toggle] == ["Show 1 muted"]
    fresh.toggle[0].set_value(True).run()
    assert titles(fresh) == ["search repeated 5 times (two)"]

    link = AppTest.from_file(str(APP), default_timeout=30)
    assert len(titles(page(link, muted="true"))) == 1

    again = AppTest.from_file(str(APP), default_timeout=30)
    press(page(again, finding=loop(now_s).finding_id), "Reopen")
    assert said.mutes("default") == []
    assert len(titles(page(AppTest.from_file(str(APP), default_timeout=30)))) == 2


def test_a_resolved_finding_that_is_seen_again_is_open(
    app: AppTest, store: Store, state: sa.Engine, now_s: int
) -> None:
    grown = loop(now_s)
    put(store, now_s, grown)
    pattern = grown.pattern
    FindingStates(state).say("default", grown.finding_id, "resolved", pattern=pattern, who="ann",
                             now_ns=(now_s - 3_000) * S)  # fmt: skip
    assert titles(page(app)) == []
    put(store, now_s, replace(grown, last_seen_ns=(now_s - 60) * S))
    fresh = AppTest.from_file(str(APP), default_timeout=30)
    st.cache_data.clear()
    assert list(page(fresh).dataframe[0].value["State"]) == ["Open again"]


def test_who_may_only_look_gets_no_buttons_and_no_other_project(
    app: AppTest, store: Store, now_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, now_s, loop(now_s))
    theirs = loop(now_s, "theirs", title="theirs")
    put(store, now_s, theirs, project="other")
    guest = Viewer("guest", Role.VIEWER, frozenset({"default"}))
    monkeypatch.setattr("spanledger_dashboard.access.people.later_viewer", lambda: lambda: guest)
    shown = page(app, finding=loop(now_s).finding_id)
    assert not {"Acknowledge", "False alarm"} & {one.label for one in shown.button}
    said = connection.findings()
    assert said is not None
    with pytest.raises(Exception, match="may look"):
        said.say("default", loop(now_s).finding_id, "", "resolved", "")
    with pytest.raises(Exception, match="not open"):
        said.of("other")
    fresh = AppTest.from_file(str(APP), default_timeout=30)
    shown = page(fresh, finding=theirs.finding_id)
    assert "There is no such finding in this project" in text(shown)
    assert "theirs" not in text(shown)


def test_figures_say_their_units() -> None:
    figures = {"cost_usd": "1.5", "gap_ns": 2_000_000_000, "share_ratio": 0.25, "n": 5000,
               "names": ["a", "b"], "in": {"z": 4.25}, "none": None}  # fmt: skip
    found = dict(scalars(figures))
    assert found == {"Cost": "$1.50", "Gap": "2.00s", "Share": "25.0%", "N": "5,000",
                     "Names": "a, b", "In: Z": "4.25", "None": "—"}  # fmt: skip
    [(title, frame)] = listings({"parts_usd": 3, "top": [{"usd": 1, "b": 2}, {"b": 3}]}).items()
    assert (title, list(frame["B"])) == ("Top", ["2", "3"])


def test_the_trace_lights_the_spans_of_a_finding_and_agrees_on_loops(
    app: AppTest, store: Store, seed: Seeder, now_s: int
) -> None:
    for number in (1, 2, 3, 4):
        seed.span(TRACE, f"{number:016x}", name="search", role="tool", at_s=-3_590 + number)
    seed.insert()
    one = loop(now_s)
    put(store, now_s, one, loop(now_s, "bloat", kind="context_bloat", code="grown",
                                evidence=span_ids(4)))  # fmt: skip
    app.query_params["trace_id"] = TRACE
    app.query_params["finding"] = one.finding_id
    app.switch_page("app_pages/trace.py")
    app.run()
    assert not app.exception
    [key] = find_trace_keys(store)
    trace = load_trace(store, key)
    params = {"project": "default", "finding_id": one.finding_id}
    given = marks_of(store.rows("dashboard_finding", params)[0], TRACE)
    found = [(m.row, m.label) for m in find_marks(trace, TraceShape.of(trace), given)]
    assert found == [(0, "loop ×5"), (1, "loop ×5"), (2, "loop ×5"), (3, "context bloat")]
    kinds = [m.kind for m in find_marks(trace, TraceShape.of(trace), given)]
    assert kinds == ["finding", "finding", "finding", "context_bloat"]
    labels = [link.proto.label for link in app.get("page_link")]
    assert {"Loop $1.25", "Context bloat $1.25"} <= {one.replace("\\", "") for one in labels}


def find_trace_keys(store: Store) -> list[TraceKey]:
    key = find_trace(store, TRACE, "default")
    return [key] if key else []


def test_the_overview_names_the_dearest_of_each_trace(
    store: Store, state: sa.Engine, store_url: str, now_s: int
) -> None:
    assert store_url
    other = {"trace_id": "cd" * 16, "agent_name": "writer"}
    told = loop(now_s, "cheap", subject=other, avoidable_usd=Decimal("0.5"), severity="warning")
    put(store, now_s, loop(now_s), loop(now_s, "same trace", avoidable_usd=Decimal(1)), told,
        loop(now_s, "note", subject={"trace_id": ""}, severity="info"))  # fmt: skip
    shown = attention.open_findings(store, "default", now_s)
    assert [(one.badge, one.amount) for one in shown] == [
        ("Critical", "planner · $1.25 could have been saved"),
        ("Warning", "writer · $0.500 could have been saved"),
        ("Findings", ""),
    ]
    assert shown[2].title == "1 more open finding"
    assert shown[0].query == {"finding": loop(now_s).finding_id}
    said = FindingStates(state)
    for one in (told, loop(now_s)):
        said.say("default", one.finding_id, "acknowledged", pattern="", who="ann", now_ns=1)
    left = attention.open_findings(store, "default", now_s)
    assert [one.amount for one in left] == ["planner · $1.00 could have been saved"]
