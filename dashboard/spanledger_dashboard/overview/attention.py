"""What somebody should look at: open findings of every source, as one list.

A source is a function from project and time (UNIX seconds) to notices; a new one is a function and
a line in ``SOURCES``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum
from typing import cast

from spanledger_analytics.data_quality import Severity
from spanledger_dashboard import format as fmt
from spanledger_dashboard.alerts.told import load_told
from spanledger_dashboard.findings.data import Found, load_findings
from spanledger_dashboard.findings.said import as_said
from spanledger_dashboard.time_range import Window
from spanledger_storage.errors import StateError
from spanledger_storage.store import Store


class Urgency(IntEnum):
    """How soon; the most urgent comes first."""

    now = 0
    soon = 1
    note = 2


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to look at.

    Attributes:
        amount: how much of it, in words.
        page: file of the page that tells more.
        query: what that page is asked to show, beside the time.
        badge: a word for it; empty: that of its urgency.
    """

    urgency: Urgency
    title: str
    amount: str
    page: str
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    badge: str = ""


Source = Callable[[Store, str, int], Sequence[Notice]]

_URGENCIES = {
    Severity.error: Urgency.now,
    Severity.warning: Urgency.soon,
    Severity.info: Urgency.note,
}
_FINDINGS = "app_pages/findings.py"
_MOST_FINDINGS = 3
_MOST_READ = 1_000
_DAY_S = 86_400
_STALE_AFTER_S = 3_600  # the worker is away: what it found then says nothing of now
# The overview warns of these in words of its own, with the models they concern.
_SAID_ELSEWHERE = frozenset({"missing_usage", "unpriced_models"})


def data_quality(store: Store, project: str, now_s: int) -> Sequence[Notice]:
    """Return what keeps the numbers of the last day from being complete.

    The worker looks every few minutes (``data_quality.job``); what is handled is left out.

    Raises:
        StoreError: the store does not answer.
    """
    params = {"project": project, "since_s": now_s - _STALE_AFTER_S}
    return [
        Notice(
            urgency=_URGENCIES[Severity(str(row["severity"]))],
            title=str(row["title"]),
            amount=_amount(row),
            page="app_pages/data_quality.py",
        )
        for row in store.rows("dashboard_quality_findings", params)
        if row["severity"] != Severity.info and row["check"] not in _SAID_ELSEWHERE
    ]


def _amount(row: Mapping[str, object]) -> str:
    count = cast("int", row["count"])
    amount = f"{fmt.count(count)} {row['unit']}{'' if count == 1 else 's'}"
    usd = cast("Decimal | None", row["amount_usd"])
    return amount if usd is None else f"{amount}, {fmt.usd(usd)} {row['amount_label']}"


def open_findings(store: Store, project: str, now_s: int) -> Sequence[Notice]:
    """Return the dearest findings of the last day that ask for somebody, then how many more do.

    While nobody knows what people said of them, all of them count.

    Raises:
        StoreError: the store does not answer.
        Denied: the project is not open to the reader.
    """
    day = Window(now_s - _DAY_S, now_s, now_s)
    found: Sequence[Found] = load_findings(store, project, day, most=_MOST_READ).found
    with suppress(StateError):
        found = as_said(found, project)
    asking = [
        one for one in found if one.severity != "info" and one.state == "open" and not one.is_muted
    ]
    told = _of_different_traces(asking)[:_MOST_FINDINGS]
    notices = [
        Notice(
            urgency=Urgency.now if one.severity == "critical" else Urgency.soon,
            title=one.title,
            amount=_worth(one),
            page=_FINDINGS,
            query={"finding": one.finding_id},
            badge=one.severity.capitalize(),
        )
        for one in told
    ]
    rest = len(asking) - len(notices)
    if rest:
        title = f"{fmt.count(rest)} more open finding{'' if rest == 1 else 's'}"
        notices.append(Notice(Urgency.note, title, "", _FINDINGS, badge="Findings"))
    return notices


def _of_different_traces(found: Sequence[Found]) -> list[Found]:
    """Return the dearest of each trace: what else was found there is often the same money."""
    kept: dict[str, Found] = {}
    for one in found:
        kept.setdefault(one.trace_id or one.finding_id, one)
    return list(kept.values())


def _worth(one: Found) -> str:
    who = f"{one.agent_name} · " if one.agent_name else ""
    return who + _amount_of(one)


def _amount_of(one: Found) -> str:
    if one.worth_usd is None:
        return one.kind_name
    word = "above what was expected" if one.is_surprise else "could have been saved"
    if one.avoidable_usd is None and not one.is_surprise:
        word = "wasted"
    return f"{fmt.usd(one.worth_usd)} {word}"


def open_incidents(store: Store, project: str, now_s: int) -> Sequence[Notice]:
    """Return one notice for all that fires: how much, the worst, whether somebody is on it.

    Nothing while the state database does not answer: the Incidents page says so.

    Raises:
        Denied: the project is not open to the reader.
    """
    with suppress(StateError):
        told = load_told(project, now_s)
        if told is not None:
            return [
                Notice(
                    urgency=Urgency.now if told.is_critical else Urgency.soon,
                    title=told.title,
                    amount=told.amount,
                    page="app_pages/incidents.py",
                    query=told.query,
                    badge="Incident" if told.count == 1 else "Incidents",
                )
            ]
    return []


SOURCES: tuple[Source, ...] = (open_incidents, open_findings, data_quality)


def notices(store: Store, project: str, now_s: int) -> list[Notice]:
    """Return the notices of all sources, the most urgent first.

    Raises:
        StoreError: the store does not answer.
    """
    found = [notice for source in SOURCES for notice in source(store, project, now_s)]
    return sorted(found, key=lambda notice: notice.urgency)
