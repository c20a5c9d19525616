"""What autoscalers read: planted load, exact content types, the example of the documentation."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from spanledger_server.api.app import create_app
from spanledger_server.api.load import DELAY_S, Load, read_load
from spanledger_server.api.remembered import Remembered
from spanledger_storage.api_keys import Scope
from spanledger_storage.collector_spools import CollectorSpools
from spanledger_storage.engine import Engine
from spanledger_storage.errors import StoreError
from spanledger_storage.state import open_state
from spanledger_storage.store import Store
from tests.api_asking import Asker
from tests.conftest import fresh_store
from tests.dashboard.seed import Seeder
from tests.keys import key_state

DOCUMENT = (Path(__file__).parent.parent.parent / "docs" / "api.md").read_text()
PATH = "/api/v1/autoscaling"
NS = 10**9


def plain_text(text: str) -> list[Metric]:
    return list(text_string_to_metric_families(text))


def openmetrics(text: str) -> list[Metric]:
    # The library has no types there.
    return list(openmetrics_parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def now_s() -> int:
    return int(time.time())


@pytest.fixture(scope="module")
def store(engine: Engine, now_s: int) -> Iterator[Store]:
    with fresh_store(engine) as store:
        plant(store, now_s)
        yield store


@pytest.fixture(scope="module")
def load(store: Store, now_s: int) -> Load:
    return read_load(store, "default", 60, [], [], now_s)


def plant(store: Store, now_s: int) -> None:
    """Calls of 1 to 5 s that ended in the minute that is told, and some that must not count."""
    seed = Seeder(store, now_s)
    end_s = -DELAY_S
    for number in range(1, 6):
        trace = f"{number:032x}"
        at = end_s - number - 5  # ends five seconds before the window does
        names = {"agent_name": "research", "session_id": f"s{number % 2}"}
        span = seed.span(trace, f"{number:016x}", at_s=at, duration_s=number, **names)
        seed.entry(span, "0.25", model="m.1", tokens=(600, 60), **names)
        seed.trace(trace, status="open")
        seed.trajectory(trace, status="open", agent_name="research")
    trace = f"{9:032x}"
    # Began before the window and ended in it; and two that ended outside of it.
    long = seed.span(trace, f"{9:016x}", at_s=end_s - 100, duration_s=99, agent_name="coder")
    seed.entry(long, None, model="m2", agent_name="coder", tokens=(60, 0), duration_ns=99 * NS)
    seed.entry(long, "5", time=(now_s + end_s - 200) * NS, duration_ns=1 * NS)
    seed.entry(long, "5", time=(now_s + end_s - 1) * NS, duration_ns=2 * NS)
    seed.entry(
        long, "0.5", kind="tool", tool_name="search", agent_name="coder", duration_ns=99 * NS
    )
    seed.entry(long, "9", project="shop", duration_ns=99 * NS)
    # An hour of calls that only metrics tell of, as one entry without a duration.
    hour = {"time": (now_s + end_s - 30) * NS, "duration_ns": 0, "attempts": 500}
    seed.entry(long, "60", usage_source="metric", **hour)
    seed.trace(trace)
    seed.trajectory(trace, status="waiting", agent_name="coder")
    seed.insert()
    samples: dict[str, Any] = {
        "project": ["default"] * 4,
        "worker": ["w1", "w1", "w2", "w3"],
        "model": ["m.1", "m.1", "m.1", "gone"],
        "time": pa.array([now_s - 60, now_s - 5, now_s - 9, now_s - 900], pa.timestamp("s", "UTC")),
        "requests_waiting": [40.0, 3.0, 4.0, 50.0],
        "requests_running": [9.0, 2.0, 1.0, 1.0],
    }
    store.insert("inference_samples", pa.table(samples), token="samples")


def test_the_load_is_the_planted_one(load: Load) -> None:
    total = load.total
    assert total.calls_per_second == pytest.approx(6 / 60)
    assert total.tokens_per_second == pytest.approx((5 * 660 + 60) / 60)
    assert total.input_tokens_per_second == pytest.approx(3_060 / 60)
    assert total.p50_latency_seconds == pytest.approx(3.5)
    assert total.p95_latency_seconds == pytest.approx(75.5)
    assert total.cost_usd_per_minute == Decimal("1.75")
    assert total.unpriced_calls == 1
    assert (total.active_sessions, total.active_traces, total.open_trajectories) == (2, 6, 6)
    assert (total.queue_depth, total.requests_running) == (7, 3)
    assert set(load.agents) == {"research", "coder"}
    assert load.agents["research"].p95_latency_seconds == pytest.approx(4.8)
    assert load.agents["coder"].cost_usd_per_minute == Decimal("0.5")
    assert load.agents["coder"].open_trajectories == 1
    assert load.models["m.1"].queue_depth == 7
    assert load.models["m2"].queue_depth is None


def test_those_that_are_named_are_told_also_without_work(store: Store, now_s: int) -> None:
    load = read_load(store, "default", 60, ["idle", "research"], ["none"], now_s)
    assert list(load.agents) == ["idle", "research"]
    assert load.agents["idle"].calls_per_second == 0
    assert load.agents["idle"].p50_latency_seconds is None
    assert load.agents["research"].active_traces == 5
    assert list(load.models) == ["none"]
    empty = read_load(store, "nobody", 60, [], [], now_s)
    assert (empty.total.active_traces, empty.agents, empty.total.queue_depth) == (0, {}, None)


def test_metrics_come_in_both_formats_with_their_exact_types(store: Store, load: Load) -> None:
    asker = Asker(create_app(store.settings))
    text = asker.get(f"{PATH}/metrics", {"window_s": 3_600})
    assert text.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    wanted = "application/openmetrics-text;version=1.0.0;q=0.9,text/plain;version=0.0.4;q=0.5"
    opened = asker.get(f"{PATH}/metrics", {"window_s": 3_600}, accept=wanted)
    assert opened.headers["content-type"].startswith(
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    )
    assert opened.text.endswith("# EOF\n")
    of_project = {"project": "default"}
    told = [
        {s.name: s.value for f in read(answer.text) for s in f.samples if s.labels == of_project}
        for read, answer in ((plain_text, text), (openmetrics, opened))
    ]
    assert told[0] == told[1]
    assert told[0]["spanledger_project_active_traces"] == load.total.active_traces
    assert told[0]["spanledger_project_queue_depth"] == 7
    samples = [s for f in openmetrics(opened.text) for s in f.samples]
    assert all(math.isfinite(sample.value) for sample in samples)
    # Bounded: of a project, an agent or a model, and never of a trace or a session.
    labels = {"project", "agent", "model", "direction", "quantile"}
    assert {name for sample in samples for name in sample.labels} == labels
    for name in {f.name for f in openmetrics(opened.text)}:
        assert f"`{re.sub('_(project|agent|model)_', '_SCOPE_', name)}`" in DOCUMENT, name


def test_one_answer_serves_all_who_ask_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, made = [0.0], list[int]()
    answers = Remembered[int](3.0, at_most=2, clock_s=lambda: clock[0])
    barrier = threading.Barrier(8)

    def ask() -> None:
        barrier.wait()
        answers.get("a", lambda: made.append(1) or len(made))  # type: ignore[func-returns-value]

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    clock[0] = 2.9
    assert answers.get("a", lambda: 5) == 1
    clock[0] = 3.0
    assert answers.get("a", lambda: 5) == 5
    for other in "bc":
        answers.get(other, lambda: 0)
    assert answers.get("a", lambda: 6) == 6  # forgotten


def test_a_failure_serves_all_who_ask_within_seconds() -> None:
    clock, asked = [0.0], list[int]()
    answers = Remembered[int](3.0, clock_s=lambda: clock[0])

    def fail() -> int:
        asked.append(1)
        raise StoreError("away", permanent=False)

    for _ in range(3):
        with pytest.raises(StoreError):
            answers.get("a", fail)
    assert len(asked) == 1
    clock[0] = 3.0
    assert answers.get("a", lambda: 5) == 5
    assert answers.get("a", fail) == 5


def test_the_spool_is_told_to_those_who_see_all(store: Store, tmp_path: Path) -> None:
    with key_state(tmp_path) as state:
        app = create_app(store.settings, state.ring, state=state.engine)
        admin, reader = Asker(app, state.key(Scope.ADMIN)), Asker(app, state.key(Scope.READ))
        now_ns = time.time_ns()
        CollectorSpools(state.engine).note("one", 4, now_ns - 7 * NS, now_ns)
        assert admin.get(PATH).json()["spool"] == {"requests": 4, "oldest_seconds": 7.0}
        older = create_app(store.settings, state=open_state(f"sqlite:///{tmp_path / 'older.db'}"))
        assert Asker(older).get(PATH).json()["spool"] is None
        assert reader.get(PATH).json()["spool"] is None
        assert "spanledger_spool_requests 4.0" in admin.get(f"{PATH}/metrics").text
        assert "spanledger_spool" not in reader.get(f"{PATH}/metrics").text


def gjson(document: Any, path: str) -> Any:
    """A value by a path of GJSON, as far as the examples go: names, and escaped dots in them."""
    for name in re.split(r"(?<!\\)\.", path):
        document = document[name.replace("\\.", ".")]
    return document


def test_the_examples_for_keda_read_numbers(store: Store, now_s: int) -> None:
    asker = Asker(create_app(store.settings))
    blocks = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
    objects = [one for block in blocks for one in yaml.safe_load_all(block)]
    triggers = [t for o in objects if o["kind"] == "ScaledObject" for t in o["spec"]["triggers"]]
    read = [t["metadata"] for t in triggers if t["type"] == "metrics-api"]
    assert len(read) >= 2
    for metadata in read:
        path = metadata["url"].partition("8502")[2]
        answer = asker.get(path)
        assert answer.status_code == 200, answer.text
        value = gjson(answer.json(), metadata["valueLocation"])
        # KEDA takes a number, or a string that is a quantity.
        assert isinstance(value, int | float) or Decimal(value) >= 0
        assert float(metadata["targetValue"]) > 0
