"""The Incidents page with none, one and many, hostile texts, and who may do what."""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

from spanledger_dashboard.access import Viewer
from spanledger_dashboard.alerts import opened
from spanledger_dashboard.alerts.incident_table import incidents_file
from spanledger_dashboard.alerts.incidents import load_open
from spanledger_dashboard.alerts.rule_book import load_book
from spanledger_dashboard.overview import attention
from spanledger_storage.account_roles import Role
from spanledger_storage.store import Store
from tests.dashboard.alerted import (
    AWAY,
    EVIL,
    Alerted,
    S,
    another,
    cards,
    costly,
    labels,
    page,
    press,
    raw,
    rule,
    text,
)
from tests.dashboard.found import TRACE
from tests.dashboard.seed import Seeder


def address(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_without_incidents_it_says_what_to_do(alert_app: AppTest) -> None:
    shown = text(page(alert_app, "incidents"))
    assert "Nothing asks for anybody" in shown
    assert "No rule was ever evaluated" in shown
    unknown = text(page(another(), "incidents", incident="0" * 16 + "/1"))
    assert "There is no such incident in this project" in unknown


def test_a_link_of_a_notification_leads_to_reason_traces_and_timeline(
    alert_app: AppTest, alert_state: sa.Engine, seed: Seeder, now_s: int
) -> None:
    seed.entry(seed.span(TRACE, f"{1:016x}", name="run", role="agent"), "12.4")
    seed.trace(TRACE)
    seed.insert()
    told, start_s = Alerted(alert_state), now_s // 10 * 10 - 600
    told.ops.failures = [AWAY]
    told.say(start_s, planner=costly("planner", 12.4, trace_ids=(TRACE,)))
    told.say(start_s + 30)
    listed = page(alert_app, "incidents")
    assert (cards(listed)["Open"], cards(listed)["Dearest"]) == ("1", "$12.40")
    [row] = listed.dataframe[0].value.to_dict("records")
    assert row["What"] == "Cost per hour: $12.40 (agent planner)"
    assert row["About"] == "planner"
    clock_s = now_s // 10 * 10  # the pages' clock goes in steps
    assert (clock_s - start_s) * S <= row["For"] <= (clock_s - start_s + 60) * S

    [incident] = told.ops.sent[0].incidents
    query = address(incident.links[0].url)
    assert query.pop("project") == "default"
    shown = page(another(), "incidents", **query)
    figures = cards(shown)
    assert figures["Value"] == "$12.40"
    assert figures["Alerts from"] == "$10.00"
    assert figures["Usual"] == "$2.00"
    said = text(shown)
    assert "Likely cause: The agent repeats itself." in said.replace("**", "")
    steps = ("Fired, critical", "Not taken by ops: 503 from ops", "Told ops that it fires")
    places = [said.index(step) for step in steps]
    assert places == sorted(places, reverse=True)  # the latest first
    traces = next(f.value for f in shown.dataframe if "Trace" in f.value)
    assert traces["Cost"].to_list() == [12.4]
    links = [link.proto.query_string for link in shown.get("page_link")]
    assert any(f"trace_id={TRACE}" in one for one in links)


def test_people_acknowledge_and_silence(
    alert_app: AppTest, alert_state: sa.Engine, now_s: int
) -> None:
    told, start_s = Alerted(alert_state), now_s // 10 * 10 - 600
    told.say(start_s, planner=20, writer=30)
    first = next(
        one for one in told.state.instances("default") if "planner" in one.labels
    ).instance_id
    shown = page(alert_app, "incidents", incident=first)  # without a number: the last one
    assert "Told together with it: 1 more open" in text(shown).replace("**", "")
    next(field for field in shown.text_input if field.label == "Note").input("on it")
    press(shown, "Acknowledge")
    assert "Acknowledged by local: on it" in text(shown).replace("**", "")
    assert "Acknowledge" not in labels(shown)
    assert told.state.acks("default") == {f"default/{first}/1": "local"}

    press(shown, "Silence")
    assert "Say why" in text(shown)
    next(field for field in shown.text_input if field.label == "Reason").input("a release")
    press(shown, "Silence")
    [silence] = told.state.silences("default", now_ns=now_s * S)
    assert silence.matchers == (("rule", "=", "costly"), ("agent", "=", "planner"))
    assert (silence.author, silence.reason) == ("local", "a release")
    assert silence.ends_at_ns - silence.starts_at_ns == 7_200 * S
    listed = page(another(), "incidents")
    assert (cards(listed)["Nobody on it"], cards(listed)["Silenced"]) == ("1", "1")
    states = dict(zip(*(listed.dataframe[0].value[n] for n in ("About", "State")), strict=True))
    assert states == {"planner": "Firing, silenced", "writer": "Firing"}


def test_what_ended_is_kept_and_each_incident_has_its_own_page(
    alert_app: AppTest, alert_state: sa.Engine, now_s: int
) -> None:
    told, start_s = Alerted(alert_state), now_s // 10 * 10 - 3_000
    told.say(start_s, planner=20)
    told.say(start_s + 600, planner=1)
    told.say(start_s + 1_200, planner=40)
    told.say(start_s + 1_500, planner=2)
    listed = page(alert_app, "incidents")
    assert (cards(listed)["Open"], cards(listed)["Resolved"]) == ("0", "2")
    [ended] = [f.value for f in listed.dataframe]
    assert ended["Lasted"].to_list() == [300 * S, 600 * S]
    # Each has its own, and not those of the last evaluation, when it had ended already.
    assert ended["Dollars"].to_list() == [40.0, 20.0]
    [row] = told.state.instances("default")
    shown = page(another(), "incidents", incident=f"{row.instance_id}/1")
    assert cards(shown)["Lasted"] == "10 min"
    assert cards(shown)["Dollars"] == "$20.00"
    assert "Silence" not in labels(shown)
    assert "Resolved" in text(shown)


def test_many_filters_and_hostile_texts(
    alert_app: AppTest, alert_state: sa.Engine, now_s: int
) -> None:
    told = Alerted(alert_state, [rule(warn=5, group_by=["agent"])])
    evil = costly(EVIL, 99, explanation=EVIL, headline=EVIL, trace_ids=("<b>",))
    told.say(now_s // 10 * 10 - 60, evil=evil, **{f"a{n}": 5 + n for n in range(40)})
    listed = page(alert_app, "incidents")
    assert (cards(listed)["Open"], cards(listed)["Critical"]) == ("41", "36")
    assert set(listed.dataframe[0].value["Severity"].head(36)) == {"▲ Critical"}
    narrow = page(another(), "incidents", severity="warning", label="agent=a3", state="Open")
    assert narrow.dataframe[0].value["About"].to_list() == ["a3"]
    found = page(another(), "incidents", q="(AGENT A3")
    assert len(found.dataframe[0].value) == 1 + 10  # a3, a30 … a39

    row = next(one for one in told.state.instances("default") if "img" in one.labels)
    shown = raw(page(another(), "incidents", incident=row.instance_id))
    assert r"\<img" in shown
    assert "<img" not in shown.replace(r"\<img", "")
    assert ":red[r" not in shown
    assert "**b**" not in shown


def test_who_may_only_look_gets_no_buttons_and_no_other_project(
    alert_app: AppTest, alert_state: sa.Engine, now_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Alerted(alert_state)
    ours.say(now_s // 10 * 10 - 60, planner=20)
    theirs = Alerted(alert_state, project="other")
    theirs.say(now_s // 10 * 10 - 30, secret=50)
    guest = Viewer("guest", Role.VIEWER, frozenset({"default"}))
    monkeypatch.setattr("spanledger_dashboard.access.people.later_viewer", lambda: lambda: guest)
    [row] = ours.state.instances("default")
    shown = page(alert_app, "incidents", incident=row.instance_id)
    assert "Cost per hour" in text(shown)
    assert not {"Acknowledge", "Silence"} & labels(shown)
    kept = opened.alerts()
    assert kept is not None
    with pytest.raises(Exception, match="may look"):
        kept.acknowledge("default", "costly", f"default/{row.instance_id}/1", "")
    with pytest.raises(Exception, match="all projects"):
        kept.put_rule("costly", "")
    for ask in (kept.acks, lambda p: kept.instances(p), lambda p: kept.history(p, "")):
        with pytest.raises(Exception, match="not open"):
            ask("other")
    [other] = theirs.state.instances("other")
    gone = page(another(), "incidents", incident=f"{other.instance_id}/1")
    assert "There is no such incident in this project" in text(gone)
    assert ours.state.acks("default") == {}


def test_files_have_exact_dollars_and_the_overview_names_the_worst(
    alert_state: sa.Engine, store: Store, store_url: str, now_s: int
) -> None:
    assert store_url
    told = Alerted(alert_state)
    assert attention.open_incidents(store, "default", now_s) == []
    told.say(now_s // 10 * 10 - 60, planner=costly("planner", 12, usd=Decimal("12.000000000001")))
    [one] = attention.open_incidents(store, "default", now_s)
    [row] = told.state.instances("default")
    assert one.title == "Cost per hour: $12.00 (agent planner)"
    assert (one.amount, one.query) == (
        "$12.00, nobody is on it", {"incident": f"{row.instance_id}/1"},
    )  # fmt: skip
    told.say(now_s // 10 * 10 - 50, writer=30)
    told.state.acknowledge("default", "costly", f"default/{row.instance_id}/1", "ann", 1)
    [both] = attention.open_incidents(store, "default", now_s)
    assert (both.badge, both.query) == ("Incidents", {})
    assert both.amount.endswith("nobody is on 1")

    kept = opened.alerts()
    assert kept is not None
    book = load_book(opened.alert_settings(), {})
    table = incidents_file(load_open(kept, "default", book, now_s * S))
    exact = dict(zip(table["labels"].to_pylist(), table["usd"].to_pylist(), strict=True))
    assert exact["agent=planner"] == Decimal("12.000000000001")
