"""GPUs: what the fleet and the inference workers on it do, one of them in detail."""

from __future__ import annotations

from typing import NoReturn

import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard import links, scope
from spanledger_dashboard.charts import Axis
from spanledger_dashboard.connection import store
from spanledger_dashboard.entities.detail import axis_of, show_figures
from spanledger_dashboard.failures import explained
from spanledger_dashboard.gpus import cards as gpu_cards
from spanledger_dashboard.gpus import charts
from spanledger_dashboard.gpus.data import Ask, Infrastructure, Row, View, load, load_steps
from spanledger_dashboard.gpus.detail import show_gpu, show_worker
from spanledger_dashboard.gpus.tables import show_events, show_fleet, show_processes, show_workers
from spanledger_dashboard.settings import DashboardSettings
from spanledger_dashboard.text import plain, shortened

_REFRESH_S = 30
_PAGE = "app_pages/gpus.py"
_NAME_LIMIT = 80
_MOST_GPUS = 8  # that a chart tells apart


@st.fragment(run_every=_REFRESH_S)
def _body() -> None:
    with explained():
        where, now_s = scope.current(), scope.now_s()
        window = where.time_range.window(now_s)
        ask = Ask(where.project, window, where.time_range.bucket_s)
        view = View(ask, where, now_s)
        found = _load(ask)
        axis = axis_of(where, window)
        gpu, worker = st.query_params.get("gpu"), st.query_params.get("worker")
        if gpu:
            _back(next((g.name for g in found.fleet.gpus if g.gpu == gpu), gpu))
            show_gpu(found, gpu, _steps(ask, gpu), view, axis)
        elif worker:
            _show_one_worker(found, worker, axis)
        elif found.fleet.gpus or found.workers:
            _show_all(found, view, axis)
        else:
            _show_nothing(where.project)


def _show_all(found: Infrastructure, view: View, axis: Axis) -> None:
    newest = [int(str(g.row["newest_s"])) for g in found.fleet.gpus]
    newest += [int(n) for w in found.workers if (n := w.newest("newest_s")) is not None]
    if newest:
        age_s = max(0, view.now_s - max(newest))
        st.caption(f"{':green[●]' if age_s < 120 else ':gray[●]'} Newest sample {fmt.ago(age_s)}")
    if found.fleet.gpus:
        gpu_cards.show(gpu_cards.fleet_cards(found))
        _show_charts(found, _steps(view.ask, ""), axis)
        chosen = show_fleet(found.fleet.gpus, found.owners, view, key="gpus")
        if chosen:
            _open(gpu=chosen)
    if found.workers:
        opened = show_workers(found, view)
        if opened:
            _open(worker=opened.worker, model=opened.model)
    if found.fleet.gpus:
        names = {gpu.gpu: gpu.name for gpu in found.fleet.whole}
        show_processes(found.processes, names, view.ask)
        show_events(found.events, view)


def _show_charts(found: Infrastructure, steps: tuple[Row, ...], axis: Axis) -> None:
    by_gpu: dict[tuple[str, str], list[Row]] = {}
    for row in steps:
        by_gpu.setdefault((str(row["gpu"]), str(row["mig"])), []).append(row)
    used, power = list[charts.Line](), list[charts.Line]()
    for gpu in found.fleet.gpus:
        rows = by_gpu.get((gpu.gpu, gpu.mig), [])
        busy = charts.line_of(gpu.name, rows, "utilization_ratio")
        if busy.values:
            used.append(busy)
        if not gpu.mig:
            power.append(charts.line_of(gpu.name, rows, "power_watts"))
    title = "Power"
    if len(power) > _MOST_GPUS:
        title = "Power by host"
        power = charts.added(power, [gpu.text("host") for gpu in found.fleet.whole])
    show_figures(
        {
            "Utilization by GPU": charts.heat_map(used, axis),
            title: charts.stacked(power, axis, charts.WATTS),
        }
    )


def _show_one_worker(found: Infrastructure, name: str, axis: Axis) -> None:
    model = st.query_params.get("model", "")
    _back(f"{name} {model}".strip())
    for worker in found.workers:
        if worker.worker == name and worker.model == model:
            show_worker(found, worker, axis)
            return
    st.info(
        "This worker told nothing in this time range. Choose a longer one above.",
        icon=":material/schedule:",
    )


def _back(name: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.page_link(
            _PAGE, label="All GPUs", icon=":material/arrow_back:", query_params=links.scope_query()
        )
        st.subheader(plain(shortened(name, _NAME_LIMIT)), anchor=False)


def _open(**query: str) -> NoReturn:
    st.switch_page(_PAGE, query_params={**links.scope_query(), **query})


def _show_nothing(project: str) -> None:
    endpoint = DashboardSettings.from_environment().otlp_endpoint
    with st.container(border=True, key="no-gpus"):
        st.subheader("No GPU samples in this time range", anchor=False)
        st.markdown(
            f"Project **{plain(project)}** has none. Start the sampler on every GPU host, and let "
            "the scraper ask your inference workers:"
        )
        st.code(
            "pip install 'spanledger[gpu,inference]'\n"
            f"spanledger gpu --endpoint {endpoint}\n"
            f"spanledger inference --endpoint {endpoint} --target http://WORKER:8000/metrics",
            language="bash",
        )
        st.caption(
            "Metrics of the DCGM exporter, OpenLIT and OpenTelemetry’s hw.gpu.* show up here as "
            "well, however they are sent."
        )


@st.cache_data(ttl=20, max_entries=30, show_spinner="Reading the GPUs …")
def _load(ask: Ask) -> Infrastructure:
    return load(store(), ask)


@st.cache_data(ttl=20, max_entries=30, show_spinner="Reading the GPUs …")
def _steps(ask: Ask, gpu: str) -> tuple[Row, ...]:
    return load_steps(store(), ask, gpu)


_body()
