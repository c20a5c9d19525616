"""The GPU cost job on a real engine: what it reads, what it leaves alone, and when it rests."""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from spanledger_analytics.gpu_cost.floors import cost_floors
from spanledger_analytics.gpu_cost.job import GpuCostJob
from spanledger_analytics.job import LEDGER
from spanledger_analytics.retention.policy import Kind, first_second
from spanledger_collector.decode.infrastructure.gpus import RULES
from spanledger_storage.gpu_price_state import GpuPriceRow
from spanledger_storage.retention_state import RetentionState
from spanledger_storage.state import migrate_state, open_state
from spanledger_storage.store import Store
from tests.analytics.gpu_made import T0_S, S, price
from tests.marks import Marks

CLIENT, SERVER = "c" * 32, "d" * 32
_TIME = pa.timestamp("ns", "UTC")


class Prices:
    """One price for all GPUs, set before anything ran."""

    def gpu_prices(self) -> list[GpuPriceRow]:
        return [price()]

    def gpu_prices_changed_since(self, revision: int) -> tuple[int, int | None]:
        del revision
        return 1, None


class World:
    def __init__(self, store: Store) -> None:
        self.store, self.marks = store, Marks()
        self.now_s, self.clock_s = T0_S + 7_200, 0.0
        self.job = self.new_job()

    def new_job(self, floors: dict[str, int] | None = None) -> GpuCostJob:
        return GpuCostJob(
            self.store, lambda: self.now_s * S, self.marks, Prices(), lambda: floors or {},
            lambda: self.clock_s,
        )  # fmt: skip

    def put(self, table: str, **columns: Any) -> None:
        rows = pa.table({"project": ["p"] * len(next(iter(columns.values()))), **columns})
        self.store.insert(table, rows, token=f"{table}-{time.monotonic_ns()}")

    def sample(self, minutes: Sequence[int] = range(10)) -> None:
        at = [T0_S + 60 * minute for minute in minutes]
        self.put(
            "gpu_samples", gpu=["GPU-1"] * len(at), time=pa.array(at, pa.timestamp("s", "UTC")),
            source=["hw"] * len(at), model=["NVIDIA H200"] * len(at), host=["node-1"] * len(at),
        )  # fmt: skip

    def touch(self, flush_id: str, hour: int = T0_S) -> None:
        self.put(
            "touches", trace_id=[""], hour=pa.array([hour], pa.uint32()), flush_id=[flush_id],
            spans=pa.array([0], pa.uint32()),
        )  # fmt: skip
        self.marks.set(LEDGER, time.time_ns() // 1_000)

    def span(
        self, trace_id: str, role: str, response_id: str = "", *, start_s: int = T0_S,
        end_s: int = T0_S + 60,
    ) -> None:  # fmt: skip
        self.put(
            "spans", trace_id=[trace_id], span_id=[trace_id[:16]], role=[role],
            start_time=pa.array([start_s * S], _TIME), end_time=pa.array([end_s * S], _TIME),
            response_id=[response_id],
            resource_attributes=pa.array(
                [[("service.instance.id", "w"), ("host.name", "node-1")]],
                pa.map_(pa.string(), pa.string()),
            ),
            version=pa.array([1], pa.uint64()),
        )  # fmt: skip

    def entry(self, kind: str, usd: str, **more: Any) -> None:
        self.put(
            "ledger", entry_id=["e" * 32], kind=[kind], time=pa.array([T0_S * S], _TIME),
            trace_id=[CLIENT], span_id=[CLIENT[:16]], price_status=["priced"],
            total_cost_usd=pa.array([Decimal(usd)], pa.decimal128(38, 12)),
            duration_ns=pa.array([60 * S], pa.uint64()), version=pa.array([1], pa.uint64()), **more,
        )  # fmt: skip

    def lines(self) -> dict[str, Decimal]:
        sql = "SELECT line, sum(cost_usd) AS usd FROM gpu_attribution FINAL GROUP BY 1"
        return {str(row["line"]): Decimal(str(row["usd"])) for row in self.store.sql_rows(sql)}


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


def test_a_second_source_that_knows_less_takes_nothing_away(world: World, store: Store) -> None:
    world.put(
        "gpu_samples", gpu=["GPU-1"] * 4,
        time=pa.array([T0_S, T0_S + 5, T0_S + 20, T0_S + 25], pa.timestamp("s", "UTC")),
        source=["hw", "triton"] * 2, model=["NVIDIA H200", ""] * 2, host=["node-1", ""] * 2,
        gpu_index=["3", ""] * 2, energy_joules=[9e9, None, 9e9 + 700, None],
    )  # fmt: skip
    params = {"project": "p", "hour": T0_S, "version": 1}
    store.command("gpu_minutes_recompute", params)
    sql = "SELECT model, host, gpu_index, energy_joules FROM gpu_minutes FINAL"
    [row] = store.sql_rows(sql)
    assert row == {
        "model": "NVIDIA H200", "host": "node-1", "gpu_index": "3", "energy_joules": 700.0,
    }  # fmt: skip
    assert "nv_gpu_utilization" in RULES
    assert "nv_energy_consumption" not in RULES  # it counts from another start


def test_energy_that_a_second_source_tells_late_counts_once(world: World, store: Store) -> None:
    """500 W for an hour from 1 GJ on; the driver is loaded anew after half an hour."""

    def joules(second: int) -> float:
        return 1e9 + 500 * second if second < 1_800 else 500.0 * (second - 1_800)

    own = [(n, joules(n), "hw") for n in range(0, 3_600, 10)]
    late = [(n, joules(n - 20), "dcgm") for n in range(25, 3_600, 30) if not 1_795 < n < 1_850]
    at, told, source = zip(*sorted(own + late), strict=True)
    world.put(
        "gpu_samples", gpu=["GPU-1"] * len(at), source=source, energy_joules=told,
        time=pa.array([T0_S + n for n in at], pa.timestamp("s", "UTC")),
    )  # fmt: skip
    store.command("gpu_minutes_recompute", {"project": "p", "hour": T0_S, "version": 1})
    [minutes] = store.sql_rows("SELECT sum(energy_joules) AS joules FROM gpu_minutes FINAL")
    params = {"project": "p", "from_s": T0_S, "to_s": T0_S + 3_600, "gpu": ""}
    [page] = store.rows("dashboard_gpus", params)
    # Between samples of ten seconds: nobody told what was used right before the new start.
    assert minutes["joules"] == page["energy_joules"] == 500 * (1_790 + 1_790)


def test_costs_a_deletion_kept_stay_and_are_counted_once(world: World, store: Store) -> None:
    world.sample()
    world.entry("gpu", "0.01", price_id=["gpu/0"], flags=[["deleted"]])
    world.job.run_once()
    [row] = store.sql_rows("SELECT total_cost_usd AS usd FROM ledger_current WHERE kind = 'gpu'")
    lines = world.lines()
    assert row["usd"] == lines["kept"] == Decimal("0.01")
    assert sum(lines.values()) == Decimal("0.36")  # ten minutes of 2.16 an hour


def test_a_call_in_another_trace_than_its_workers_span_is_paid_once(
    world: World, store: Store
) -> None:
    world.sample()
    world.span(SERVER, "server", "r1")
    world.span(CLIENT, "llm", "r1")
    views = [[{"trace_id": trace, "span_id": trace[:16]} for trace in (CLIENT, SERVER)]]
    world.entry("llm", "1", source_spans=views)
    world.job.run_once()
    assert store.sql_rows("SELECT 1 FROM ledger_current WHERE kind = 'gpu'") == []
    assert world.lines()["priced"] == Decimal("0.036")


def test_a_late_span_changes_the_hour_it_runs_into_though_none_sampled_the_one_before(
    world: World,
) -> None:
    world.sample()
    world.touch("samples")
    world.job.run_once()
    assert world.lines() == {"idle": Decimal("0.36")}
    world.span(SERVER, "server", start_s=T0_S - 30, end_s=T0_S + 300)
    world.touch("late", T0_S - 3_600)
    world.job.run_once()
    assert world.lines()["attributed"] == Decimal("0.18")


def test_its_own_note_is_no_work_for_a_job_that_was_started_anew(world: World) -> None:
    world.sample()
    world.span(SERVER, "server")
    world.touch("first")
    assert world.job.run_once().entries == 1
    again = world.new_job()
    world.marks.set(LEDGER, time.time_ns() // 1_000)
    assert again.run_once().hours > 0  # notes of the last two minutes are read again
    for _ in range(2):
        world.marks.set(LEDGER, time.time_ns() // 1_000)
        assert again.run_once().hours == 0


def test_the_hour_that_is_not_over_rests_as_long_as_it_took(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.sample()
    world.now_s = T0_S + 300
    world.job.run_once()
    recompute = world.job._recompute  # pyright: ignore[reportPrivateUsage]  # what takes time

    def slow(*args: Any) -> tuple[int, int]:
        world.clock_s += 10
        return recompute(*args)

    monkeypatch.setattr(world.job, "_recompute", slow, raising=True)
    world.touch("first")
    assert world.job.run_once().hours == 1
    position = world.marks.get("gpu_cost")
    world.touch("second")
    world.clock_s += 39
    assert world.job.run_once().hours == 0
    assert world.marks.get("gpu_cost") == position  # another process would read it again
    world.clock_s += 1
    assert world.job.run_once().hours == 1
    assert (world.marks.get("gpu_cost") or 0) > (position or 0)
    world.now_s = T0_S + 3_600
    assert world.job.run_once().hours == 1  # over: it does not rest any more


@pytest.mark.parametrize("is_started_anew", [False, True])
def test_samples_of_a_clock_that_is_ahead_cost_once_their_hour_has_begun(
    world: World, is_started_anew: bool
) -> None:
    world.now_s = T0_S - 3_660
    world.job.run_once()
    world.sample()
    world.touch("ahead")
    assert world.job.run_once().hours == 0
    for now_s, minutes in ((T0_S - 60, 0), (T0_S + 300, 5), (T0_S + 3_700, 10)):
        if is_started_anew:
            world.job = world.new_job()
            for name in ("gpu_cost", LEDGER):  # handled up to the last run
                world.marks.set(name, world.now_s * 10**6)
        world.now_s = now_s
        world.clock_s += 3_600
        world.job.run_once()
        assert sum(world.lines().values()) == minutes * Decimal("0.036")
    world.clock_s += 3_600
    assert world.job.run_once().hours == 0


def test_the_first_hour_of_what_retention_left_stays_as_it_was(world: World) -> None:
    world.sample()
    world.job = world.new_job({"p": T0_S})
    world.job.run_once()
    assert world.lines() == {}


def test_hours_whose_costs_have_expired_stay_so(tmp_path: Path) -> None:
    engine = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(engine)
    state = RetentionState(engine)
    state.raise_floors(Kind.SPANS, {"p": 20261101})
    state.raise_floors(Kind.LEDGER, {"p": 20261105})
    assert cost_floors(state) == {"p": first_second(20261105)}
    engine.dispose()
