"""Hostile telemetry on its whole way: from a row of the store to what a provider is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest

from spanledger_alerts.channels import CHANNELS
from spanledger_alerts.content import incident
from spanledger_alerts.measures import MEASURES, Measure, Params, Sources
from spanledger_alerts.sample import Sample
from spanledger_alerts.sampling import samples_of
from spanledger_storage.alert_tables import instances, outbox
from tests.alerts.channels.conftest import Opener
from tests.alerts.channels.incidents import HOSTILE
from tests.alerts.channels.providers import PagerDutyRules
from tests.alerts.stage import Recorder, Stage, rule

VALUES: tuple[str | bytes, ...] = (
    *HOSTILE,
    b"\xff\xfe\x00broken",
    "nul\x00inside",
    "{agent} %s {0}",
)
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


def rows(sources: Sources, project: str, t_ns: int, params: Params) -> list[Sample]:
    """What a statement returns whose labels are what somebody sent."""
    stage = cast("Stage", sources)
    value = 12 if not stage.values else 1
    return samples_of(
        {"agent": text, "value": value, "explanation": str(text), "trace_ids": [str(text)]}
        for text in VALUES
    )


@pytest.fixture(autouse=True)
def measure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MEASURES, "made", Measure(rows, has_history=False))


def stage_of(channel: object, tmp_path: Path) -> Stage:
    made = rule(group_by=["agent"], group_interval="10s", view="traces?agent={agent}&from={from}")
    stage = Stage(tmp_path / "state.db", made, channels={"ops": cast("Recorder", channel)})
    stage.words = incident
    stage.engine = stage.new_engine("one")
    return stage


@pytest.mark.parametrize("kind", sorted(CHANNELS))
def test_each_is_told_of_and_ends(kind: str, opener: Opener, tmp_path: Path) -> None:
    opened = opener(kind)
    stage = stage_of(opened.channel, tmp_path)
    run = stage.evaluate()
    stage.tick()
    stage.say(over=1)
    stage.pass_s(20)
    assert run.failed == 0
    assert {row["status"] for row in stage.rows(outbox)} == {"sent"}, "a provider refused one"
    assert {row["state"] for row in stage.rows(instances)} == {"inactive"}
    assert len(stage.rows(instances)) == len(VALUES)
    if isinstance(opened.rules, PagerDutyRules):
        assert list(opened.rules.alerts.values()) == [["resolve"]] * len(VALUES)


def test_labels_come_back_as_they_were(opener: Opener, tmp_path: Path) -> None:
    """A silence of exactly this label has to match it, and no other."""
    hook = opener("webhook")
    stage = stage_of(hook.channel, tmp_path)
    stage.tick()
    told = [json.loads(body)["incidents"][0]["labels"]["agent"] for body in hook.taken]
    shown = [t.decode("utf-8", "replace") if isinstance(t, bytes) else t for t in VALUES]
    expected = [text[:256].encode("utf-8", "replace").decode() for text in shown]
    assert sorted(told) == sorted(expected)
