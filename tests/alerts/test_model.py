"""Whatever happens in whatever order: each channel knows, and knows once, what fires.

Two engines and two senders run at once; messages have room for all incidents, or for two. Some are
refused for good, and somebody has them tried again.

The engine, the sender and the state database are played against a reference of a few lines: the
states of instances as the documents describe them, without groups, queues or a database.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from spanledger_alerts import dead_letters, telling
from spanledger_alerts.notification import DeliveryError
from spanledger_storage.alert_letters import AlertLetters
from spanledger_storage.alert_tables import instances
from tests.alerts.stage import PROJECT, Recorder, S, Stage
from tests.alerts.stage import rule as alert_rule

NAMES = ("a", "b", "c")
FOR_S, KEEP_S = 20, 30


class Reference:
    """One instance, with thresholds 5 and 10 and a recovery threshold of 3."""

    def __init__(self) -> None:
        self.state, self.severity, self.generation = "inactive", "", 0
        self.since = self.back = self.lower = 0

    def see(self, value: float | None, now: int) -> None:
        level = "" if value is None or value < 5 else "warning" if value < 10 else "critical"
        if self.state in ("inactive", "pending"):
            self._begin(level, now)
        elif value is None or value < 3:
            self.back = self.back or now
            is_over = now - self.back >= KEEP_S
            self.state = "inactive" if is_over else "recovering"
        else:
            self.state, self.back = "firing", 0
            self._judge(level or "warning", now)

    def _begin(self, level: str, now: int) -> None:
        if not level:
            self.state = "inactive"
            return
        if self.state == "inactive":
            self.since, self.lower, self.back = now, 0, 0
        self.state, self.severity = "pending", level
        if now - self.since >= FOR_S:
            self.state = "firing"
            self.generation += 1

    def _judge(self, level: str, now: int) -> None:
        if level == self.severity:
            self.lower = 0
        elif level == "critical":
            self.severity, self.lower = level, 0
        else:
            self.lower = self.lower or now
            if now - self.lower >= KEEP_S:
                self.severity, self.lower = level, 0


class Alerts(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        made = alert_rule(
            warn=5, recovery=3, group_interval="20s", group_wait="10s",
            **{"for": f"{FOR_S}s", "keep_firing_for": f"{KEEP_S}s"},
        )  # fmt: skip
        self.ops = Recorder()
        self.stage = Stage(Path(self.folder.name) / "state.db", made, channels={"ops": self.ops})
        self.letters = AlertLetters(self.stage.state_engine)
        self.values: dict[str, float | None] = dict.fromkeys(NAMES)
        self.reference = {name: Reference() for name in NAMES}
        self.holder = 0
        self.rival = self.stage.new_engine("rival")
        self.other_sender = self.stage.new_sender()
        self.stage.evaluate()

    @rule(name=st.sampled_from(NAMES), value=st.sampled_from([None, 1.0, 4.0, 7.0, 12.0]))
    def say(self, name: str, value: float | None) -> None:
        self.values[name] = value
        self.stage.say(**{name: value})

    @rule(slots=st.integers(1, 4), is_sending=st.booleans())
    def evaluate(self, slots: int, is_sending: bool) -> None:
        for _ in range(slots):
            self.stage.now_ns += 10 * S
            ran = [engine.run_once() for engine in (self.stage.engine, self.rival)]
            assert [run.is_active for run in ran].count(True) == 1
            for name, one in self.reference.items():
                one.see(self.values[name], self.stage.now_ns // S)
            if is_sending:
                self.stage.send()
                self.other_sender.run_once()

    @rule()
    def evaluate_again(self) -> None:
        assert self.stage.evaluate().evaluated == 0
        assert self.rival.run_once().evaluated == 0

    @rule(is_doubtful=st.booleans(), times=st.integers(1, 3))
    def fail(self, is_doubtful: bool, times: int) -> None:
        error = DeliveryError("away", permanent=False, is_doubtful=is_doubtful)
        (self.ops.raises if is_doubtful else self.ops.failures).extend([error] * times)

    @rule(is_doubtful=st.booleans())
    def refuse(self, is_doubtful: bool) -> None:
        error = DeliveryError("refused", permanent=True, is_doubtful=is_doubtful)
        (self.ops.raises if is_doubtful else self.ops.failures).append(error)

    @rule(number=st.integers(0, 3), times=st.integers(1, 2))
    def retry(self, number: int, times: int) -> None:
        """Somebody has a dead letter tried again, and perhaps asks twice."""
        found = self.letters.all(with_told=True)
        if number < len(found):
            for _ in range(times):
                dead_letters.retry(self.letters, found[number].row.id, "ann", self.stage.now_ns)

    @rule()
    def restart(self) -> None:
        """Another process takes over, with nothing but what is stored."""
        self.holder += 1
        self.stage.state.acquire("alerts", "nobody", self.stage.now_ns + 20 * S, -20 * S)
        self.stage.engine = self.stage.new_engine(str(self.holder))
        self.stage.sender = self.stage.new_sender()

    @invariant()
    def states_are_as_the_reference_says(self) -> None:
        rows = {row["labels"]: row for row in self.stage.rows(instances)}
        for name, one in self.reference.items():
            row = rows.get(f'{{"agent": "{name}"}}')
            said = (row["state"], row["generation"]) if row else ("inactive", 0)
            assert said == (one.state, one.generation)
            if row and one.state in ("firing", "recovering"):
                assert row["severity"] == one.severity

    @invariant()
    def nothing_is_told_twice_but_what_was_perhaps_not_heard(self) -> None:
        open_keys: set[str] = set()
        seen: set[str] = set()
        for told in self.ops.sent:
            if told.id in seen:
                continue  # recognisable
            seen.add(told.id)
            for one in told.incidents:
                if one.ended_ns is None:
                    open_keys.add(one.key)
                else:
                    assert one.key in open_keys, "an end of what was never told"
                    open_keys.remove(one.key)

    def teardown(self) -> None:
        if not hasattr(self, "stage"):
            return
        self.ops.failures.clear()
        self.ops.raises.clear()
        for _ in range(8):  # whatever waits has its turn
            self.evaluate(1, is_sending=True)
        for letter in self.letters.all()[::-1]:
            dead_letters.retry(self.letters, letter.row.id, "ann", self.stage.now_ns)
        for _ in range(8):
            self.evaluate(1, is_sending=True)
        assert self.letters.all() == []
        self.states_are_as_the_reference_says()
        self.nothing_is_told_twice_but_what_was_perhaps_not_heard()
        fires = {
            f"{PROJECT}/{row['instance_id']}/{row['generation']}"
            for row in self.stage.rows(instances)
            if row["state"] in ("firing", "recovering")
        }
        self.the_channel_knows(fires)
        self.stage.state_engine.dispose()
        self.folder.cleanup()

    def the_channel_knows(self, fires: set[str]) -> None:
        assert self.ops.open == fires


class SmallMessages(Alerts):
    """The same with room for two incidents: what is not listed is counted."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(telling, "MOST_INCIDENTS", 2)

    def teardown(self) -> None:
        super().teardown()
        self.patch.undo()

    def the_channel_knows(self, fires: set[str]) -> None:
        assert self.ops.open <= fires
        assert len(self.ops.open) >= min(2, len(fires))
        told = [one for one in self.ops.sent if one.transition != "acknowledge"]
        if not told:
            assert not fires
            return
        firing = [one for one in told[-1].incidents if one.ended_ns is None]
        assert len(firing) + told[-1].left_out == len(fires)
        assert len(firing) <= 2


_SETTINGS = settings(
    max_examples=5,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestAlerts = Alerts.TestCase
TestAlerts.settings = _SETTINGS
TestSmallMessages = SmallMessages.TestCase
TestSmallMessages.settings = _SETTINGS
