"""From the spool into the store when things go wrong."""

import contextlib
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from spanledger_collector.decode import decode
from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.decode_batch import decode_batch
from spanledger_collector.errors import Unavailable
from spanledger_collector.signals import Signal
from spanledger_collector.spool.batches import Batch
from spanledger_collector.spool.dead_letters import DeadLetter
from spanledger_collector.spool.figures import show_spool
from spanledger_collector.spool.spool import Spool
from spanledger_collector.store.flush import Flusher
from spanledger_collector.store.store_process import (
    LetterJob,
    StoreJob,
    StoreOutcome,
    StoreProcess,
    StoreProcessDied,
)
from spanledger_collector.telemetry import Telemetry
from spanledger_storage.store import Store, StoreSettings
from tests.instance import wait_until
from tests.otlp import request, span
from tests.signals import counter, logs, metrics, record


def spooled(directory: Path, *bodies: bytes) -> Spool:
    spool = Spool(directory / "spool.db", max_bytes=1 << 30)
    for body in bodies:
        spool.append("default", body, 1, time.time_ns()).result(5)
    return spool


def stored(store: Store) -> list[object]:
    return [row["name"] for row in store.sql_rows("SELECT name FROM spans FINAL ORDER BY name")]


def drain(spool: Spool, settings: StoreSettings) -> None:
    flusher = Flusher(spool, settings)
    flusher.start()
    try:
        wait_until(lambda: spool.depth().disk_bytes == 0)
    finally:
        flusher.stop()


def letters(store: Store) -> list[dict[str, object]]:
    return store.sql_rows(
        "SELECT state, project, signal, items, bytes, hex(body) AS body, reason"
        " FROM dead_letters FINAL ORDER BY received_at"
    )


def good(name: str) -> bytes:
    return request(span(name)).SerializeToString()


def test_one_request_that_cannot_be_decoded_does_not_take_others_with_it(
    tmp_path: Path, store: Store
) -> None:
    spool = spooled(tmp_path, good("a"), b"\xff\xff\xff", good("b"), good("c"))
    drain(spool, store.settings)
    assert stored(store) == ["a", "b", "c"]
    spool.close()
    [letter] = letters(store)
    reason = str(letter.pop("reason"))
    assert letter == {
        "state": "open", "project": "default", "signal": "traces", "items": 1, "bytes": 3,
        "body": "FFFFFF",
    }  # fmt: skip
    assert "not a trace request" in reason


