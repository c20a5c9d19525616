import contextlib
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import zlib
from pathlib import Path
from typing import Any

import pytest
from isal import isal_zlib

from spanledger_collector.errors import RequestTooLarge, Unavailable
from spanledger_collector.signals import Signal
from spanledger_collector.spool.batches import PAGE_BYTES, Batch, SpoolDepth
from spanledger_collector.spool.budget import DiskBudget, default_budget
from spanledger_collector.spool.file import SpoolError
from spanledger_collector.spool.spool import Spool
from tests.instance import wait_until


def open_spool(directory: Path, max_bytes: int = 1 << 20, waiting: int = 1 << 20) -> Spool:
    return Spool(directory / "spool.db", max_bytes=max_bytes, max_waiting_bytes=waiting)


def fill(spool: Spool, count: int, spans: int = 1) -> None:
    for n in range(count):
        spool.append("default", f"body {n}".encode(), spans, n).result(5)


def test_an_acknowledged_request_is_there_after_reopening(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    fill(spool, 3)
    spool.close()
    again = open_spool(tmp_path)
    batch = again.take(100, 1 << 20)
    assert batch is not None
    assert [r.body for r in batch.requests] == [b"body 0", b"body 1", b"body 2"]
    assert [r.received_ns for r in batch.requests] == [0, 1, 2]
    again.close()


def test_a_frozen_batch_comes_back_the_same_after_a_crash(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    fill(spool, 5)
    frozen = spool.take(3, 1 << 20)
    fill(spool, 2)
    spool.close()
    again = open_spool(tmp_path)
    assert again.take(100, 1 << 20) == frozen
    rest = again.take(100, 1 << 20)
    assert rest is not None
    assert frozen is not None
    assert [r.seq for r in frozen.requests + rest.requests] == [1, 2, 3, 4, 5, 6, 7]
    again.close()


def test_batches_keep_to_their_limits_but_never_leave_a_large_request_behind(
    tmp_path: Path,
) -> None:
    spool = open_spool(tmp_path)
    fill(spool, 4, spans=60)
    sizes = []
    while batch := spool.take(100, 1 << 20):
        sizes.append(len(batch.requests))
        spool.finish(batch)
    assert sizes == [1, 1, 1, 1]
    assert spool.depth().requests == 0
    spool.close()


def test_a_finished_batch_is_gone_and_its_name_is_never_used_again(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    names = set()
    for _ in range(3):
        fill(spool, 1)
        batch = spool.take(100, 1 << 20)
        assert batch is not None
        names.add(batch.flush_id)
        spool.finish(batch)
        spool.close()
        spool = open_spool(tmp_path)
    assert len(names) == 3
    spool.close()


def test_copies_of_a_file_share_the_names_of_batches_frozen_before_and_no_others(
    tmp_path: Path,
) -> None:
    spool = open_spool(tmp_path / "one")
    fill(spool, 1)
    before = spool.take(100, 1 << 20)
    assert before is not None
    spool.close()
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    names: set[str] = set()
    for directory in ("one", "two"):
        spool = open_spool(tmp_path / directory)
        assert spool.take(100, 1 << 20) == before
        spool.finish(before)
        fill(spool, 3)
        after = spool.take(100, 1 << 20)
        assert after is not None
        names |= {batch.flush_id for batch in (after, *spool.split(after))}
        spool.close()
    assert len(names) == 6


class Watched(contextlib.AbstractContextManager[None]):
    """A lock that tells when one thread wants it."""

    def __init__(self, lock: Any, who: threading.Thread, wanted: threading.Event) -> None:
        self._lock, self._who, self._wanted = lock, who, wanted

    def __enter__(self) -> None:
        if threading.current_thread() is self._who:
            self._wanted.set()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def test_a_batch_taken_while_the_file_is_exchanged_is_of_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = open_spool(tmp_path)
    fill(spool, 3)
    assert spool.take(1, 1 << 20) is not None
    spool.close()
    spool = open_spool(tmp_path)
    old_id, real_adopt, waits = spool.spool_id, spool._adopt, threading.Event()
    taken: list[Batch | None] = []
    taker = threading.Thread(target=lambda: taken.append(spool.take(10, 1 << 20)))

    def meanwhile(sql: str) -> None:
        if "spool_id" in sql and not taker.ident:
            taker.start()
            waits.wait(5)

    def adopt(read: sqlite3.Connection) -> None:
        read.set_trace_callback(meanwhile)
        real_adopt(read)

    def meet_damage(_: sqlite3.Connection) -> None:
        error = sqlite3.DatabaseError("malformed")
        error.sqlite_errorcode = 11
        raise error

    monkeypatch.setattr(spool, "_reading", Watched(spool._reading, taker, waits))
    monkeypatch.setattr(spool, "_adopt", adopt)
    with pytest.raises(Unavailable):
        spool._writer.submit(meet_damage).result(5)
    wait_until(lambda: bool(taken))
    [batch] = taken
    assert batch is not None
    assert not batch.flush_id.startswith(old_id)
    assert len(batch.requests) == 3
    with contextlib.closing(sqlite3.connect(tmp_path / "spool.db")) as file:
        assert file.execute("SELECT batch_id FROM batches").fetchall() == [(batch.batch_id,)]
    taker.join(5)
    spool.close()


def test_splitting_keeps_every_request_once(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    fill(spool, 5)
    batch = spool.take(100, 1 << 20)
    assert batch is not None
    halves = spool.split(batch)
    assert [len(h.requests) for h in halves] == [2, 3]
    assert spool.take(100, 1 << 20) is None
    spool.close()
    again = open_spool(tmp_path)
    assert [again.take(1, 1), again.take(1, 1)] == halves
    again.close()


def test_a_buried_request_keeps_its_bytes_and_the_reason(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    fill(spool, 1)
    batch = spool.take(100, 1 << 20)
    assert batch is not None
    spool.bury(batch, "cannot be stored")
    depth = spool.depth()
    assert (depth.requests, depth.dead_letters) == (0, 1)
    spool.close()
    with sqlite3.connect(tmp_path / "spool.db") as file:
        assert file.execute("SELECT body, reason FROM dead_letters").fetchall() == [
            (b"body 0", "cannot be stored")
        ]
    file.close()


def test_a_request_keeps_its_signal_also_as_a_dead_letter(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    for signal in Signal:
        spool.append("p", signal.encode(), 1, 0, signal).result(5)
    spool.close()
    again = open_spool(tmp_path)
    batch = again.take(100, 1 << 20)
    assert batch is not None
    assert [r.signal for r in batch.requests] == [r.body.decode() for r in batch.requests]
    again.bury(batch, "cannot be stored")
    again.close()
    with sqlite3.connect(tmp_path / "spool.db") as file:
        buried = file.execute("SELECT body, signal FROM dead_letters ORDER BY seq").fetchall()
    file.close()
    assert buried == [(signal.encode(), signal) for signal in Signal]


_FIRST_VERSION = """
CREATE TABLE meta (spool_id TEXT NOT NULL);
CREATE TABLE requests (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, project TEXT NOT NULL, received_ns INTEGER NOT NULL,
    spans INTEGER NOT NULL, crc32 INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE TABLE batches (
    batch_id INTEGER PRIMARY KEY AUTOINCREMENT, first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL
);
CREATE TABLE dead_letters (
    seq INTEGER PRIMARY KEY, project TEXT NOT NULL, received_ns INTEGER NOT NULL,
    spans INTEGER NOT NULL, crc32 INTEGER NOT NULL, body BLOB NOT NULL, reason TEXT NOT NULL
);
INSERT INTO meta VALUES ('the-id');
INSERT INTO requests VALUES (4, 'default', 9, 2, 0, 'x'), (5, 'default', 9, 1, 0, 'x');
INSERT INTO batches VALUES (7, 4, 4);
INSERT INTO dead_letters VALUES (1, 'default', 9, 2, 0, 'dead', 'why');
"""


def test_a_file_of_the_version_that_knew_traces_only_opens_and_drains(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "spool.db") as file:
        file.executescript(_FIRST_VERSION)
        for seq, body in ((4, b"old 4"), (5, b"old 5")):
            file.execute(
                "UPDATE requests SET body = ?, crc32 = ? WHERE seq = ?",
                (body, zlib.crc32(body), seq),
            )
    file.close()
    spool = open_spool(tmp_path)
    spool.append("default", b"new", 1, 10, Signal.LOGS).result(5)
    frozen = spool.take(100, 1 << 20)
    rest = spool.take(100, 1 << 20)
    assert frozen is not None
    assert rest is not None
    assert frozen.flush_id == "the-id-7", "what it may have stored already is told by this name"
    assert rest.flush_id != "the-id-8", "a copy of the file may have used this one"
    assert [(r.body, r.signal) for r in frozen.requests + rest.requests] == [
        (b"old 4", Signal.TRACES), (b"old 5", Signal.TRACES), (b"new", Signal.LOGS),
    ]  # fmt: skip
    spool.finish(frozen)
    spool.bury(rest, "cannot be stored")
    assert (spool.depth().requests, spool.depth().dead_letters) == (0, 3)
    spool.close()


def test_damaged_bytes_are_set_aside_and_the_rest_goes_on(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    fill(spool, 3)
    spool.close()
    with sqlite3.connect(tmp_path / "spool.db") as file:
        file.execute("UPDATE requests SET body = x'00' WHERE seq = 2")
    file.close()
    spool = open_spool(tmp_path)
    batch = spool.take(100, 1 << 20)
    assert batch is not None
    assert [r.seq for r in batch.requests] == [1, 3]
    spool.finish(batch)
    assert spool.depth().dead_letters == 1
    assert spool.depth().requests == 0
    spool.close()


def test_what_was_just_written_is_not_read_again_and_the_rest_is(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, max_bytes=64 << 20, waiting=64 << 20)
    bodies = [b"%d" % n * size for n, size in enumerate((10, 5 << 20, 1_000, 6 << 20, 1))]
    for n, body in enumerate(bodies):
        spool.append("default", body, 1, n).result(30)
    with sqlite3.connect(tmp_path / "spool.db") as file:
        file.execute("UPDATE requests SET body = x'00' WHERE length(body) <= 1000")
    file.close()
    batch = spool.take(100, 64 << 20)
    assert batch is not None
    assert [r.body for r in batch.requests] == bodies
    spool.finish(batch)
    assert spool.depth().requests == spool.depth().dead_letters == 0
    spool.close()


def test_a_full_spool_refuses_retryably_and_takes_again_when_drained(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, max_bytes=10_000)
    spool.append("default", b"x" * 9_000, 1, 0).result(5)
    with pytest.raises(Unavailable) as refused:
        spool.append("default", b"x" * 500, 1, 0)  # 95 % are for requests, the rest is not
    assert refused.value.retry_after_s == 1
    batch = spool.take(100, 1 << 20)
    assert batch is not None
    spool.finish(batch)
    spool.append("default", b"x" * 500, 1, 0).result(5)
    spool.close()


def test_a_request_larger_than_the_whole_budget_is_refused_for_good(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, max_bytes=1_000)
    with pytest.raises(RequestTooLarge, match="more|larger"):
        spool.append("default", b"x" * 2_000, 1, 0)
    spool.close()


def test_too_much_waiting_memory_refuses_retryably(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, waiting=10)
    with pytest.raises(Unavailable):
        spool.append("default", b"x" * 11, 1, 0)
    spool.close()


def test_a_second_collector_on_the_same_spool_is_refused_and_told_who_has_it(
    tmp_path: Path,
) -> None:
    spool = open_spool(tmp_path)
    with pytest.raises(SpoolError, match=f"process {os.getpid()}.*--data"):
        open_spool(tmp_path)
    fill(spool, 1)
    spool.close()
    open_spool(tmp_path).close()  # the first one let it go


def test_of_two_processes_that_open_a_spool_at_once_one_gets_it(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from spanledger_collector.spool.spool import Spool\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "spool = Spool(Path(sys.argv[1]), max_bytes=1 << 20)\n"
        "print('open', flush=True); sys.stdin.readline()"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "spool.db")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    try:
        for racer in racers:
            assert racer.stdout
            assert racer.stdout.readline() == "ready\n"
        for racer in racers:
            assert racer.stdin
            racer.stdin.write("go\n")
            racer.stdin.flush()
        opened = [racer.stdout.readline() if racer.stdout else "" for racer in racers]
        assert sorted(opened) == ["", "open\n"]
    finally:
        ends = [racer.communicate("end\n", timeout=20) for racer in racers]
    loser = opened.index("")
    assert "Another collector" in ends[loser][1]


def test_the_figures_follow_every_change(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.append("p", b"12345", 3, 1_000).result(5)
    spool.append("p", b"123", 2, 2_000).result(5)
    spool.append("p", b"1", 1, 3_000).result(5)
    assert spool.depth() == SpoolDepth(3, 6, 9, 0, 0, 3, 6, 9)
    first = spool.take(3, 1 << 20)
    assert first is not None
    assert spool.depth() == SpoolDepth(3, 6, 9, 0, 0, 2, 3, 4)
    assert spool.oldest_age_s(10**9 + 1_000) == 1.0
    spool.finish(first)
    assert spool.depth() == SpoolDepth(2, 3, 4, 0, 0, 2, 3, 4)
    assert spool.oldest_age_s(10**9 + 2_000) == 1.0
    second = spool.take(2, 1 << 20)
    assert second is not None
    spool.bury(second, "cannot be stored")
    expected = SpoolDepth(1, 1, 1, 1, 3, 1, 1, 1)
    assert spool.depth() == expected
    spool.close()
    again = open_spool(tmp_path)
    assert again.depth() == expected, "what is read from the file is what was counted"
    again.forget(again.letters(10, 1 << 20))
    assert again.depth() == SpoolDepth(1, 1, 1, 0, 0, 1, 1, 1)
    again.close()


def test_the_checksum_of_a_request_is_not_taken_where_it_is_received(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, threads = zlib.crc32, list[str]()

    def crc32(data: bytes) -> int:
        threads.append(threading.current_thread().name)
        return real(data)

    monkeypatch.setattr(isal_zlib, "crc32", crc32)
    spool = open_spool(tmp_path)
    fill(spool, 2)
    spool.close()
    assert threads == ["spool", "spool"]


def test_near_the_budget_it_is_said_once_and_again_only_after_it_eased(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    budget = DiskBudget(tmp_path, 1_000)

    def admit(used: int) -> int:
        caplog.clear()
        with contextlib.suppress(Unavailable):
            budget.admit(0, used, 0)
        return len(caplog.records)

    with caplog.at_level(logging.WARNING):
        said = [admit(used) for used in (790, 800, 940, 960, 750, 850, 690, 850)]
    assert said == [0, 1, 0, 0, 0, 0, 0, 1]


def test_a_nearly_full_disk_refuses_before_sqlite_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(total=5 << 30)  # of which 256 MiB stay free
    now_s = [0.0]
    budget = DiskBudget(tmp_path, 1 << 40, clock_s=lambda: now_s[0])

    def with_free(free: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free))
        now_s[0] += 1

    with_free(257 << 20)
    budget.admit(1000, 0, 0)
    with pytest.raises(Unavailable, match="disk"):
        budget.admit(1000, 0, 1 << 20)  # what was admitted and is not written yet needs room too
    with_free(10 << 20)
    with pytest.raises(Unavailable, match="disk"):
        budget.admit(1000, 0, 0)
    with_free(300 << 20)
    budget.admit(1000, 0, 0)
    assert len(caplog.records) == 1


def test_the_default_budget_is_a_fifth_of_a_small_volume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    for total, expected in ((10 << 30, 2 << 30), (1 << 40, 10 << 30)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, t=total: usage._replace(total=t))
        assert default_budget(tmp_path) == expected


def test_freezing_costs_the_same_however_much_waits(tmp_path: Path) -> None:
    """Counted in steps of SQLite's machine, which no busy neighbour changes."""
    steps: list[int] = []
    for waiting in (200, 20_000):
        spool = open_spool(tmp_path / str(waiting), max_bytes=1 << 30, waiting=1 << 30)
        futures = [spool.append("p", b"x" * 300, 1, n) for n in range(waiting)]
        for future in futures:
            future.result(20)
        counted = [0]

        def count(counted: list[int] = counted) -> None:
            counted[0] += 1

        spool._read.set_progress_handler(count, 1)
        assert spool.take(100, 1 << 20) is not None
        steps.append(counted[0])
        spool.close()
    assert steps[1] < steps[0] * 1.5


@pytest.mark.parametrize("size", [300, 9_000, 33_000, 100_000, 600_000])
def test_the_budget_counts_what_requests_take_in_the_file(tmp_path: Path, size: int) -> None:
    spool = open_spool(tmp_path, max_bytes=1 << 30, waiting=1 << 30)
    empty = 8 * PAGE_BYTES
    for future in [spool.append("p", b"x" * size, 1, n) for n in range(3_000_000 // size)]:
        future.result(30)
    counted = spool.depth().disk_bytes
    spool.close()
    taken = (tmp_path / "spool.db").stat().st_size - empty
    assert taken * 0.9 < counted < taken * 1.4 + empty
    again = open_spool(tmp_path, max_bytes=1 << 30)
    assert again.depth().disk_bytes == counted
    while batch := again.take(10_000, 1 << 30):
        again.finish(batch)
    assert again.depth().disk_bytes == 0
    again.close()


def test_the_disk_is_given_back_when_a_backlog_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spanledger_collector.spool.writer._AIR_BYTES", 16 << 20)
    monkeypatch.setattr("spanledger_collector.spool.writer._COMPACT_EVERY_S", 0.0)
    spool = open_spool(tmp_path, max_bytes=1 << 30, waiting=1 << 30)
    for future in [spool.append("p", b"x" * 400_000, 1, n) for n in range(100)]:
        future.result(10)
    sizes = [sum(file.stat().st_size for file in tmp_path.iterdir())]
    while batch := spool.take(20, 1 << 20):
        spool.finish(batch)
    fill(spool, 2)
    spool.close()
    sizes.append((tmp_path / "spool.db").stat().st_size)
    assert sizes[0] > 40_000_000
    assert sizes[1] < 12 * PAGE_BYTES
    again = open_spool(tmp_path)
    batch = again.take(10, 1 << 20)
    assert batch is not None
    assert [r.body for r in batch.requests] == [b"body 0", b"body 1"]
    assert batch.requests[0].seq == 101, "numbers are never used again"
    again.close()


def test_a_closed_spool_refuses_and_nobody_waits_for_ever(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    fill(spool, 1)
    batch = spool.take(1, 1)
    assert batch is not None
    spool.close()
    with pytest.raises(Unavailable):
        spool.append("p", b"x", 1, 0).result(5)
    with pytest.raises(Unavailable):
        spool.finish(batch)


def test_a_reason_that_is_no_proper_text_can_be_kept(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    fill(spool, 1)
    batch = spool.take(1, 1)
    assert batch is not None
    spool.bury(batch, "bad \udcff byte" + "x" * 100_000)
    [letter] = spool.letters(10, 1 << 20)
    assert letter.reason.startswith("bad ? byte")
    assert len(letter.reason) < 10_000
    spool.close()
