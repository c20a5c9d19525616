"""The store goes away under load and comes back: nothing lost, nothing double, drained in order."""

import os
import signal
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from spanledger_collector.spool.spool import Spool
from spanledger_server.errors import UsageError
from spanledger_server.sizes import spool_bytes
from spanledger_storage.engine import Engine, EngineSettings
from spanledger_storage.migrations import create_database, migrate
from spanledger_storage.store import Store
from tests.collecting import SPANS, CollectorProcess, Sender, acknowledged_by, sending
from tests.instance import run, wait_until
from tests.ports import free_port

pytestmark = pytest.mark.endurance

DOWN_S = 2.0
REQUESTS = 2_000


@pytest.fixture
def own_engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine that a test may stop."""
    engine = Engine(EngineSettings(tmp_path / "engine", free_port()))
    engine.start()
    create_database(engine.writer)
    with_schema = Store.connect(engine.writer)
    migrate(with_schema)
    with_schema.close()
    yield engine
    engine.stop()


def stored(engine: Engine) -> dict[str, int]:
    """Spans of each trace; raises when one is there twice."""
    store = Store.connect(engine.writer)
    try:
        rows = store.sql_rows(
            "SELECT trace_id, uniqExact(span_id) AS spans, count() AS rows FROM spans FINAL"
            " GROUP BY trace_id"
        )
    finally:
        store.close()
    assert all(row["spans"] == row["rows"] for row in rows)
    return {str(row["trace_id"]): int(str(row["spans"])) for row in rows}


def check(engine: Engine, senders: list[Sender]) -> None:
    acknowledged = acknowledged_by(senders)
    wait_until(lambda: acknowledged.keys() <= stored(engine).keys())
    assert set(stored(engine).values()) == {SPANS}


def test_all_that_was_taken_while_the_store_was_down_is_stored_once_when_it_is_back(
    tmp_path: Path, own_engine: Engine
) -> None:
    collector = CollectorProcess(tmp_path / "data", own_engine.writer.url, "--max-spool-bytes=2MB")
    collector.start()
    senders = [Sender(collector.port, seed) for seed in range(4)]
    try:
        with sending(*senders):
            time.sleep(1)
            own_engine.stop()
            ages, depths = [], []
            down_until = time.monotonic() + DOWN_S
            # Until the budget is reached, too.
            while time.monotonic() < down_until or not any(s.refusals for s in senders):
                ages.append(collector.figure("spool_oldest_seconds"))
                depths.append(collector.figure("spool_requests"))
                time.sleep(0.3)
            own_engine.start()
            wait_until(lambda: collector.figure("spool_used_ratio") < 0.5)
            time.sleep(0.5)
        assert all(a <= b for a, b in pairwise(ages[1:])), "the oldest gets older"
        assert depths[-1] > 300
        assert {s for x in senders for s in x.statuses} <= {200, 503}
        assert collector.figure("store_failures_total") > 0
        wait_until(lambda: collector.figure("spool_requests") == 0)
        assert collector.figure("spool_oldest_seconds") == 0
        assert collector.figure("dead_letters_total") == 0
        check(own_engine, senders)
    finally:
        collector.stop()


def test_a_backlog_is_drained_in_order_and_in_large_batches(
    tmp_path: Path, own_engine: Engine
) -> None:
    own_engine.stop()
    collector = CollectorProcess(tmp_path / "data", own_engine.writer.url)
    collector.start()
    senders = [Sender(collector.port, seed, resends=0) for seed in range(6)]
    try:
        with sending(*senders):
            wait_until(lambda: collector.figure("spool_requests") > REQUESTS)
        own_engine.start()
        wait_until(lambda: collector.figure("spool_requests") == 0)
        assert (
            collector.figure("stored_items_total") / collector.figure("store_seconds_count")
            > SPANS * REQUESTS / 10
        ), "what waited a while goes in large batches"
        check(own_engine, senders)
    finally:
        collector.stop()
    batches = received_of_batches(own_engine)
    assert len(batches) > 1
    assert all(last < first for (_, last), (first, _) in pairwise(batches))


def received_of_batches(engine: Engine) -> list[tuple[int, int]]:
    """When the first and the last request of each batch was received, in the batches' order."""
    store = Store.connect(engine.writer)
    try:
        rows = store.sql_rows(
            "SELECT min(version) AS first, max(version) AS last FROM touches INNER JOIN"
            " (SELECT trace_id, min(version) AS version FROM spans GROUP BY trace_id) AS received"
            " USING (trace_id) GROUP BY flush_id"
            " ORDER BY toUInt64(splitByChar('-', flush_id)[-1])"
        )
    finally:
        store.close()
    return [(int(str(row["first"])), int(str(row["last"]))) for row in rows]


def test_sigterm_under_load_loses_nothing(tmp_path: Path, own_engine: Engine) -> None:
    collector = CollectorProcess(tmp_path / "data", own_engine.writer.url)
    collector.start()
    senders = [Sender(collector.port, seed) for seed in range(4)]
    try:
        with sending(*senders):
            wait_until(lambda: len(acknowledged_by(senders)) > 50)
            assert collector.stop(signal.SIGTERM) == 0
            taken = len(acknowledged_by(senders))
            collector.start()
            wait_until(lambda: len(acknowledged_by(senders)) > taken + 50)
        check(own_engine, senders)
    finally:
        collector.stop()


def test_a_second_collector_on_the_same_directory_ends_and_says_why(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool" / "spool.db", max_bytes=1 << 20)
    try:
        ended = run(
            "collect", "--data", str(tmp_path), "--store-url", "clickhouse://u:p@127.0.0.1:1/d",
            "--http-port", str(free_port()), "--grpc-port", str(free_port()),
        )  # fmt: skip
    finally:
        spool.close()
    assert ended.returncode == 2
    assert f"Another collector (process {os.getpid()}) uses the spool" in ended.stderr


@pytest.mark.parametrize(
    ("size", "expected"),
    [("", None), ("20G", 20 * 10**9), ("512MiB", 512 << 20), ("1048576", 1 << 20)],
)
def test_a_disk_budget_is_read_as_people_write_it(size: str, expected: int | None) -> None:
    assert spool_bytes(size) == expected


@pytest.mark.parametrize("size", ["much", "10X", "-1G", "1k", "0", "1e400"])
def test_a_disk_budget_that_is_none_is_refused(size: str) -> None:
    with pytest.raises(UsageError, match="--max-spool-bytes"):
        spool_bytes(size)
