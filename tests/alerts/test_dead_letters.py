"""What a channel refused is tried again when somebody says so: once, and as things are by then."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanledger_alerts import dead_letters
from spanledger_alerts.notification import DeliveryError
from spanledger_storage.alert_letters import AlertLetters
from spanledger_storage.alert_tables import timeline
from tests.alerts.stage import REFUSED, Recorder, S, Stage, rule

DAY_NS = 86_400 * S
MAYBE = DeliveryError("invalid_payload", permanent=True, is_doubtful=True)


@pytest.fixture
def ops() -> Recorder:
    return Recorder()


@pytest.fixture
def stage(tmp_path: Path, ops: Recorder) -> Stage:
    return Stage(tmp_path / "state.db", rule(group_interval="10s"), channels={"ops": ops})


def letters(stage: Stage, *, with_told: bool = False) -> list[int]:
    found = AlertLetters(stage.state_engine).all(with_told=with_told)
    return [one.row.id for one in found[::-1]]


def retry(stage: Stage, letter_id: int) -> str:
    kept = AlertLetters(stage.state_engine)
    return dead_letters.retry(kept, letter_id, "ann", stage.now_ns)


def test_a_refused_page_is_sent_once_however_often_somebody_asks(
    stage: Stage, ops: Recorder
) -> None:
    ops.failures = [REFUSED]
    stage.tick(a=12)
    [letter] = letters(stage)
    assert [retry(stage, letter) for _ in range(3)] == ["waiting", "closed", "closed"]
    assert letters(stage) == []
    stage.pass_s(30)
    assert ops.story == ["trigger: a"]
    assert retry(stage, letter) == "closed"
    said = [(row["action"], row["who"], row["note"]) for row in stage.rows(timeline)]
    assert said.count(("retried", "ann", "trigger · ops")) == 1


def test_what_is_refused_again_is_a_dead_letter_again(stage: Stage, ops: Recorder) -> None:
    ops.failures = [REFUSED] * 2
    stage.tick(a=12)
    [letter] = letters(stage)
    retry(stage, letter)
    stage.pass_s(10)
    assert letters(stage) == [letter]
    assert retry(stage, letter) == "waiting"
    stage.pass_s(10)
    assert ops.story == ["trigger: a"]


def test_nobody_is_paged_for_what_is_over(stage: Stage, ops: Recorder) -> None:
    ops.failures = [REFUSED]
    stage.tick(a=12)
    stage.tick(a=1)
    stage.pass_s(20)
    [letter] = letters(stage)
    assert retry(stage, letter) == "waiting"
    stage.pass_s(20)
    assert ops.story == []
    assert letters(stage, with_told=True) == []


def test_what_a_later_message_told_is_not_told_again(stage: Stage, ops: Recorder) -> None:
    ops.failures = [REFUSED]
    stage.tick(a=12)
    stage.tick(b=12)
    stage.pass_s(10)
    assert ops.story == ["trigger: a b"]
    assert letters(stage) == []
    [letter] = letters(stage, with_told=True)
    assert retry(stage, letter) == "told"
    stage.pass_s(30)
    assert ops.story == ["trigger: a b"]


def test_several_of_a_group_are_told_as_one_and_as_things_are(stage: Stage, ops: Recorder) -> None:
    ops.failures = [REFUSED] * 3
    stage.tick(a=12)
    stage.tick(b=12)
    stage.tick(a=1, c=12)
    assert len(letters(stage)) == 3
    retry(stage, letters(stage)[0])
    stage.pass_s(10)
    assert ops.story == ["trigger: b c"]
    assert letters(stage) == []
    stage.tick(b=1, c=1)
    stage.pass_s(20)
    assert ops.open == set()


def test_a_refused_end_is_told_days_later(stage: Stage, ops: Recorder) -> None:
    stage.tick(a=12)
    ops.failures = [REFUSED]
    stage.tick(a=1)
    stage.pass_s(10)
    [letter] = letters(stage)
    stage.now_ns += 3 * DAY_NS
    retry(stage, letter)
    stage.pass_s(10)
    assert ops.story == ["trigger: a", "resolve:  / a"]


def test_an_end_that_was_perhaps_taken_is_told_all_the_same(stage: Stage, ops: Recorder) -> None:
    stage.tick(a=12)
    ops.raises = [MAYBE]
    stage.tick(a=1)
    stage.pass_s(10)
    [letter] = letters(stage)
    retry(stage, letter)
    stage.pass_s(10)
    assert ops.story == ["trigger: a", "resolve:  / a", "resolve:  / a"]
    assert ops.sent[1].id == ops.sent[2].id  # recognisable


def test_what_was_not_taken_in_a_day_has_another_one(stage: Stage, ops: Recorder) -> None:
    ops.failures = [DeliveryError("503", permanent=False)] * 10_000
    stage.tick(a=12)
    stage.now_ns += 25 * 3_600 * S
    stage.send()
    [letter] = letters(stage)
    ops.failures = []
    retry(stage, letter)
    assert stage.outbox.health(stage.now_ns)["ops"]["oldest_s"] == 0
    stage.pass_s(10)
    assert ops.story == ["trigger: a"]


def test_who_looks_after_it_is_known_when_it_is_told_at_last(stage: Stage, ops: Recorder) -> None:
    stage.tick(a=12)
    ops.failures = [REFUSED]
    stage.tick(b=12)
    [letter] = letters(stage)
    stage.state.acknowledge("default", "made", ops.sent[0].incidents[0].key, "bob", stage.now_ns)
    stage.pass_s(10)
    assert ops.story == ["trigger: a", "acknowledge: a"]
    assert letters(stage) == [letter]  # nobody told of b
    retry(stage, letter)
    stage.pass_s(10)
    assert ops.story[2:] == ["update: a b"]
    by = {one.labels["agent"]: one.acknowledged_by for one in ops.sent[2].incidents}
    assert by == {"a": "bob", "b": ""}
    stage.tick(a=1, b=1)
    stage.pass_s(20)
    assert ops.open == set()


def test_a_dropped_letter_is_gone_and_in_the_history(stage: Stage, ops: Recorder) -> None:
    ops.failures = [REFUSED]
    stage.tick(a=12)
    [letter] = letters(stage)
    kept = AlertLetters(stage.state_engine)
    assert dead_letters.drop(kept, letter, "ann", stage.now_ns) == "dropped"
    assert dead_letters.drop(kept, letter, "ann", stage.now_ns) == "closed"
    assert retry(stage, letter) == "closed"
    stage.pass_s(30)
    assert ops.story == []
    assert [row["who"] for row in stage.rows(timeline) if row["action"] == "dropped"] == ["ann"]
