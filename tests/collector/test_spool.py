import sqlite3
import zlib
from pathlib import Path

import pytest

from spanledger_collector.errors import Unavailable
from spanledger_collector.signals import Signal
from spanledger_collector.spool import Spool, SpoolError


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
    with sqlite3.connect(tmp_path / "spool.db") as file:
        file.execute("UPDATE requests SET body = x'00' WHERE seq = 2")
    file.close()
    batch = spool.take(100, 1 << 20)
    assert batch is not None
    assert [r.seq for r in batch.requests] == [1, 3]
    spool.finish(batch)
    assert spool.depth().dead_letters == 1
    assert spool.depth().requests == 0
    spool.close()


def test_a_full_spool_refuses_retryably_and_takes_again_when_drained(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, max_bytes=20)
    spool.append("default", b"x" * 20, 1, 0).result(5)
    with pytest.raises(Unavailable) as refused:
        spool.append("default", b"x", 1, 0)
    assert refused.value.retry_after_s == 1
    batch = spool.take(100, 1 << 20)
    assert batch is not None
    spool.finish(batch)
    spool.append("default", b"x", 1, 0).result(5)
    spool.close()


def test_too_much_waiting_memory_refuses_retryably(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, waiting=10)
    with pytest.raises(Unavailable):
        spool.append("default", b"x" * 11, 1, 0)
    spool.close()


def test_a_spool_that_is_no_spool_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "spool.db").write_bytes(b"this is not a database, and long enough to tell" * 100)
    with pytest.raises(SpoolError, match="move it away"):
        open_spool(tmp_path)
