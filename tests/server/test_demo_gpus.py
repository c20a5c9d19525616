"""The demo's GPU workers through collector, ledger and GPU costs: what is planted is found."""

from __future__ import annotations

import itertools
import random
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from spanledger_analytics.gpu_cost.job import GpuCostJob, GpuCostStats
from spanledger_analytics.job import LedgerJob
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.price_book.overrides import Overrides, Rate
from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.decode_batch import decode_batch
from spanledger_collector.signals import Signal
from spanledger_collector.store.store_process import store_rows
from spanledger_server.demo import gpus
from spanledger_server.demo.gpu_plan import MINUTE_NS, WARM_UP_NS, WORKERS, GpuRequest
from spanledger_storage.engine import Engine
from spanledger_storage.gpu_price_state import GpuPriceRow
from spanledger_storage.store import Store
from tests.conftest import fresh_store
from tests.marks import Marks

HOUR_NS = 60 * MINUTE_NS
T0 = 1_790_000_000 * 10**9 // HOUR_NS * HOUR_NS
BEGIN = T0 + HOUR_NS // 2
END = BEGIN + HOUR_NS  # over a full hour
PICO = 10**12
USD_PER_HOUR = Decimal("2.16")
A_MINUTE = 36 * 10**9  # picodollars
_flushes = itertools.count(1)


@dataclass
class Kept:
    """A sender that keeps what it is given."""

    bodies: list[bytes] = field(default_factory=list[bytes])

    def send(self, body: bytes) -> int:
        self.bodies.append(body)
        return 0


