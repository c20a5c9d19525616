"""Alerts in the state database, written by the engine itself at a set clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

import sqlalchemy as sa

from spanledger_alerts.content import incident
from spanledger_alerts.engine import Engine, Setting
from spanledger_alerts.measures import Sources
from spanledger_alerts.notification import ConfiguredChannel, DeliveryError
from spanledger_alerts.rules import Rule, rule_of
from spanledger_alerts.sample import Sample
from spanledger_alerts.sender import Sender
from spanledger_storage.alert_outbox import AlertOutbox
from spanledger_storage.alert_state import AlertState
from tests.alerts.stage import Recorder, install

S = 10**9
install()


def rule(name: str = "costly", **fields: Any) -> Rule:
    """A rule over what the stage says."""
    given = {"name": name, "title": "Cost per hour", "measure": "made", "critical": 10,
             "every": "10s", "delay": 0, "group_wait": 0, "unit": "usd"}  # fmt: skip
    return rule_of(given | fields, "test")


class Alerted:
    """An engine and a sender on a state database."""

    def __init__(
        self, state: sa.Engine, now_s: int, rules: Sequence[Rule], project: str = "default"
    ) -> None:
        self.now_ns = now_s * S
        self.values: dict[str, Sample] = {}
        self.failure: Exception | None = None
        self.ops = Recorder()
        self.state = AlertState(state)
        setting = Setting(
            state=self.state,
            sources=cast("Sources", self),
            rules=lambda: rules,
            projects=lambda: [project],
            channels=lambda: ["ops"],
            words=incident,
            base_url="http://dashboard.test",
        )
        self._engine = Engine(setting, "test", lambda: self.now_ns)
        self._sender = Sender(AlertOutbox(state), self._channels, lambda: self.now_ns, threads=0)

    def _channels(self) -> Mapping[str, ConfiguredChannel]:
        return {"ops": ConfiguredChannel("ops", "test", self.ops, per_s=100, burst=100)}

    def say(self, at_s: int, **values: float | Sample | None) -> None:
        """Let the engine see values at a time; None: no row."""
        for name, value in values.items():
            if value is None:
                self.values.pop(name, None)
            elif isinstance(value, Sample):
                self.values[name] = value
            else:
                self.values[name] = costly(name, value)
        self.now_ns = at_s * S
        self._engine.run_once()
        self._sender.run_once()


def costly(agent: str, value: float, **fields: Any) -> Sample:
    """An agent that costs so much."""
    amount = Decimal(str(value))
    made = Sample({"agent": agent}, amount, usd=amount, baseline=Decimal(2),
                  explanation="The agent repeats itself.")  # fmt: skip
    return replace(made, **fields)


AWAY = DeliveryError("503 from ops", permanent=False)
