"""What alerts work with, put together: settings, the engine's job, and where measures read."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace

import sqlalchemy as sa

from spanledger_alerts.books import channel_book, rule_book
from spanledger_alerts.content import incident
from spanledger_alerts.engine import Engine, Setting
from spanledger_alerts.job import AlertsJob
from spanledger_alerts.measures import Sources
from spanledger_alerts.sender import Sender
from spanledger_alerts.settings import AlertSettings
from spanledger_storage.alert_figures import AlertFigures
from spanledger_storage.alert_outbox import AlertOutbox
from spanledger_storage.alert_state import AlertState
from spanledger_storage.budget_accounts import BudgetAccounts
from spanledger_storage.collector_spools import CollectorSpools
from spanledger_storage.finding_state import FindingStates
from spanledger_storage.projects import Projects
from spanledger_storage.store import Store, StoreSettings

_QUERY_S = 20
_TIMEOUT_S = 30  # later than the store gives up by itself, so that it can say so


def alert_sources(settings: StoreSettings, state: sa.Engine) -> Sources:
    """Return where measures read: as the reading user where one is known, else reading only.

    Args:
        settings: of the telemetry store, as the worker writes to it.
        state: the state database.
    """
    url = os.environ.get("SPANLEDGER_READ_STORE_URL")
    asked = StoreSettings.from_url(url) if url else settings
    limits = {"max_execution_time": str(_QUERY_S)} | ({} if url else {"readonly": "2"})
    asked = replace(asked, settings={**asked.settings, **limits})
    store = Store.connect(asked, timeout_s=_TIMEOUT_S)
    spools = CollectorSpools(state)
    return Sources(
        store,
        BudgetAccounts(state),
        FindingStates(state),
        lambda: spools.waiting(time.time_ns()),
    )


def alerts_job(settings: StoreSettings, state: sa.Engine, holder: str) -> Callable[[], object]:
    """Return what evaluates the rules that are due.

    Args:
        settings: of the telemetry store.
        state: the state database.
        holder: who evaluates, where several could: host and process id.
    """
    alerts = AlertSettings.of(os.environ)
    setting = engine_setting(alerts, state, alert_sources(settings, state))
    engine = Engine(setting, holder, time.time_ns)
    figures = AlertFigures(state)
    return AlertsJob(engine, setting.state, time.time_ns, alerts.heartbeat_url, figures).run_once


def engine_setting(alerts: AlertSettings, state: sa.Engine, sources: Sources) -> Setting:
    """Return what the engine works with: rules and channels as files and dashboard have them."""
    kept, projects = AlertState(state), Projects(state)
    rules, channels = rule_book(alerts, kept), channel_book(alerts)
    return Setting(
        state=kept,
        sources=sources,
        rules=rules,
        projects=lambda: [row.project.name for row in projects.all()],
        channels=lambda: channels().names,
        words=incident,
        base_url=alerts.base_url,
        has_all_rules=lambda: not rules.problem,
        unread=lambda: channels().unread,
    )


def delivery_job(state: sa.Engine) -> Callable[[], object]:
    """Return what sends the notifications that wait."""
    channels = channel_book(AlertSettings.of(os.environ))
    return Sender(AlertOutbox(state), lambda: channels().ready, time.time_ns).run_once
