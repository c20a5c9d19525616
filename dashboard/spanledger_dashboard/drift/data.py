"""What the Drift page reads: the checks of each day, and what one of them compared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, cast

from spanledger_analytics.drift.features import FEATURES
from spanledger_analytics.drift.judge import DRIFT, EXPECTED, NO_DRIFT, TOO_LITTLE
from spanledger_storage.store import Store

DAY_S = 86_400
TITLES = {feature.name: feature.title for feature in FEATURES}
ORDER = {feature.name: place for place, feature in enumerate(FEATURES)}
# The worst of several is told of an agent's day.
_WEIGHT = {DRIFT: 3, EXPECTED: 2, NO_DRIFT: 1, TOO_LITTLE: 0}


@dataclass(frozen=True, slots=True)
class Check:
    """One check, as stored (dashboard_drift.sql); None: not enough data, or none of its kind."""

    day_s: int
    agent_name: str
    agent_version: str
    feature: str
    compared_with: str
    verdict: str
    trajectories: int
    reference_trajectories: int
    actions: int
    reference_actions: int
    p_value: float | None
    q_value: float | None
    effect: float | None
    psi: float | None

    @property
    def title(self) -> str:
        """The feature in words, beginning a line."""
        text = TITLES.get(self.feature, self.feature.replace("_", " "))
        return text[:1].upper() + text[1:]


@dataclass(frozen=True, slots=True)
class Share:
    """One action: its share of all before and on the day; ``psi``: what it adds to the index."""

    name: str
    before: float
    now: float
    psi: float


@dataclass(frozen=True, slots=True)
class Shift:
    """What a check compared: shares of actions, or quantiles before and now; both may be empty."""

    shares: tuple[Share, ...] = ()
    before: Mapping[str, float] | None = None
    now: Mapping[str, float] | None = None


def load_checks(store: Store, project: str, from_s: int, to_s: int) -> tuple[Check, ...]:
    """Read the checks of the days in a time, by day, agent, version and feature.

    Raises:
        StoreError: the store does not answer.
    """
    rows = store.rows("dashboard_drift", {"project": project, "from_s": from_s, "to_s": to_s})
    names = [field.name for field in fields(Check)]
    found: list[Check] = []
    for row in rows:
        values: dict[str, Any] = {name: row[name] for name in names}
        found.append(Check(**values))
    return tuple(found)


def load_shift(store: Store, project: str, check: Check) -> Shift:
    """Read what a check compared; empty when it did not compare anything.

    Raises:
        StoreError: the store does not answer.
    """
    params = {
        "project": project,
        "day_s": check.day_s,
        "agent": check.agent_name,
        "agent_version": check.agent_version,
        "feature": check.feature,
    }
    rows = store.rows("dashboard_drift_shares", params)
    return read_shift(str(rows[0]["shares"])) if rows else Shift()


def read_shift(text: str) -> Shift:
    """Return what ``shares`` of a check say."""
    said: object = json.loads(text or "{}")
    if isinstance(said, list):
        rows = cast("list[dict[str, Any]]", said)
        return Shift(
            tuple(
                Share(str(r["name"]), float(r["before"]), float(r["now"]), float(r["psi"]))
                for r in rows
            )
        )
    sides = cast("dict[str, dict[str, float]]", said)
    return Shift(before=sides.get("before"), now=sides.get("now"))


def worst(checks: Sequence[Check]) -> str:
    """Return the verdict that matters most: drift, then expected, then none, then too little."""
    return max((c.verdict for c in checks), key=lambda v: _WEIGHT.get(v, 0), default=TOO_LITTLE)


def first_days(checks: Sequence[Check]) -> dict[tuple[str, str], int]:
    """Return the day on which each version of an agent is first new beside an older one.

    By agent and version; versions that were there from the first day on are left out.
    """
    begun: dict[str, int] = {}
    seen: dict[tuple[str, str], int] = {}
    for check in sorted(checks, key=lambda c: c.day_s):
        begun.setdefault(check.agent_name, check.day_s)
        seen.setdefault((check.agent_name, check.agent_version), check.day_s)
    return {key: day for key, day in seen.items() if day > begun[key[0]]}
