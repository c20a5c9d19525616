"""GPU cost: what the fleet costs, who used it, and what a token of it costs."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from spanledger_analytics.gpu_cost.economics import ApiPrice, WorkerCost, api_prices, same_model
from spanledger_analytics.price_book.book import PriceBook
from spanledger_dashboard import format as fmt
from spanledger_dashboard import scope
from spanledger_dashboard.connection import store
from spanledger_dashboard.entities.detail import axis_of, show_figure
from spanledger_dashboard.failures import explained
from spanledger_dashboard.gpus import cards as gpu_cards
from spanledger_dashboard.gpus import charts
from spanledger_dashboard.gpus.cost_data import LINE_NAMES, Costs, load
from spanledger_dashboard.gpus.cost_tables import show_gpus, show_trajectories, show_workers
from spanledger_dashboard.gpus.data import Ask, View
from spanledger_dashboard.settings import DashboardSettings
from spanledger_dashboard.text import plain

_NS_PER_S = 10**9
_SAME = "The same model, cheapest provider"
Offers = Mapping[tuple[str, str], ApiPrice]


def _body() -> None:
    with explained():
        where, now_s = scope.current(), scope.now_s()
        window = where.time_range.window(now_s)
        ask = Ask(where.project, window, where.time_range.bucket_s)
        today = where.local(now_s).replace(hour=0, minute=0, second=0, microsecond=0)
        found = _load(ask, where.unix_s(today))
        if not found.seen:
            _show_no_gpus(where.project)
            return
        _show_unpriced(found)
        if not found.gpus:
            return
        gpu_cards.show(_cards(found))
        axis = axis_of(where, window)
        by_line = {
            name: {at: float(usd) for at, usd in found.steps[line].items()}
            for line, name in LINE_NAMES.items()
            if line in found.steps
        }
        show_figure("Where the money went", charts.split_bars(by_line, axis))
        view = View(ask, where, now_s)
        if found.workers:
            show_workers(found.workers, _offers(found.workers, now_s), view)
        show_trajectories(found, view)
        show_gpus(found, view)


def _cards(found: Costs) -> list[gpu_cards.Card]:
    total, hours = found.total, found.gpu_hours

    def card(line: str, explanation: str) -> gpu_cards.Card:
        name = LINE_NAMES[line]
        return name, fmt.percent(found.of(line), total), f"{fmt.usd(found.of(line))}. {explanation}"

    return [
        ("Today", fmt.usd(found.today), "What all GPUs with a price cost since midnight."),
        (
            "In the range",
            fmt.usd(total),
            f"{hours:,.1f} GPU hours, at {fmt.usd(total / hours if hours else None)} each.",
        ),
        card("attributed", "In the ledger of the traces whose requests ran on the GPUs."),
        card("priced", "Requests whose calls have a price per token: that is what they cost."),
        card("overhead", "The GPU was busy, but no request of that time is known."),
        card("warm_up", "From a worker's start to its first request."),
        card("idle", "Paid for, and nothing ran."),
        *([card("kept", "Of traces that were deleted.")] if found.of("kept") else []),
    ]


def _show_unpriced(found: Costs) -> None:
    if not found.unpriced:
        return
    names = sorted({str(row["model"] or "unknown model") for row in found.unpriced})
    count = len(found.unpriced)
    st.warning(
        f"{count} of {len(found.seen)} GPUs {'has' if count == 1 else 'have'} no price in this "
        f"time range: {', '.join(plain(n) for n in names[:5])}. What they cost is unknown, and in "
        "no figure here.",
        icon=":material/sell:",
    )
    if not found.gpus:
        st.markdown("Say what they cost; hours that are over are attributed within a minute:")
        st.code(
            "# rented, or spot: dollars an hour; hosts and single GPUs can have their own\n"
            "spanledger gpu-prices set --model 'H100*' --rented 2.49 --from 2026-01-01\n"
            "# owned: purchase over years, and the energy that was measured\n"
            "spanledger gpu-prices set --model 'H100*' --purchase 30000 --years 4 "
            "--kwh 0.12 --pue 1.3 --from 2026-01-01",
            language="bash",
        )


def _show_no_gpus(project: str) -> None:
    endpoint = DashboardSettings.from_environment().otlp_endpoint
    with st.container(border=True, key="no-gpu-costs"):
        st.subheader("No GPUs in this time range", anchor=False)
        st.markdown(
            f"Project **{plain(project)}** has no samples of GPUs. Start the sampler on every GPU "
            "host, let the scraper ask your workers, let these send spans, and say what GPUs cost:"
        )
        st.code(
            "pip install 'spanledger[gpu,inference]'\n"
            f"spanledger gpu --endpoint {endpoint}\n"
            f"spanledger inference --endpoint {endpoint} --target http://WORKER:8000/metrics\n"
            f"OTEL_RESOURCE_ATTRIBUTES=service.instance.id=WORKER:8000 "
            f"vllm serve MODEL --otlp-traces-endpoint {endpoint}/v1/traces\n"
            "spanledger gpu-prices set --rented 2.49",
            language="bash",
        )


def _offers(workers: tuple[WorkerCost, ...], now_s: int) -> dict[WorkerCost, ApiPrice | None]:
    """Let the reader choose what to compare with; return it by worker."""
    known = _api_prices(now_s // 3_600)
    names = {f"{provider} / {model}": key for key in known for provider, model in [key]}
    chosen = st.selectbox(
        "Compare with",
        [_SAME, *names],
        key="gpu_api",
        bind="query-params",
        width=420,
        help="List prices of the price data for the same tokens.",
    )
    if chosen in names:
        return dict.fromkeys(workers, known[names[chosen]])
    return {worker: same_model(known, worker) for worker in workers}


@st.cache_data(ttl=20, max_entries=30, show_spinner="Reading the GPU costs …")
def _load(ask: Ask, day_start_s: int) -> Costs:
    return load(store(), ask, day_start_s)


@st.cache_resource(ttl=3600, max_entries=2, show_spinner="Reading the price data …")
def _api_prices(hour: int) -> Offers:
    # Without own rates: those are for people who see every project.
    return api_prices(PriceBook.bundled().rows(hour * 3_600 * _NS_PER_S))


_body()
