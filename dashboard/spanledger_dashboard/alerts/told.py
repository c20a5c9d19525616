"""The incidents that fire, in one line for the Overview."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from spanledger_dashboard import format as fmt
from spanledger_dashboard.alerts.incidents import Shown, load_open
from spanledger_dashboard.alerts.opened import alert_settings, alerts
from spanledger_dashboard.alerts.rule_book import load_book

_NS_PER_S = 10**9


@dataclass(frozen=True, slots=True)
class Told:
    """All that fires.

    Attributes:
        title: of the worst, with how many there are beside it.
        amount: dollars of the worst, and how many nobody looks after.
        query: of the Incidents page: the one, where there is no other.
    """

    count: int
    is_critical: bool
    title: str
    amount: str
    query: Mapping[str, str] = field(default_factory=dict[str, str])


def load_told(project: str, now_s: int) -> Told | None:
    """Return what fires in a project and is not silenced; None: nothing does.

    Raises:
        StateError: the state database does not answer.
        Denied: the project is not open to the reader.
    """
    opened = alerts()
    if opened is None:
        return None
    book = load_book(alert_settings(), opened.stored_rules())
    found = load_open(opened, project, book, now_s * _NS_PER_S)
    firing = [one for one in found if one.state != "pending" and not one.is_silenced]
    return told_of(firing) if firing else None


def told_of(firing: list[Shown]) -> Told:
    """Return incidents, the worst first, in one line."""
    worst, others = firing[0], len(firing) - 1
    alone = sum(not one.acknowledged_by for one in firing)
    title = worst.words.title + (f", and {fmt.count(others)} more" if others else "")
    parts = [fmt.usd(worst.usd)] if worst.usd is not None else []
    if alone < len(firing):
        parts.append("somebody is on it" if not alone else f"nobody is on {fmt.count(alone)}")
    else:
        parts.append("nobody is on it" if not others else "nobody is on them")
    return Told(
        count=len(firing),
        is_critical=worst.severity == "critical",
        title=title,
        amount=", ".join(parts),
        query={} if others else {"incident": worst.name},
    )
