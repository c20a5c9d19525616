"""The disk fills up under load, of the spool and of the engine, and has room again."""

import math
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import count
from pathlib import Path

import pytest

from spanledger_collector.decode.decode import Body, decode_traces
from spanledger_collector.errors import Unavailable
from spanledger_collector.spool.spool import Spool
from spanledger_collector.store.flush import Flusher
from spanledger_storage.engine import Engine, EngineSettings
from spanledger_storage.errors import StoreError
from spanledger_storage.migrations import create_database, migrate
from spanledger_storage.store import Store
from tests.collecting import Sender, acknowledged_by, sending
from tests.instance import Instance, wait_until
from tests.otlp import request, span
from tests.ports import free_port
from tests.server.test_kill import check

pytestmark = pytest.mark.endurance


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A volume of its own, of ``request.param`` MiB; skips where one may not be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={request.param}m", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"mount cannot be run: {error}")
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False)


def fill(place: Path, bytes_per_s: float = math.inf) -> Path:
    """Fill the volume to its last byte; remove the result to make room."""
    filler, step = place / "filler", 1 << 16
    with filler.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(step))
            time.sleep(step / bytes_per_s)
    return filler


@pytest.mark.parametrize("small_disk", [64], indirect=True)
def test_a_disk_that_others_fill_costs_no_acknowledged_request(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spanledger_collector.spool.budget._RESERVE_BYTES", 0)
    spool = Spool(small_disk / "spool.db", max_bytes=1 << 30)
    taken: list[int] = []

    def send(n: int) -> bool:
        try:
            spool.append("p", bytes(50_000), 1, n).result(10)
        except Unavailable:
            return False
        taken.append(n)
        return True

    assert all(send(n) for n in range(100))
    filler = fill(small_disk)  # without a reserve SQLite itself meets the end of the disk
    results = [send(n) for n in range(100, 1_100)]
    assert results[-1] is False
    with pytest.raises(Unavailable):
        spool.take(1_000_000, 1 << 30)  # freezing writes too; a flusher tries again
    filler.unlink()
    wait_until(lambda: send(2_000))
    spool.close()
    again = Spool(small_disk / "spool.db", max_bytes=1 << 30)
    batch = again.take(1_000_000, 1 << 30)
    assert batch is not None
    assert [r.received_ns for r in batch.requests] == taken
    again.finish(batch)
    assert again.depth().disk_bytes == 0
    again.close()


@pytest.mark.parametrize("small_disk", [64], indirect=True)
def test_near_the_end_of_the_disk_the_spool_refuses_before_sqlite_does(small_disk: Path) -> None:
    spool = Spool(small_disk / "spool.db", max_bytes=1 << 30)

    def send_all() -> None:
        for n in range(2_000):
            spool.append("p", bytes(100_000), 1, n).result(10)

    with pytest.raises(Unavailable, match="disk of the spool is nearly full"):
        send_all()
    assert spool.depth().requests > 100
    while batch := spool.take(100, 8 << 20):
        spool.finish(batch)  # there is room for draining
    assert spool.depth().requests == 0
    spool.close()


@pytest.mark.parametrize("small_disk", [200], indirect=True)
def test_a_full_disk_of_the_engine_is_waited_for(
    tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spanledger_collector.store.flush._BACKOFF_S", (0.1, 0.2))
    engine = Engine(EngineSettings(small_disk / "engine", free_port()))
    engine.start()
    create_database(engine.writer)
    store = Store.connect(engine.writer)
    migrate(store)
    spool = Spool(tmp_path / "spool.db", max_bytes=1 << 30)
    flusher = Flusher(spool, engine.writer)
    try:
        filler = fill(small_disk)
        flusher.start()
        bodies = [request(*(span(f"{n}.{k}") for k in range(100))) for n in range(30)]
        for body in bodies:
            spool.append("p", body.SerializeToString(), 100, time.time_ns()).result(5)
        wait_until(lambda: flusher.last_error)
        assert "NOT_ENOUGH_SPACE" in str(flusher.last_error) or "No space" in str(
            flusher.last_error
        )
        assert spool.depth().requests == 30
        filler.unlink()
        wait_until(lambda: spool.depth().requests == 0)
        counts = store.sql_rows("SELECT count() AS n, uniqExact(span_id) AS u FROM spans")
        assert counts == [{"n": 3_000, "u": 3_000}]
        assert spool.depth().dead_letters == 0
    finally:
        flusher.stop()
        spool.close()
        store.close()
        engine.stop()


@pytest.mark.parametrize("small_disk", [200], indirect=True)
@pytest.mark.parametrize("user", ["writer", "reader"])
def test_what_is_read_without_a_free_byte_is_whole(small_disk: Path, user: str) -> None:
    engine = Engine(EngineSettings(small_disk / "engine", free_port()))
    engine.start()
    create_database(engine.writer)
    settings = getattr(engine, user)
    lines = "SELECT repeat('x', 99) AS line FROM numbers(100000)"
    try:
        with closing(Store.connect(engine.writer)) as writer:
            migrate(writer)
            writer.execute("INSERT INTO touches (project) VALUES ('p')")
        filler = fill(small_disk)
        with closing(Store.connect(settings)) as store:  # connecting asks, too
            assert store.sql_rows("SELECT count() AS n FROM touches") == [{"n": 1}]
            assert store.raw("SELECT count() AS n FROM touches", "CSVWithNames") == b'"n"\n1\n'
            assert "touches" in store.arrow("retention_parts")["table_name"].to_pylist()
            assert len(store.sql_rows(lines)) == 100_000
            assert len(store.raw(lines, "TSV")) == 100_000 * 100
        filler.unlink()
    finally:
        engine.stop()


@pytest.mark.parametrize("small_disk", [300], indirect=True)
def test_an_insert_that_the_engine_confirms_is_on_a_disk_that_fills_up(small_disk: Path) -> None:
    engine = Engine(EngineSettings(small_disk / "engine", free_port()))
    engine.start()
    create_database(engine.writer)
    store = Store.connect(engine.writer)
    migrate(store)
    store.execute("SYSTEM STOP MERGES spans")  # equal rows would become one
    body = request(*(span(f"a.{n}") for n in range(300))).SerializeToString()
    rows = decode_traces([Body("p", body, 1)], "f", 1).spans
    confirmed, refused, stopping = list[str](), list[str](), threading.Event()
    numbers = count()

    def insert(name: str) -> None:
        with closing(Store.connect(engine.writer)) as own:
            while not stopping.is_set():
                token = f"{name}-{next(numbers)}"
                try:
                    own.insert("spans", rows, token=token)
                    confirmed.append(token)
                except StoreError as error:
                    refused.append(str(error))
                    time.sleep(0.01)

    try:
        with ThreadPoolExecutor(4) as pool:
            for name in "abcd":
                pool.submit(insert, name)
            wait_until(lambda: len(confirmed) > 20)
            # As fast as a disk takes it. What is free is looked at before an insert: in memory the
            # last of it can be gone while one is written, and that one is confirmed and lost.
            filler = fill(small_disk, bytes_per_s=500e6)
            wait_until(lambda: len(refused) > 20)
            stopping.set()
        filler.unlink()
        # Counting alone reads nothing.
        [found] = store.sql_rows("SELECT count() AS n FROM spans WHERE NOT ignore(*)")
        assert found["n"] == 300 * len(confirmed)
        assert all("NOT_ENOUGH_SPACE" in one for one in refused)
    finally:
        stopping.set()
        store.close()
        engine.stop()


@pytest.mark.parametrize("small_disk", [400], indirect=True)
def test_everything_on_one_disk_that_fills_up_under_load_goes_on_when_there_is_room(
    small_disk: Path,
) -> None:
    instance = Instance(small_disk / "data").start()
    senders = [Sender(instance.run_file()["http_port"], seed) for seed in range(2)]
    try:
        with sending(*senders):
            wait_until(lambda: len(acknowledged_by(senders)) > 50)
            filler = fill(small_disk)
            before = sum(sender.refusals for sender in senders)
            wait_until(lambda: sum(sender.refusals for sender in senders) > before + 20)
            time.sleep(1)
            assert instance.process is not None
            assert instance.process.poll() is None
            filler.unlink()
            taken = len(acknowledged_by(senders))
            wait_until(lambda: len(acknowledged_by(senders)) > taken + 50)
        check(instance, acknowledged_by(senders))
    finally:
        instance.stop()
