"""Rows of ``drift_checks``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime

import pyarrow as pa

from spanledger_analytics._rows import COUNT, SMALL_COUNT, STRING, insert_token
from spanledger_analytics.drift.categories import Categorical
from spanledger_analytics.drift.judge import Check
from spanledger_analytics.drift.reading import DAY_S
from spanledger_storage.store import Store

_MOST_SHARES = 20
_FLOAT = pa.float64()
_COLUMNS: list[tuple[str, pa.DataType]] = [
    ("project", STRING),
    ("day", pa.date32()),
    ("agent_name", STRING),
    ("agent_version", STRING),
    ("feature", STRING),
    ("compared_with", STRING),
    ("verdict", STRING),
    ("trajectories", SMALL_COUNT),
    ("reference_trajectories", SMALL_COUNT),
    ("actions", COUNT),
    ("reference_actions", COUNT),
    ("statistic", _FLOAT),
    ("p_value", _FLOAT),
    ("q_value", _FLOAT),
    ("effect", _FLOAT),
    ("psi", _FLOAT),
    ("usual_effect", _FLOAT),
    ("shares", STRING),
    ("version", COUNT),
]
_SCHEMA = pa.schema(_COLUMNS)


def write_checks(
    store: Store, project: str, day: int, checks: Sequence[Check], version: int
) -> None:
    """Write the checks of a day in one insert: a day is checked whole or not at all.

    Raises:
        StoreError: the store refused or did not answer.
    """
    rows = [
        {"project": project, "day": date_of(day), "version": version, **_fields(check)}
        for check in checks
    ]
    table = pa.Table.from_pylist(rows, schema=_SCHEMA)
    store.insert("drift_checks", table, token=insert_token("drift_checks", table, version))


def date_of(day: int) -> date:
    """Return the date of a day since 1970."""
    return datetime.fromtimestamp(day * DAY_S, UTC).date()


def effect_of(check: Check) -> float | None:
    """Return the Jensen-Shannon distance, or Cliff's delta; None: not enough data."""
    result = check.result
    if result is None:
        return None
    return result.js_distance if isinstance(result, Categorical) else result.delta


def _fields(check: Check) -> dict[str, object]:
    result = check.result
    return {
        "agent_name": check.agent_name,
        "agent_version": check.agent_version,
        "feature": check.feature.name,
        "compared_with": check.compared_with,
        "verdict": check.verdict,
        "trajectories": check.trajectories,
        "reference_trajectories": check.reference_trajectories,
        "actions": check.actions,
        "reference_actions": check.reference_actions,
        "statistic": result.statistic if result else None,
        "p_value": result.p_value if result else None,
        "q_value": check.q_value,
        "effect": effect_of(check),
        "psi": result.psi if isinstance(result, Categorical) else None,
        "usual_effect": check.usual_effect,
        "shares": json.dumps(_shares(check), ensure_ascii=False, separators=(",", ":")),
    }


def _shares(check: Check) -> object:
    result = check.result
    if result is None:
        return {}
    if isinstance(result, Categorical):
        terms = result.terms[:_MOST_SHARES]
        return [
            {"name": t.name, "before": round(t.before, 6), "now": round(t.now, 6),
             "psi": round(t.psi, 6)} for t in terms
        ]  # fmt: skip
    names = ("p10", "p50", "p90", "mean")
    return {
        "before": dict(zip(names, (round(v, 6) for v in result.before), strict=True)),
        "now": dict(zip(names, (round(v, 6) for v in result.now), strict=True)),
    }
