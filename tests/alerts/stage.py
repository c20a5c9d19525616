"""A stage for engine and sender: a set clock, said samples, channels that remember."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import event

from spanledger_alerts.engine import Engine, Run, Setting
from spanledger_alerts.measures import MEASURES, Measure, Params, Sources
from spanledger_alerts.notification import (
    ConfiguredChannel,
    DeliveryError,
    Facts,
    Incident,
    Notification,
)
from spanledger_alerts.rules import Rule, rule_of
from spanledger_alerts.sample import Sample
from spanledger_alerts.sender import Sender, Sent
from spanledger_storage.alert_outbox import AlertOutbox
from spanledger_storage.alert_state import AlertState
from spanledger_storage.state import migrate_state, open_state

S = 10**9
T0 = 1_800_000_000 * S  # a multiple of a day
PROJECT = "default"


def words(facts: Facts, base_url: str) -> Incident:
    """What a channel is told, as plain as it can be."""
    return Incident(
        key=facts.key,
        rule=facts.rule,
        labels=facts.labels,
        severity=facts.severity,
        title=facts.title,
        lines=[facts.explanation],
        value=str(facts.value),
        started_ns=facts.started_ns,
        ended_ns=facts.ended_ns,
        acknowledged_by=facts.acknowledged_by,
    )


def rule(**fields: Any) -> Rule:
    """A rule over what the stage says, with little patience."""
    given: dict[str, Any] = {
        "name": "made",
        "title": "Made up",
        "measure": "made",
        "critical": 10,
        "every": "10s",
        "delay": 0,
        "group_wait": 0,
    }
    given |= fields
    return rule_of({k: v for k, v in given.items() if v is not None}, "test")


@dataclass
class Recorder:
    """A channel that takes everything, or fails as it is told to.

    Attributes:
        failures: raised one by one, instead of sending.
        raises: raised after sending: nobody learns that it was taken.
    """

    sent: list[Notification] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    raises: list[BaseException] = field(default_factory=list)

    def send(self, notification: Notification) -> str:
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(notification)
        if self.raises:
            raise self.raises.pop(0)
        return f"receipt {len(self.sent)}"

    @property
    def story(self) -> list[str]:
        """Each transition, with keys that fire and, after a slash, keys that ended."""
        return [_line(one) for one in self.sent]

    @property
    def open(self) -> set[str]:
        """Incidents that fire for whoever reads only this channel."""
        known: set[str] = set()
        for notification in self.sent:
            for one in notification.incidents:
                if one.ended_ns is None:
                    known.add(one.key)
                else:
                    known.discard(one.key)
        return known


def _line(notification: Notification) -> str:
    def names(is_over: bool) -> str:
        shown = [o for o in notification.incidents if (o.ended_ns is not None) == is_over]
        return " ".join("".join(o.labels.values()) or "-" for o in shown)

    ended = names(True)
    return f"{notification.transition}: {names(False)}" + (f" / {ended}" if ended else "")


class Stage:
    """An engine, a sender, and what they see.

    Args:
        place: the file of a state database, made where there is none, or a migrated database.
    """

    def __init__(
        self, place: Path | sa.Engine, *rules: Rule, channels: Mapping[str, Recorder]
    ) -> None:
        if isinstance(place, Path):
            if not place.exists():
                place.write_bytes(migrated())
            place = open_state(f"sqlite:///{place}")
            event.listen(place, "connect", _hurry)
        self.state_engine = place
        self.now_ns = T0
        self.rules = list(rules)
        self.channels = dict(channels)
        self.values: dict[str, Sample] = {}
        self.failure: Exception | None = None
        self.words = words
        self.projects = [PROJECT]
        self.state = AlertState(self.state_engine)
        self.outbox = AlertOutbox(self.state_engine)
        self.engine = self.new_engine("one")
        self.sender = self.new_sender()

    def new_engine(self, holder: str) -> Engine:
        setting = Setting(
            state=self.state,
            sources=cast("Sources", self),
            rules=lambda: self.rules,
            projects=lambda: self.projects,
            channels=lambda: list(self.channels),
            words=self.words,
        )
        return Engine(setting, holder, lambda: self.now_ns)

    def new_sender(self) -> Sender:
        return Sender(self.outbox, self._configured, lambda: self.now_ns, threads=0)

    def _configured(self) -> dict[str, ConfiguredChannel]:
        return {
            name: ConfiguredChannel(name, "test", channel, per_s=1_000, burst=1_000)
            for name, channel in self.channels.items()
        }

    def say(self, **values: float | None) -> None:
        """Set what instances are at; None: no row."""
        for name, value in values.items():
            if value is None:
                self.values.pop(name, None)
            else:
                self.values[name] = Sample({"agent": name}, Decimal(str(value)))

    def evaluate(self) -> Run:
        return self.engine.run_once()

    def send(self) -> Sent:
        return self.sender.run_once()

    def pass_s(self, seconds: float, step_s: int = 10) -> None:
        """Let time pass; engine and sender run every step."""
        end_ns = self.now_ns + round(seconds * S)
        while self.now_ns < end_ns:
            self.now_ns = min(end_ns, self.now_ns + step_s * S)
            self.evaluate()
            self.send()

    def tick(self, **values: float | None) -> None:
        """Say something, and let the next slot come."""
        self.say(**values)
        self.pass_s(10)

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        with self.state_engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.select(table)).mappings()]


def _hurry(connection: Any, _: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")  # no test here pulls the plug


@cache
def migrated() -> bytes:
    """An empty state database: migrating takes longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "state.db"
        engine = open_state(f"sqlite:///{file}")
        migrate_state(engine)
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        engine.dispose()
        return file.read_bytes()


def read_made(sources: Sources, project: str, t_ns: int, params: Params) -> list[Sample]:
    stage = cast("Stage", sources)
    if stage.failure is not None:
        raise stage.failure
    return list(stage.values.values())


def install() -> None:
    """Make what stages say a measure."""
    MEASURES.setdefault("made", Measure(read_made, has_history=False))


install()

REFUSED = DeliveryError("invalid_payload", permanent=True)
AWAY = DeliveryError("503", permanent=False)
