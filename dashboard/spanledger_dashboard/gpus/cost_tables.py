"""The tables of the GPU cost page: workers, GPUs, trajectories."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from math import isnan
from typing import cast

import pandas as pd
import pyarrow as pa
import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.elements.lib.column_types import ColumnConfig

from spanledger_analytics.gpu_cost.economics import ApiPrice, WorkerCost, break_even
from spanledger_dashboard import format as fmt
from spanledger_dashboard import links, scope, tables
from spanledger_dashboard.connection import store
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.gpus.cost_data import TRAJECTORIES, Costs
from spanledger_dashboard.gpus.data import Row, View
from spanledger_dashboard.text import shortened

_ROW_HEIGHT_PX = 35
_VISIBLE_ROWS = 12
_NAME_LIMIT = 40
_METHODS = {
    "engine": "engine’s busy time",
    "running": "requests running",
    "gpu": "GPU counters",
    "spans": "spans",
    "none": None,
}
Text = Callable[[object], str]


def show_workers(
    workers: Sequence[WorkerCost], offers: Mapping[WorkerCost, ApiPrice | None], view: View
) -> None:
    """Show what tokens cost on each worker, against an API price for the same traffic."""
    _heading(
        "Dollars per million tokens", "gpu-workers", "dashboard_gpu_cost_workers",
        view.ask.params(), "Workers and models: sums of tokens and US dollars",
    )  # fmt: skip
    frame = pd.DataFrame([_worker_row(w, offers[w]) for w in workers])
    formats: dict[str, Text] = {
        **dict.fromkeys(("Cost", "$/M in", "$/M out", "$/M in, all", "$/M out, all"), tables.usd),
        "API": tables.usd,
        "Requests": tables.count,
        "Utilization": _percent,
        "Break-even": _percent,
    }
    config: dict[str, ColumnConfig] = {
        "Worker": st.column_config.TextColumn(pinned=True),
        "Cost": st.column_config.Column(help="What its GPUs cost, idle time and all."),
        "Utilization": st.column_config.Column(
            help="Share of that money that requests used. Dollars per token of a quiet worker say "
            "little: look at both."
        ),
        "$/M in": st.column_config.Column(help="Usage basis: while input was read."),
        "$/M out": st.column_config.Column(help="Usage basis: while output was written."),
        "$/M in, all": st.column_config.Column(help="Allocation basis: idle time shared by use."),
        "$/M out, all": st.column_config.Column(help="Allocation basis: idle time shared by use."),
        "API": st.column_config.Column(
            help="Estimate: the same tokens at the list price beside it, cached input at its price "
            "for cache reads."
        ),
        "Compared with": st.column_config.TextColumn(),
        "Break-even": st.column_config.Column(
            help="Utilization above which the own worker is cheaper. Above 100%: the API is "
            "cheaper however busy the worker is."
        ),
    }
    _table(frame, formats, config, key="gpu-workers", alt="Workers, the dearest first")


def _worker_row(worker: WorkerCost, offer: ApiPrice | None) -> dict[str, object]:
    api = None if offer is None else offer.cost_of(worker)
    return {
        "Worker": shortened(worker.worker, _NAME_LIMIT),
        "Model": shortened(worker.model, _NAME_LIMIT) or None,
        "Requests": worker.requests,
        "Cost": worker.allocated_usd,
        "Utilization": worker.utilization,
        "$/M in": worker.usd_per_million_input,
        "$/M out": worker.usd_per_million_output,
        "$/M in, all": worker.allocated_per_million_input,
        "$/M out, all": worker.allocated_per_million_output,
        "API": api,
        "Break-even": None if api is None else break_even(worker, api),
        "Compared with": None if offer is None else f"{offer.provider} / {offer.model}",
    }


def show_gpus(found: Costs, view: View) -> None:
    """Show what each GPU cost and where it went."""
    _heading(
        "GPUs", "gpu-costs", "dashboard_gpu_cost_gpus", view.ask.params(),
        "Every GPU and MIG instance: US dollars by line, seconds paid for",
    )  # fmt: skip
    rows = found.gpus
    used = [cast("Decimal", r["attributed_usd"]) + cast("Decimal", r["priced_usd"]) for r in rows]
    frame = pd.DataFrame(
        {
            "GPU": [_gpu_name(r) for r in rows],
            "Model": [str(r["model"]).removeprefix("NVIDIA ") or None for r in rows],
            "Hours": [float(cast("int", r["seconds"])) / 3_600 for r in rows],
            "Cost": [r["cost_usd"] for r in rows],
            "Requests": used,
            "Overhead": [r["overhead_usd"] for r in rows],
            "Warm-up": [r["warm_up_usd"] for r in rows],
            "Idle": [r["idle_usd"] for r in rows],
            "Used": [u / cast("Decimal", r["cost_usd"]) for u, r in zip(used, rows, strict=True)],
            "Busy known by": [_METHODS.get(str(r["method"])) for r in rows],
            "Price": [str(r["price_id"]).removeprefix("gpu/") for r in rows],
        }
    )
    formats: dict[str, Text] = {
        **dict.fromkeys(("Cost", "Requests", "Overhead", "Warm-up", "Idle"), tables.usd),
        "Hours": lambda hours: f"{cast('float', hours):,.1f}",
        "Used": _percent,
    }
    config: dict[str, ColumnConfig] = {
        "GPU": st.column_config.TextColumn(
            pinned=True, help="Host and index; a dot: MIG instance."
        ),
        "Requests": st.column_config.Column(help="Of requests that are known."),
        "Overhead": st.column_config.Column(help="Busy, but with no request that is known."),
        "Warm-up": st.column_config.Column(help="From the worker's start to its first request."),
        "Used": st.column_config.Column(help="Share of the cost that requests used."),
        "Price": st.column_config.TextColumn(help="Its number in spanledger gpu-prices list."),
    }
    _table(frame, formats, config, key="gpu-costs", alt="GPUs, the dearest first")


def show_trajectories(found: Costs, view: View) -> None:
    """Show who used most GPU dollars; a click opens the trace."""
    _heading(
        "Top trajectories by GPU dollars", "gpu-trajectories", "dashboard_gpu_cost_trajectories",
        view.ask.params(top=TRAJECTORIES), f"The {TRAJECTORIES} dearest trajectories, US dollars",
    )  # fmt: skip
    rows = found.trajectories
    if not rows:
        st.caption(
            "No request of this time range could be traced to a GPU. Workers tell of requests with "
            "spans (vLLM: --otlp-traces-endpoint) that name service.instance.id or the pod."
        )
        return
    frame = pd.DataFrame(
        {
            "Trajectory": [str(r["trajectory_id"])[:16] for r in rows],
            "Agent": [shortened(str(r["agent_name"]), _NAME_LIMIT) or None for r in rows],
            "Models": [shortened(", ".join(_models(r)), _NAME_LIMIT) for r in rows],
            "GPU": [r["gpu_usd"] for r in rows],
            "Besides": [r["other_usd"] for r in rows],
            "Requests": [r["requests"] for r in rows],
            "First": [view.where.local(cast("float", r["first_s"])) for r in rows],
        }
    )
    config: dict[str, ColumnConfig] = {
        "Trajectory": st.column_config.TextColumn(pinned=True, help="A click opens its trace."),
        "GPU": st.column_config.Column(help="Its share of GPUs in this time range."),
        "Besides": st.column_config.Column(help="API and tool dollars of it in this time range."),
        "First": scope.moments("MMM D, HH:mm:ss"),
    }
    formats: dict[str, Text] = {
        "GPU": tables.usd, "Besides": tables.usd, "Requests": tables.count,
    }  # fmt: skip
    chosen = _table(
        frame, formats, config, key="gpu-trajectories", alt="Trajectories; a click opens one",
        is_open=True,
    )  # fmt: skip
    if chosen is not None:
        links.open_trace(str(rows[chosen]["trace_id"]))


def _models(row: Row) -> list[str]:
    return [str(model) for model in cast("Sequence[object]", row["models"])]


def _gpu_name(row: Row) -> str:
    mig = f".{row['mig']}" if row["mig"] else ""
    return f"{row['host']}:{row['gpu_index'] or str(row['gpu'])[:12]}{mig}"


def _percent(value: object) -> str:
    if not isinstance(value, (int, float, Decimal)) or isnan(value):
        return fmt.UNKNOWN
    return f"{float(value) * 100:,.1f}%"


def _heading(title: str, name: str, statement: str, params: dict[str, object], what: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{title}**", width="stretch")
        show_downloads(name, partial(_arrow, statement, params), what=f"{what}.")


def _arrow(statement: str, params: dict[str, object]) -> pa.Table:
    return store().arrow(statement, params)


def _table(
    frame: pd.DataFrame, formats: Mapping[str, Text], config: Mapping[str, ColumnConfig], *,
    key: str, alt: str, is_open: bool = False,
) -> int | None:  # fmt: skip
    """Show a table; return the row of the cell a reader clicked."""
    tall = (_VISIBLE_ROWS + 1) * _ROW_HEIGHT_PX + 2
    state = st.dataframe(
        tables.styled(frame, formats),
        hide_index=True,
        placeholder=fmt.UNKNOWN,
        height="content" if len(frame) <= _VISIBLE_ROWS else tall,
        column_config=config,
        key=f"table-{key}",
        on_select="rerun" if is_open else "ignore",
        selection_mode="single-cell",
        alt=alt,
    )
    if not is_open or isinstance(state, DeltaGenerator):
        return None
    cells = state.selection.cells
    return cells[0][0] if cells else None