def test_many_requests_that_cannot_be_decoded_are_told_of_once(
    tmp_path: Path,
    store: Store,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spool = spooled(tmp_path, *[b"\xff"] * 20)
    drain(spool, store.settings)
    spool.close()
    assert len(letters(store)) == 20
    monkeypatch.setattr(decode, "_known_troubles", set())
    for _ in range(2):  # in a storing process, whose log is its own
        with pytest.raises(ValueError, match="not a trace request"):
            decode_batch([Body("default", b"\xff", 1)], "f", 1)
    told = " ".join(record.getMessage() for record in caplog.records)
    assert (told.count("set aside"), told.count("by span")) == (1, 1)


def test_signals_that_come_together_are_stored_in_their_tables_under_their_project(
    tmp_path: Path, store: Store
) -> None:
    spool = Spool(tmp_path / "spool.db", max_bytes=1 << 30)
    bodies = {
        Signal.TRACES: good("a"),
        Signal.LOGS: logs(record("e", "hi", time_ns=time.time_ns())).SerializeToString(),
        Signal.METRICS: metrics(counter("m", 1, 1, time.time_ns(), {})).SerializeToString(),
    }
    for signal, body in bodies.items():
        spool.append("mine", body, 1, time.time_ns(), signal).result(5)
    spool.append("mine", b"\xff\xff", 1, time.time_ns(), Signal.METRICS).result(5)
    drain(spool, store.settings)
    for table in ("spans", "logs", "metric_points"):
        assert store.sql_rows(f"SELECT project FROM {table}") == [{"project": "mine"}]
    assert [(x["project"], x["signal"]) for x in letters(store)] == [("mine", "metrics")]
    spool.close()


@pytest.mark.endurance
def test_days_all_over_the_calendar_are_stored(tmp_path: Path, store: Store) -> None:
    day_ns = 86_400 * 10**9
    spans = [span(f"day {n}", start_ns=1 + n * 7 * day_ns) for n in range(1_200)]
    spool = spooled(tmp_path, request(*spans).SerializeToString())
    drain(spool, store.settings)
    assert len(stored(store)) == 1_200
    spool.close()


def test_a_store_that_comes_back_gets_everything_once(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [StoreOutcome("down", permanent=False), StoreOutcome("still down", permanent=False)]
    real_run = StoreProcess.run

    def run(self: StoreProcess, job: StoreJob) -> StoreOutcome:
        return answers.pop() if answers else real_run(self, job)

    monkeypatch.setattr(StoreProcess, "run", run)
    spool = spooled(tmp_path, good("a"), good("b"))
    drain(spool, store.settings)
    assert stored(store) == ["a", "b"]
    spool.close()


def test_a_batch_whose_end_could_not_be_noted_comes_again(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_finish, refusals = Spool.finish, [1]

    def finish(self: Spool, batch: Batch) -> None:
        if refusals:
            refusals.pop()
            raise Unavailable("disk full")
        real_finish(self, batch)

    monkeypatch.setattr(Spool, "finish", finish)
    monkeypatch.setattr("spanledger_collector.store.flush._BACKOFF_S", (0.01,))
    spool = spooled(tmp_path, good("a"))
    drain(spool, store.settings)
    assert store.sql_rows("SELECT count() AS n FROM spans") == [{"n": 1}]
    spool.close()


def test_a_request_that_kills_its_process_is_set_aside(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_run = StoreProcess.run

    def run(self: StoreProcess, job: StoreJob) -> StoreOutcome:
        if isinstance(job, StoreJob) and any(b"deadly" in body.payload for body in job.bodies):
            self.close(0)
            raise StoreProcessDied("it ended")
        return real_run(self, job)

    monkeypatch.setattr(StoreProcess, "run", run)
    monkeypatch.setattr("spanledger_collector.store.flush._BACKOFF_S", (0.01,))
    spool = spooled(tmp_path, good("a"), good("deadly"))
    drain(spool, store.settings)
    assert stored(store) == ["a"]
    assert [x["reason"] for x in letters(store)] == ["it ended"]
    spool.close()


def test_deaths_between_which_the_store_answered_do_not_add_up(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    troubles: list[StoreOutcome | None] = [None, StoreOutcome("down", permanent=False)] * 3
    real_run = StoreProcess.run

    def run(self: StoreProcess, job: StoreJob) -> StoreOutcome:
        if not troubles:
            return real_run(self, job)
        if outcome := troubles.pop():
            return outcome
        raise StoreProcessDied("it ended")

    monkeypatch.setattr(StoreProcess, "run", run)
    monkeypatch.setattr("spanledger_collector.store.flush._BACKOFF_S", (0.01,))
    spool = spooled(tmp_path, good("a"))
    drain(spool, store.settings)
    spool.close()
    assert (stored(store), letters(store)) == (["a"], [])


def test_processes_that_end_while_idle_make_no_dead_letter(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle, real_run = [1, 2, 3, 4], StoreProcess.run

    def run(self: StoreProcess, job: StoreJob) -> StoreOutcome:
        if idle:
            idle.pop()
            self._process.kill()
            self._process.join()
        return real_run(self, job)

    monkeypatch.setattr(StoreProcess, "run", run)
    monkeypatch.setattr("spanledger_collector.store.flush._BACKOFF_S", (0.01,))
    spool = spooled(tmp_path, good("a"))
    drain(spool, store.settings)
    spool.close()
    assert (stored(store), letters(store), idle) == (["a"], [], [])


@contextlib.contextmanager
def no_new_files(store: Store, table: str) -> Iterator[None]:
    """Keep the engine from making files for a table, as a volume without inodes does."""
    [row] = store.sql_rows(
        "SELECT data_paths[1] AS path FROM system.tables"
        f" WHERE database = currentDatabase() AND name = '{table}'"
    )
    folder = Path(str(row["path"]))
    away = folder.rename(folder.with_name("away"))
    folder.touch()
    try:
        yield
    finally:
        folder.unlink()
        away.rename(folder)


def test_what_a_file_system_in_trouble_refuses_waits_until_it_works_again(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spanledger_collector.store.flush._BACKOFF_S", (0.01,))
    spool = spooled(tmp_path, good("a"), good("b"))
    telemetry = Telemetry()
    flusher = Flusher(spool, store.settings, telemetry=telemetry)
    try:
        with no_new_files(store, "spans"):
            flusher.start()
            failures = telemetry.store_failures.labels("unavailable")
            wait_until(lambda: failures._value.get() > 1 or spool.depth().dead_letters > 0)
            assert (spool.depth().requests, spool.depth().dead_letters) == (2, 0)
        wait_until(lambda: spool.depth().requests == 0)
    finally:
        flusher.stop()
        spool.close()
    assert (stored(store), letters(store)) == (["a", "b"], [])


@contextlib.contextmanager
def refusing(store: Store, name: str) -> Iterator[None]:
    """Have the store refuse spans of a name, with a code that no list of ours blames on rows."""
    decrypted = "decrypt('aes-128-ecb', CAST(name, 'String'), '0123456789abcdef')"
    check = f"if(name = '{name}', {decrypted}, '') = ''"
    store.execute(f"ALTER TABLE spans ADD CONSTRAINT refusing CHECK {check}")
    try:
        yield
    finally:
        store.execute("ALTER TABLE spans DROP CONSTRAINT refusing")


def test_what_the_store_refuses_without_saying_why_lets_others_pass(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spanledger_collector.store.flush._BACKOFF_S", (0.01,))
    monkeypatch.setattr("spanledger_collector.store.flush._MOST_REFUSALS", 2)
    names = ["a", "bad", "b", "bad", "c"]
    spool = spooled(tmp_path, *map(good, names))
    flusher = Flusher(spool, store.settings)
    try:
        with refusing(store, "bad"):
            flusher.start()
            wait_until(lambda: spool.depth().requests == 2)
            assert stored(store) == ["a", "b", "c"]
            spool.append("default", good("d"), 1, time.time_ns()).result(5)
            wait_until(lambda: "d" in stored(store) and spool.depth().requests == 2)
            assert spool.depth().dead_letters == 0
        wait_until(lambda: spool.depth().requests == 0)
    finally:
        flusher.stop()
        spool.close()
    assert (stored(store), letters(store)) == (["a", "b", "bad", "bad", "c", "d"], [])


def test_what_was_refused_for_an_hour_while_others_were_stored_is_set_aside(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spanledger_collector.store.flush._BACKOFF_S", (0.01,))
    monkeypatch.setattr("spanledger_collector.store.flush._PATIENCE_S", 0)
    monkeypatch.setattr("spanledger_collector.store.flush._MOST_PUT_OFF", 1)
    monkeypatch.setattr("spanledger_collector.store.flush._MOST_REFUSALS", 2)
    spool = spooled(tmp_path, good("bad"))
    flusher = Flusher(spool, store.settings)
    with refusing(store, "bad"):
        flusher.start()
        try:
            wait_until(lambda: flusher._put_off)
            assert spool.depth().dead_letters == 0  # nothing else was stored
            flusher._stored += 1
            wait_until(lambda: spool.depth().disk_bytes == 0)
        finally:
            flusher.stop()
    spool.close()
    [letter] = letters(store)
    assert "OPENSSL_ERROR" in str(letter["reason"])


def test_what_copies_of_a_spool_accept_is_all_stored(tmp_path: Path, store: Store) -> None:
    spool = spooled(tmp_path / "one", good("before"))
    drain(spool, store.settings)
    spool.close()
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    for directory in ("one", "two"):
        spool = spooled(tmp_path / directory, good(directory))
        drain(spool, store.settings)
        spool.close()
    assert stored(store) == ["before", "one", "two"]


def test_a_damaged_receive_time_keeps_no_dead_letter_back(tmp_path: Path, store: Store) -> None:
    spooled(tmp_path, b"one", b"two", b"\xff\xff\xff").close()
    with contextlib.closing(sqlite3.connect(tmp_path / "spool.db")) as file, file:
        file.execute("UPDATE requests SET received_ns = -5, crc32 = crc32 + 1 WHERE seq = 1")
        file.execute("UPDATE requests SET received_ns = 9223372036854775807 WHERE seq = 2")
    spool = spooled(tmp_path)
    drain(spool, store.settings)
    spool.close()
    times = "SELECT toUnixTimestamp64Nano(received_at) AS ns FROM dead_letters ORDER BY ns"
    first, _, last = [row["ns"] for row in store.sql_rows(times)]
    assert (first, last) == (0, 2**63 - 1)


@pytest.mark.parametrize("at_once", [500, 1])
def test_a_dead_letter_that_the_store_never_takes_keeps_no_other_back(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr("spanledger_collector.store.flush._LETTERS", at_once)
    monkeypatch.setattr("spanledger_collector.store.flush._BACKOFF_S", (0.01,))
    spool = spooled(tmp_path, b"one", b"two", b"three")
    batch = spool.take(10, 1 << 20)
    assert batch is not None
    spool.bury(batch, "cannot be stored")
    with contextlib.closing(sqlite3.connect(tmp_path / "spool.db")) as file, file:
        file.execute("UPDATE dead_letters SET seq = -2 WHERE seq = 2")  # no number of the store's
    flusher = Flusher(spool, store.settings)
    flusher.start()
    try:
        wait_until(lambda: spool.depth().dead_letters == 1)
    finally:
        flusher.stop()
    assert [letter.body for letter in spool.letters(10, 1 << 20)] == [b"two"]
    spool.close()
    assert {bytes.fromhex(str(letter["body"])) for letter in letters(store)} == {b"one", b"three"}


def test_dead_letters_wait_in_the_spool_while_the_store_does_not_take_them(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spanledger_collector.store.flush._BACKOFF_S", (0.01,))
    store.execute("RENAME TABLE dead_letters TO elsewhere")
    spool = spooled(tmp_path, b"\xff\xff\xff", good("a"))
    telemetry = Telemetry()
    flusher = Flusher(spool, store.settings, telemetry=telemetry)
    flusher.start()
    try:
        wait_until(lambda: spool.depth().requests == 0)
        failures = telemetry.store_failures.labels("unavailable")
        wait_until(lambda: failures._value.get() > 1)
        assert spool.depth().dead_letters == 1
        assert stored(store) == ["a"], "what is good does not wait for what is bad"
        store.execute("RENAME TABLE elsewhere TO dead_letters")
        wait_until(lambda: spool.depth().dead_letters == 0)
    finally:
        flusher.stop()
        spool.close()
    assert len(letters(store)) == 1


def test_a_letter_whose_delivery_could_not_be_noted_is_there_once(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_forget, refusals = Spool.forget, [1]

    def forget(self: Spool, found: Sequence[DeadLetter]) -> None:
        if refusals:
            refusals.pop()
            raise Unavailable("disk full")
        real_forget(self, found)

    monkeypatch.setattr(Spool, "forget", forget)
    monkeypatch.setattr("spanledger_collector.store.flush._BACKOFF_S", (0.01,))
    spool = spooled(tmp_path, b"\xff\xff\xff")
    drain(spool, store.settings)
    spool.close()
    assert store.sql_rows("SELECT count() AS n FROM dead_letters") == [{"n": 1}]
    assert not refusals


def test_letters_that_a_deletion_took_out_behind_the_spool_are_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: list[LetterJob] = []

    def ask(_self: Flusher, job: LetterJob) -> tuple[StoreOutcome, bool]:
        jobs.append(job)
        return StoreOutcome(), False

    monkeypatch.setattr(Flusher, "_ask", ask)
    spool = spooled(tmp_path, b"one", b"two")
    batch = spool.take(10, 1 << 20)
    assert batch is not None
    spool.bury(batch, "cannot be stored")
    with contextlib.closing(sqlite3.connect(tmp_path / "spool.db")) as file, file:
        file.execute("DELETE FROM dead_letters WHERE seq = 1")
    flusher = Flusher(spool, StoreSettings("127.0.0.1", 1, "d", "u", ""))
    for _ in range(3):
        flusher._deliver_letters()
    assert [[letter.seq for letter in job.letters] for job in jobs] == [[2]]
    assert spool.depth().disk_bytes == 0
    spool.close()


def test_a_backlog_goes_in_full_batches_in_order_without_waiting(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: list[list[int]] = []
    waits: list[float] = []

    def run(self: StoreProcess, job: StoreJob) -> StoreOutcome:
        jobs.append([body.received_ns for body in job.bodies])
        return StoreOutcome()

    def wait(self: Spool, timeout_s: float) -> bool:
        waits.append(len(jobs))
        return real_wait(self, min(timeout_s, 0.01))

    real_wait = Spool.wait
    monkeypatch.setattr(StoreProcess, "run", run)
    monkeypatch.setattr(Spool, "wait", wait)
    monkeypatch.setattr("spanledger_collector.store.flush._MAX_ITEMS", 100)
    spool = Spool(tmp_path / "spool.db", max_bytes=1 << 30)
    for future in [spool.append("p", b"x", 10, n) for n in range(105)]:
        future.result(5)
    drain(spool, store.settings)
    spool.close()
    assert [len(job) for job in jobs] == [10] * 10 + [5]
    assert [n for job in jobs for n in job] == list(range(105))
    assert min(waits) == 10, "it waits for more only when no full batch is there"


def test_two_flushers_on_one_spool_store_every_request_once(tmp_path: Path, store: Store) -> None:
    spool = spooled(tmp_path, *(good(f"s{n:03}") for n in range(200)))
    flushers = [Flusher(spool, store.settings, rank) for rank in range(2)]
    for flusher in flushers:
        flusher.start()
    try:
        wait_until(lambda: spool.depth().requests == 0)
    finally:
        for flusher in flushers:
            flusher.stop()
    spool.close()
    assert store.sql_rows("SELECT count() AS n, uniqExact(span_id) AS u FROM spans") == [
        {"n": 200, "u": 200}
    ]


def test_a_batch_that_names_requests_no_longer_there_is_passed_over(
    tmp_path: Path, store: Store
) -> None:
    spooled(tmp_path, good("a"), good("b")).close()
    with contextlib.closing(sqlite3.connect(tmp_path / "spool.db")) as file:
        file.execute("DELETE FROM requests WHERE seq = 1")
        file.execute("INSERT INTO batches (batch_id, first_seq, last_seq) VALUES (7, 1, 1)")
        file.commit()
    spool = spooled(tmp_path)
    drain(spool, store.settings)
    spool.close()
    assert stored(store) == ["b"]


def test_a_fault_of_ours_does_not_end_the_thread(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real_take, faults = Spool.take, [1, 2]

    def take(self: Spool, max_items: int, max_bytes: int) -> Batch | None:
        if faults:
            raise KeyError(faults.pop())
        return real_take(self, max_items, max_bytes)

    monkeypatch.setattr(Spool, "take", take)
    monkeypatch.setattr("spanledger_collector.store.flush._BACKOFF_S", (0.01,))
    spool = spooled(tmp_path, good("a"))
    drain(spool, store.settings)
    spool.close()
    assert stored(store) == ["a"]
    assert any("KeyError" in record.message for record in caplog.records)


def test_the_figures_tell_what_was_stored_and_what_failed(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spanledger_collector.store.flush._BACKOFF_S", (0.01,))
    answers = [StoreOutcome("down", permanent=False)]
    real_run = StoreProcess.run

    def run(self: StoreProcess, job: StoreJob) -> StoreOutcome:
        return answers.pop() if answers else real_run(self, job)

    monkeypatch.setattr(StoreProcess, "run", run)
    telemetry = Telemetry()
    spool = Spool(tmp_path / "spool.db", max_bytes=1 << 30, telemetry=telemetry)
    for body in (good("a"), good("b"), b"\xff"):
        spool.append("default", body, 1, time.time_ns()).result(5)
    show_spool(telemetry, spool)
    value = telemetry.registry.get_sample_value
    name = "spanledger_collector_"
    assert value(f"{name}spool_requests") == value(f"{name}spool_items") == 3
    assert value(f"{name}spool_limit_bytes") == 1 << 30
    assert (value(f"{name}spool_oldest_seconds") or 0) > 0
    flusher = Flusher(spool, store.settings, telemetry=telemetry)
    flusher.start()
    try:
        wait_until(lambda: spool.depth().disk_bytes == 0)
        wait_until(lambda: value(f"{name}stored_items_total") == 2)
    finally:
        flusher.stop()
        spool.close()
    assert value(f"{name}store_failures_total", {"kind": "unavailable"}) == 1
    assert (value(f"{name}store_failures_total", {"kind": "refused"}) or 0) >= 1
    assert value(f"{name}dead_letters_total", {"signal": "traces"}) == 1
    assert value(f"{name}queryable_lag_seconds_count") == 2
    assert (value(f"{name}store_seconds_count") or 0) >= 1
    assert value(f"{name}spool_requests") == value(f"{name}spool_oldest_seconds") == 0
