"""The Rules page: how rules fare, what they measure, and how people change them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

from spanledger_alerts.rule_files import built_in
from spanledger_alerts.settings import AlertSettings
from spanledger_dashboard.access import Viewer
from spanledger_dashboard.alerts import rule_edit
from spanledger_dashboard.alerts.rule_book import load_book, with_field
from spanledger_dashboard.alerts.rule_text import LENGTH_LIMIT, NEW_RULE, Mistaken, checked
from spanledger_dashboard.alerts.rule_view import samples_frame
from spanledger_storage.account_roles import Role
from spanledger_storage.alert_rules import AlertRules, StoredRule
from spanledger_storage.alert_state import AlertState
from spanledger_storage.store import Store, StoreSettings
from tests.dashboard.alerted import (
    EVIL,
    Alerted,
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
from tests.dashboard.seed import Seeder

OURS = """\
name: dear-users
title: A user spends much
sql: SELECT user_id AS user, sum(total_cost_usd) AS value FROM ledger_current
  WHERE project = {project:String} AND time < {t:DateTime64(9)} GROUP BY user
critical: 2
delay: 0
unit: usd
"""


def mistakes(written: str, **known: object) -> list[tuple[int | None, str]]:
    channels = known.get("channels")
    with pytest.raises(Mistaken) as caught:
        checked(written, channels, str(known.get("name", "")))  # type: ignore[arg-type]  # a set
    return [(one.line, one.text.split(";")[0]) for one in caught.value.mistakes]


def test_mistakes_are_told_with_their_lines() -> None:
    assert checked(NEW_RULE, None).name == "dear-users"
    assert mistakes(f"{OURS}wanr: 3\nfor: soon\n") == [
        (8, "wanr is not known"),
        (9, "for: a duration is written 30s, 5m, 2h or 7d."),
    ]
    assert mistakes("name: a\n  title: [") == [(2, "no YAML: mapping values are not allowed here.")]
    assert mistakes(f"{OURS}unit: usd\n") == [(8, "unit is written twice.")]
    named = f"{OURS}channels: [ops, room]\n"
    assert mistakes(named, channels={"ops"}) == [
        (8, "channels: there is no channel room in channels.yaml."),
    ]
    assert checked(named, None).channels == ("ops", "room")
    [(line, said)] = mistakes(OURS, name="other")
    assert (line, "it stays other" in said) == (1, True)
    for strange in ("", "- 1\n", "x", "[" * 2_000, "a" * (LENGTH_LIMIT + 1)):
        assert mistakes(strange)


def test_a_later_source_stands_in_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "own.yaml").write_text(
        f"rules:\n- {{{'name: loop, title: Mine, finding: [loop]'}}}\n"
    )
    (folder / "bad.yaml").write_text("name: [\n")
    settings = AlertSettings(tmp_path)
    off = with_field(load_book(settings, {}).entries["drift"].text, "enabled", False)
    book = load_book(settings, {"drift": StoredRule("drift", off, "ann", 1)})
    assert set(book.entries) == {one.name for one in built_in()}
    assert "bad.yaml" in book.problem
    loop, drift = book.entries["loop"], book.entries["drift"]
    assert (loop.source, loop.place, loop.stands_for) == ("File", "own.yaml", ("Built-in",))
    assert (drift.source, drift.place, drift.rule.enabled) == ("Dashboard", "ann", False)
    before = {one.name: one for one in built_in()}["drift"]
    assert drift.rule.model_copy(update={"enabled": True}) == before


def test_the_list_says_how_each_rule_fares(
    alert_app: AppTest, alert_state: sa.Engine, now_s: int
) -> None:
    told = Alerted(alert_state)
    told.say(now_s // 10 * 10 - 600, planner=20, writer=30)
    shown = page(alert_app, "rules")
    table = shown.dataframe[0].value.set_index("Name")
    assert len(table) == len(built_in()) + 1
    [costs] = table[table.index == "costly"].to_dict("records")
    assert (costs["State"], costs["Fired"], costs["Source"]) == ("▲ Fires (2)", 2, "File")
    assert costs["Alerts"] == "critical from $10.00"
    assert set(table["State"]) == {"▲ Fires (2)", "Not run yet"}
    one = page(another(), "rules", rule="costly")
    assert cards(one)["State"] == "▲ Fires (2)"
    assert "What an agent costs." in text(one)
    assert "There is no such rule" in text(page(another(), "rules", rule="none"))


def test_an_editor_writes_measures_saves_and_removes_a_rule(
    alert_app: AppTest,
    alert_state: sa.Engine,
    seed: Seeder,
    store_settings: StoreSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = Store.connect(replace(store_settings, settings={"readonly": "2"}))
    monkeypatch.setattr(rule_edit, "store", lambda: reader)
    for user, cost in (("ann", "3"), ("ben", "1")):
        span = seed.span(user.encode().hex().zfill(32), f"{1:016x}", user_id=user)
        seed.entry(span, cost, user_id=user)
    seed.insert()
    app = page(alert_app, "rules")
    press(app, "New rule")
    app.text_area[0].input(f"{OURS}wanr: 3\n")
    press(app, "Save")
    assert "Line 8: wanr is not known" in text(app).replace("**", "")
    assert AlertRules(alert_state).all() == {}
    app.text_area[0].input(OURS)
    press(app, "Check and measure")
    assert "it sees 2 rows, 1 past a threshold" in text(app).replace("**", "")
    seen = next(f.value for f in app.dataframe if "Level" in f.value)
    assert seen[["What", "Value", "Level"]].to_numpy().tolist() == [
        ["user ann", "$3.00", "▲ Critical"],
        ["user ben", "$1.00", "✓ Well"],
    ]
    app.text_area[0].input(OURS.replace("ledger_current", "file('/etc/passwd')"))
    press(app, "Save")
    assert "Line 3: sql:" in text(app).replace("**", "")
    app.text_area[0].input(OURS)
    press(app, "Save")
    assert AlertState(alert_state).rule_texts() == {"dear-users": OURS}

    app = page(another(), "rules", rule="dear-users")
    press(app, "Switch off")
    stored = AlertRules(alert_state).all()["dear-users"]
    assert "enabled: false" in stored.text
    assert cards(app)["State"] == "Switched off"
    press(app, "Remove")
    press(app, "Remove, for everybody")
    log = AlertRules(alert_state).log("dear-users")
    assert [(one.action, one.who) for one in log] == [
        ("removed", "local"), ("saved", "local"), ("saved", "local"),
    ]  # fmt: skip
    assert log[2].text == OURS
    assert AlertRules(alert_state).all() == {}
    reader.close()


def test_a_rule_runs_over_the_past(
    alert_app: AppTest, seed: Seeder, alert_state: sa.Engine
) -> None:
    hourly = OURS.replace("time <", "time >= {t:DateTime64(9)} - INTERVAL 1 HOUR AND time <")
    AlertRules(alert_state).put("dear-users", f"{hourly}every: 30m\n", "ann", 1)
    for number, hours in enumerate((5, 20, 30), 1):  # the last one before the day
        span = seed.span(f"{number:032x}", f"{1:016x}", user_id="ann", at_s=-hours * 3_600)
        seed.entry(span, "3", user_id="ann")
    seed.insert()
    app = page(alert_app, "rules", rule="dear-users")
    app.segmented_control(key="part").set_value("Over the past").run()
    app.segmented_control(key="backtest-period").set_value("1 day").run()
    press(app, "Run over the past")
    assert "It would have fired 2 times in 1 day:" in text(app).replace("**", "")
    table = next(f.value for f in app.dataframe if "Fired" in f.value)
    assert table["Value"].to_list() == ["$3.00", "$3.00"]


def test_others_see_rules_and_change_none(
    alert_app: AppTest, alert_state: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"title": EVIL, "description": EVIL, "owner": EVIL}
    hidden = "projects: [other]\n"
    rules = AlertRules(alert_state)
    rules.put("theirs", OURS.replace("dear-users", "theirs") + hidden, "ann", 1)
    evil = rule(name="evil", **fields)
    lines = "".join(f"{name}: {value!r}\n" for name, value in fields.items())
    rules.put("evil", f"name: evil\nfinding: [loop]\n{lines}", EVIL, 1)
    ned = Viewer("ned", Role.EDITOR, frozenset({"default"}))
    monkeypatch.setattr("spanledger_dashboard.access.people.later_viewer", lambda: lambda: ned)
    shown = page(alert_app, "rules")
    assert "theirs" not in shown.dataframe[0].value["Name"].to_list()
    assert "New rule" not in labels(shown)
    assert "Check and measure" not in labels(page(another(), "rules", new="rule"))
    one = page(another(), "rules", rule="evil")
    assert not {"Switch off", "Remove", "Save"} & labels(one)
    assert "<img" not in raw(one).replace(r"\<img", "")
    assert ":red[r" not in raw(one)
    frame = samples_frame(evil, [costly(EVIL, 20, headline=EVIL)])
    assert frame["What"].to_list() == [EVIL]
