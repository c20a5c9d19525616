"""`spanledger inference`: pages of each engine over HTTP, through a collector, into one shape."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytest.importorskip("spanledger_workers", reason="spanledger-workers is not installed")

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from spanledger import instrument_worker
from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.decode_batch import decode_batch
from spanledger_collector.signals import Signal
from spanledger_collector.store.store_process import store_rows
from spanledger_storage.store import Store
from spanledger_workers import inference
from spanledger_workers.inference import Worker
from spanledger_workers.inference_targets import ScrapeError, Target, engine_of
from spanledger_workers.points import Buckets, Point, metrics_data
from tests.instance import wait_until
from tests.running import running_collector

PAGES = Path(__file__).with_name("expositions")
GIB = 1 << 30


@dataclass
class Page:
    """A metrics page that tests rewrite; '' answers 503."""

    url: str = ""
    text: str = ""
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])


@pytest.fixture
def page() -> Iterator[Page]:
    page = Page()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page.headers.append(dict(self.headers))
            body = page.text.encode()
            self.send_response(200 if body else 503)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    page.url = f"http://127.0.0.1:{server.server_port}/metrics"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield page
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set the clock, UNIX seconds."""

    def set_clock(seconds: int) -> None:
        monkeypatch.setattr(inference, "_now_ns", lambda: seconds * 10**9)

    set_clock(1_800_000_000)
    return set_clock


def scraped(worker: Worker) -> dict[str, Point]:
    """What one scrape gives, by name and labels."""
    _, points = worker.scrape(5)
    return {" ".join([p.about.name, *map(str, p.attributes.values())]): p for p in points}


def stored(store: Store, worker: Worker) -> None:
    resource, points = worker.scrape(5)
    body = encode_metrics(metrics_data({resource: points}, "spanledger.inference"))
    now_ns = inference._now_ns()
    bodies = [Body("default", body.SerializeToString(), now_ns, signal=Signal.METRICS)]
    flush = f"f{now_ns}"
    store_rows(store, decode_batch(bodies, flush, now_ns), flush)


def rows(store: Store) -> list[dict[str, object]]:
    found = store.sql_rows("SELECT * FROM inference_samples FINAL ORDER BY time, model, rank")
    return [{k: v for k, v in row.items() if v not in (None, "", [])} for row in found]


