"""Many projects: rules look several at a time, the most urgent first, and little is written."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from spanledger_alerts.looking import Asked, Looker
from spanledger_alerts.measures import MEASURES, Measure, Params, Sources
from spanledger_alerts.rule_files import built_in
from spanledger_alerts.sample import Sample
from spanledger_storage.alert_rows import EngineChange, RuleStateRow
from spanledger_storage.alert_tables import rule_states
from spanledger_storage.errors import StoreError
from tests.alerts.stage import T0, Recorder, S, Stage, read_made, rule

PROJECTS = [f"p{number:02}" for number in range(40)]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage(tmp_path / "state.db", rule(), channels={"ops": Recorder()})
    made.projects = PROJECTS
    return made


def test_rules_of_several_projects_look_at_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(4)

    def meeting(sources: Sources, project: str, t_ns: int, params: Params) -> list[Sample]:
        together.wait(5)  # breaks unless four are here at once
        return read_made(sources, project, t_ns, params)

    monkeypatch.setitem(MEASURES, "made", Measure(meeting, has_history=False))
    stage.now_ns += 10 * S
    run = stage.evaluate()
    assert (run.evaluated, run.failed) == (len(PROJECTS), 0)


def test_what_changes_nothing_is_written_together(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[EngineChange] = []
    commit = stage.state.commit

    def counted(*args: Any) -> None:
        written.append(args[2])
        commit(*args)

    monkeypatch.setattr(stage.state, "commit", counted)
    stage.tick(a=1)
    assert [len(one.rule_states) for one in written] == [len(PROJECTS)]
    stage.tick(a=12)
    assert len(written) == 1 + len(PROJECTS), "an incident is stored with what follows from it"
    slots = {row["slot_ns"] for row in stage.rows(rule_states)}
    assert slots == {stage.now_ns}


def test_a_run_ends_after_some_seconds_and_the_next_goes_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(sources: Sources, project: str, t_ns: int, params: Params) -> list[Sample]:
        stage.now_ns += S
        return []

    monkeypatch.setitem(MEASURES, "made", Measure(slow, has_history=False))
    stage.rules = [rule(every="1h")]
    stage.now_ns += 10 * S
    done = [stage.evaluate().evaluated]
    assert 5 <= done[0] < len(PROJECTS)
    while done[-1]:
        done.append(stage.evaluate().evaluated)
    assert sum(done) == len(PROJECTS), "each was evaluated once"


def test_when_the_store_goes_away_what_was_done_stays(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(sources: Sources, project: str, t_ns: int, params: Params) -> list[Sample]:
        if project == PROJECTS[20]:
            raise StoreError("nobody answers", permanent=False)
        return []

    monkeypatch.setitem(MEASURES, "made", Measure(failing, has_history=False))
    stage.now_ns += 10 * S
    with pytest.raises(StoreError):
        stage.evaluate()
    assert {row["project"] for row in stage.rows(rule_states)} == set(PROJECTS[:20])


def test_the_most_urgent_goes_first_and_nobody_starves() -> None:
    def asked(name: str, every: str, waited_s: float) -> Asked:
        made = rule(name=name, every=every)
        state = RuleStateRow("default", name, T0)
        return Asked("default", made, state, T0, waited_s / made.every)

    waiting = [
        asked("slow", "5m", 301),
        asked("quick", "10s", 11),
        asked("late", "5m", 700),
        asked("quicker", "5s", 5.5),
    ]
    order = [one.rule.name for one in sorted(waiting, key=lambda one: one.order)]
    assert order == ["late", "quicker", "quick", "slow"]


class CountedStore:
    """A store whose one finding is a loop, and that counts the questions."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def rows(self, name: str, params: dict[str, object]) -> Iterator[dict[str, object]]:
        self.asked.append(name)
        row = {"identity": "1", "kind": "loop", "pattern": "p", "severity": "critical", "value": 3}
        return [row]  # type: ignore[return-value]  # as the store does

    def of(self, project: str, identities: list[str]) -> dict[str, object]:
        return {}

    def mutes(self, project: str) -> list[object]:
        return []


def test_findings_are_read_once_for_all_rules_about_them() -> None:
    store = CountedStore()
    sources = Sources(cast(Any, store), cast(Any, None), cast(Any, store))
    rules = [one for one in built_in() if one.finding]
    asked = [Asked("default", one, RuleStateRow("default", one.name, 0), T0, 1.0) for one in rules]
    found = {one.asked.rule.name: one.outcome for one in Looker(sources).look_all(asked)}
    assert len(rules) > 5
    assert store.asked == ["alerts_findings"]
    assert [name for name, outcome in found.items() if outcome] == ["loop"]
