"""A small chart as a picture: the value of the last hours, as a line."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from PIL import Image, ImageDraw

_SIZE = (480, 120)
_SHARPER = 3  # drawn larger and made smaller, so that lines are smooth
_MARGIN = 10
_LINE, _AREA, _PAPER, _AXIS = "#2563eb", "#dbe6fd", "#ffffff", "#d4d4d8"
_MOST_POINTS = 480


def png(series: Sequence[tuple[int, float]]) -> bytes:
    """Return a picture of at least two points, (UNIX seconds, value), that begins at zero."""
    points = sorted(series)[-_MOST_POINTS:]
    width, height = (_SHARPER * size for size in _SIZE)
    margin = _SHARPER * _MARGIN
    first, last = points[0][0], points[-1][0]
    low, high = min(0.0, *(v for _, v in points)), max(0.0, *(v for _, v in points))
    across, up = max(1, last - first), (high - low) or 1.0
    line = [
        (
            margin + (when - first) / across * (width - 2 * margin),
            height - margin - (value - low) / up * (height - 2 * margin),
        )
        for when, value in points
    ]
    image = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(image)
    zero = height - margin - (0 - low) / up * (height - 2 * margin)
    draw.polygon([(line[0][0], zero), *line, (line[-1][0], zero)], fill=_AREA)
    draw.line([(margin, zero), (width - margin, zero)], fill=_AXIS, width=_SHARPER)
    draw.line(line, fill=_LINE, width=2 * _SHARPER, joint="curve")
    drawn = BytesIO()
    image.resize(_SIZE, Image.Resampling.LANCZOS).save(drawn, "PNG", optimize=True)
    return drawn.getvalue()
