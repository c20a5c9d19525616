"""The GPU cost page with nothing, without a price, and with money that is added up by hand."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

import spanledger_dashboard
from spanledger_analytics.gpu_cost.attribution import LINES
from spanledger_analytics.gpu_cost.economics import (
    WorkerCost,
    api_prices,
    break_even,
    plain_name,
    same_model,
)
from spanledger_analytics.price_book.rates import FlatRate
from spanledger_dashboard.gpus.cost_data import LINE_NAMES
from spanledger_storage.store import Store

APP = Path(spanledger_dashboard.__file__).parent / "app.py"
EVIL = "x`; **b** :red[r] <img src=x>"
TRACE = "a" * 32
_DECIMAL = pa.decimal128(38, 12)


@pytest.fixture
def app(store_url: str) -> AppTest:
    assert store_url
    return AppTest.from_file(str(APP), default_timeout=30)


def page(app: AppTest, **params: str) -> AppTest:
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page("app_pages/gpu_cost.py")
    app.run()
    assert not app.exception
    return app


def cards(app: AppTest) -> dict[str, str]:
    return {m.label: m.value for m in app.metric}


def text(app: AppTest) -> str:
    blocks = [*app.markdown, *app.caption, *app.info, *app.warning, *app.subheader, *app.code]
    return "\n".join(str(b.value) for b in blocks).replace("\\", "")


def put(store: Store, table: str, rows: list[dict[str, Any]]) -> None:
    """Insert rows of the default project; decimals and UNIX seconds by the column's name."""
    columns: dict[str, Any] = {"project": ["default"] * len(rows)}
    for name in rows[0]:
        values = [row[name] for row in rows]
        kind: Any = None
        if name.endswith("_usd"):
            kind = _DECIMAL
        elif name in ("start", "hour", "minute"):
            kind = pa.timestamp("s", "UTC")
        elif name == "time":
            kind = pa.timestamp("ns", "UTC")
            values = [at * 10**9 for at in values]
        columns[name] = pa.array(values, kind)
    store.insert(table, pa.table(columns), token=f"{table}-{len(rows)}-{rows[0]}"[:200])


def seen(store: Store, now_s: int, gpu: str = "GPU-1", model: str = "NVIDIA H200") -> None:
    minute = (now_s - 600) // 60 * 60
    about = {"gpu": gpu, "model": model, "host": "node-1", "gpu_index": "0", "samples": 1}
    put(store, "gpu_minutes", [{**about, "minute": minute, "version": 1}])


def attributed(store: Store, now_s: int, host: str = "node-1") -> None:
    """A GPU of 1 USD in ten minutes: a half to requests, a quarter each idle and overhead."""
    about = {"gpu": "GPU-1", "host": host, "gpu_index": "0", "model": "NVIDIA H200",
             "seconds": 300, "price_id": "gpu/3", "method": "running", "version": 1}  # fmt: skip
    start = (now_s - 900) // 300 * 300
    rows = [
        {**about, "start": start + offset, "line": line, "cost_usd": Decimal(cost)}
        for offset, line, cost in (
            (0, "attributed", "0.4"), (0, "idle", "0.1"), (300, "attributed", "0.05"),
            (300, "priced", "0.05"), (300, "idle", "0.15"), (300, "overhead", "0.25"),
        )
    ]  # fmt: skip
    put(store, "gpu_attribution", rows)


