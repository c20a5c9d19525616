"""What somebody should look at: open findings of every source, as one list.

A source is a function from project and window to notices; a new one is a function and a line in
``SOURCES``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from spanledger_analytics.data_quality import Period, Severity, report
from spanledger_dashboard import format as fmt
from spanledger_dashboard.time_range import Window
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
    """

    urgency: Urgency
    title: str
    amount: str
    page: str


Source = Callable[[Store, str, Window], Sequence[Notice]]

_URGENCIES = {
    Severity.error: Urgency.now,
    Severity.warning: Urgency.soon,
    Severity.info: Urgency.note,
}
# The overview warns of these in words of its own, with the models they concern.
_SAID_ELSEWHERE = frozenset({"missing_usage", "unpriced_models"})


def data_quality(store: Store, project: str, window: Window) -> Sequence[Notice]:
    """Return what keeps the numbers of a window from being complete; what is handled is left out.

    Raises:
        StoreError: the store does not answer.
    """
    found = report(store, project, Period(window.start_s, window.end_s)).findings
    return [
        Notice(
            urgency=_URGENCIES[finding.severity],
            title=finding.title,
            amount=f"{fmt.count(finding.count)} {finding.unit}{'' if finding.count == 1 else 's'}"
            + ("" if finding.usd is None else f", {fmt.usd(finding.usd)} {finding.usd_label}"),
            page="app_pages/data_quality.py",
        )
        for finding in found
        if finding.severity is not Severity.info and finding.check not in _SAID_ELSEWHERE
    ]


SOURCES: tuple[Source, ...] = (data_quality,)


def notices(store: Store, project: str, window: Window) -> list[Notice]:
    """Return the notices of all sources, the most urgent first.

    Raises:
        StoreError: the store does not answer.
    """
    found = [notice for source in SOURCES for notice in source(store, project, window)]
    return sorted(found, key=lambda notice: notice.urgency)
