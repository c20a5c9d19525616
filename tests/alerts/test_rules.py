"""Rules as people write them: what is read, and what is said of mistakes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from spanledger_alerts.errors import RuleError
from spanledger_alerts.rule_files import built_in, merged, of_folder, parse
from spanledger_alerts.silences import is_active, matcher_of
from spanledger_storage.alert_rows import SilenceRow
from tests.alerts.stage import T0, S, rule

SQL = "SELECT agent_name AS agent, count() AS value FROM spans WHERE project = {project:String}"


def mistake(**fields: object) -> str:
    with pytest.raises(RuleError) as caught:
        rule(**fields)
    return str(caught.value)


def test_a_rule_is_read() -> None:
    [found] = parse(
        f"""
        name: many-spans
        title: Many spans
        sql: {SQL} AND start_time < {{t:DateTime64(9)}} GROUP BY agent
        warn: 10
        critical: 20.5
        for: 5m
        every: 30s
        """,
        "here",
    )
    assert (found.for_s, found.every, str(found.critical)) == (300, 30, "20.5")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"treshold": 5}, "treshold is not known; a rule has channels, critical,"),
        ({"measure": "nothing"}, "measure is one of budget_burn,"),
        ({"sql": SQL}, "give exactly one of measure, sql and finding"),
        ({"measure": None, "sql": "SELECT 1 AS value"}, "it must compare with {project:String}"),
        ({"critical": None}, "give warn, critical, or both"),
        ({"warn": 20}, "with >=, critical must be beyond warn"),
        ({"recovery": 11}, "recovery must be on the good side"),
        ({"every": "often"}, "every: a duration is written 30s, 5m, 2h or 7d"),
        ({"name": "A rule"}, "name: a name has up to 64 of a-z"),
        ({"params": {"window_s": 5}}, "params.window_s is not known; made has none"),
        ({"no_data": "page"}, "no_data: Input should be 'ok', 'keep' or 'alert'"),
        ({"measure": None, "finding": ["lop"]}, "a kind of finding is one of loop,"),
        ({"runbook": "wiki"}, "runbook is a link"),
        ({"escalation": {"after": "5m", "channel": "x"}}, "escalation.channel is not known"),
    ],
)
def test_a_mistake_is_told_with_what_is_allowed(fields: dict[str, object], said: str) -> None:
    assert said in mistake(**fields)


def test_every_mistake_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: [")
    (tmp_path / "b.yaml").write_text("- name: x\n- 5\n")
    rules, lines = of_folder(tmp_path)
    assert rules == []
    assert lines[0].startswith("a.yaml, line 1: no YAML")
    assert any(line.startswith("b.yaml, line 1: rule x: title") for line in lines)
    assert "b.yaml, line 2: rule 2: a rule is a mapping of fields, not int." in lines


BOMB = "a: &a [x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in pairwise("abcdefghijklm")
)
"""9 ** 12 items, once every alias is followed."""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name: &x [*x]", "rule 1: name: write text"),
        ("&x\nname: own\nparams: *x", "rule own: title: is needed"),
        (f"{BOMB}name: *m", "rule 1: name: write text"),
        ("[" * 3_000, "no YAML: too many levels"),
        ("name: 2026-02-30", "no YAML: too many levels inside each other, or a date"),
    ],
)
def test_what_yaml_can_hide_is_a_mistake_like_others(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "own.yaml").write_text(text)
    rules, mistakes = of_folder(tmp_path)
    assert rules == []
    assert any(line in one for one in mistakes), mistakes
    with pytest.raises(RuleError) as caught:
        parse(text, "own.yaml")
    assert line in str(caught.value)
    assert len(str(caught.value)) < 20_000


def test_a_field_that_is_written_twice_is_told_once_and_not_for_each_alias(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("title: &t {a: 1, a: 2}\nparams: *t\nname: b\nname: c\n")
    _, mistakes = of_folder(tmp_path)
    assert [one for one in mistakes if "twice" in one] == [
        "own.yaml, line 1: a is written twice.",
        "own.yaml, line 4: name is written twice.",
    ]


def test_a_rule_of_the_folder_stands_in_the_place_of_a_built_in_one(tmp_path: Path) -> None:
    (tmp_path / "own.yml").write_text("{name: loop, title: Loops, finding: [loop], enabled: false}")
    own, mistakes = of_folder(tmp_path)
    found = {one.name: one for one in merged(built_in(), own)}
    assert mistakes == []
    assert not found["loop"].enabled
    assert len(found) == len(built_in())


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("agent=a b", True),
        ("agent!=a b", False),
        ("agent=~a.*", True),
        ("agent=~a", False),
        ("agent!~b", True),
        ("tool=", True),
    ],
)
def test_matchers(text: str, holds: bool) -> None:
    assert matcher_of(text).holds({"agent": "a b"}) == holds


@pytest.mark.parametrize("text", ["agent", "=x", "agent=~(", "a>b"])
def test_what_is_no_matcher_is_refused(text: str) -> None:
    with pytest.raises(RuleError):
        matcher_of(text)


def test_a_window_repeats_by_the_clock_of_its_zone() -> None:
    # 2027-03-26, a Friday: 09:00 in Berlin, two days before clocks go forward.
    start_ns = 1_806_048_000 * S
    row = SilenceRow(
        *("", "default", (), start_ns, start_ns + 3_600 * S, "daily", "Europe/Berlin"),
        *("ann", "", T0),
    )
    day_ns = 86_400 * S
    assert is_active(row, start_ns + 1_800 * S)
    assert not is_active(row, start_ns + 3_600 * S)
    assert not is_active(row, start_ns - 1)
    assert is_active(row, start_ns + 3 * day_ns - 1_800 * S)  # 09:30 of Monday, an hour earlier
    assert not is_active(row, start_ns + 3 * day_ns + 1_800 * S)