def workers(store: Store, now_s: int, worker: str = "node-1:8000", model: str = "m-1") -> None:
    about = {"worker": worker, "model": model, "engine": "vllm", "version": 1}
    money = {
        "requests": 10, "requests_without_tokens": 0, "uncached_tokens": 800_000,
        "cache_read_tokens": 200_000, "output_tokens": 100_000,
        "prefill_cost_usd": Decimal("0.1"), "decode_cost_usd": Decimal("0.4"),
        "priced_cost_usd": Decimal("0.05"), "unattributed_cost_usd": Decimal("0.5"),
    }  # fmt: skip
    put(store, "gpu_worker_hours", [{**about, **money, "hour": (now_s - 900) // 3_600 * 3_600}])


def entries(store: Store, now_s: int, agent: str = "planner") -> None:
    about = {"trace_id": TRACE, "agent_name": agent, "model": "m-1", "version": 1}
    rows = [
        {**about, "entry_id": f"{n}", "kind": kind, "time": now_s - 900, "total_cost_usd": usd}
        for n, kind, usd in (
            (1, "gpu", Decimal("0.4")), (2, "gpu", Decimal("0.05")), (3, "tool", Decimal("0.01")),
        )
    ]  # fmt: skip
    put(store, "ledger", rows)


def test_without_gpus_it_says_what_to_run(app: AppTest) -> None:
    shown = text(page(app))
    assert "No GPUs in this time range" in shown
    assert "spanledger gpu --endpoint" in shown
    assert "spanledger gpu-prices set" in shown


def test_gpus_without_a_price_are_unknown_and_not_zero(
    app: AppTest, store: Store, now_s: int
) -> None:
    seen(store, now_s, model=EVIL)
    shown = page(app)
    assert "1 of 1 GPUs has no price" in text(shown)
    assert "spanledger gpu-prices set --model" in text(shown)
    assert not shown.metric
    assert ":red[" not in "\n".join(str(w.value) for w in shown.warning)


def test_figures_add_up(app: AppTest, store: Store, now_s: int) -> None:
    seen(store, now_s)
    attributed(store, now_s)
    workers(store, now_s)
    entries(store, now_s)
    shown = page(app, range="6h")
    figures = cards(shown)
    assert figures["In the range"] == "$1.00"
    assert figures["Attributed"] == "45.0%"
    assert figures["Token-priced"] == "5.0%"
    assert figures["Overhead"] == figures["Idle"] == "25.0%"
    assert figures["Warm-up"] == "0.0%"
    costs, trajectories, gpus = (frame.value for frame in shown.dataframe)
    [row] = costs.to_dict("records")
    assert (row["Worker"], row["Requests"]) == ("node-1:8000", 10)
    assert (row["Cost"], row["Utilization"]) == (Decimal(1), Decimal("0.5"))
    assert (row["$/M in"], row["$/M out"]) == (Decimal("0.1"), Decimal(4))
    assert (row["$/M in, all"], row["$/M out, all"]) == (Decimal("0.2"), Decimal(8))
    [row] = trajectories.to_dict("records")
    assert (row["Trajectory"], row["Agent"]) == (TRACE[:16], "planner")
    assert (row["GPU"], row["Besides"]) == (Decimal("0.45"), Decimal("0.01"))
    [row] = gpus.to_dict("records")
    assert (row["GPU"], row["Model"], row["Price"]) == ("node-1:0", "H200", "3")
    assert (row["Cost"], row["Used"]) == (Decimal(1), Decimal("0.5"))
    assert row["Hours"] == pytest.approx(600 / 3_600)


def test_hours_count_a_gpu_once_whatever_it_was_divided_into(
    app: AppTest, store: Store, now_s: int
) -> None:
    about = {"gpu": "GPU-1", "line": "idle", "cost_usd": Decimal(1), "seconds": 300, "version": 1}
    at = (now_s - 3_600) // 300 * 300
    rows = [{**about, "mig": "", "start": at}, {**about, "mig": "", "start": at + 300}]
    rows += [{**about, "mig": mig, "start": at + 600} for mig in ("1", "2")]
    seen(store, now_s)
    put(store, "gpu_attribution", rows)
    help_texts = [str(m.help) for m in page(app, range="6h").metric]
    assert any(text.startswith("0.2 GPU hours, at ") for text in help_texts)  # 900 seconds: 0.25


def test_an_api_price_can_be_chosen(app: AppTest, store: Store, now_s: int) -> None:
    seen(store, now_s)
    attributed(store, now_s)
    workers(store, now_s)
    shown = page(app, gpu_api="openai / gpt-4o")
    [row] = shown.dataframe[0].value.to_dict("records")
    # 2.50, 1.25 and 10 USD per million tokens.
    assert row["API"] == Decimal("3.25")
    assert row["Break-even"] == Decimal("0.5") / Decimal("3.25")


def test_names_from_outside_stay_text(app: AppTest, store: Store, now_s: int) -> None:
    seen(store, now_s)
    attributed(store, now_s, host=EVIL)
    workers(store, now_s, EVIL, EVIL)
    entries(store, now_s, EVIL)
    raw = "\n".join(str(b.value) for b in [*page(app).markdown, *app.caption])
    assert ":red[" not in raw
    assert "<img" not in raw


def test_every_line_has_a_name() -> None:
    assert set(LINE_NAMES) == set(LINES)


def test_the_same_model_is_found_at_its_cheapest_provider() -> None:
    def rate(provider: str, model: str, token_class: str, price: str, **more: Any) -> FlatRate:
        about: dict[str, Any] = {"region": "", "service_tier": "", "above_tokens": 0, **more}
        return FlatRate(
            provider=provider, model=model, token_class=token_class, price=Decimal(price),
            per=1_000_000, currency="USD", effective_from_ns=None, effective_to_ns=None,
            source="s", price_id="p", **about,
        )  # fmt: skip

    known = api_prices(
        [
            rate("groq", "qwen/qwen3-32b", "input", "0.3"),
            rate("groq", "qwen/qwen3-32b", "output", "0.6"),
            rate("groq", "qwen/qwen3-32b", "output", "9", above_tokens=1000),
            rate("far", "Qwen3-32B", "input", "0.1"),
            rate("far", "Qwen3-32B", "output", "9"),
            rate("half", "qwen3-32b", "input", "0.01"),
        ]
    )
    cost = WorkerCost(
        "w", "Qwen/Qwen3-32B", uncached_tokens=1_000_000, cache_read_tokens=1_000_000,
        output_tokens=1_000_000, prefill_cost_usd=Decimal("0.3"), decode_cost_usd=Decimal("0.3"),
        unattributed_cost_usd=Decimal("0.6"),
    )  # fmt: skip
    offer = same_model(known, cost)
    assert offer is not None
    assert offer.provider == "groq"  # 0.3 + 0.3 + 0.6: cached input at the price of input
    assert offer.cost_of(cost) == Decimal("1.2")
    assert break_even(cost, Decimal("1.2")) == Decimal("0.5")
    assert cost.utilization == Decimal("0.5")
    assert same_model(known, WorkerCost("w", "")) is None
    assert plain_name("meta-llama/Llama-3.1-8B-Instruct") == plain_name("llama-3.1-8b")
