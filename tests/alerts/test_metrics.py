"""The health of alerts as figures: what the engine and the sender did, and no more."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from spanledger_alerts.dead_letters import drop, retry
from spanledger_alerts.job import AlertsJob
from spanledger_server.api.alert_metrics import PREFIX
from spanledger_server.api.app import create_app
from spanledger_storage.alert_figures import AlertFigures
from spanledger_storage.alert_letters import AlertLetters
from spanledger_storage.api_keys import Scope
from spanledger_storage.errors import StoreError
from spanledger_storage.store import StoreSettings
from tests.alerts.stage import AWAY, REFUSED, Recorder, S, Stage, rule
from tests.api_asking import Asker
from tests.keys import key_state

PATH = "/api/v1/alerts/metrics"
NOWHERE = StoreSettings("127.0.0.1", 1, "none", "none", "none")
DOCUMENT = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()
Samples = dict[tuple[str, ...], float]


@pytest.fixture
def ops() -> Recorder:
    return Recorder()


@pytest.fixture
def stage(tmp_path: Path, ops: Recorder) -> Stage:
    return Stage(tmp_path / "state.db", rule(), channels={"ops": ops})


def figures(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Samples:
    monkeypatch.setattr("time.time_ns", lambda: stage.now_ns)
    answer = Asker(create_app(NOWHERE, state=stage.state_engine)).get(PATH)
    assert answer.status_code == 200, answer.text
    return {
        (sample.name.removeprefix(PREFIX), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_figures_say_what_was_done(
    stage: Stage, ops: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ops.failures = [AWAY]
    stage.tick(a=12, b=12, c=1)
    stage.tick()
    stage.failure = StoreError("no such column", permanent=True, code=47)
    stage.tick()
    found = figures(stage, monkeypatch)
    assert found["evaluations_total", "default", "made"] == 3
    assert found["evaluation_failures_total", "default", "made"] == 1
    assert found["evaluation_seconds_total", "default", "made"] > 0
    assert found["last_evaluation_timestamp_seconds", "default", "made"] == stage.now_ns / S
    assert found["instances", "default", "made", "firing"] == 2
    assert found["deliveries_total", "ops", "failed"] == 1
    assert found["deliveries_total", "ops", "sent"] == 1
    assert found["outbox_notifications", "ops"] == 0
    assert found["leader", "one"] == 1
    assert found["last_run_timestamp_seconds",] == stage.now_ns / S


def test_what_waits_and_who_is_gone_is_seen(
    stage: Stage, ops: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ops.failures = [AWAY] * 100
    stage.tick(a=12)
    stage.now_ns += 90 * S
    found = figures(stage, monkeypatch)
    assert found["outbox_notifications", "ops"] == 1
    assert found["outbox_oldest_seconds", "ops"] == 90
    assert found["leader", "one"] == 0
    ops.failures = [REFUSED]
    stage.send()
    found = figures(stage, monkeypatch)
    assert found["deliveries_total", "ops", "dead"] == 1
    assert found["dead_letters", "ops"] == 1


def test_a_dead_letter_is_open_until_somebody_does_something(
    stage: Stage, ops: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ops.failures = [REFUSED, REFUSED]
    stage.tick(a=12)
    assert figures(stage, monkeypatch)["dead_letters", "ops"] == 1
    letters = AlertLetters(stage.state_engine)
    [letter] = letters.all()
    retry(letters, letter.row.id, "ann", stage.now_ns)
    assert figures(stage, monkeypatch)["dead_letters", "ops"] == 0
    stage.send()
    assert figures(stage, monkeypatch)["dead_letters", "ops"] == 1
    drop(letters, letter.row.id, "ann", stage.now_ns)
    assert figures(stage, monkeypatch)["dead_letters", "ops"] == 0


def test_the_last_heartbeat_is_seen(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([200, 500])
    client = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(next(answers))))
    kept = AlertFigures(stage.state_engine)
    url = "https://beat.example/x"
    job = AlertsJob(stage.engine, stage.state, lambda: stage.now_ns, url, kept, client)
    job.run_once()
    heard_s = stage.now_ns / S
    stage.now_ns += 60 * S
    job.run_once()
    found = figures(stage, monkeypatch)
    assert found["heartbeat_timestamp_seconds", "heard"] == heard_s
    assert found["heartbeat_timestamp_seconds", "failed"] == heard_s + 60


def test_counts_outlive_the_engine(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.tick(a=1)
    stage.now_ns += 20 * S
    stage.engine = stage.new_engine("two")
    stage.tick()
    found = figures(stage, monkeypatch)
    assert found["evaluations_total", "default", "made"] == 2
    assert ("leader", "one") not in found


def test_a_key_of_one_project_sees_that_alone(stage: Stage, tmp_path: Path) -> None:
    stage.projects = ["default", "other"]
    stage.tick(a=12)
    folder = tmp_path / "keys"
    folder.mkdir()
    with key_state(folder) as state:
        app = create_app(NOWHERE, state.ring, state=stage.state_engine)
        every = Asker(app, state.key(Scope.ADMIN)).get(PATH).text
        one = Asker(app, state.key(Scope.READ)).get(PATH).text
    assert 'project="other"' in every
    assert "spanledger_alerts_leader{" in every
    assert 'project="default"' in one
    assert 'project="other"' not in one
    assert "outbox" not in one
    assert "leader" not in one


def test_the_document_names_every_figure(stage: Stage, ops: Recorder) -> None:
    stage.tick(a=12)
    asker = Asker(create_app(NOWHERE, state=stage.state_engine))
    text = asker.get(PATH, accept="application/openmetrics-text;version=1.0.0").text
    families = openmetrics_parser.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    given = {f.name + ("_total" if f.type == "counter" else "") for f in families}
    told = {f"{PREFIX}{name}" for name in re.findall(r"^\| `([a-z_]+)(?:\{|`)", _section(), re.M)}
    assert told == given


def _section() -> str:
    begins = DOCUMENT.index("## Figures")
    return DOCUMENT[begins : DOCUMENT.index("\n## ", begins + 1)]


def test_a_parameter_is_refused_where_there_is_none(stage: Stage) -> None:
    answer = Asker(create_app(NOWHERE, state=stage.state_engine)).get(PATH, {"project": "shop"})
    assert answer.status_code == 422
    assert answer.json()["detail"] == "There is no parameter 'project' here; there are none."
