"""What somebody should look at: open findings of every source, as one list.

A source is a function from project and time (UNIX seconds) to notices; a new one is a function and
a line in ``SOURCES``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import cast

from spanledger_analytics.data_quality import Severity
from spanledger_dashboard import format as fmt
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


Source = Callable[[Store, str, int], Sequence[Notice]]

_URGENCIES = {
    Severity.error: Urgency.now,
    Severity.warning: Urgency.soon,
    Severity.info: Urgency.note,
}
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


SOURCES: tuple[Source, ...] = (data_quality,)


def notices(store: Store, project: str, now_s: int) -> list[Notice]:
    """Return the notices of all sources, the most urgent first.

    Raises:
        StoreError: the store does not answer.
    """
    found = [notice for source in SOURCES for notice in source(store, project, now_s)]
    return sorted(found, key=lambda notice: notice.urgency)
