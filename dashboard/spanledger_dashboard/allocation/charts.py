"""The figure of the page on allocation."""

from __future__ import annotations

import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types

from spanledger_analytics.allocation.report import OwnerRow, Report
from spanledger_dashboard import format as fmt
from spanledger_dashboard.allocation.tables import WARNING_COLOR, shown_name
from spanledger_dashboard.charts import PALETTE, dollar_format, literal
from spanledger_dashboard.plain_figures import plain_figure
from spanledger_dashboard.text import shortened

_MOST_BARS = 12
_BAR_PX, _AROUND_PX = 30, 74
_NAME_LIMIT = 30


def owners(report: Report) -> go.Figure:
    """Return one bar per owner, direct and shared; the rest as one bar, unallocated last."""
    named = [row for row in report.rows if not row.is_unallocated]
    shown, rest = named[:_MOST_BARS], named[_MOST_BARS:]
    rows = [(_name(row, report.by), row) for row in shown]
    if rest:
        together = OwnerRow(f"{len(rest)} others")
        together.direct_picodollars = sum(row.direct_picodollars for row in rest)
        together.shared_picodollars = sum(row.shared_picodollars for row in rest)
        rows.append((together.name, together))
    rows.append((_name(report.unallocated, report.by), report.unallocated))
    rows.reverse()
    # A name that is cut could meet another one, and their bars would be stacked.
    places = list(range(len(rows)))
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": label,
            "y": [place for place in places if is_drawn(rows[place][1])],
            "x": [float(getattr(row, f"{kind}_usd")) for _, row in rows if is_drawn(row)],
            "customdata": [
                fmt.usd(getattr(row, f"{kind}_usd")) for _, row in rows if is_drawn(row)
            ],
            "marker": {
                "color": color,
                "pattern": {"shape": pattern, "fgopacity": 0.5},
                "line": {"width": 0},
            },
            "hovertemplate": f"{label}: %{{customdata}}<extra></extra>",
        }
        for label, kind, color, pattern, is_drawn in (
            ("Direct", "direct", PALETTE[0], "", _is_owned),
            ("Shared", "shared", PALETTE[3], "/", _has_shares),
            ("Unallocated", "total", WARNING_COLOR, "x", _is_unallocated),
        )
        if any(is_drawn(row) for _, row in rows)
    ]
    peak = max((float(row.total_usd) for _, row in rows), default=0.0)
    layout = {
        "barmode": "relative",
        "height": _AROUND_PX + _BAR_PX * len(rows),
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "showlegend": len(traces) > 1,
        "legend": {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
        "xaxis": {
            "fixedrange": True,
            "tickprefix": "$",
            "tickformat": dollar_format(peak),
            "nticks": 5,  # on a phone they have to stand side by side
            "tickangle": 0,
        },
        "yaxis": {
            "fixedrange": True,
            "automargin": True,
            "tickvals": places,
            "ticktext": [name for name, _ in rows],
            "showgrid": False,
        },
    }
    return plain_figure(traces, layout)


def _is_owned(row: OwnerRow) -> bool:
    return not row.is_unallocated


def _has_shares(row: OwnerRow) -> bool:
    return not row.is_unallocated and row.shared_picodollars != 0


def _is_unallocated(row: OwnerRow) -> bool:
    return row.is_unallocated


def _name(row: OwnerRow, by: str) -> str:
    return literal(shortened(shown_name(row, by), _NAME_LIMIT))
