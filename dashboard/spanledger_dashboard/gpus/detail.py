"""One GPU, and one inference worker, over the time range."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types
import streamlit as st

from spanledger_dashboard.charts import Axis
from spanledger_dashboard.entities.detail import show_figures
from spanledger_dashboard.gpus import cards as gpu_cards
from spanledger_dashboard.gpus import charts
from spanledger_dashboard.gpus.data import Gpu, Infrastructure, Row, View, Worker, quantile
from spanledger_dashboard.gpus.tables import show_events, show_fleet, show_processes


def show_gpu(
    found: Infrastructure, name: str, steps: Sequence[Row], view: View, axis: Axis
) -> None:
    """Show a GPU with its instances, processes and events."""
    own = [gpu for gpu in found.fleet.gpus if gpu.gpu == name]
    whole = next((gpu for gpu in own if not gpu.mig), None)
    if not own:
        st.info(
            "This GPU told nothing in this time range. Choose a longer one above.",
            icon=":material/schedule:",
        )
        return
    gpu_cards.show(gpu_cards.gpu_cards(whole or own[0]))
    show_figures(gpu_figures(own, steps, axis))
    instances = [gpu for gpu in own if gpu.mig]
    if instances:
        show_fleet(instances, found.owners, view, key="instances")
    names = {gpu.gpu: gpu.name for gpu in own if not gpu.mig}
    show_processes([r for r in found.processes if r["gpu"] == name], names, view.ask, name)
    show_events([r for r in found.events if r["gpu"] == name], view, name)


def gpu_figures(own: Sequence[Gpu], steps: Sequence[Row], axis: Axis) -> dict[str, go.Figure]:
    """Return the figures of a GPU by title."""
    whole = [row for row in steps if not row["mig"]]
    memory = [
        charts.line_of(
            gpu.name, [r for r in steps if r["mig"] == gpu.mig], "memory_used_bytes", 2**-30
        )
        for gpu in own
    ]
    shares = [
        charts.line_of("Kernels ran", whole, "utilization_ratio"),
        charts.line_of("Memory active", whole, "memory_active_ratio"),
        charts.line_of("Tensor cores active", whole, "tensor_active_ratio"),
        charts.line_of("Throttled", whole, "throttled_ratio"),
    ]
    return {
        "Utilization": charts.lines([s for s in shares if s.values], axis, charts.RATIO),
        "Memory in use": charts.lines(memory, axis, charts.GIB),
        "Power": charts.lines(
            [charts.line_of("Mean draw", whole, "power_watts")], axis, charts.WATTS
        ),
        "Temperature": charts.lines(
            [charts.line_of("Highest", whole, "temperature_celsius")], axis, charts.CELSIUS
        ),
    }


def show_worker(found: Infrastructure, worker: Worker, axis: Axis) -> None:
    """Show a worker's cards and charts."""
    gpu_cards.show(gpu_cards.worker_cards(found, worker))
    show_figures(worker_figures(worker, axis))


def worker_figures(worker: Worker, axis: Axis) -> dict[str, go.Figure]:
    """Return the figures of a worker by title."""
    steps = worker.steps
    hits = charts.Line(
        "Prefix cache hits",
        {
            int(str(r["bucket_s"])): float(str(r["cache_hit_tokens"])) / queried
            for r in steps
            if r["cache_hit_tokens"] is not None
            and (queried := float(str(r["cache_queried_tokens"] or 0)))
        },
    )
    return {
        "Requests": charts.lines(
            [
                charts.line_of("Running", steps, "requests_running"),
                charts.line_of("Queued", steps, "requests_waiting"),
            ],
            axis,
            charts.COUNT,
        ),
        "Tokens per second": charts.lines(
            [
                charts.rate_of("Input", steps, "input_tokens"),
                charts.rate_of("Output", steps, "output_tokens"),
            ],
            axis,
            charts.COUNT,
        ),
        "KV cache and prefix cache": charts.lines(
            [charts.line_of("KV cache in use", steps, "kv_cache_ratio"), hits], axis, charts.RATIO
        ),
        "Time to first token": charts.lines(
            [_quantiles(steps, "ttft", q, name) for q, name in ((0.5, "p50"), (0.95, "p95"))],
            axis,
            charts.SECONDS,
        ),
    }


def _quantiles(steps: Sequence[Row], histogram: str, q: float, name: str) -> charts.Line:
    values: dict[int, float] = {}
    for row in steps:
        bounds, counts = row[f"{histogram}_bounds"], row[f"{histogram}_counts"]
        assert isinstance(bounds, Sequence)
        assert isinstance(counts, Sequence)
        found = quantile(bounds, counts, q)
        if found is not None:
            values[int(str(row["bucket_s"]))] = found
    return charts.Line(name, values)
