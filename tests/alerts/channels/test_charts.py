"""Charts, from the rule's own rows to what a provider is sent."""

from __future__ import annotations

import json
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image

from spanledger_alerts.channels.chart import png
from spanledger_alerts.channels.config import ChannelConfig
from spanledger_alerts.content import incident
from spanledger_alerts.history import MOST_POINTS, History
from spanledger_alerts.measures import MEASURES, Measure, Params, Sources
from spanledger_alerts.sample import Sample
from spanledger_alerts.state_machine import Instance, instance_id
from tests.alerts.channels.conftest import Opener
from tests.alerts.channels.providers import SlackApiRules
from tests.alerts.stage import T0, Recorder, S, Stage, rule

LOOKS: list[int] = []


def climbing(sources: Sources, project: str, t_ns: int, params: Params) -> list[Sample]:
    """An instance that climbs by one a minute, and one that was never seen before."""
    LOOKS.append(t_ns)
    stage = cast("Stage", sources)
    if stage.failure is not None and t_ns < stage.now_ns:
        raise stage.failure
    value = Decimal((t_ns - T0) // (60 * S) + 100)
    found = [Sample({"agent": "a"}, value)]
    return [*found, Sample({"agent": "new"}, value)] if t_ns >= T0 else found


@pytest.fixture(autouse=True)
def measure(monkeypatch: pytest.MonkeyPatch) -> None:
    LOOKS.clear()
    monkeypatch.setitem(MEASURES, "made", Measure(climbing))


def stage_of(channel: object, tmp_path: Path) -> Stage:
    made = rule(group_interval="10s", group_by=["agent"])
    stage = Stage(tmp_path / "state.db", made, channels={"ops": cast("Recorder", channel)})
    return _in_words(stage)


def _in_words(stage: Stage) -> Stage:
    stage.words = incident
    stage.engine = stage.new_engine("one")
    return stage


def instance(agent: str) -> Instance:
    labels = {"agent": agent}
    key = instance_id("made", labels)
    return Instance(key, labels, "firing", "critical", 1, T0, Sample(labels, Decimal(1)))


def test_the_values_before_are_those_the_rule_saw(tmp_path: Path) -> None:
    stage = stage_of(Recorder(), tmp_path)
    history = History(rule(), cast("Sources", stage), "default", T0 + 7 * S)
    step_s = 3_600 // MOST_POINTS
    expected = [(T0 // S - n * step_s, float(100 - -(-n * step_s // 60))) for n in range(24)][::-1]
    assert list(history.of(instance("a"))) == expected
    assert history.of(instance("new")) == ()  # one point is no course
    assert len(LOOKS) == MOST_POINTS, "all instances share what was read"


def test_reading_takes_two_seconds_at_most(tmp_path: Path) -> None:
    stage = stage_of(Recorder(), tmp_path)
    clock = iter(range(100))
    history = History(rule(), cast("Sources", stage), "default", T0, lambda: float(next(clock)))
    assert [when for when, _ in history.of(instance("a"))] == [
        T0 // S - 300,
        T0 // S - 150,
        T0 // S,
    ]


def test_a_page_comes_without_a_chart_where_there_is_no_history(tmp_path: Path) -> None:
    ops = Recorder()
    stage = stage_of(ops, tmp_path)
    stage.failure = RuntimeError("gone")
    stage.tick()
    assert {one.transition for one in ops.sent} == {"trigger"}
    assert all(not one.incidents[0].series for one in ops.sent)
    seen = len(LOOKS)
    stage.tick()
    assert len(LOOKS) == seen + 1, "what goes on has no new chart"


def test_slack_is_sent_the_chart_of_the_values(opener: Opener, tmp_path: Path) -> None:
    slack = opener("slack_bot")
    stage = stage_of(slack.channel, tmp_path)
    stage.tick()
    assert isinstance(slack.rules, SlackApiRules)
    [uploaded] = slack.rules.files  # of the one that has a history
    drawn = Image.open(BytesIO(uploaded))
    assert drawn.size == (480, 120)
    series = [(T0 // S + 10 - n * 150, float(100 - -(-(n * 150 - 10) // 60))) for n in range(24)]
    assert uploaded == png(series, 10.0)
    assert uploaded != png(series)
    stage.pass_s(60)
    assert len(slack.rules.files) == 1


def test_a_mail_shows_the_chart_in_its_text(opener: Opener, tmp_path: Path) -> None:
    mail = opener("email")
    stage = stage_of(mail.channel, tmp_path)
    stage.tick()
    assert mail.mail
    with_chart = [raw for raw in mail.mail.taken if b"image/png" in raw]
    assert len(with_chart) == 1
    assert b"Content-ID: <chart@spanledger>" in with_chart[0]
    assert 'src="cid:chart@spanledger"' in "".join(mail.taken)


def test_pagerduty_is_given_an_address_only_where_one_is_configured(
    opener: Opener, tmp_path: Path
) -> None:
    pager = opener("pagerduty")
    channel: Any = pager.channel
    stage = stage_of(channel, tmp_path)
    stage.tick()
    assert all("images" not in json.loads(body) for body in pager.taken)
    config: ChannelConfig = channel._config
    drawing = {"chart_url": "https://charts.example.com/draw?w=480&c={chart}"}
    channel._config = config.model_copy(update=drawing)
    stage.rules = [rule(name="other", group_by=["agent"], group_interval="10s")]
    stage.tick()
    [image] = [one for body in pager.taken for one in json.loads(body).get("images", [])]
    chart = json.loads(parse_qs(urlsplit(image["src"]).query)["c"][0])
    values, limit = chart["data"]["datasets"]
    assert len(values["data"]) == MOST_POINTS
    assert values["data"] == sorted(values["data"])
    assert set(limit["data"]) == {10.0}
