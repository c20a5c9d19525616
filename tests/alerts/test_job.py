"""The job and what stands beside it: the heartbeat, files that change, a rule over history."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import cast

import httpx
import pytest

from spanledger_alerts.backtest import backtest
from spanledger_alerts.books import rule_book
from spanledger_alerts.errors import AlertsError
from spanledger_alerts.job import AlertsJob
from spanledger_alerts.measures import MEASURES, Measure, Params, Sources
from spanledger_alerts.sample import Sample
from spanledger_alerts.settings import AlertSettings
from spanledger_storage.errors import ConfigError, StoreError
from tests.alerts.stage import T0, Recorder, S, Stage, rule


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "state.db", rule(), channels={"ops": Recorder()})


def test_a_dead_mans_switch_hears_of_runs_that_worked(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []
    answers = iter([200, 500, 200])

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(next(answers))

    client = httpx.Client(transport=httpx.MockTransport(answer))
    url = "https://beat.example/secret"
    job = AlertsJob(stage.engine, stage.state, lambda: stage.now_ns, url, client=client)
    for _ in range(3):
        job.run_once()
        job.run_once()
        stage.now_ns += 60 * S
    assert asked == [url] * 3
    warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert warnings == ["the heartbeat of alerts is not heard: HTTPStatusError"]
    stage.failure = StoreError("nobody answers", permanent=False)
    with pytest.raises(StoreError):
        job.run_once()
    assert len(asked) == 3


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "socks://127.0.0.1:9"])
def test_a_proxy_that_cannot_be_used_keeps_no_rule_from_being_evaluated(
    stage: Stage, proxy: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    job = AlertsJob(stage.engine, stage.state, lambda: stage.now_ns, "https://beat.example/secret")
    assert job.run_once().is_active
    [told] = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert told.startswith("the heartbeat of alerts is not heard: ")


def test_a_mistake_in_a_file_leaves_the_rules_as_they_were(stage: Stage, tmp_path: Path) -> None:
    folder = tmp_path / "alerts" / "rules"
    folder.mkdir(parents=True)
    book = rule_book(AlertSettings(tmp_path / "alerts"), stage.state)
    file = folder / "own.yaml"
    file.write_text("{name: own, title: Own, finding: [loop]}")
    assert "own" in [one.name for one in book()]
    file.write_text("{name: own, title: Own, finding: [lop]}")
    assert "own" in [one.name for one in book()]
    assert "a kind of finding is one of" in book.problem
    file.unlink()
    assert "own" not in [one.name for one in book()]
    assert book.problem == ""


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="SPANLEDGER_ALERTS_HEARTBEAT_URL must be an address"):
        AlertSettings.of({"SPANLEDGER_ALERTS_HEARTBEAT_URL": "beat"})


def test_a_backtest_says_when_a_rule_would_have_fired(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def waves(sources: Sources, project: str, t_ns: int, params: Params) -> list[Sample]:
        is_high = (t_ns - T0) // (600 * S) % 2 == 1
        return [Sample({"agent": "a"}, Decimal(12 if is_high else 1))]

    monkeypatch.setitem(MEASURES, "made", Measure(waves))
    sources = cast("Sources", stage)
    found = backtest(rule(**{"for": "1m"}), sources, "default", T0, T0 + 3_600 * S)
    assert [(o.fired_at_ns - T0) // S for o in found.incidents] == [660, 1_860, 3_060]
    assert [o.ended_at_ns and (o.ended_at_ns - T0) // S for o in found.incidents] == [
        1_200,
        2_400,
        None,
    ]
    assert (found.evaluations, found.step_s) == (360, 10)
    monkeypatch.setitem(MEASURES, "made", Measure(waves, has_history=False))
    with pytest.raises(AlertsError, match="only known as it is now"):
        backtest(rule(), sources, "default", T0, T0 + S)
