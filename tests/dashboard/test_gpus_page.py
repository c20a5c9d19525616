"""The GPUs page with nothing, one GPU, and a fleet with workers, against figures made by hand."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

import spanledger_dashboard
from spanledger_dashboard.gpus import format as units
from spanledger_dashboard.gpus.data import Ask, load, load_steps, quantile
from spanledger_dashboard.time_range import Window
from spanledger_storage.store import Store

APP = Path(spanledger_dashboard.__file__).parent / "app.py"
EVIL = "x`; **b** :red[r] <img src=x>"
GIB = 1 << 30
_versions = itertools.count(1)


@pytest.fixture
def app(store_url: str) -> AppTest:
    assert store_url
    return AppTest.from_file(str(APP), default_timeout=30)


def page(app: AppTest, **params: str) -> AppTest:
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page("app_pages/gpus.py")
    app.run()
    assert not app.exception
    return app


def text(app: AppTest) -> str:
    blocks = [*app.markdown, *app.caption, *app.info, *app.subheader, *app.code]
    return "\n".join(str(b.value) for b in blocks).replace("\\", "")


def cards(app: AppTest) -> dict[str, str]:
    return {m.label: m.value for m in app.metric}


def put(store: Store, table: str, rows: list[dict[str, Any]]) -> None:
    """Insert rows; times are UNIX seconds, columns a row omits take their defaults."""
    names = sorted({name for row in rows for name in row})
    columns: dict[str, Any] = {"project": ["default"] * len(rows)}
    for name in names:
        values = [row.get(name) for row in rows]
        is_time = name == "time"
        columns[name] = pa.array(values, pa.timestamp("s", "UTC")) if is_time else pa.array(values)
    store.insert(table, pa.table(columns), token=f"{table}-{len(rows)}")
    for hour in {row["time"] // 3_600 * 3_600 for row in rows}:
        params = {"project": "default", "hour": hour, "version": next(_versions)}
        store.command("gpu_minutes_recompute", params)


def samples(now_s: int, gpu: str = "GPU-1", host: str = "node-1", index: str = "0",
            **columns: list[Any]) -> list[dict[str, Any]]:  # fmt: skip
    """Rows of a GPU, ten seconds apart and a minute old at the end, with lists per column."""
    count = max((len(values) for values in columns.values()), default=1)
    about = {"gpu": gpu, "host": host, "gpu_index": index, "model": "NVIDIA H200", "mig": ""}
    return [
        {
            **about,
            "time": now_s - 60 - 10 * (count - 1 - number),
            **{name: values[number] for name, values in columns.items()},
        }
        for number in range(count)
    ]


def test_without_samples_it_says_how_to_get_some(app: AppTest) -> None:
    shown = text(page(app))
    assert "No GPU samples in this time range" in shown
    assert "spanledger gpu --endpoint" in shown


def test_one_gpu_that_tells_next_to_nothing(app: AppTest, store: Store, now_s: int) -> None:
    put(store, "gpu_samples", samples(now_s, power_watts=[100.0]))
    shown = page(app)
    assert cards(shown)["GPUs"] == "1"
    assert cards(shown)["Power"] == "100 W"
    assert cards(shown)["Utilization"] == "—"  # unknown, not zero
    assert cards(shown)["Idle"] == "—"
    frame = shown.dataframe[0].value
    assert list(frame["GPU"]) == ["node-1:0"]
    assert list(frame["State"]) == ["● ok"]


def fleet(store: Store, now_s: int) -> None:
    put(
        store, "gpu_samples",
        [
            *samples(
                now_s, utilization_ratio=[0.0, 1.0, 0.5, 0.0],
                power_watts=[100.0, 500.0, 400.0, 200.0],
                energy_joules=[1000.0, 5000.0, 100.0, 2100.0],  # the driver was loaded again
                memory_used_bytes=[GIB, GIB, 3 * GIB, 2 * GIB], memory_total_bytes=[4 * GIB] * 4,
                clock_events=[0, 0x4, 0x24, 0x1], temperature_celsius=[50.0, 60.0, 70.0, 65.0],
                xid=[0, 0, 0, 79], pod=["", "", "", "qwen-0"],
            ),
            *samples(
                now_s, "GPU-2", index="1", power_watts=[300.0, 300.0, 300.0, 300.0],
                is_lost=[False, False, False, True],
            ),
            {
                "gpu": "GPU-1", "mig": "2", "mig_profile": "3g.71gb", "host": "node-1",
                "gpu_index": "0", "time": now_s - 60, "memory_used_bytes": GIB,
            },
        ],
    )  # fmt: skip


def test_figures_of_a_fleet(app: AppTest, store: Store, now_s: int) -> None:
    fleet(store, now_s)
    shown = page(app, range="1h")
    figures = cards(shown)
    assert figures["GPUs"] == "2, 1 lost"
    assert figures["Utilization"] == "37.5%"
    assert figures["Idle"] == "50.0%"
    assert figures["Memory"] == "2.0 GiB"
    assert figures["Power"] == "200 W"  # newest; what GPU 2 drew before it was lost is over
    # 4000 J, a new start with 100 J, then 2000 J; GPU 2 has no counter: 300 W for 30 s.
    assert figures["Energy"] == f"{(4000 + 100 + 2000 + 9000) / 3600:.2f} Wh"
    assert figures["Throttled"] == "50.0%"
    frame = shown.dataframe[0].value
    assert list(frame["GPU"]) == ["node-1:0", "node-1:0.2", "node-1:1"]
    assert list(frame["State"]) == ["▲ XID 79", "● ok", "✕ lost"]
    assert list(frame["Model"]) == ["H200", "H200 3g.71gb", "H200"] or list(frame["Model"])[1]
    assert list(frame["Used by"])[0] == "qwen-0"
    events = shown.dataframe[-1].value
    assert set(events["What"]) == {
        "XID 79: GPU has fallen off the bus", "Does not answer (lost)",
        "Throttled: Power cap", "Throttled: Thermal, software",
    }  # fmt: skip
    power_cap = events[events["What"] == "Throttled: Power cap"]
    assert list(power_cap["Samples"]) == [2]


def test_long_ranges_are_read_from_minutes_and_say_the_same(store: Store, now_s: int) -> None:
    fleet(store, now_s)
    about = {"gpu": "GPU-1", "mig": "", "pid": 4242, "executable": "python3", "host": "node-1"}
    put(
        store, "gpu_processes",
        [
            {**about, "time": now_s - 70, "memory_bytes": 3 * GIB, "utilization_ratio": 0.5},
            {**about, "time": now_s - 60, "memory_bytes": 2 * GIB, "utilization_ratio": 1.0},
        ],
    )  # fmt: skip
    start = (now_s - 3_000) // 60 * 60
    short = Ask("default", Window(start, now_s, start + 3_600), 60)
    long = Ask("default", Window(start, now_s, start + 7_200), 60)
    assert short.statement("dashboard_gpus") != long.statement("dashboard_gpus")
    one, two = load(store, short), load(store, long)
    told = set(one.fleet.gpus[0].row) - {"samples", "seconds", "energy_joules"}
    for raw, summed in zip(one.fleet.gpus, two.fleet.gpus, strict=True):
        for column in told:
            expected = raw.row[column]
            is_float = isinstance(expected, float)
            assert summed.row[column] == (pytest.approx(expected) if is_float else expected), column
        assert summed.row["samples"] == raw.row["samples"]
    # With a counter the same; without one, power times all the time the samples stand for.
    energy = {g.name: g.number("energy_joules") for g in two.fleet.gpus}
    assert (energy["node-1:0"], energy["node-1:1"]) == (6_100, 300 * 40)
    assert (two.processes, two.events) == (one.processes, one.events)
    raw_steps, steps = (load_steps(store, ask, "") for ask in (short, long))
    assert [(r["gpu"], r["bucket_s"]) for r in steps] == [
        (r["gpu"], r["bucket_s"]) for r in raw_steps
    ]
    for column in ("utilization_ratio", "power_watts", "memory_used_bytes", "throttled_ratio"):
        assert [r[column] for r in steps] == pytest.approx([r[column] for r in raw_steps])


def test_a_gpu_in_detail(app: AppTest, store: Store, now_s: int) -> None:
    fleet(store, now_s)
    about = {"gpu": "GPU-1", "mig": "", "host": "node-1", "executable": "python3", "pod": "qwen-0",
             "namespace": "llm", "pid": 4242}  # fmt: skip
    put(
        store, "gpu_processes",
        [
            {**about, "time": now_s - 70, "memory_bytes": 3 * GIB, "utilization_ratio": 0.5},
            {**about, "time": now_s - 60, "memory_bytes": 2 * GIB, "utilization_ratio": 1.0},
        ],
    )  # fmt: skip
    shown = page(app, range="1h", gpu="GPU-1")
    assert "node-1:0" in text(shown)
    assert cards(shown)["Temperature"] == "65 °C"
    assert cards(shown)["Memory"] == "2.0 GiB"
    instances, processes, events = (frame.value for frame in shown.dataframe)
    assert list(instances["GPU"]) == ["node-1:0.2"]
    assert list(processes["Pod"]) == ["llm/qwen-0"]
    assert list(processes["Memory"]) == [2 * GIB]
    assert list(processes["Peak"]) == [3 * GIB]
    assert list(processes["Utilization"]) == [0.75]
    assert "Does not answer (lost)" not in set(events["What"])


def worker_rows(now_s: int) -> list[dict[str, Any]]:
    about = {"worker": "node-1:8000", "model": "qwen", "rank": "0", "engine": "vllm",
             "host": "node-1"}  # fmt: skip
    told = [
        # input, output, queried, hit, time to first token ≤ 0.1 s, ≤ 1 s, more
        (-300, 1000, 100, 1000, 400, [10, 0, 0]),  # before the range of an hour began? no: inside
        (-200, 3000, 300, 3000, 1400, [30, 10, 0]),
        (-100, 500, 50, 500, 300, [5, 0, 0]),  # restarted
    ]
    return [
        {
            **about, "time": now_s + at, "input_tokens": float(a), "output_tokens": float(b),
            "cache_queried_tokens": float(c), "cache_hit_tokens": float(d),
            "ttft_bounds": [0.1, 1.0], "ttft_counts": e, "requests_running": 4.0,
            "requests_waiting": 2.0, "kv_cache_ratio": 0.25,
        }
        for at, a, b, c, d, e in told
    ]  # fmt: skip


def test_figures_of_a_worker(app: AppTest, store: Store, now_s: int) -> None:
    put(store, "inference_samples", worker_rows(now_s))
    put(store, "gpu_samples", samples(now_s, energy_joules=[100.0, 600.0]))
    shown = page(app, range="1h")
    frame = next(f.value for f in shown.dataframe if "Worker" in f.value)
    [row] = frame.to_dict("records")
    assert (row["Engine"], row["Model"], row["State"]) == ("vllm", "qwen", "● ok")
    assert (row["Running"], row["Queued"], row["KV cache"]) == (4, 2, 0.25)
    # Between the samples 2000 and, after the restart, 500 input tokens, over 200 seconds.
    assert row["In /s"] == pytest.approx(2500 / 200)
    assert row["Out /s"] == pytest.approx(250 / 200)
    assert row["Prefix hits"] == pytest.approx(1300 / 2500)
    assert row["Tokens/J"] == pytest.approx(250 / 500)
    # 25 up to 0.1 s and 10 up to 1 s.
    assert row["TTFT p50"] == pytest.approx(0.1 * 17.5 / 25)
    assert row["TTFT p95"] == pytest.approx(0.1 + 0.9 * (33.25 - 25) / 10)
    detail = page(app, worker="node-1:8000", model="qwen")
    assert cards(detail)["Out per second"] == "1.25"
    assert cards(detail)["Tokens/J"] == "0.50"


def test_counters_that_began_in_the_range_count_from_zero(store: Store, now_s: int) -> None:
    first, second, _ = worker_rows(now_s)
    for row in (first, second):
        row["started"] = (now_s - 310) * 1000
    put_with_start(store, [first, second])
    window = Window(now_s - 600, now_s, now_s)
    [worker] = load(store, Ask("default", window, 60)).workers
    assert worker.total("output_tokens") == 300
    later = Window(now_s - 305, now_s, now_s)
    [worker] = load(store, Ask("default", later, 60)).workers
    assert worker.total("output_tokens") == 200  # of the first hundred nobody knows when


def put_with_start(store: Store, rows: list[dict[str, Any]]) -> None:
    starts = pa.array([row.pop("started") for row in rows], pa.int64())
    put(store, "inference_samples", [{**row, "started": None} for row in rows])
    moment = starts.cast(pa.timestamp("ms", "UTC"))
    keys = {name: [row[name] for row in rows] for name in ("worker", "model", "rank")}
    times = pa.array([row["time"] for row in rows], pa.timestamp("s", "UTC"))
    table = pa.table({"project": ["default"] * len(rows), **keys, "time": times, "started": moment})
    histograms = {"ttft_bounds": [row["ttft_bounds"] for row in rows]}
    histograms |= {"ttft_counts": [row["ttft_counts"] for row in rows]}
    for name, values in histograms.items():
        table = table.append_column(name, pa.array(values))
    store.insert("inference_samples", table, token="starts")


def test_a_worker_that_is_down_is_shown(app: AppTest, store: Store, now_s: int) -> None:
    put(
        store, "inference_samples",
        [{"worker": "w:1", "model": "", "rank": "", "time": now_s - 60, "is_up": False}],
    )  # fmt: skip
    frame = page(app).dataframe[0].value
    assert list(frame["State"]) == ["✕ down"]


def test_names_from_outside_stay_text(app: AppTest, store: Store, now_s: int) -> None:
    put(store, "gpu_samples", samples(now_s, EVIL, EVIL, EVIL, power_watts=[1.0]))
    raw = "\n".join(str(m.value) for m in page(app, gpu=EVIL).subheader)
    assert "img" in raw
    assert "<img" not in raw.replace(r"\<img", "")
    assert ":red[" not in raw


def test_quantiles_of_a_histogram() -> None:
    assert quantile([], [], 0.5) is None
    assert quantile([1.0], [0, 0], 0.5) is None
    assert quantile([1.0, 2.0], [0, 10, 0], 0.5) == 1.5
    assert quantile([1.0, 2.0], [0, 0, 3], 0.5) == 2.0


def test_units() -> None:
    assert units.size(None) == units.energy(float("nan")) == "—"
    assert units.size(1536) == "1.5 KiB"
    assert units.watts(12_345) == "12.3 kW"
    assert [units.energy(j) for j in (360, 3.6e5, 3.6e6)] == ["0.10 Wh", "100 Wh", "1.00 kWh"]
    assert units.celsius(61.4) == "61 °C"
