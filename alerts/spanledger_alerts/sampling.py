"""Rows of the store as samples, and times as the store reads them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import cast

from spanledger_alerts.notification import Severity
from spanledger_alerts.sample import Sample

FIGURES = frozenset(
    {
        *("value", "points", "baseline", "usd", "severity"),
        *("headline", "explanation", "trace_ids", "starts_ns", "identity"),
    }
)
"""Columns of a statement that are no labels."""
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
_NS_PER_S = 10**9
_LABEL_LIMIT = 256
_TEXT_LIMIT = 4_000
_TRACES = 3


def store_time(t_ns: int) -> str:
    """Return UTC nanoseconds as the store reads them: 2026-11-21 10:00:00.000000000."""
    whole_s, rest_ns = divmod(t_ns, _NS_PER_S)
    moment = datetime.fromtimestamp(whole_s, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{rest_ns:09}"


def samples_of(rows: Iterable[Mapping[str, object]]) -> list[Sample]:
    """Return a sample of each row; one whose value is no number is left out.

    Columns named in ``FIGURES`` are figures, all others labels. A value that is NULL is kept only
    where the row says how severe it is.

    Raises:
        ValueError: there is no column ``value``.
    """
    found: list[Sample] = []
    for row in rows:
        if "value" not in row:
            raise ValueError("The statement has no column called value.")
        value = _number(row["value"])
        severity = _severity(row.get("severity"))
        if value is None and severity is None:
            continue
        points = _number(row.get("points"))
        starts = row.get("starts_ns")
        found.append(
            Sample(
                labels=_labels(row),
                value=value,
                severity=severity,
                points=None if points is None else int(points),
                baseline=_number(row.get("baseline")),
                usd=_number(row.get("usd")),
                headline=_text(row.get("headline")),
                explanation=_text(row.get("explanation")),
                trace_ids=_ids(row.get("trace_ids")),
                starts_ns=starts if isinstance(starts, int) else None,
                identity=_text(row.get("identity")),
            )
        )
    return found


def _labels(row: Mapping[str, object]) -> dict[str, str]:
    """Return what is no figure; a label that is empty is as good as none."""
    found = {name: _label(value) for name, value in row.items() if name not in FIGURES}
    return {name: value for name, value in found.items() if value}


def _number(value: object) -> Decimal | None:
    if isinstance(value, float):
        return Decimal(repr(value)) if math.isfinite(value) else None
    if value is None or isinstance(value, str | bytes):
        return None
    try:
        number = Decimal(value) if isinstance(value, int | Decimal) else Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _severity(value: object) -> Severity | None:
    return next((one for one in SEVERITIES if one == value), None)


def _label(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")[:_LABEL_LIMIT]
    if isinstance(value, datetime | date):
        return value.isoformat()
    return _whole(("" if value is None else str(value))[:_LABEL_LIMIT])


def _text(value: object) -> str:
    return _whole(value[:_TEXT_LIMIT]) if isinstance(value, str) else ""


def _whole(text: str) -> str:
    """Return text without halves of characters, which neither JSON nor a database can carry."""
    return text.encode("utf-8", "replace").decode()


def _ids(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        return ()
    found = cast("list[object]", value)[:_TRACES]
    return tuple(_label(one) for one in found if one)
