"""Files of rules and channels with a mistake, while the worker runs and when it starts again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from spanledger_alerts.books import rule_book
from spanledger_alerts.engine import Engine
from spanledger_alerts.measures import Sources
from spanledger_alerts.rule_files import built_in
from spanledger_alerts.settings import AlertSettings
from spanledger_server.alerting import engine_setting
from spanledger_storage.alert_rules import AlertRules
from tests.alerts.stage import Recorder, Stage, words

OWN = """
name: own
title: Own
measure: made
critical: 10
every: 10s
delay: 0
group_wait: 0
group_interval: 10s
channels: [ops]
"""


class Worker(Stage):
    """A stage whose rules and channels are those of a folder."""

    def __init__(self, place: Path) -> None:
        super().__init__(place / "state.db", channels={"ops": Recorder()})
        self.folder = place / "alerts"
        (self.folder / "rules").mkdir(parents=True)

    def write(self, **texts: str) -> None:
        for name, text in texts.items():
            (self.folder / "rules" / f"{name}.yaml").write_text(text)

    def restart(self) -> None:
        """Begin anew: what was read before is forgotten."""
        sources = cast("Sources", self)
        made = engine_setting(AlertSettings(self.folder), self.state_engine, sources)
        known = {rule.name for rule in built_in()}
        setting = replace(
            made,
            # Built-in rules look at a store, which a stage has none of.
            rules=lambda: [rule for rule in made.rules() if rule.name not in known],
            channels=lambda: list(self.channels),
            words=words,
        )
        self.engine = Engine(setting, "one", lambda: self.now_ns)


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(tmp_path)


def test_a_mistake_in_another_file_ends_no_incident_after_a_restart(worker: Worker) -> None:
    ops = worker.channels["ops"]
    worker.write(own=OWN)
    worker.restart()
    worker.tick(a=12)
    worker.write(other="name: other\ntitle: Other\nfinding: [lop]\n")
    worker.tick()
    worker.restart()
    worker.pass_s(60)
    assert ops.story == ["trigger: a"]
    worker.tick(a=1)
    assert ops.story == ["trigger: a", "resolve:  / a"]  # the rule is evaluated all the while


def test_an_incident_of_a_rule_with_a_mistake_stays_until_the_mistake_is_gone(
    worker: Worker,
) -> None:
    ops = worker.channels["ops"]
    worker.write(own=OWN)
    worker.restart()
    worker.tick(a=12)
    worker.write(own=OWN.replace("every: 10s", "every: often"))
    worker.restart()
    worker.pass_s(60)
    assert ops.story == ["trigger: a"]
    worker.write(own=OWN)
    worker.pass_s(60)
    assert ops.story == ["trigger: a"]
    (worker.folder / "rules" / "own.yaml").unlink()  # now it is gone, and not only not readable
    worker.pass_s(60)
    assert ops.story == ["trigger: a", "resolve:  / a"]


def test_a_rule_that_is_switched_off_ends_though_another_has_a_mistake(worker: Worker) -> None:
    ops = worker.channels["ops"]
    worker.write(own=OWN)
    worker.restart()
    worker.tick(a=12)
    worker.write(own=f"{OWN}enabled: false\n", other="name: [")
    worker.restart()
    worker.pass_s(60)
    assert ops.story == ["trigger: a", "resolve:  / a"]


def test_what_has_no_mistake_holds_from_the_start(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    kept = AlertRules(worker.state_engine)
    kept.put("mine", "{name: mine, title: Mine, finding: [loop]}", "ann", 1)
    kept.put("old", "{name: old, title: Old, finding: [lop]}", "ann", 1)
    worker.write(
        off="{name: loop, title: Loops, finding: [loop], enabled: false}",
        other="name: other\ntitle: Other\nfinding: [lop]\n",
    )
    book = rule_book(AlertSettings(worker.folder), worker.state)
    found = {rule.name: rule for rule in book()}
    assert set(found) == {rule.name for rule in built_in()} | {"mine"}
    assert not found["loop"].enabled
    assert [line.partition(":")[0] for line in book.problem.splitlines()] == [
        "other.yaml, line 3",
        "rule old",
    ]
    worker.write(off="{name: loop, title: Loops, finding: [loop]}")
    assert not {rule.name: rule for rule in book()}["loop"].enabled  # as before
    told = [record.getMessage().partition(":")[0] for record in caplog.records]
    assert told == ["alert rules with a mistake are left out", "alert rules are as before"]