@dataclass
class Recorded:
    bodies: list[tuple[Signal, bytes]]
    planted: list[gpus.PlantedWorker]


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    """An hour of both workers, in requests of a quarter of an hour."""
    planted: list[gpus.PlantedWorker] = []
    bodies: list[tuple[Signal, bytes]] = []
    for worker in WORKERS:
        made, spans, samples = gpus.WorkerFeed(worker, 7, BEGIN), Kept(), Kept()
        for now_ns in range(BEGIN + HOUR_NS // 4 - 1, END, HOUR_NS // 4):
            made.send_until(now_ns, spans, samples)  # type: ignore[arg-type]  # it sends as well
        planted.append(made.planted)
        bodies += [(Signal.TRACES, body) for body in spans.bodies]
        bodies += [(Signal.METRICS, body) for body in samples.bodies]
    return Recorded(bodies, planted)


class Prices:
    """GPU prices that a test changes."""

    def __init__(self) -> None:
        self.all = [GpuPriceRow("rented", USD_PER_HOUR, 0, id=1)]
        self.revision = 1
        self.changed_ns: int | None = None

    def gpu_prices(self) -> list[GpuPriceRow]:
        return self.all

    def gpu_prices_changed_since(self, revision: int) -> tuple[int, int | None]:
        return self.revision, self.changed_ns if revision < self.revision else None


class World:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.marks, self.prices = Marks(), Prices()
        self.ledger = LedgerJob(store, time.time_ns, self.marks)
        self.gpus = self.new_job()

    def new_job(self) -> GpuCostJob:
        return GpuCostJob(self.store, lambda: END + HOUR_NS, self.marks, self.prices)

    def put(self, bodies: Iterable[tuple[Signal, bytes]]) -> None:
        found = [Body("p", body, time.time_ns(), signal) for signal, body in bodies]
        flush = f"gpu-test-{next(_flushes)}"
        store_rows(self.store, decode_batch(found, flush, time.time_ns()), flush)

    def run(self) -> GpuCostStats:
        """Ledger, GPU costs, and what the second tells the first."""
        self.ledger.run_once()
        done = self.gpus.run_once()
        self.ledger.run_once()
        self.ledger.run_usage_once()
        return done

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return self.store.sql_rows(sql)

    def facts(self) -> tuple[Any, ...]:
        """Everything that is said about money, without versions."""
        return tuple(
            self.rows(f"SELECT * EXCEPT version FROM {table} FINAL {where} ORDER BY ALL")
            for table, where in (
                ("ledger", "WHERE NOT is_deleted AND kind = 'gpu'"),
                ("gpu_attribution", "WHERE NOT is_deleted"),
                ("gpu_worker_hours", "WHERE NOT is_deleted"),
                ("gpu_minutes", ""),
                ("worker_minutes", ""),
            )
        )


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


@pytest.fixture(scope="module")
def done(engine: Engine, recorded: Recorded) -> Iterator[World]:
    """A world that has everything, in order, and whose jobs ran; tests leave it as it is."""
    with fresh_store(engine) as store:
        world = World(store)
        world.put(recorded.bodies)
        assert world.run().entries > 0
        yield world


def phases(one: GpuRequest) -> Iterator[tuple[int, int]]:
    first = one.start_ns + one.queue_ns
    yield first, first + one.prefill_ns
    yield first + one.prefill_ns, one.end_ns


def truth(planted: gpus.PlantedWorker) -> dict[str, Fraction]:
    """Picodollars by trace until the end: between two events, equal shares."""
    times = [(trace.hex(), a, min(b, END)) for trace, r in planted.requests for a, b in phases(r)]
    events = sorted({at for _, a, b in times for at in (a, b)})
    starting, ending = defaultdict(list), defaultdict(list)
    for n, (_, a, b) in enumerate(times):
        if a < b:
            starting[a].append(n)
            ending[b].append(n)
    there: set[int] = set()
    found: defaultdict[str, Fraction] = defaultdict(Fraction)
    for begin, end in itertools.pairwise(events):
        there |= set(starting[begin])
        there -= set(ending[begin])
        for n in there:
            found[times[n][0]] += Fraction((end - begin) * A_MINUTE, MINUTE_NS * len(there))
    return dict(found)


def test_dollars_of_every_trace_are_the_planted_ones(done: World, recorded: Recorded) -> None:
    world = done
    expected = {k: v for planted in recorded.planted for k, v in truth(planted).items()}
    rows = world.rows(
        "SELECT trace_id, toInt64(sum(total_cost_usd) * 1000000000000) AS pico, count() AS entries,"
        " any(agent_name) AS agent, any(usage_source) AS method FROM ledger_current"
        " WHERE kind = 'gpu' GROUP BY trace_id"
    )
    assert {r["trace_id"] for r in rows} == set(expected)
    for row in rows:  # a picodollar for each minute and phase is what rounding may move
        assert abs(row["pico"] - expected[row["trace_id"]]) < 60
    assert {r["agent"] for r in rows} == {w.agent for w in WORKERS}
    assert {r["method"] for r in rows} == {"gpu_latencies"}
    lines = {
        (r["host"], r["line"]): r["usd"]
        for r in world.rows(
            "SELECT host, line, sum(cost_usd) AS usd FROM gpu_attribution FINAL GROUP BY 1, 2"
        )
    }
    for planted in recorded.planted:
        host = planted.worker.host
        whole = sum(usd for (of, _), usd in lines.items() if of == host)
        assert whole == USD_PER_HOUR
        attributed = int(lines[host, "attributed"] * PICO)
        assert abs(attributed - sum(truth(planted).values(), Fraction())) < 60
        # Four minutes as drawn, and as long as it takes until the first request.
        first = min(r.start_ns + r.queue_ns for _, r in planted.requests)
        warm = Fraction((first - planted.started_ns) * A_MINUTE, MINUTE_NS)
        assert first >= planted.started_ns + WARM_UP_NS
        assert abs(int(lines.get((host, "warm_up"), 0) * PICO) - warm) < 60
    in_ledger = sum(r["pico"] for r in rows)
    assert in_ledger == sum(usd for (_, line), usd in lines.items() if line == "attributed") * PICO


def test_traces_and_hourly_usage_hold_the_same_dollars(done: World, recorded: Recorded) -> None:
    world = done
    [total] = world.rows(
        "SELECT sumIf(total_cost_usd, kind = 'gpu') AS gpu, sum(total_cost_usd) AS usd,"
        " countIf(kind = 'llm') AS calls, uniqExactIf(price_status, kind = 'llm') AS statuses"
        " FROM ledger_current"
    )
    assert total["gpu"] == total["usd"] > 0  # nothing but GPUs pays for these calls
    assert total["calls"] == sum(len(planted.requests) for planted in recorded.planted)
    [traces] = world.rows(
        "SELECT sum(total_cost_usd) AS usd, sum(llm_calls) AS n FROM traces FINAL"
    )
    assert (traces["usd"], traces["n"]) == (total["usd"], total["calls"])
    [usage] = world.rows(
        "SELECT sumIf(total_cost_usd, kind = 'gpu') AS gpu, sum(calls) AS n FROM usage_hourly FINAL"
    )
    assert (usage["gpu"], usage["n"]) == (total["usd"], total["calls"])
    workers = world.rows(
        "SELECT worker, sum(requests) AS n, sum(uncached_tokens + cache_read_tokens) AS input,"
        " sum(output_tokens) AS output, sum(prefill_cost_usd + decode_cost_usd) AS used,"
        " sum(unattributed_cost_usd) AS rest FROM gpu_worker_hours FINAL GROUP BY 1 ORDER BY 1"
    )
    for row, planted in zip(workers, recorded.planted, strict=True):
        requests = [r for _, r in planted.requests]
        assert row["worker"] == planted.worker.name
        assert row["n"] == len(requests)
        assert row["input"] == sum(r.input_tokens for r in requests)
        assert row["output"] == sum(r.output_tokens for r in requests)
    assert sum(row["used"] for row in workers) == total["gpu"]


@pytest.mark.endurance
def test_shuffled_doubled_and_late_data_end_at_the_same_figures(
    world: World, done: World, recorded: Recorded
) -> None:
    rng = random.Random(1)
    bodies = recorded.bodies + rng.sample(recorded.bodies, len(recorded.bodies) // 2)
    rng.shuffle(bodies)
    size = len(bodies) // 3 + 1
    for start in range(0, len(bodies), size):  # each part as late as the jobs let it be
        world.put(bodies[start : start + size])
        world.run()
        if start == size:
            world.gpus = world.new_job()  # a worker that was started anew
    for here, there in zip(world.facts(), done.facts(), strict=True):
        cells = [(k, v, two[k]) for one, two in zip(here, there, strict=True)
                 for k, v in one.items() if v != two[k]]  # fmt: skip
        assert cells == []


def test_a_second_run_and_a_new_worker_change_nothing(done: World) -> None:
    versions = "SELECT count() AS n, max(version) AS v FROM ledger WHERE kind = 'gpu'"
    before = done.rows(versions)
    for _ in range(2):
        again = done.run()
        assert (again.entries, again.lines) == (0, 0)
        done.gpus = done.new_job()
    assert done.rows(versions) == before


def test_prices_that_change_for_the_past_change_the_past(world: World, recorded: Recorded) -> None:
    world.put(recorded.bodies)
    world.prices.all = []
    world.run()
    assert world.rows("SELECT * FROM gpu_attribution") == []
    world.prices.all = [GpuPriceRow("spot", USD_PER_HOUR, T0 + HOUR_NS, id=2)]
    world.prices.revision, world.prices.changed_ns = 2, T0 + HOUR_NS
    world.run()
    total = "SELECT sum(cost_usd) AS usd FROM gpu_attribution FINAL WHERE NOT is_deleted"
    assert world.rows(total)[0]["usd"] == USD_PER_HOUR / 2 * len(WORKERS)
    world.prices.all = []
    world.prices.revision = 3
    world.run()
    assert world.rows(total)[0]["usd"] == 0
    assert world.rows("SELECT * FROM ledger_current WHERE kind = 'gpu'") == []
    assert world.rows("SELECT 1 FROM traces FINAL WHERE total_cost_usd > 0") == []


def test_a_call_with_a_token_price_is_not_paid_twice(world: World, recorded: Recorded) -> None:
    own = Rate(
        id=1, provider="vllm", model="Qwen*", token_class="input", price=Decimal(1), per=10**6,
        currency="USD", service_tier="", region="", above_tokens=0, effective_from_ns=0,
        effective_to_ns=None,
    )  # fmt: skip
    rates = (own, replace(own, id=2, token_class="output"))
    book = PriceBook.bundled(Overrides(rates=rates, revision=1))
    world.ledger = LedgerJob(world.store, time.time_ns, world.marks, lambda: book)
    world.put(recorded.bodies)
    world.run()
    found = {
        (r["model"], r["kind"])
        for r in world.rows("SELECT model, kind FROM ledger_current WHERE total_cost_usd > 0")
    }
    qwen, llama = (worker.model for worker in WORKERS)
    assert found == {(qwen, "llm"), (llama, "gpu")}
    lines = world.rows("SELECT host, line FROM gpu_attribution FINAL GROUP BY ALL ORDER BY ALL")
    told = {(r["host"], r["line"]) for r in lines}
    used = {(host, line) for host, line in told if line in ("priced", "attributed")}
    assert used == {("demo-gpu-1", "priced"), ("demo-gpu-2", "attributed")}
