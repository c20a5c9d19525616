"""A small chart of the value before: as a picture, or as an address that draws it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from urllib.parse import quote

from PIL import Image, ImageDraw

from spanledger_alerts.notification import Incident, Notification

_SIZE = (480, 120)
_SHARPER = 3  # drawn larger and made smaller, so that lines are smooth
_MARGIN = 10
_LINE, _AREA, _PAPER, _AXIS, _LIMIT = "#2563eb", "#dbe6fd", "#ffffff", "#d4d4d8", "#dc2626"
_MOST_POINTS = 480
_DASH = 8

Series = Sequence[tuple[int, float]]


def charted_of(notification: Notification) -> Incident | None:
    """Return the first incident that has values to draw."""
    return next((one for one in notification.incidents if len(one.series) > 1), None)


def png(series: Series, limit: float | None = None) -> bytes:
    """Return a picture of at least two points, (UNIX seconds, value), that begins at zero.

    Args:
        series: the points.
        limit: a value that is drawn as a dashed line; None: there is none.
    """
    points = sorted(series)[-_MOST_POINTS:]
    width, height = (_SHARPER * size for size in _SIZE)
    margin = _SHARPER * _MARGIN
    values = [value for _, value in points] + [0.0 if limit is None else limit]
    low, high = min(0.0, *values), max(0.0, *values)
    first, across, up = points[0][0], max(1, points[-1][0] - points[0][0]), (high - low) or 1.0

    def level(value: float) -> float:
        return height - margin - (value - low) / up * (height - 2 * margin)

    line = [
        (margin + (when - first) / across * (width - 2 * margin), level(v)) for when, v in points
    ]
    image = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(image)
    draw.polygon([(line[0][0], level(0)), *line, (line[-1][0], level(0))], fill=_AREA)
    draw.line([(margin, level(0)), (width - margin, level(0))], fill=_AXIS, width=_SHARPER)
    if limit is not None:
        for start in range(margin, width - margin, 2 * _SHARPER * _DASH):
            dash = [(start, level(limit)), (start + _SHARPER * _DASH, level(limit))]
            draw.line(dash, fill=_LIMIT, width=_SHARPER)
    draw.line(line, fill=_LINE, width=2 * _SHARPER, joint="curve")
    drawn = BytesIO()
    image.resize(_SIZE, Image.Resampling.LANCZOS).save(drawn, "PNG", optimize=True)
    return drawn.getvalue()


def address(template: str, incident: Incident) -> str:
    """Return an address whose ``{chart}`` is the chart as Chart.js describes one.

    https://www.chartjs.org/docs/latest/charts/line.html; QuickChart, for one, draws it.
    """
    points = sorted(incident.series)[-_MOST_POINTS:]
    labels = [f"{datetime.fromtimestamp(when, UTC):%H:%M}" for when, _ in points]
    sets: list[dict[str, object]] = [
        {"label": "value", "data": [float(f"{v:.4g}") for _, v in points]}
    ]
    if incident.limit is not None:
        sets.append({"label": "limit", "data": [incident.limit] * len(points), "pointRadius": 0})
    chart = {"type": "line", "data": {"labels": labels, "datasets": sets}}
    return template.replace("{chart}", quote(json.dumps(chart, separators=(",", ":")), safe=""))
