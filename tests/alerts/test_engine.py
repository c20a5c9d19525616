"""Engine and sender together: who is told of what, once, and when it is over."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from spanledger_alerts.notification import Facts, Incident
from spanledger_alerts.sample import Sample
from spanledger_alerts.silences import matcher_of
from spanledger_storage.alert_rows import SilenceRow
from spanledger_storage.alert_tables import instances, timeline
from spanledger_storage.errors import StoreError
from tests.alerts.stage import PROJECT, Recorder, S, Stage, rule, words


@pytest.fixture
def ops() -> Recorder:
    return Recorder()


@pytest.fixture
def stage(tmp_path: Path, ops: Recorder) -> Stage:
    return Stage(tmp_path / "state.db", rule(), channels={"ops": ops})


def silence(stage: Stage, *matchers: str, seconds: int = 100) -> SilenceRow:
    parts = [matcher_of(text) for text in matchers]
    row = SilenceRow(
        id="",
        project=PROJECT,
        matchers=tuple((one.label, one.op, one.value) for one in parts),
        starts_at_ns=stage.now_ns,
        ends_at_ns=stage.now_ns + seconds * S,
        repeats="",
        timezone="UTC",
        author="ann",
        reason="a release",
        created_at_ns=stage.now_ns,
    )
    return stage.state.silence(row)


def acknowledge(stage: Stage, key: str) -> None:
    assert stage.state.acknowledge(PROJECT, "made", key, "bob", stage.now_ns)


def test_an_incident_stays_in_the_group_that_it_was_told_in(stage: Stage, ops: Recorder) -> None:
    stage.rules = [rule(group_by=["agent"], group_interval="10s")]

    def said(agent: str, value: int) -> None:
        labels = {"agent": agent} if agent else {}
        stage.values["a"] = Sample(labels, Decimal(value), identity="a finding")
        stage.pass_s(10)

    said("", 12)
    said("planner", 12)
    said("planner", 13)
    said("planner", 1)
    assert [one.transition for one in ops.sent] == ["trigger", "resolve"]
    trigger, resolve = ops.sent
    assert resolve.group_key == trigger.group_key
    assert resolve.group == trigger.group == "default / made"
    assert resolve.labels == trigger.labels == {"agent": ""}
    assert resolve.incidents[0].labels == {"agent": "planner"}
    said("planner", 12)
    assert ops.sent[-1].labels == {"agent": "planner"}


def test_the_end_of_an_incident_says_what_it_cost(stage: Stage, ops: Recorder) -> None:
    for value, usd in ((12, "3.5"), (40, "11"), (1, "0.1"), (15, "2"), (1, None)):
        cost = None if usd is None else Decimal(usd)
        stage.values["a"] = Sample({"agent": "a"}, Decimal(value), usd=cost)
        stage.pass_s(300, step_s=100)
    said = [(row["action"], row["usd"]) for row in stage.rows(timeline)]
    assert [one for one in said if one[0] == "resolved"] == [("resolved", "11"), ("resolved", "2")]
    assert all(usd is None for action, usd in said if action != "resolved")


def test_an_incident_is_told_once_and_resolves_by_itself(stage: Stage, ops: Recorder) -> None:
    stage.tick(a=1)
    assert ops.story == []
    stage.tick(a=12)
    for _ in range(5):
        stage.tick(a=13)
    assert ops.story == ["trigger: a"]
    stage.tick(a=1)
    stage.pass_s(300, step_s=60)
    assert ops.story == ["trigger: a", "resolve:  / a"]
    [first, last] = ops.sent
    assert first.incidents[0].key == last.incidents[0].key
    assert (first.receipt, last.receipt) == ("", "receipt 1")
    assert [row["action"] for row in stage.rows(timeline)] == ["fired", "sent", "resolved", "sent"]


def test_the_end_of_what_is_no_longer_stored_is_told(stage: Stage, ops: Recorder) -> None:
    stage.rules = [rule(group_by=["agent"])]
    stage.tick(a=12)
    stage.tick(a=1)  # its end waits for others
    with stage.state_engine.begin() as connection:
        connection.execute(instances.delete())
    stage.tick(c=12)
    stage.pass_s(300, step_s=60)
    assert ops.story == ["trigger: a", "trigger: c", "resolve:  / a"]
    [begun], _, [ended] = (one.incidents for one in ops.sent)
    assert (ended.key, ended.severity) == (begun.key, begun.severity)


def test_incidents_of_a_rule_are_told_together(stage: Stage, ops: Recorder) -> None:
    stage.rules = [rule(group_wait="30s", group_interval="1m")]
    stage.tick(a=12)
    stage.tick(b=12)
    stage.pass_s(20)
    assert ops.story == ["trigger: a b"]
    stage.tick(c=12)
    stage.tick(a=1)
    assert ops.story == ["trigger: a b"]
    stage.pass_s(40)
    assert ops.story[1:] == ["update: b c / a"]


def test_the_dearest_of_a_group_comes_first(stage: Stage, ops: Recorder) -> None:
    costs = {"a": 1, "b": 30, "c": None, "d": 5}
    for name, usd in costs.items():
        cost = None if usd is None else Decimal(usd)
        stage.values[name] = Sample({"agent": name}, Decimal(12), usd=cost)
    stage.tick()
    assert ops.story == ["trigger: b d a c"]


def test_what_ends_while_it_waits_for_others_is_told_to_nobody(stage: Stage, ops: Recorder) -> None:
    stage.rules = [rule(group_wait="30s")]
    stage.tick(a=12)
    stage.tick(a=1)
    stage.pass_s(600, step_s=60)
    assert ops.story == []


def test_groups_by_labels_are_told_apart(stage: Stage, ops: Recorder) -> None:
    stage.rules = [rule(group_by=["agent"])]
    stage.tick(a=12, b=12)
    assert sorted(ops.story) == ["trigger: a", "trigger: b"]
    assert {one.group for one in ops.sent} == {"default / made / a", "default / made / b"}


def test_a_rise_of_severity_is_told_at_once(stage: Stage, ops: Recorder) -> None:
    stage.rules = [rule(warn=5)]
    stage.tick(a=6)
    stage.tick(a=12)
    assert [one.incidents[0].severity for one in ops.sent] == ["warning", "critical"]


def test_what_goes_on_is_repeated(stage: Stage, ops: Recorder) -> None:
    stage.rules = [rule(repeat_interval="10m")]
    stage.tick(a=12)
    stage.pass_s(1_200, step_s=60)
    assert ops.story == ["trigger: a", "update: a", "update: a"]
    assert [one.is_repeat for one in ops.sent] == [False, True, True]


def test_what_somebody_looks_after_is_told_and_not_repeated(stage: Stage, ops: Recorder) -> None:
    stage.rules = [rule(repeat_interval="10m")]
    stage.tick(a=12)
    acknowledge(stage, ops.sent[0].incidents[0].key)
    stage.pass_s(1_200, step_s=60)
    assert ops.story == ["trigger: a", "acknowledge: a"]
    assert ops.sent[1].incidents[0].acknowledged_by == "bob"


def test_a_silence_keeps_quiet_what_is_new_but_not_the_end(stage: Stage, ops: Recorder) -> None:
    stage.rules = [rule(group_by=["agent"], group_interval="10s")]
    stage.tick(a=12)
    silence(stage, "agent=~a|b")
    stage.tick(b=12, c=12)
    assert ops.story == ["trigger: a", "trigger: c"]
    stage.tick(a=1)
    assert ops.story[2:] == ["resolve:  / a"]
    stage.pass_s(100)
    assert ops.story[3:] == ["trigger: b"]


def test_a_lifted_silence_holds_no_longer(stage: Stage, ops: Recorder) -> None:
    made = silence(stage, "rule=made", "severity!=warning")
    stage.tick(a=12)
    assert ops.story == []
    assert stage.state.lift(PROJECT, made.id, "ann", stage.now_ns)
    stage.tick()
    assert ops.story == ["trigger: a"]


def test_a_rule_stays_quiet_while_another_says_it_better(stage: Stage, ops: Recorder) -> None:
    cause = rule(name="cause", critical=20)
    effect = rule(name="effect", inhibited_by=[{"rule": "cause", "equal": ["agent"]}])
    stage.rules = [cause, effect]
    stage.tick(a=25, b=12)
    assert sorted(
        f"{one.group}: {line}" for one, line in zip(ops.sent, ops.story, strict=True)
    ) == [
        "default / cause: trigger: a",
        "default / effect: trigger: b",
    ]


def test_further_channels_are_told_when_nobody_acknowledges(stage: Stage, ops: Recorder) -> None:
    boss = Recorder()
    stage.channels["boss"] = boss
    escalation = {"after": "5m", "channels": ["boss"]}
    stage.rules = [
        rule(channels=["ops"], escalation=escalation, group_wait="30s", group_by=["agent"])
    ]
    stage.tick(a=12, b=12)
    stage.pass_s(60)
    acknowledge(stage, next(o for o in ops.sent if "a" in o.group[-1]).incidents[0].key)
    stage.pass_s(230, step_s=30)
    assert boss.story == []
    stage.pass_s(20)
    assert boss.story == ["trigger: b"]
    stage.tick(a=1, b=1)
    stage.pass_s(300, step_s=60)
    assert boss.story == ["trigger: b", "resolve:  / b"]
    assert "escalated" in [row["action"] for row in stage.rows(timeline)]


def test_only_one_engine_is_active_and_the_other_takes_over(stage: Stage, ops: Recorder) -> None:
    other = stage.new_engine("two")
    stage.tick(a=12)
    stage.now_ns += 10 * S
    assert not other.run_once().is_active
    stage.now_ns += 16 * S  # the first one is gone
    assert other.run_once().is_active
    assert not stage.engine.run_once().is_active
    stage.send()
    assert ops.story == ["trigger: a"]


def test_after_a_pause_only_the_last_slot_is_evaluated(stage: Stage) -> None:
    stage.tick(a=1)
    stage.now_ns += 3_600 * S
    assert stage.evaluate().evaluated == 1
    assert stage.evaluate().evaluated == 0


def test_a_rule_that_fails_stops_no_other_and_is_an_incident(stage: Stage, ops: Recorder) -> None:
    stage.failure = StoreError("no such column: x", permanent=True, code=47)
    stage.pass_s(30)
    assert ops.story == ["trigger: error"]
    stage.failure = None
    stage.pass_s(300, step_s=60)
    assert ops.story == ["trigger: error", "resolve:  / error"]


def test_what_one_rule_saw_stops_no_other(
    stage: Stage, ops: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    def refusing(facts: Facts, base_url: str) -> Incident:
        if facts.rule == "made" and facts.labels.get("agent") == "a":
            raise RuntimeError("no words for it")
        return words(facts, base_url)

    stage.words = refusing
    stage.engine = stage.new_engine("one")
    stage.rules = [rule(group_by=["agent"]), rule(name="other")]
    stage.say(a=12)
    stage.pass_s(30)
    assert ops.story == ["trigger: a", "trigger: error"]
    assert ops.sent[0].group == "default / other"
    assert "cannot be judged" in caplog.text


def test_a_store_that_is_away_is_no_incident(stage: Stage, ops: Recorder) -> None:
    stage.failure = StoreError("nobody answers", permanent=False)
    for _ in range(5):
        stage.now_ns += 10 * S
        with pytest.raises(StoreError):
            stage.evaluate()
    assert ops.story == []


def test_what_fires_ends_with_its_rule(stage: Stage, ops: Recorder) -> None:
    stage.tick(a=12)
    stage.rules = []
    stage.pass_s(20)
    assert ops.story == ["trigger: a", "resolve:  / a"]


def test_projects_have_incidents_of_their_own(stage: Stage, ops: Recorder) -> None:
    stage.projects = ["default", "other"]
    stage.tick(a=12)
    assert sorted(one.group for one in ops.sent) == ["default / made", "other / made"]
    assert len(ops.open) == 2
