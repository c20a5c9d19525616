"""The tables of the GPUs page: fleet, workers, processes, events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import cast

import pandas as pd
import pyarrow as pa
import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.elements.lib.column_types import ColumnConfig

from spanledger_dashboard import format as fmt
from spanledger_dashboard import scope, tables
from spanledger_dashboard.connection import store
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.gpus import format as units
from spanledger_dashboard.gpus.data import (
    THROTTLING,
    XIDS,
    Ask,
    Gpu,
    Infrastructure,
    Row,
    View,
    Worker,
)

_ROW_HEIGHT_PX = 35
_VISIBLE_ROWS = 20


def show_fleet(
    gpus: Sequence[Gpu], owners: Mapping[tuple[str, str], str], view: View, key: str
) -> str | None:
    """Show GPUs and instances; return the one a reader clicked."""
    _heading(
        "GPUs",
        "gpus",
        view.ask.statement("dashboard_gpus"),
        view.ask.params(gpu=""),
        "Every GPU and MIG instance",
    )
    frame = pd.DataFrame(
        {
            "GPU": [g.name for g in gpus],
            "Model": [_model(g) for g in gpus],
            "State": [_state(g, view) for g in gpus],
            "Used by": [g.owner or owners.get((g.gpu, g.mig)) for g in gpus],
            "Utilization": [g.number("utilization_ratio") for g in gpus],
            "Idle": [g.number("idle_ratio") for g in gpus],
            "Memory": [g.number("memory_used_bytes") for g in gpus],
            "of": [g.number("memory_total_bytes") for g in gpus],
            "Power": [g.number("power_watts") for g in gpus],
            "Energy": [g.number("energy_joules") for g in gpus],
            "Temp.": [g.number("temperature_celsius") for g in gpus],
            "Throttled": [g.number("throttled_ratio") for g in gpus],
            "Seen": [view.where.local(cast("float", g.row["newest_s"])) for g in gpus],
        }
    )
    formats = {
        "Utilization": units.ratio,
        "Idle": units.ratio,
        "Memory": units.size,
        "of": units.size,
        "Power": units.watts,
        "Energy": units.energy,
        "Temp.": units.celsius,
        "Throttled": units.ratio,
    }
    config: dict[str, ColumnConfig] = {
        "GPU": st.column_config.TextColumn(pinned=True, help="Host and index; a dot: instance."),
        "Used by": st.column_config.TextColumn(help="Pod, where known; else the program."),
        "Utilization": st.column_config.Column(help="Mean share of time in which a kernel ran."),
        "Idle": st.column_config.Column(help="Share of the samples in which nothing ran."),
        "Memory": st.column_config.Column(help="In use, newest."),
        "of": st.column_config.Column(help="Memory there is."),
        "Power": st.column_config.Column(help="Mean draw."),
        "Energy": st.column_config.Column(
            help="By the GPU's own counter; without one, mean power times the time it was seen."
        ),
        "Temp.": st.column_config.Column(help="Newest."),
        "Throttled": st.column_config.Column(
            help="Share of the samples in which power or heat held the clocks down."
        ),
        "Seen": scope.moments("MMM D, HH:mm:ss"),
    }
    chosen = _table(frame, formats, config, key=key, alt="GPUs; a click opens one", is_open=True)
    return None if chosen is None else gpus[chosen].gpu


def show_workers(found: Infrastructure, view: View) -> Worker | None:
    """Show inference workers; return the one a reader clicked."""
    params = view.ask.params(worker="", bucket_s=view.ask.bucket_s)
    _heading("Inference workers", "workers", "dashboard_workers", params, "Every worker and bucket")
    workers = found.workers
    frame = pd.DataFrame(
        {
            "Worker": [w.worker for w in workers],
            "Engine": [w.engine or None for w in workers],
            "Model": [w.model or None for w in workers],
            "State": [_worker_state(w, view) for w in workers],
            "Running": [w.newest("newest_running") for w in workers],
            "Queued": [w.newest("newest_waiting") for w in workers],
            "KV cache": [w.newest("newest_kv_cache_ratio") for w in workers],
            "Prefix hits": [w.cache_hit_ratio for w in workers],
            "In /s": [w.rate("input_tokens") for w in workers],
            "Out /s": [w.rate("output_tokens") for w in workers],
            "Tokens/J": [found.tokens_per_joule(w) for w in workers],
            "TTFT p50": [w.quantile("ttft", 0.5) for w in workers],
            "TTFT p95": [w.quantile("ttft", 0.95) for w in workers],
            "TPOT p50": [_tpot(w, 0.5) for w in workers],
            "TPOT p95": [_tpot(w, 0.95) for w in workers],
        }
    )
    formats = {
        "Running": units.decimal,
        "Queued": units.decimal,
        "KV cache": units.ratio,
        "Prefix hits": units.ratio,
        "In /s": units.decimal,
        "Out /s": units.decimal,
        "Tokens/J": units.decimal,
        **dict.fromkeys(("TTFT p50", "TTFT p95", "TPOT p50", "TPOT p95"), units.seconds),
    }
    config: dict[str, ColumnConfig] = {
        "Worker": st.column_config.TextColumn(pinned=True),
        "Running": st.column_config.Column(help="Requests that run, newest."),
        "Queued": st.column_config.Column(help="Requests that wait, newest."),
        "KV cache": st.column_config.Column(help="Share of the KV cache in use, newest."),
        "Prefix hits": st.column_config.Column(
            help="Share of the input tokens looked for in the prefix cache that were in it."
        ),
        "In /s": st.column_config.Column(help="Input tokens per second over the range."),
        "Out /s": st.column_config.Column(help="Output tokens per second over the range."),
        "Tokens/J": st.column_config.Column(
            help="Output tokens per joule of the GPUs of its pod, or of its host with all workers "
            "there."
        ),
        "TTFT p50": st.column_config.Column(help="Time to first token, from its histogram."),
        "TPOT p50": st.column_config.Column(help="Time per output token, from its histogram."),
    }
    chosen = _table(frame, formats, config, key="workers", alt="Workers; a click opens one",
                    is_open=True)  # fmt: skip
    return None if chosen is None else workers[chosen]


def show_processes(rows: Sequence[Row], names: Mapping[str, str], ask: Ask, gpu: str = "") -> None:
    """Show processes; ``names``: of GPUs by id."""
    params = ask.params(gpu=gpu)
    statement = ask.statement("dashboard_gpu_processes")
    _heading("Processes", "processes", statement, params, "Processes by memory")
    if not rows:
        st.caption("No process was seen in this time range.")
        return
    frame = pd.DataFrame(
        {
            "Process": [r["executable"] or None for r in rows],
            "PID": [r["pid"] for r in rows],
            "GPU": [_name(r, names) for r in rows],
            "Pod": [_pod(r) for r in rows],
            "Container": [r["container"] or str(r["container_id"])[:12] or None for r in rows],
            "Memory": [r["memory_bytes"] for r in rows],
            "Peak": [r["memory_peak_bytes"] for r in rows],
            "Utilization": [r["utilization_ratio"] for r in rows],
            "For": [1e9 * (cast("int", r["last_s"]) - cast("int", r["first_s"])) for r in rows],
        }
    )
    formats = {
        "PID": lambda pid: str(pid),
        "Memory": units.size,
        "Peak": units.size,
        "Utilization": units.ratio,
        "For": lambda ns: fmt.duration(int(cast("float", ns))),
    }
    config: dict[str, ColumnConfig] = {
        "PID": st.column_config.Column(help="On the host."),
        "Memory": st.column_config.Column(help="GPU memory, newest."),
        "Utilization": st.column_config.Column(
            help="Mean share of time in which its kernels ran, over the samples that tell it."
        ),
        "For": st.column_config.Column(help="Between its first and last sample in the range."),
    }
    _table(frame, formats, config, key="processes", alt="Processes, the most memory first")


def show_events(rows: Sequence[Row], view: View, gpu: str = "") -> None:
    """Show faults and throttling, newest first."""
    _heading(
        "Faults and throttling", "events", view.ask.statement("dashboard_gpu_events"),
        view.ask.params(gpu=gpu),
        "XID events, lost GPUs and what held clocks down",
    )  # fmt: skip
    if not rows:
        st.caption("None in this time range.")
        return
    frame = pd.DataFrame(
        {
            "What": [event_text(r) for r in rows],
            "GPU": [_name(r, {}) for r in rows],
            "First": [view.where.local(cast("float", r["first_s"])) for r in rows],
            "Last": [view.where.local(cast("float", r["last_s"])) for r in rows],
            "Samples": [r["samples"] for r in rows],
        }
    )
    config: dict[str, ColumnConfig] = {
        "First": scope.moments("MMM D, HH:mm:ss"),
        "Last": scope.moments("MMM D, HH:mm:ss"),
        "Samples": st.column_config.Column(
            help="Samples that tell it; a fault stays the last one."
        ),
    }
    _table(frame, {"Samples": tables.count}, config, key="events", alt="Faults, newest first")


def event_text(row: Row) -> str:
    """Return what an event is, in words."""
    code = int(cast("int", row["code"]))
    match row["kind"]:
        case "xid":
            return f"XID {code}: {XIDS.get(code, 'see NVIDIA’s list')}"
        case "lost":
            return "Does not answer (lost)"
        case _:
            return f"Throttled: {THROTTLING.get(code, hex(code))}"


def _heading(title: str, name: str, statement: str, params: dict[str, object], what: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{title}**", width="stretch")
        show_downloads(
            name, partial(_arrow, statement, params),
            what=f"{what}: shares from 0 to 1, bytes, watts, joules, UTC seconds.",
        )  # fmt: skip


def _arrow(statement: str, params: dict[str, object]) -> pa.Table:
    return store().arrow(statement, params)


def _table(
    frame: pd.DataFrame, formats: Mapping[str, Callable[[object], str]],
    config: Mapping[str, ColumnConfig], *, key: str, alt: str, is_open: bool = False,
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


def _model(gpu: Gpu) -> str | None:
    profile = gpu.text("mig_profile")
    name = gpu.text("model").removeprefix("NVIDIA ")
    return f"{name} {profile}".strip() or None


def _state(gpu: Gpu, view: View) -> str:
    if gpu.is_lost:
        return "✕ lost"
    if view.is_stale(cast("int", gpu.row["newest_s"])):
        return "○ silent"
    if gpu.number("xid"):
        return f"▲ XID {gpu.number('xid'):.0f}"
    return "● ok"


def _worker_state(worker: Worker, view: View) -> str:
    if worker.is_up is False:
        return "✕ down"
    newest = worker.newest("newest_s")
    return "○ silent" if newest is None or view.is_stale(newest) else "● ok"


def _tpot(worker: Worker, q: float) -> float | None:
    found = worker.quantile("tpot", q)
    return worker.quantile("itl", q) if found is None else found


def _name(row: Row, names: Mapping[str, str]) -> str:
    mig = f".{row['mig']}" if row["mig"] else ""
    if "gpu_index" in row:
        return f"{row['host']}:{row['gpu_index'] or str(row['gpu'])[:12]}{mig}"
    return names.get(str(row["gpu"]), str(row["gpu"])[:12]) + mig


def _pod(row: Row) -> str | None:
    return "/".join(str(p) for p in (row["namespace"], row["pod"]) if p) or None
