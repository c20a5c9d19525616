"""Alerts in the state database, written by the engine itself at a set clock; pages to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

import spanledger_dashboard
from spanledger_alerts.content import incident
from spanledger_alerts.engine import Engine, Setting
from spanledger_alerts.measures import MEASURES, Measure, Params, Sources
from spanledger_alerts.notification import ConfiguredChannel, DeliveryError
from spanledger_alerts.rules import Rule, rule_of
from spanledger_alerts.sample import Sample
from spanledger_alerts.sender import Sender
from spanledger_storage.alert_outbox import AlertOutbox
from spanledger_storage.alert_state import AlertState
from spanledger_storage.state import open_state
from tests.alerts.stage import Recorder, migrated

S = 10**9
APP = Path(spanledger_dashboard.__file__).parent / "app.py"
EVIL = "x`; **b** :red[r] <img src=x>"
COSTLY = {
    "name": "costly",
    "title": "Cost per hour",
    "description": "What an agent costs.",
    "measure": "told",
    "critical": 10,
    "every": "10s",
    "delay": 0,
    "group_wait": 0,
    "unit": "usd",
}
AWAY = DeliveryError("503 from ops", permanent=False)
REFUSED = DeliveryError("400 from ops", permanent=True)


def read_told(sources: Sources, project: str, t_ns: int, params: Params) -> list[Sample]:
    """What an ``Alerted`` was told; the pages, which read the real sources, see nothing."""
    told: dict[str, Sample] = getattr(sources, "values", {})
    return list(told.values())


MEASURES.setdefault("told", Measure(read_told, has_history=False))


def rule(**fields: Any) -> Rule:
    """A rule over what ``Alerted`` is told."""
    return rule_of(COSTLY | fields, "test")


class Alerted:
    """An engine and a sender on a state database."""

    def __init__(
        self, state: sa.Engine, rules: Sequence[Rule] = (), project: str = "default"
    ) -> None:
        self.values: dict[str, Sample] = {}
        self.ops = Recorder()
        self.state = AlertState(state)
        self._now_ns = 0
        setting = Setting(
            state=self.state,
            sources=cast("Sources", self),
            rules=lambda: rules or [rule()],
            projects=lambda: [project],
            channels=lambda: ["ops"],
            words=incident,
            base_url="http://dashboard.test",
        )
        self._engine = Engine(setting, "test", lambda: self._now_ns)
        self._sender = Sender(AlertOutbox(state), self._channels, lambda: self._now_ns, threads=0)

    def _channels(self) -> Mapping[str, ConfiguredChannel]:
        return {"ops": ConfiguredChannel("ops", "test", self.ops, per_s=100, burst=100)}

    def say(self, at_s: int, **values: float | Sample | None) -> None:
        """Let the engine see what agents cost at a time; None: no row."""
        for name, value in values.items():
            if value is None:
                self.values.pop(name, None)
            else:
                self.values[name] = value if isinstance(value, Sample) else costly(name, value)
        self._now_ns = at_s * S
        self._engine.run_once()
        self._sender.run_once()


def costly(agent: str, value: float, **fields: Any) -> Sample:
    """An agent that costs so much."""
    amount = Decimal(str(value))
    made = Sample(
        {"agent": agent},
        amount,
        usd=amount,
        baseline=Decimal(2),
        explanation="The agent repeats itself.",
    )
    return replace(made, **fields)


@pytest.fixture
def alert_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sa.Engine]:
    """A state database, and an alerts folder with the rule of ``Alerted``."""
    (tmp_path / "state.db").write_bytes(migrated())
    url = f"sqlite:///{tmp_path / 'state.db'}"
    monkeypatch.setenv("SPANLEDGER_STATE_URL", url)
    monkeypatch.setenv("SPANLEDGER_ALERTS_FOLDER", str(tmp_path / "alerts"))
    (tmp_path / "alerts" / "rules").mkdir(parents=True)
    lines = "".join(f"{name}: {value}\n" for name, value in COSTLY.items())
    (tmp_path / "alerts" / "rules" / "costly.yaml").write_text(lines)
    engine = open_state(url)
    yield engine
    engine.dispose()


@pytest.fixture
def alert_app(store_url: str, alert_state: sa.Engine) -> AppTest:
    """The dashboard on an empty store and ``alert_state``."""
    assert store_url
    assert alert_state
    return another()


def another() -> AppTest:
    """Another session of the dashboard."""
    return AppTest.from_file(str(APP), default_timeout=60)


def page(app: AppTest, name: str, **params: str) -> AppTest:
    """Open a page of alerts."""
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page(f"app_pages/{name}.py")
    app.run()
    assert not app.exception
    return app


def text(app: AppTest) -> str:
    """All text of a page, as a reader sees it."""
    blocks = [*app.markdown, *app.caption, *app.info, *app.subheader, *app.error, *app.warning]
    said = "\n".join(str(b.value) for b in [*blocks, *app.success, *app.code])
    return said.replace("\\", "").replace("\u2060", "")


def raw(app: AppTest) -> str:
    """What is markdown on a page, as it is sent."""
    blocks = [*app.markdown, *app.caption, *app.info, *app.subheader, *app.error, *app.warning]
    links = [link.proto.label for link in app.get("page_link")]
    return "\n".join([*(str(b.value) for b in blocks), *links])


def cards(app: AppTest) -> dict[str, str]:
    """The figures of a page, by label."""
    return {m.label: m.value for m in app.metric}


def press(app: AppTest, label: str) -> None:
    """Press the button of a label."""
    next(one for one in app.button if one.label == label).click().run()
    assert not app.exception


def labels(app: AppTest) -> set[str]:
    """What buttons are called."""
    return {one.label for one in app.button}
