"""One tool on the screen, and the searches providers run on their side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from math import isnan
from typing import cast

import pandas as pd
import pyarrow as pa
import streamlit as st

from spanledger_dashboard import charts, line_charts, scope, tables
from spanledger_dashboard import format as fmt
from spanledger_dashboard.connection import store
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.entities.detail import axis_of, show_figures
from spanledger_dashboard.entities.kinds import TOOL_ERRORS, TOOL_SERVICES, TOOLS, Slice
from spanledger_dashboard.entities.listing import (
    read_entities,
    read_list,
    show_rows,
    show_rows_download,
)
from spanledger_dashboard.entities.page import Detail
from spanledger_dashboard.latency import Latency, Percentiles
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.time_range import Window
from spanledger_dashboard.usage import Totals, UsageRow
from spanledger_storage.store import Store

_KIB = 1024


@dataclass(frozen=True, slots=True)
class ToolSteps:
    """A tool over time.

    Attributes:
        rows: executions and failed ones per bucket, in the shape the charts take.
        by_bucket: how long they took, by start of a bucket.
    """

    rows: tuple[UsageRow, ...]
    by_bucket: Mapping[int, Latency]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of arguments and results: median, 95th percentile, largest; None: nobody tells."""

    arguments: tuple[int | None, ...]
    results: tuple[int | None, ...]


def load_steps(store: Store, wanted: Slice) -> ToolSteps:
    """Read a tool over time.

    Raises:
        StoreError: the store does not answer.
    """
    rows = store.rows(TOOLS.statement, wanted.params(TOOLS, 1))
    if not rows:
        return ToolSteps((), {})
    trend = dict(cast("list[tuple[int, float]]", rows[0]["trend"]))
    steps = cast("list[tuple[int, int, list[float]]]", rows[0]["steps"])
    return ToolSteps(
        rows=tuple(
            UsageRow(start, "tool", "", "", Totals(calls=int(trend[start]), errors=errors))
            for start, errors, _ in steps
        ),
        by_bucket={
            start: Latency(calls=int(trend[start]), duration=Percentiles.of(found))
            for start, _, found in steps
        },
    )


def load_sizes(store: Store, project: str, tool: str, window: Window) -> Sizes:
    """Read how large a tool's arguments and results are.

    Raises:
        StoreError: the store does not answer.
    """
    row = store.rows(
        "dashboard_tool_sizes",
        {"project": project, "tool": tool, "from_s": window.start_s, "to_s": window.end_s},
    )[0]
    return Sizes(
        arguments=_bytes(cast("list[float]", row["arguments"])),
        results=_bytes(cast("list[float]", row["results"])),
    )


def size(number: int | None) -> str:
    """Return a number of bytes as people read it: ``512 B``, ``3.4 KiB``."""
    if number is None:
        return fmt.UNKNOWN
    if number < _KIB:
        return f"{number} B"
    value, units = number / _KIB, iter(("KiB", "MiB", "GiB"))
    unit = next(units)
    while value >= _KIB and unit != "GiB":
        value, unit = value / _KIB, next(units)
    return f"{value:,.1f} {unit}"


def show_tool(detail: Detail) -> bool:
    """Show cards and charts of a tool; False: it did not run in this time range."""
    wanted = detail.slice(detail.only)
    found = read_entities(TOOLS, wanted)
    if not found.rows:
        st.info(
            "This tool did not run in this time range. Choose a longer one above.",
            icon=":material/schedule:",
        )
        return False
    [tool] = found.rows
    sizes = _sizes(detail.where.project, detail.only.value, detail.window)
    calls, errors = tool.totals.calls, tool.totals.errors
    cards = (
        ("Runs", fmt.count(calls), "Each execution once, however many spans tell of it."),
        ("Error rate", fmt.percent(errors, calls), f"{fmt.count(errors)} of {fmt.count(calls)}."),
        ("Latency p50", fmt.duration(tool.latency.p50_ns), "Half of the runs took at most this."),
        ("Latency p95", fmt.duration(tool.latency.p95_ns), "95 of 100 took at most this."),
        ("In traces", fmt.count(tool.traces), "Traces in which it ran."),
        ("Arguments p50", size(sizes.arguments[0]), _size_help(sizes.arguments)),
        ("Result p50", size(sizes.results[0]), _size_help(sizes.results)),
    )
    with st.grid(len(cards), min_column_width=130, gap="small"):
        for label, text, explanation in cards:
            st.metric(label, text, border=True, help=explanation)
    steps = _steps(wanted)
    axis = axis_of(detail.where, detail.window)
    show_figures(
        {
            "Runs and errors": charts.calls_and_errors(steps.rows, axis, good_name="Succeeded"),
            "Latency": line_charts.latency_lines(steps.by_bucket, axis),
        }
    )
    return True


def show_tool_parts(detail: Detail) -> None:
    """Show a tool's kinds of error and the services that run it, side by side."""
    left, right = st.columns([1, 2])
    for column, part in ((left, TOOL_ERRORS), (right, TOOL_SERVICES)):
        wanted = detail.slice(detail.only)
        listed = read_list(part, wanted, detail.where)
        with column:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"**{part.title}**", width="stretch")
                show_rows_download(part, wanted)
            if listed.found.rows:
                show_rows(part, listed, key=f"part-{part.title}")
            else:
                st.caption("None in this time range.")


def show_provider_tools(where: Scope) -> None:
    """Show searches that providers ran on their side: those have fees of their own."""
    window = where.time_range.window(scope.now_s())
    rows = _provider_tools(where.project, window)
    if not rows:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Searches run by providers**", width="stretch")
        show_downloads(
            "provider-searches", partial(_table, where.project, window), what="This table."
        )
    frame = pd.DataFrame(
        {
            "Provider": [r["provider"] for r in rows],
            "Model": [r["model"] for r in rows],
            "Calls": [r["calls"] for r in rows],
            "Searches": [r["searches"] for r in rows],
            "Fees": [_float(cast("Decimal | None", r["fees_usd"])) for r in rows],
        }
    )
    formats = {"Calls": tables.count, "Searches": tables.count, "Fees": tables.usd}
    st.dataframe(
        tables.styled(frame, formats),
        hide_index=True,
        placeholder=fmt.UNKNOWN,
        height="content",
        alt="Searches run by providers, dearest first",
    )
    st.caption("Fees are part of the spend of these models. Tools of your own cost no fees here.")


@st.cache_data(ttl=60, max_entries=50, show_spinner="Adding up …")
def _steps(wanted: Slice) -> ToolSteps:
    return load_steps(store(), wanted)


@st.cache_data(ttl=60, max_entries=50, show_spinner=False)
def _sizes(project: str, tool: str, window: Window) -> Sizes:
    return load_sizes(store(), project, tool, window)


@st.cache_data(ttl=60, max_entries=50, show_spinner=False)
def _provider_tools(project: str, window: Window) -> Sequence[dict[str, object]]:
    return store().rows("dashboard_provider_tools", _within(project, window))


def _table(project: str, window: Window) -> pa.Table:
    return store().arrow("dashboard_provider_tools", _within(project, window))


def _within(project: str, window: Window) -> dict[str, object]:
    return {"project": project, "from_s": window.start_s, "to_s": window.end_s}


def _size_help(found: Sequence[int | None]) -> str:
    _, p95, largest = found
    return f"Median; p95 {size(p95)}, largest {size(largest)}. Not told: {fmt.UNKNOWN}."


def _bytes(values: Sequence[float]) -> tuple[int | None, ...]:
    return tuple(None if isnan(v) else round(v) for v in values)


def _float(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
