"""Files of rules and channels with a mistake, while the worker runs and when it starts again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from spanledger_alerts.books import channel_book, rule_book
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
EVERYONE = OWN.replace("channels: [ops]", "")


class Worker(Stage):
    """A stage whose rules and channels are those of a folder."""

    def __init__(self, place: Path) -> None:
        super().__init__(place / "state.db", channels={"ops": Recorder()})
        self.folder = place / "alerts"
        (self.folder / "rules").mkdir(parents=True)

    def write(self, **texts: str) -> None:
        for name, text in texts.items():
            (self.folder / "rules" / f"{name}.yaml").write_text(text)

    def configure(self, *names: str, others: str = "") -> None:
        """Name channels, each with a secret in a file of its own, and let them remember."""
        lines = ["channels:"]
        for name in names:
            self.secret(name).write_text("secret")
            url = f"https://{name}.example.com/"
            secret = f"file:{self.secret(name)}"
            lines.append(f"  {name}: {{kind: webhook, url: '{url}', secret: '{secret}'}}")
        (self.folder / "channels.yaml").write_text("\n".join([*lines, others]))
        self.channels = {name: Recorder() for name in names}

    def secret(self, name: str) -> Path:
        return self.folder / name

    @property
    def stories(self) -> dict[str, list[str]]:
        return {name: channel.story for name, channel in self.channels.items()}

    def restart(self) -> None:
        """Begin anew: what was read before is forgotten."""
        sources = cast("Sources", self)
        made = engine_setting(AlertSettings(self.folder), self.state_engine, sources)
        known = {rule.name for rule in built_in()}
        setting = replace(
            made,
            # Built-in rules look at a store, which a stage has none of.
            rules=lambda: [rule for rule in made.rules() if rule.name not in known],
            words=words,
        )
        self.engine = Engine(setting, "one", lambda: self.now_ns)


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    made = Worker(tmp_path)
    made.configure("ops")
    return made


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
    assert told == ["alert rules with a mistake are left out"]  # not again: it is the same
    worker.write(other="name: [")
    book()
    assert "alert rules with a mistake are as before" in caplog.text


def test_a_secret_that_is_missing_silences_one_channel_alone(worker: Worker) -> None:
    worker.configure("bot", "sw", "wh")
    worker.write(own=EVERYONE)
    worker.restart()
    worker.tick(a=12)
    assert worker.stories == dict.fromkeys(["bot", "sw", "wh"], ["trigger: a"])
    worker.secret("bot").unlink()
    worker.restart()
    worker.tick(b=12)
    worker.pass_s(60)
    told = ["trigger: a", "update: a b"]
    assert worker.stories == {"bot": ["trigger: a"], "sw": told, "wh": told}
    worker.secret("bot").write_text("secret")
    worker.pass_s(60)
    assert worker.stories == {"bot": told, "sw": told, "wh": told}


def test_what_ended_while_its_channel_could_not_be_read_is_told_later(worker: Worker) -> None:
    worker.configure("bot", "sw")
    worker.write(own=EVERYONE)
    worker.restart()
    worker.tick(a=12)
    worker.secret("bot").unlink()
    worker.restart()
    worker.tick(a=1)
    worker.pass_s(3_600)
    ended = ["trigger: a", "resolve:  / a"]
    assert worker.stories == {"bot": ["trigger: a"], "sw": ended}
    worker.secret("bot").write_text("secret")
    worker.pass_s(60)
    assert worker.stories == {"bot": ended, "sw": ended}


def test_a_file_of_channels_that_cannot_be_read_ends_nothing(worker: Worker) -> None:
    worker.write(own=OWN)
    worker.restart()
    worker.tick(a=12)
    file = worker.folder / "channels.yaml"
    text = file.read_text()
    file.write_text("channels: [")
    worker.restart()
    worker.tick(b=12)
    worker.pass_s(600)
    assert worker.stories == {"ops": ["trigger: a"]}
    file.write_text(text)
    worker.pass_s(60)
    assert worker.stories == {"ops": ["trigger: a", "update: a b"]}


def test_default_stands_for_itself_though_it_cannot_be_read(worker: Worker) -> None:
    worker.configure("boss", "default")
    worker.write(own=EVERYONE)
    worker.secret("default").unlink()
    worker.restart()
    worker.tick(a=12)
    assert worker.stories == {"boss": [], "default": []}
    worker.secret("default").write_text("secret")
    worker.pass_s(20)
    assert worker.stories == {"boss": [], "default": ["trigger: a"]}


def test_a_channel_with_a_mistake_is_as_it_was_and_others_are_as_they_are_written(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    book = channel_book(AlertSettings(worker.folder))
    worker.configure("a", "b", others="  c: {kind: pigeon}")
    first = book()
    assert (sorted(first.ready), first.unread) == (["a", "b"], frozenset({"c"}))
    assert first.names == ["a", "b", "c"]
    [a, b] = first.ready.values()
    worker.configure("b", "d", others="  a: {kind: webhook, url: env:NOT_SET}")
    found = book()
    assert (sorted(found.ready), found.unread) == (["a", "b", "d"], frozenset())
    assert found.ready["a"] is a
    assert found.ready["b"] is not b
    (worker.folder / "channels.yaml").write_text("channels: 5")
    assert book() is found
    assert "channels:` at the top" in book.problem
    told = [record.getMessage().rpartition("Channel ")[2] for record in caplog.records]
    assert [line.partition(":")[0] for line in told[:2]] == ["c", "a"]
    assert len(told) == 3
