"""An engine or a sender that dies at any step loses nothing, and tells nobody of two for one."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from spanledger_storage.alert_outbox import AlertOutbox
from spanledger_storage.alert_state import AlertState
from tests.alerts.fuses import Died, Fuse, Fused
from tests.alerts.stage import Recorder, S, Stage, rule

ROOT = Path(__file__).parents[2]


def story(stage: Stage, live: Callable[[], None]) -> None:
    """One incident from its beginning to its end, and another that goes on."""
    for values in ({"a": 1, "b": 1}, {"a": 12, "b": 1}, {"a": 12, "b": 12}, {"a": 1}, {}, {}):
        stage.say(**cast("dict[str, float | None]", values))
        stage.now_ns += 10 * S
        live()


def play(file: Path, fuse: Fuse) -> tuple[Stage, Recorder, int]:
    """Return a stage on which the story was played, and how often somebody died."""
    ops = Recorder()
    stage = Stage(file, rule(group_interval="10s"), channels={"ops": ops})
    safe = stage.state, stage.outbox
    stage.state = cast("AlertState", Fused(stage.state, fuse))
    stage.outbox = cast("AlertOutbox", Fused(stage.outbox, fuse))
    stage.engine, stage.sender = stage.new_engine("first"), stage.new_sender()
    deaths = 0

    def live() -> None:
        nonlocal deaths
        try:
            stage.evaluate()
            stage.send()
        except Died:
            deaths += 1
            stage.state, stage.outbox = safe
            stage.engine, stage.sender = stage.new_engine("second"), stage.new_sender()

    story(stage, live)
    for _ in range(14):  # until the lease, and what the dead sender held, are free
        stage.now_ns += 15 * S
        live()
    return stage, ops, deaths


def steps_of(folder: Path) -> int:
    whole = Fuse(0, False)
    play(folder / "whole.db", whole)
    return whole.calls


def test_whoever_dies_nothing_is_lost_and_nothing_is_two(tmp_path: Path) -> None:
    for at in range(7, 19, 2):  # while the first incident is found, told and noted
        check(tmp_path / f"{at}.db", Fuse(at, is_after=at % 4 == 1))


@pytest.mark.endurance
def test_whoever_dies_wherever_nothing_is_lost_and_nothing_is_two(tmp_path: Path) -> None:
    for at in range(1, steps_of(tmp_path)):
        for is_after in (False, True):
            check(tmp_path / f"{at}-{is_after}.db", Fuse(at, is_after))


def check(file: Path, fuse: Fuse) -> None:
    stage, ops, deaths = play(file, fuse)
    assert deaths == 1
    [going_on] = ops.open
    assert {o.labels["agent"] for n in ops.sent for o in n.incidents if o.key == going_on} == {"b"}
    ids = [one.id for one in ops.sent]
    assert len(ids) - len(set(ids)) <= 1, "more than what was under way was sent twice"
    keys = {one.key for told in ops.sent for one in told.incidents}
    assert len(keys) <= 2, "one incident was told as two"
    stage.state_engine.dispose()


def test_two_engines_and_two_senders_tell_what_one_tells(tmp_path: Path) -> None:
    ops = Recorder()
    stage = Stage(tmp_path / "state.db", rule(group_interval="10s"), channels={"ops": ops})
    engines = [stage.new_engine(str(number)) for number in range(2)]
    senders = [stage.new_sender() for _ in range(2)]

    def live() -> None:
        for engine in engines:
            engine.run_once()
        for sender in senders:
            sender.run_once()

    story(stage, live)
    assert ops.story == ["trigger: a", "update: a b", "update: b / a"]


@pytest.mark.parametrize(
    "every", [19, pytest.param(1, marks=[pytest.mark.endurance, pytest.mark.timeout(900)])]
)
def test_a_process_killed_at_any_step_loses_nothing(tmp_path: Path, every: int) -> None:
    command = [sys.executable, "-m", "tests.alerts.killed_steps", str(tmp_path), str(every)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    logs = [tmp_path / name for name in done.stdout.split()]
    assert len(logs) >= (4 if every > 1 else 50)
    for log in logs:
        told = lines(log)
        known = {key: agent if is_firing else "" for _, o in told for agent, key, is_firing in o}
        assert sorted(filter(None, known.values())) == ["a", "c"], log.name
        keys = {(agent, key) for _, o in told for agent, key, _ in o}
        assert len(keys) == len({agent for agent, _ in keys}), "one incident was told as two"
        ids = [one for one, _ in told]
        assert len(ids) - len(set(ids)) <= 1, "more than what was under way was sent twice"


@pytest.mark.endurance
@pytest.mark.timeout(900)
def test_a_process_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    file, log = tmp_path / "state.db", tmp_path / "log"
    moments = random.Random(1)
    for _ in range(15):
        process = start(file, log, 10_000)
        seen = len(lines(log))
        while len(lines(log)) == seen and process.poll() is None and seen < 5:
            time.sleep(0.02)
        time.sleep(moments.uniform(0, 0.3))
        process.kill()
        process.wait()
    assert start(file, log, 200).wait() == 0
    told = lines(log)
    known: dict[str, str] = {}
    keys: dict[str, set[str]] = {}
    for _, incidents in told:
        for agent, key, is_firing in incidents:
            keys.setdefault(agent, set()).add(key)
            known[key] = agent if is_firing else ""
    assert sorted(filter(None, known.values())) == ["a", "c"]
    assert all(len(found) == 1 for found in keys.values()), "one incident was told as two"


def start(file: Path, log: Path, steps: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.alerts.killed", str(file), str(log), str(steps)]
    return subprocess.Popen(command, cwd=ROOT)


def lines(log: Path) -> list[tuple[str, list[tuple[str, str, bool]]]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