EXPECTED: dict[str, dict[str, object]] = {
    "vllm": {
        "model": "Qwen/Qwen3-32B", "rank": "0", "requests_running": 12, "requests_waiting": 3,
        "kv_cache_ratio": pytest.approx(0.41), "input_tokens": 12e6, "output_tokens": 3e6,
        "cache_queried_tokens": 12e6, "cache_hit_tokens": 800e3, "requests": 6000,
        "preemptions": 4, "prefill_seconds": 600, "decode_seconds": 36_000,
        "ttft_bounds": [0.1, 1.0], "ttft_counts": [5000, 980, 20],
        "tpot_bounds": [0.025, 0.05], "tpot_counts": [4000, 1500, 500],
    },
    "sglang": {
        "model": "qwen", "requests_running": 7, "requests_waiting": 2,
        "kv_cache_ratio": pytest.approx(0.28), "cache_hit_ratio": pytest.approx(0.6),
        "input_tokens": 900_000, "cache_queried_tokens": 900_000, "cache_hit_tokens": 540_000,
        "output_tokens": 120_000, "requests": 700, "busy_seconds": 321.5,
        "ttft_bounds": [0.5], "ttft_counts": [600, 100],
        "itl_bounds": [0.02], "itl_counts": [110_000, 9_300],
    },
    "tgi": {
        "requests_waiting": 5, "requests_running": 8, "requests": 40, "output_tokens": 5120,
        "input_tokens": 20_480, "latency_bounds": [1.0], "latency_counts": [30, 10],
        "tpot_bounds": [0.04], "tpot_counts": [35, 5],
    },
    "tensorrt-llm": {
        "model": "llama", "requests_running": 3, "requests_waiting": 1,
        "kv_cache_ratio": pytest.approx(0.5), "cache_hit_ratio": pytest.approx(0.2),
        "input_tokens": 1000, "cache_queried_tokens": 1000, "cache_hit_tokens": 200,
        "output_tokens": 400, "requests": 9, "ttft_bounds": [0.2], "ttft_counts": [8, 1],
        "prefill_seconds": 2.5, "decode_seconds": 7.5,
    },
    "triton": {
        "model": "ensemble", "requests": 90, "requests_waiting": 4, "requests_running": 2,
        "kv_cache_ratio": pytest.approx(0.35), "busy_seconds": 12.5,
        "ttft_bounds": [0.1, 0.5], "ttft_counts": [70, 15, 5],
    },
    "llama.cpp": {
        "requests_running": 1, "requests_waiting": 6, "input_tokens": 4096,
        "output_tokens": 1024, "prefill_seconds": 3.25, "decode_seconds": 51.5,
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", EXPECTED)
def test_a_page_of_each_engine_becomes_the_same_columns(
    store: Store, page: Page, at: Callable[[int], None], kind: str
) -> None:
    page.text = (PAGES / f"{kind}.prom").read_text()
    stored(store, Worker.of(Target.of(page.url)))
    row: dict[str, object] = {}
    for found in rows(store):  # what is about the worker, and what is about its model
        row |= found
    assert row.pop("is_up") is True
    assert row["engine"] == row["service_name"] == kind
    about = ("project", "worker", "time", "engine", "service_name", "host", "started")
    assert {k: v for k, v in row.items() if k not in about} == EXPECTED[kind]


@pytest.mark.parametrize("is_older_first", [False, True])
def test_what_vllm_shows_under_an_older_name_too_counts_once(
    store: Store, page: Page, at: Callable[[int], None], is_older_first: bool
) -> None:
    """A thousand tokens in two engines, 400 of them cached; a hundred gaps in 3 requests."""

    def counter(name: str, value: int) -> str:
        series = "".join(f'{name}_total{{engine="{n}"}} {value // 2}\n' for n in "01")
        return f"# TYPE {name} counter\n{series}"

    def gaps(name: str, count: int, bound: float) -> str:
        return (
            f"# TYPE {name} histogram\n"
            f'{name}_bucket{{le="{bound}"}} {count - 1}\n{name}_bucket{{le="+Inf"}} {count}\n'
            f"{name}_count {count}\n{name}_sum {count * bound}\n"
        )

    lines = [
        counter("vllm:prefix_cache_queries", 1000), counter("vllm:prefix_cache_hits", 400),
        gaps("vllm:inter_token_latency_seconds", 100, 0.025),
        gaps("vllm:request_time_per_output_token_seconds", 3, 0.2),
        counter("vllm:gpu_prefix_cache_queries", 1000), counter("vllm:gpu_prefix_cache_hits", 400),
        gaps("vllm:time_per_output_token_seconds", 100, 0.025),
    ]  # fmt: skip
    page.text = "".join(lines[::-1] if is_older_first else lines)
    stored(store, Worker.of(Target.of(page.url)))
    found = rows(store)
    asked = [row["cache_queried_tokens"] for row in found if "cache_queried_tokens" in row]
    assert asked == [500] * 2
    assert [row["cache_hit_tokens"] for row in found if "cache_hit_tokens" in row] == [200] * 2
    assert [row["itl_counts"] for row in found if "itl_counts" in row] == [[99, 1]]
    assert [row["tpot_counts"] for row in found if "tpot_counts" in row] == [[2, 1]]


def test_the_gpus_triton_tells_of_are_gpu_samples(
    store: Store, page: Page, at: Callable[[int], None]
) -> None:
    page.text = (PAGES / "triton.prom").read_text()
    stored(store, Worker.of(Target.of(page.url)))
    [row] = store.sql_rows("SELECT * FROM gpu_samples FINAL")
    assert (row["gpu"], row["source"]) == ("GPU-9", "triton")
    assert (row["power_watts"], row["memory_used_bytes"]) == (450.5, 10 * GIB)


def test_the_dcgm_exporter_is_scraped_into_gpu_samples(
    store: Store, page: Page, at: Callable[[int], None]
) -> None:
    page.text = (PAGES / "dcgm.prom").read_text()
    stored(store, Worker.of(Target.of(page.url)))
    found = {r["mig"]: r for r in store.sql_rows("SELECT * FROM gpu_samples FINAL")}
    whole = found[""]
    assert (whole["gpu"], whole["host"], whole["pod"]) == ("GPU-0", "node-1", "qwen-0")
    assert whole["utilization_ratio"] == pytest.approx(0.91)
    assert whole["energy_joules"] == pytest.approx(918_273_645.123)
    assert whole["memory_used_bytes"] == 121_344 << 20
    assert found["1"]["mig_profile"] == "3g.71gb"
    assert found["1"]["tensor_active_ratio"] == pytest.approx(0.337)
    assert rows(store) == []  # an exporter is no inference worker


def test_counters_keep_their_start_until_the_worker_restarts(
    page: Page, at: Callable[[int], None]
) -> None:
    worker = Worker.of(Target.of(page.url))
    starts: list[int] = []
    for seconds, tokens in ((0, 500), (10, 700), (20, 40), (30, 90)):
        at(1_800_000_000 + seconds)
        page.text = (
            f"# TYPE vllm:generation_tokens_total counter\nvllm:generation_tokens_total {tokens}\n"
        )
        point = scraped(worker)["vllm:generation_tokens_total"]
        assert point.value == tokens  # cumulative, as the worker counts
        starts.append(point.start_ns // 10**9 - 1_800_000_000)
    # First seen at 0; began anew between 10 and 20.
    assert starts == [0, 0, 10, 10]


def test_a_start_that_the_page_tells_is_used(page: Page, at: Callable[[int], None]) -> None:
    worker = Worker.of(Target.of(page.url))
    page.text = (
        "# TYPE vllm:x_total counter\nvllm:x_total 5\n"
        "# TYPE vllm:x_created gauge\nvllm:x_created 1.7e9\n"
        "# TYPE vllm:y_total counter\nvllm:y_total 7\n"
        "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 1.6e9\n"
    )
    found = scraped(worker)
    assert found["vllm:x_total"].start_ns == 1_700_000_000 * 10**9
    assert found["vllm:y_total"].start_ns == 1_600_000_000 * 10**9
    assert "vllm:x_created" not in found
    at(1_800_000_010)
    # Restarted, and faster than before: the value alone would not tell.
    page.text = page.text.replace("1.6e9", "1.80000000500e9").replace("y_total 7", "y_total 9")
    assert scraped(worker)["vllm:y_total"].start_ns == 1_800_000_005 * 10**9


def test_histograms_stay_histograms_and_notice_restarts(
    page: Page, at: Callable[[int], None]
) -> None:
    worker = Worker.of(Target.of(page.url))

    def show(*counts: int) -> Point:
        lines = "".join(
            f'vllm:t_seconds_bucket{{le="{le}"}} {n}\n'
            for le, n in zip(("0.1", "1.0", "+Inf"), counts, strict=True)
        )
        page.text = (
            f"# TYPE vllm:t_seconds histogram\n{lines}vllm:t_seconds_count {counts[-1]}\n"
            "vllm:t_seconds_sum 3.5\n"
        )
        return scraped(worker)["vllm:t_seconds"]

    assert show(1, 3, 4).value == Buckets([0.1, 1.0], [1, 2, 1], 3.5)
    at(1_800_000_010)
    assert show(0, 1, 1).start_ns == 1_800_000_000 * 10**9
    broken = page.text.replace('le="1.0"} 1', 'le="1.0"} 0').replace('le="0.1"} 0', 'le="0.1"} 9')
    page.text = broken
    assert "vllm:t_seconds" not in scraped(worker)  # its buckets count down


def test_a_worker_that_is_away_is_down_and_comes_back(
    page: Page, at: Callable[[int], None]
) -> None:
    worker = Worker.of(Target.of(page.url))
    assert {name: p.value for name, p in scraped(worker).items() if name == "up"} == {"up": 0}
    page.text = (PAGES / "vllm.prom").read_text()
    assert scraped(worker)["up"].value == 1
    page.text = "<html>no metrics</html> {"
    assert scraped(worker)["up"].value == 0


def test_a_worker_is_named_by_where_it_is() -> None:
    there = Target.of("gpu-7:8000").identity("vllm")
    assert there["service.instance.id"] == "gpu-7:8000"
    assert there["host.name"] == "gpu-7"
    assert Target.of("gpu-7:8000").url == "http://gpu-7:8000/metrics"
    here = Target.of("http://localhost:8000/metrics").identity("vllm")
    assert here["host.name"] not in ("localhost", "127.0.0.1")
    for wrong in ("file:///etc/passwd", "ftp://x/metrics", "http://"):
        with pytest.raises(ValueError, match="A target is an address"):
            Target.of(wrong)
    with pytest.raises(ScrapeError):
        Target.of("http://127.0.0.1:9/metrics").read(1)


def test_the_engine_is_told_by_names() -> None:
    assert engine_of({"python_gc", "vllm:num_requests_running"}) == "vllm"
    assert engine_of({"nv_inference_count"}) == "triton"
    assert engine_of({"go_goroutines"}) == ""


def test_headers_reach_the_worker(page: Page) -> None:
    page.text = (PAGES / "llama.cpp.prom").read_text()
    argv = ["--target", page.url, "--header", "Authorization: Bearer k", "--once"]
    assert inference.main(argv) == 0
    assert page.headers[-1]["Authorization"] == "Bearer k"


def test_the_command_through_a_real_collector(
    store: Store, page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.text = (PAGES / "vllm.prom").read_text()
    stop = threading.Event()
    monkeypatch.setattr(inference, "stop_on_signals", lambda: stop)
    with running_collector(store, tmp_path) as collector:
        argv = ["--target", page.url, "--interval", "0.1", "--endpoint", collector.url]
        thread = threading.Thread(target=inference.main, args=(argv,))
        thread.start()
        wait_until(lambda: any(row.get("output_tokens") for row in rows(store)))
        stop.set()
        thread.join(10)
    [row, *_] = [row for row in rows(store) if row.get("output_tokens")]
    assert (row["output_tokens"], row["requests_waiting"]) == (3e6, 3)


class Kept(MetricExporter):
    """Keeps what is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[MetricsData] = []

    def export(self, metrics_data: MetricsData, *_: object, **__: object) -> MetricExportResult:
        self.sent.append(metrics_data)
        return MetricExportResult.SUCCESS

    def force_flush(self, *_: object, **__: object) -> bool:
        return True

    def shutdown(self, *_: object, **__: object) -> None: ...


def test_a_worker_in_this_process_is_read_from_its_registry() -> None:
    registry, exporter = CollectorRegistry(), Kept()
    Gauge("vllm:num_requests_running", "n", ["model_name"], registry=registry).labels("m").set(4)
    Counter("vllm:generation_tokens", "n", registry=registry).inc(12)
    Histogram("vllm:time_to_first_token_seconds", "n", buckets=(0.1, 1), registry=registry).observe(
        0.5
    )
    Counter("python_gc", "not the engine's", registry=registry).inc()
    running = instrument_worker(interval_s=0.05, registry=registry, exporter=exporter)
    assert running is not None
    wait_until(lambda: bool(exporter.sent))
    running.stop()
    group = exporter.sent[0].resource_metrics[0]
    found = {m.name: m.data.data_points[0] for m in group.scope_metrics[0].metrics}
    assert set(found) == {
        "vllm:num_requests_running", "vllm:generation_tokens_total",
        "vllm:time_to_first_token_seconds",
    }  # fmt: skip
    assert group.resource.attributes["spanledger.inference.engine"] == "vllm"


def test_a_registry_that_raises_does_not_reach_the_host() -> None:
    class Broken(CollectorRegistry):
        def collect(self) -> Iterator[object]:  # type: ignore[override]
            raise RuntimeError("broken")

    running = instrument_worker(interval_s=0.05, registry=Broken(), exporter=Kept())
    assert running is not None
    running.stop()
