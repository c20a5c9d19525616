"""The sender: order, trying again, what need not be said any more, channels that refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanledger_alerts.delivery import TokenBucket, backoff_s
from spanledger_alerts.notification import ConfiguredChannel, DeliveryError, Notification
from spanledger_alerts.sender import Sender
from spanledger_storage.alert_tables import attempts, outbox
from tests.alerts.stage import T0, Recorder, S, Stage, rule

AWAY = DeliveryError("503", permanent=False)
REFUSED = DeliveryError("invalid_payload", permanent=True)
TIMED_OUT = DeliveryError("timed out", permanent=False, is_doubtful=True)


@pytest.fixture
def ops() -> Recorder:
    return Recorder()


@pytest.fixture
def stage(tmp_path: Path, ops: Recorder) -> Stage:
    quick = rule(group_interval="10s")
    return Stage(tmp_path / "state.db", quick, channels={"ops": ops})


def test_what_is_not_taken_is_tried_again_later_and_later(stage: Stage, ops: Recorder) -> None:
    ops.failures = [AWAY] * 4
    stage.tick(a=12)
    stage.pass_s(40, step_s=2)
    assert ops.story == ["trigger: a"]
    outcomes = [row["outcome"] for row in stage.rows(attempts)]
    assert outcomes == ["failed"] * 4 + ["sent"]


@pytest.mark.parametrize("failure", [AWAY, REFUSED])
def test_a_sender_that_was_stopped_says_nothing_of_what_another_sent(
    stage: Stage, ops: Recorder, monkeypatch: pytest.MonkeyPatch, failure: DeliveryError
) -> None:
    send = ops.send

    def stopped(_: Notification) -> str:
        monkeypatch.setattr(ops, "send", send)
        stage.now_ns += 121 * S
        assert stage.new_sender().run_once().sent == 1
        raise failure

    monkeypatch.setattr(ops, "send", stopped)
    stage.tick(a=12)
    stage.pass_s(30)
    assert ops.story == ["trigger: a"]
    assert [row["status"] for row in stage.rows(outbox)] == ["sent"]


def test_waiting_doubles_up_to_five_minutes() -> None:
    waits = [backoff_s(7, attempt) for attempt in range(12)]
    for attempt, wait in enumerate(waits):
        base = min(300.0, 2.0**attempt)
        assert base * 0.8 <= wait <= base * 1.2
    assert len({backoff_s(row, 0) for row in range(20)}) > 10


def test_a_channel_that_asks_for_a_pause_gets_one(stage: Stage, ops: Recorder) -> None:
    stage.rules = [rule(group_by=["agent"])]
    ops.failures = [DeliveryError("429", permanent=False, retry_after_s=60)]
    stage.tick(a=12, b=12)
    stage.pass_s(50)
    assert ops.story == []
    stage.pass_s(10)
    assert sorted(ops.story) == ["trigger: a", "trigger: b"]


def test_an_end_never_overtakes_its_beginning(stage: Stage, ops: Recorder) -> None:
    ops.failures = [TIMED_OUT]
    stage.tick(a=12)
    stage.tick(a=1)
    stage.pass_s(30)
    assert ops.story == ["trigger: a", "resolve:  / a"]


def test_what_was_never_told_need_not_end(stage: Stage, ops: Recorder) -> None:
    ops.failures = [AWAY] * 6
    stage.tick(a=12)
    stage.tick(a=1)
    stage.pass_s(600, step_s=60)
    assert ops.story == []
    assert {row["status"] for row in stage.rows(outbox)} == {"merged"}


def test_what_waits_is_told_as_it_is_now(stage: Stage, ops: Recorder) -> None:
    ops.failures = [AWAY] * 5
    stage.tick(a=12)
    stage.tick(b=12)
    stage.tick(a=1, c=12)
    stage.pass_s(60)
    assert ops.story == ["trigger: b c"]
    stage.tick(b=1, c=1)
    stage.pass_s(10)
    assert ops.story[1:] == ["resolve:  / b c"]


def test_what_was_perhaps_taken_is_sent_again_under_the_same_id(
    stage: Stage, ops: Recorder
) -> None:
    ops.raises = [TIMED_OUT]
    stage.tick(a=12)
    stage.tick(b=12)
    stage.pass_s(20)
    assert ops.story == ["trigger: a", "trigger: a", "update: a b"]
    assert ops.sent[0].id == ops.sent[1].id != ops.sent[2].id


def test_a_refusal_for_good_is_told_on_another_channel(stage: Stage, ops: Recorder) -> None:
    other = Recorder()
    stage.channels["other"] = other
    stage.rules = [rule(channels=["ops"], group_interval="10s")]
    ops.failures = [REFUSED]
    stage.tick(a=12)
    stage.pass_s(20)
    assert ops.story == []
    [told] = other.sent
    assert told.incidents[0].title == "Channel ops refuses alerts"
    assert "invalid_payload" in told.incidents[0].lines[0]
    stage.tick(b=12)
    stage.pass_s(10)
    assert ops.story == ["trigger: a b"]  # nobody knows of a yet
    assert [one.transition for one in other.sent] == ["trigger", "resolve"]
    assert other.open == set()


def test_a_channel_that_refuses_everything_is_told_of_once(stage: Stage, ops: Recorder) -> None:
    other = Recorder()
    stage.channels["other"] = other
    stage.rules = [rule(channels=["ops"], group_by=["agent"])]
    ops.failures = [REFUSED] * 3
    stage.tick(a=12, b=12, c=12)
    stage.pass_s(10)
    assert len(other.sent) == 1


def test_after_a_day_nobody_is_told_any_more(stage: Stage, ops: Recorder) -> None:
    ops.failures = [AWAY] * 10_000
    stage.tick(a=12)
    stage.now_ns += 25 * 3_600 * S
    ops.failures = []
    stage.send()
    assert ops.story == []
    assert [row["status"] for row in stage.rows(outbox)] == ["expired"]


def test_an_end_is_told_however_late(stage: Stage, ops: Recorder) -> None:
    stage.tick(a=12)
    ops.failures = [AWAY] * 10_000
    stage.tick(b=12)
    stage.tick(a=1, b=1)
    stage.tick()
    stage.now_ns += 25 * 3_600 * S
    ops.failures = []
    stage.send()
    assert ops.story == ["trigger: a", "resolve:  / a"]
    assert ops.open == set()


def test_a_failure_of_one_group_holds_up_no_other(stage: Stage, ops: Recorder) -> None:
    stage.rules = [rule(group_by=["agent"])]
    ops.failures = [AWAY]
    stage.tick(a=12, b=12)
    assert len(ops.story) == 1
    stage.pass_s(10)
    assert sorted(ops.story) == ["trigger: a", "trigger: b"]


def test_more_than_fit_are_counted(stage: Stage, ops: Recorder) -> None:
    stage.tick(**{f"a{number}": 12.0 for number in range(60)})
    [told] = ops.sent
    assert (len(told.incidents), told.left_out) == (50, 10)
    stage.tick(**{f"a{number}": 1.0 for number in range(60)})
    stage.pass_s(20)
    assert ops.open == set()
    assert len(ops.sent[-1].incidents) == 50


def test_a_channel_that_breaks_is_tried_again(stage: Stage, ops: Recorder) -> None:
    ops.failures = [RuntimeError("a fault of ours")]
    stage.tick(a=12)
    stage.pass_s(10)
    assert ops.story == ["trigger: a"]


def test_what_is_more_than_a_channel_takes_becomes_a_digest(stage: Stage, ops: Recorder) -> None:
    slow = ConfiguredChannel("ops", "test", ops, per_s=0.01, burst=1)
    stage.sender = Sender(stage.outbox, lambda: {"ops": slow}, lambda: stage.now_ns, threads=0)
    stage.tick(a=12)
    for values in ({"b": 12}, {"c": 12}, {"d": 12}, {"a": 1, "d": 1}):
        stage.tick(**values)
    assert ops.story == ["trigger: a"]
    stage.pass_s(100)
    assert ops.story == ["trigger: a", "update: b c / a"]


def test_a_bucket_lets_through_a_burst_and_then_its_rate() -> None:
    bucket = TokenBucket(0.5, 3, T0)
    assert [bucket.take(T0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(T0 + S)
    assert bucket.take(T0 + 2 * S)
    assert not bucket.take(T0 + 2 * S)
    assert [bucket.take(T0 + 3_600 * S) for _ in range(4)] == [True, True, True, False]
