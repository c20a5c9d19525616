"""`spanledger alerts` as somebody on call types it, on an instance in which something fires."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from spanledger_alerts.errors import AlertsError
from spanledger_server.alerts_cli import app
from spanledger_server.errors import UsageError
from spanledger_storage.alert_tables import timeline
from tests.alerts.stage import REFUSED, Recorder, Stage, rule

CHANNELS = "channels:\n  ops:\n    kind: webhook\n    url: https://hook.example.com/\n"


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    for name in ("FOLDER", "BASE_URL"):
        monkeypatch.delenv(f"SPANLEDGER_ALERTS_{name}", raising=False)
    (tmp_path / "alerts").mkdir()
    (tmp_path / "alerts" / "channels.yaml").write_text(CHANNELS)
    quick = rule(group_interval="10s")
    made = Stage(tmp_path / "state.db", quick, channels={"ops": Recorder()})
    monkeypatch.setattr("time.time_ns", lambda: made.now_ns)
    yield made
    made.state_engine.dispose()


@pytest.fixture
def data(stage: Stage, tmp_path: Path) -> Path:
    assert stage
    return tmp_path


def run(data: Path, *args: str) -> str:
    result = CliRunner().invoke(app, [*args, "--data", str(data)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def rows(data: Path, *args: str) -> list[dict[str, Any]]:
    return list(json.loads(run(data, *args, "--format", "json")))


def test_what_fires_is_listed_acknowledged_and_in_the_history(stage: Stage, data: Path) -> None:
    assert "Nothing fires." in run(data, "list")
    stage.tick(a=12)
    [one] = rows(data, "list")
    assert (one["rule"], one["state"], one["labels"]) == ("made", "firing", "agent=a")
    assert one["value"] == "12"
    begins = str(one["id"])[:4]
    assert "is acknowledged" in run(data, "ack", begins, "--by", "ann", "--note", "I look")
    assert "ann acknowledged it before." in run(data, "ack", begins, "--by", "bob")
    assert rows(data, "list")[0]["acknowledged"] == "ann"
    history = rows(data, "history", "--since", "1h", "--incident", begins)
    assert [row["action"] for row in history] == ["acknowledged", "sent", "fired"]
    assert (history[0]["who"], history[0]["note"]) == ("ann", "I look")
    with pytest.raises(UsageError, match="Nothing that fires is called so"):
        run(data, "ack", "zzzz")


def test_values_are_shown_with_their_unit_and_told_whole(stage: Stage, data: Path) -> None:
    made = {"name": "made", "title": "Made up", "measure": "made", "critical": 0.1}
    (data / "alerts" / "rules").mkdir()
    (data / "alerts" / "rules" / "made.yaml").write_text(json.dumps({**made, "unit": "ratio"}))
    stage.rules = [rule(critical=0.1, unit="ratio")]
    stage.tick(a=0.123456789012)
    assert "  12.3 %  " in run(data, "list")
    assert rows(data, "list")[0]["value"] == "0.123456789012"


def test_a_silence_is_made_seen_and_ended(stage: Stage, data: Path) -> None:
    made = run(data, "silence", "agent=a", "severity!=warning", "--for", "1h", "--reason", "a test",
               "--by", "ann")  # fmt: skip
    stage.tick(a=12)
    assert stage.channels["ops"].story == []
    [row] = rows(data, "silences")
    assert (row["holds"], row["matchers"], row["author"]) == (
        "yes", "agent=a severity!=warning", "ann",
    )  # fmt: skip
    assert str(row["id"]) in made
    run(data, "unsilence", str(row["id"]), "--by", "bob")
    assert "Nothing is silenced." in run(data, "silences")
    assert rows(data, "silences", "--all")[0]["holds"] == "no"
    stage.tick()
    assert stage.channels["ops"].story == ["trigger: a"]
    with pytest.raises(UsageError, match="that holds"):
        run(data, "unsilence", str(row["id"]))
    window = ("silence", "rule=made", "--reason", "nights", "--for", "8h", "--repeat", "daily")
    run(data, *window, "--timezone", "Europe/Berlin")
    assert rows(data, "silences")[0]["repeats"] == "daily (Europe/Berlin)"
    run(data, *window, "--timezone", "Europe/Berlin", "--from", "2036-12-01")
    [planned] = [row for row in rows(data, "silences") if row["holds"] == "no"]
    assert (planned["from"], planned["until"]) == ("2036-11-30T23:00:00Z", "2036-12-01T07:00:00Z")
    with pytest.raises(UsageError, match="shorter than what it repeats in"):
        run(data, "silence", "rule=made", "--reason", "x", "--for", "2d", "--repeat", "daily")
    with pytest.raises(AlertsError, match="is no matcher"):
        run(data, "silence", "rule", "--reason", "x")


def test_rules_and_channels_say_how_they_fare(stage: Stage, data: Path) -> None:
    stage.channels["ops"].failures = [REFUSED]
    stage.tick(a=12)
    [channel] = rows(data, "channels")
    assert (channel["channel"], channel["kind"], channel["dead"]) == ("ops", "webhook", 1)
    assert (channel["outcome"], channel["reason"]) == ("dead", "invalid_payload")
    assert len(rows(data, "rules")) >= 20
    assert "1 channels: all is well" in run(data, "check")
    secret = CHANNELS.replace("https://hook.example.com/", "env:ONLY_THE_WORKER_HAS_IT")
    (data / "alerts" / "channels.yaml").write_text(secret)
    assert rows(data, "channels")[0]["kind"] == "webhook"
    with pytest.raises(AlertsError, match="holds no secret: one line of text is needed.$"):
        run(data, "check")
    (data / "alerts" / "channels.yaml").write_text("channels: {x: {kind: none}}")
    with pytest.raises(AlertsError, match="Channel x: kind is one of"):
        run(data, "check")


def test_every_variable_of_the_documents_is_taken() -> None:
    documents = Path(__file__).parents[2] / "docs"
    said = "".join(file.read_text() for file in documents.glob("alert*.md"))
    names = {name.removesuffix("_FILE") for name in re.findall(r"SPANLEDGER_\w+", said)}
    assert len(names) >= 5
    command = [sys.executable, "-m", "spanledger_server", "alerts", "--help"]
    environment = {**os.environ, **dict.fromkeys(names, "x")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_dead_letters_are_listed_tried_again_and_dropped(stage: Stage, data: Path) -> None:
    ops = stage.channels["ops"]
    assert "No dead letters." in run(data, "dead-letter", "list")
    stage.rules = [rule(group_by=["agent"])]
    ops.failures = [REFUSED] * 3
    stage.tick(a=12, b=12, c=12)
    found = rows(data, "dead-letter", "list", "--channel", "ops", "--project", "default")
    assert [one["reason"] for one in found] == ["invalid_payload"] * 3
    first, second, third = (str(one["id"]) for one in found)
    assert "waits to be sent" in run(data, "dead-letter", "retry", first, "--by", "ann")
    assert "dropped" in run(data, "dead-letter", "drop", second, "--by", "ann")
    stage.pass_s(10)
    assert len(ops.story) == 1
    assert [str(one["id"]) for one in rows(data, "dead-letter", "list")] == [third]
    assert "waits to be sent" in run(data, "dead-letter", "retry", "--all")
    stage.pass_s(10)
    assert len(ops.story) == 2
    said = {(row["action"], row["who"]) for row in stage.rows(timeline)}
    assert {("retried", "ann"), ("dropped", "ann")} <= said
    for wrong, why in (
        (("retry",), "say --all"),
        (("drop", first, "--all"), "say --all"),
        (("retry", first), "none any more"),
        (("drop", first, "--channel", "ops"), "go with --all"),
    ):
        with pytest.raises(UsageError, match=why):
            run(data, "dead-letter", *wrong)


def test_nothing_is_put_back_for_a_channel_that_is_gone(stage: Stage, data: Path) -> None:
    stage.channels["ops"].failures = [REFUSED]
    stage.tick(a=12)
    (data / "alerts" / "channels.yaml").unlink()
    with pytest.raises(UsageError, match="There is no channel 'ops'"):
        run(data, "dead-letter", "retry", "--all")
    assert len(rows(data, "dead-letter", "list")) == 1
