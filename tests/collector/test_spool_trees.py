"""Pages that lead to others, lost from a spool's file: what is below them is found all the same."""

import contextlib
import random
import sqlite3
from pathlib import Path

import pytest

from spanledger_collector.signals import Signal
from spanledger_collector.spool.file import OLD_PAGE_BYTES, connect
from spanledger_collector.spool.spool import Spool
from spanledger_collector.telemetry import Telemetry
from tests.collector.test_salvage import bodies, body, crashed, filled, opened, overwrite

SMALL, _ = OLD_PAGE_BYTES
ROWS = 2_400
JUNK = b"\xde\xad"


def upper_pages(file: Path, table: str = "requests") -> list[tuple[str, int]]:
    """Path and number of the pages of a table that lead to others, the root first."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        return connection.execute(
            "SELECT path, pageno FROM dbstat WHERE name = ? AND pagetype = 'internal'"
            " ORDER BY path",
            (table,),
        ).fetchall()


def lose(file: Path, pages: list[int]) -> None:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        [(size,)] = connection.execute("PRAGMA page_size")
    for page in pages:
        overwrite(file, (page - 1) * size, JUNK * (size // 2))


def text(n: int) -> bytes:
    """A body of 1.2 kB; some are of 9 kB, and lie on more than one page."""
    return f"body {n} ".encode() * (1_000 if n % 100 == 7 else 130)


def deep(directory: Path, rows: int = ROWS) -> Path:
    """A file of small pages, whose requests lie below two levels of others."""
    directory.mkdir(exist_ok=True)
    connect(directory / "spool.db", SMALL).close()
    with opened(directory) as spool:
        for future in [spool.append("p", text(n), 1, n + 1, Signal.LOGS) for n in range(rows)]:
            future.result(20)
    return directory / "spool.db"


def salvaged(directory: Path) -> list[bytes]:
    """All that waits in a spool after a salvage that could read everything."""
    telemetry = Telemetry()
    with opened(directory, telemetry) as spool:
        found = bodies(spool)
        assert spool.depth().dead_letters == 0
    value = telemetry.registry.get_sample_value
    assert value("spanledger_collector_salvaged_requests_total") == len(found)
    assert value("spanledger_collector_damaged_requests_total") == 0
    assert len(list(directory.glob("spool-damaged-*.db"))) == 1
    return found


def test_a_lost_root_costs_no_request(tmp_path: Path) -> None:
    file = filled(tmp_path)
    [(_, root)] = upper_pages(file)
    lose(file, [root])
    assert sorted(salvaged(tmp_path)) == sorted(body(n) for n in range(400))


def test_a_lost_root_and_first_page_cost_no_request(tmp_path: Path) -> None:
    file = filled(tmp_path)
    [(_, root)] = upper_pages(file)
    lose(file, [root, 1])
    assert sorted(salvaged(tmp_path)) == sorted(body(n) for n in range(400))


@pytest.mark.parametrize("which", ["one", "all", "all but the root"])
def test_lost_pages_between_root_and_rows_cost_no_request(tmp_path: Path, which: str) -> None:
    file = deep(tmp_path)
    (path, root), *between = upper_pages(file)
    assert path == "/"
    assert len(between) > 1, "the tree is too low for this test"
    pages = [page for _, page in between]
    lose(file, {"one": pages[:1], "all": [root, *pages], "all but the root": pages}[which])
    assert salvaged(tmp_path) == [text(n) for n in range(ROWS)]


def test_what_was_stored_before_does_not_come_back(tmp_path: Path) -> None:
    file = deep(tmp_path)
    with opened(tmp_path) as spool:
        stored = list[bytes]()
        while len(stored) < ROWS // 2 and (batch := spool.take(50, 1 << 30)):
            stored += [request.body for request in batch.requests]
            spool.finish(batch)
    assert stored == [text(n) for n in range(len(stored))]
    lose(file, [upper_pages(file)[0][1]])
    assert salvaged(tmp_path) == [text(n) for n in range(len(stored), ROWS)]


def test_the_log_comes_before_the_file(tmp_path: Path) -> None:
    """Where it holds a page of its own, that of the file is not missed."""
    file = crashed(tmp_path)
    log = Path(f"{file}-wal").read_bytes()
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        [(root,)] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'requests'")
        [(size,)] = connection.execute("PRAGMA page_size")
    Path(f"{file}-wal").write_bytes(log)
    overwrite(file, (root - 1) * size, JUNK * (size // 2))
    with opened(tmp_path) as spool:
        assert sorted(bodies(spool)) == sorted(body(n) for n in range(400))
    assert not list(tmp_path.glob("spool-damaged-*"))


def test_dead_letters_below_a_lost_root_keep_their_reasons(tmp_path: Path) -> None:
    connect(tmp_path / "spool.db", SMALL).close()
    with opened(tmp_path) as spool:
        for n in range(40):
            spool.append("p", text(n), 1, n + 1, Signal.LOGS).result(5)
        batch = spool.take(20, 1 << 30)
        assert batch is not None
        spool.bury(batch, "cannot be decoded")
        buried = len(batch.requests)
    file = tmp_path / "spool.db"
    lose(file, [upper_pages(file, "dead_letters")[0][1], upper_pages(file)[0][1]])
    with opened(tmp_path) as spool:
        letters = spool.letters(100, 1 << 30)
        waiting = bodies(spool)
    assert [letter.reason for letter in letters] == ["cannot be decoded"] * buried
    assert waiting == [text(n) for n in range(buried, 40)]


def test_a_lost_root_and_leaf_cost_the_requests_of_that_leaf(tmp_path: Path) -> None:
    file = deep(tmp_path)
    with contextlib.closing(sqlite3.connect(file)) as connection:
        [(leaf,)] = connection.execute(
            "SELECT pageno FROM dbstat WHERE name = 'requests' AND pagetype = 'leaf'"
            " ORDER BY path LIMIT 1 OFFSET 300"
        )
    lose(file, [upper_pages(file)[0][1], leaf])
    telemetry = Telemetry()
    with opened(tmp_path, telemetry) as spool:
        found = bodies(spool)
    missing = [n for n in range(ROWS) if text(n) not in set(found)]
    assert 1 <= len(missing) <= 3, "a page holds no more"
    assert found == [text(n) for n in range(ROWS) if n not in missing]
    lost = telemetry.registry.get_sample_value("spanledger_collector_damaged_requests_total")
    assert lost == len(missing)


def test_however_upper_pages_are_damaged_nearly_all_requests_come_back_once(tmp_path: Path) -> None:
    file = deep(tmp_path / "whole")
    image, uppers = file.read_bytes(), [page for _, page in upper_pages(file)]
    wanted, survived = {text(n) for n in range(ROWS)}, 0
    for seed in range(8):
        rng, damaged = random.Random(seed), bytearray(image)
        for _ in range(rng.choice([1, 5, 30])):
            first = (rng.choice([*uppers, rng.randrange(len(image) // SMALL) + 1]) - 1) * SMALL
            at, size = rng.choice([(first, SMALL), (first, 8), (first + 512, 512), (first + 8, 4)])
            damaged[at : at + size] = rng.randbytes(size)
        directory = tmp_path / str(seed)
        directory.mkdir()
        (directory / "spool.db").write_bytes(damaged)
        with opened(directory) as spool:
            found = bodies(spool)
        assert set(found) <= wanted
        assert len(found) == len(set(found))
        survived += len(found)
    assert survived > 8 * ROWS * 0.97


def test_a_file_that_was_joined_is_not_joined_again(tmp_path: Path) -> None:
    file = filled(tmp_path)
    lose(file, [upper_pages(file)[0][1]])
    assert len(salvaged(tmp_path)) == 400
    again = Spool(tmp_path / "spool.db", max_bytes=1 << 30)
    try:
        assert again.depth().requests == 400
    finally:
        again.close()
