"""A damaged spool: set aside, salvaged row by row, counted, and nothing is doubled in the store.

Cases after Vector's disk buffer (known_errors.rs) and the Collector's persistent queue.
"""

import contextlib
import logging
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spanledger_collector.errors import Unavailable
from spanledger_collector.signals import Signal
from spanledger_collector.spool import salvage
from spanledger_collector.spool.batches import PAGE_BYTES
from spanledger_collector.spool.file import (
    OLD_PAGE_BYTES,
    SpoolError,
    SpoolRow,
    connect,
)
from spanledger_collector.spool.spool import Spool
from spanledger_collector.telemetry import Telemetry
from spanledger_storage.store import Store
from tests.collector.test_flush import drain, good, stored
from tests.instance import wait_until
from tests.variants import first

PAGE = PAGE_BYTES
ROWS = 400
COMMIT_ROWS = 10


@contextlib.contextmanager
def opened(directory: Path, telemetry: Telemetry | None = None) -> Iterator[Spool]:
    spool = Spool(directory / "spool.db", max_bytes=1 << 30, telemetry=telemetry)
    try:
        yield spool
    finally:
        spool.close()


def body(n: int) -> bytes:
    return f"body {n} ".encode() * (1 + n % 40 * 20)


def filled(directory: Path) -> Path:
    """A spool file with requests of 10 B to 10 kB, checkpointed and closed."""
    with opened(directory) as spool:
        for future in [spool.append("p", body(n), 1, n + 1, Signal.LOGS) for n in range(ROWS)]:
            future.result(10)
        spool.take(10, 1 << 30)  # as in life: what is at work is frozen
    return directory / "spool.db"


def bodies(spool: Spool) -> list[bytes]:
    found: list[bytes] = []
    while batch := spool.take(100, 1 << 30):
        assert {(r.project, r.signal) for r in batch.requests} <= {("p", Signal.LOGS)}
        found += [r.body for r in batch.requests]
    return found


def page_of(file: Path, table: str, place: float) -> int:
    """The number, from 1, of a leaf page of a table, at a share of all of them."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        pages = [
            row[0]
            for row in connection.execute(
                "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path",
                (table,),
            )
        ]
    return int(pages[int(place * (len(pages) - 1))])


def overwrite(file: Path, offset: int, data: bytes) -> None:
    with file.open("r+b") as handle:
        handle.seek(offset)
        handle.write(data)


def torn_header(file: Path) -> None:
    overwrite(file, 0, b"\0" * 100)


def lost_first_page(file: Path) -> None:
    overwrite(file, 0, b"\xde\xad" * (PAGE // 2))


def truncated_tail(file: Path) -> None:
    with file.open("r+b") as handle:
        handle.truncate(file.stat().st_size * 2 // 3 // PAGE * PAGE + 1000)


def scrambled_page(place: float) -> Callable[[Path], None]:
    def scramble(file: Path) -> None:
        page = page_of(file, "requests", place)
        overwrite(file, (page - 1) * PAGE, bytes(range(256)) * (PAGE // 256))

    return scramble


def lost_sequence(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        [(page,)] = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_sequence'"
        )
    overwrite(file, (page - 1) * PAGE, b"\xff" * PAGE)
    scrambled_page(0.5)(file)


# Damage, and how many of 400 requests must at least survive it.
CASES = {
    "torn header": (torn_header, ROWS),
    "lost first page": (lost_first_page, ROWS),
    "scrambled first leaf": (scrambled_page(0.0), ROWS - 40),
    "scrambled middle leaf": (scrambled_page(0.5), ROWS - 40),
    "scrambled last leaf": (scrambled_page(1.0), ROWS - 40),
    "lost sequence and a leaf": (lost_sequence, ROWS - 40),
    "truncated tail": (truncated_tail, ROWS // 3),
}


@pytest.mark.parametrize("name", CASES)
def test_what_can_be_read_is_brought_over_and_the_file_is_kept(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = filled(tmp_path)
    damage, at_least = CASES[name]
    damage(file)
    damaged = file.read_bytes()
    telemetry = Telemetry()
    with opened(tmp_path, telemetry) as spool:
        survived = bodies(spool)
        dead = spool.depth().dead_letters
        spool.append("p", b"goes on", 1, 1).result(5)
    assert len(survived) >= at_least
    wanted = [body(n) for n in range(ROWS)]
    assert set(survived) <= set(wanted)
    assert len(survived) == len(set(survived))
    value = telemetry.registry.get_sample_value
    assert value("spanledger_collector_salvaged_requests_total") == len(survived)
    lost = value("spanledger_collector_damaged_requests_total")
    assert lost is not None
    assert ROWS - len(survived) <= lost <= ROWS - len(survived) + 110
    assert dead <= lost
    [kept] = tmp_path.glob("spool-damaged-*.db")
    assert kept.read_bytes() == damaged, "nothing is deleted or changed"
    said = [r.message for r in caplog.records if "salvaged" in r.message]
    assert len(said) == 1
    assert str(kept) in said[0]
    assert f"{len(survived)} requests" in said[0]


@pytest.mark.parametrize("size", OLD_PAGE_BYTES)
def test_a_file_of_an_earlier_version_survives_the_loss_of_its_first_page(
    tmp_path: Path, size: int
) -> None:
    connect(tmp_path / "spool.db", size).close()
    file = filled(tmp_path)
    with contextlib.closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA page_size").fetchone() == (size,)
    overwrite(file, 0, b"\xde\xad" * (size // 2 + 256))  # and the beginning of the next one
    with opened(tmp_path) as spool:
        assert sorted(bodies(spool)) == sorted(body(n) for n in range(ROWS))


def crashed(directory: Path) -> Path:
    """A spool file and its log as a killed process leaves them: ROWS requests in 40 commits."""
    with opened(directory / "running") as spool:
        for first in range(0, ROWS, COMMIT_ROWS):
            group = range(first, first + COMMIT_ROWS)
            for future in [spool.append("p", body(n), 1, n + 1, Signal.LOGS) for n in group]:
                future.result(10)
        for name in ("spool.db", "spool.db-wal"):
            shutil.copyfile(directory / "running" / name, directory / name)
    return directory / "spool.db"


def log_of(file: Path) -> Path:
    return Path(f"{file}-wal")


def middle_of_log(file: Path) -> None:
    overwrite(log_of(file), log_of(file).stat().st_size // 2, b"\xde\xad" * 256)


def header_of_log(file: Path) -> None:
    overwrite(log_of(file), 0, b"\xde\xad" * 16)


def empty_file(file: Path) -> None:
    file.write_bytes(b"")


LOGS: dict[str, tuple[Callable[[Path], None], int]] = {
    "middle of the log": (middle_of_log, ROWS - 40),
    "header of the log": (header_of_log, ROWS - 40),
    "empty file": (empty_file, ROWS),
    "lost file": (Path.unlink, ROWS),
}


@pytest.mark.parametrize("name", LOGS)
def test_what_only_a_damaged_log_holds_is_brought_over(tmp_path: Path, name: str) -> None:
    file = crashed(tmp_path)
    damage, at_least = LOGS[name]
    damage(file)
    kept = log_of(file).read_bytes()
    telemetry = Telemetry()
    with opened(tmp_path, telemetry) as spool:
        found = bodies(spool)
    assert len(found) == len(set(found)) >= at_least
    assert set(found) <= {body(n) for n in range(ROWS)}
    value = telemetry.registry.get_sample_value
    assert value("spanledger_collector_salvaged_requests_total") == len(found)
    [aside] = tmp_path.glob("spool-damaged-*.db-wal")
    assert aside.read_bytes() == kept, "nothing is deleted or changed"


def test_a_lost_file_is_salvaged_from_a_log_of_few_pages(tmp_path: Path) -> None:
    """Those of the tables that nothing was written to are not in it."""
    with opened(tmp_path) as spool:
        for n in range(3):
            spool.append("p", body(n), 1, n + 1, Signal.LOGS).result(5)
        image = log_of(tmp_path / "spool.db").read_bytes()
    (tmp_path / "spool.db").unlink()
    log_of(tmp_path / "spool.db").write_bytes(image)
    with opened(tmp_path) as spool:
        assert sorted(bodies(spool)) == sorted(body(n) for n in range(3))


@pytest.mark.endurance
@pytest.mark.parametrize("unwritten", [False, True])
def test_a_damaged_page_of_the_log_costs_no_request_of_another_commit(
    tmp_path: Path, unwritten: bool
) -> None:
    """Not even where it was being written when the power went, in whatever order."""
    file = crashed(tmp_path)
    images = {path: path.read_bytes() for path in (file, log_of(file))}
    frame = 24 + PAGE
    frames = (len(images[log_of(file)]) - 32) // frame
    for number in (1, 7, frames // 2, *range(frames - 8, frames)):
        directory = tmp_path / str(number)
        directory.mkdir()
        for path, image in images.items():
            (directory / path.name).write_bytes(image)
        at, junk = (0, bytes(frame)) if unwritten else (24 + 100, b"\xde\xad" * 200)
        overwrite(log_of(directory / "spool.db"), 32 + number * frame + at, junk)
        with opened(directory) as spool:
            found = bodies(spool)
        lost = {n for n in range(ROWS) if body(n) not in found}
        assert len({n // COMMIT_ROWS for n in lost}) <= 1
        assert len(set(found)) == len(found) == ROWS - len(lost)


@pytest.mark.parametrize("cut", [0, 1, 30_000, 200_000])
def test_a_log_that_a_crash_cut_off_is_no_damage(tmp_path: Path, cut: int) -> None:
    file = crashed(tmp_path)
    with log_of(file).open("r+b") as handle:
        handle.truncate(log_of(file).stat().st_size - cut)
    with opened(tmp_path) as spool:
        assert ROWS - 20 - cut // 2_000 <= len(bodies(spool)) <= ROWS
    assert not list(tmp_path.glob("spool-damaged-*"))


def test_however_pages_are_damaged_only_what_was_there_comes_back(tmp_path: Path) -> None:
    image = filled(tmp_path / "whole").read_bytes()
    wanted = {body(n) for n in range(ROWS)}
    survived = 0
    for seed in range(12):
        rng, damaged = random.Random(seed), bytearray(image)
        for _ in range(rng.choice([1, 2, 10])):
            first = rng.randrange(len(image) // PAGE) * PAGE
            at, size = rng.choice([(first, PAGE), (first, 8), (first + rng.randrange(PAGE), 1)])
            damaged[at : at + size] = rng.randbytes(size)
        directory = tmp_path / str(seed)
        directory.mkdir()
        (directory / "spool.db").write_bytes(damaged)
        with opened(directory) as spool:
            found = bodies(spool)
            assert set(found) <= wanted
            assert len(found) == len(set(found))
            survived += len(found)
            spool.append("p", b"goes on", 1, 1).result(5)
    assert survived > 12 * ROWS * 0.7


def test_salvage_happens_once(tmp_path: Path) -> None:
    file = filled(tmp_path)
    scrambled_page(0.5)(file)
    with opened(tmp_path) as spool:
        while batch := spool.take(100, 1 << 30):
            spool.finish(batch)
    telemetry = Telemetry()
    with opened(tmp_path, telemetry) as spool:
        assert spool.depth().requests == 0
    assert telemetry.registry.get_sample_value("spanledger_collector_salvaged_requests_total") == 0
    assert len(list(tmp_path.glob("spool-damaged-*.db"))) == 1


def test_a_salvage_that_ran_out_of_disk_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scrambled_page(0.5)(filled(tmp_path))
    room = [0]

    def groups(rows: Iterator[SpoolRow]) -> Iterator[list[SpoolRow]]:
        for group in real_groups(rows):
            if not room[0]:
                raise sqlite3.OperationalError("database or disk is full")
            room[0] -= 1
            yield group

    real_groups = salvage._groups
    monkeypatch.setattr(salvage, "_groups", groups)
    monkeypatch.setattr(salvage, "_GROUP_ROWS", 50)
    for _ in range(3):
        room[0] = 2
        with pytest.raises(SpoolError, match="room"):
            Spool(tmp_path / "spool.db", max_bytes=1 << 30)
    room[0] = 1_000
    with opened(tmp_path) as spool:
        found = bodies(spool)
    assert len(found) == len(set(found)) >= ROWS - 40
    assert len(list(tmp_path.glob("spool-damaged-*.db"))) == 1


def test_the_copy_of_a_killed_salvage_goes_with_the_next_start(tmp_path: Path) -> None:
    torn_header(filled(tmp_path))
    code = (
        "import os, sys; from pathlib import Path\n"
        "from spanledger_collector.spool import salvage\n"
        "from spanledger_collector.spool.spool import Spool\n"
        "salvage._copy = lambda *_: os._exit(9)\n"
        "Spool(Path(sys.argv[1]), max_bytes=1 << 30)"
    )
    file = str(tmp_path / "spool.db")
    assert subprocess.run([sys.executable, "-c", code, file], check=False).returncode == 9
    assert len(list(tmp_path.glob("mending-*/copy.db"))) == 1
    with opened(tmp_path) as spool:
        assert len(bodies(spool)) == ROWS
    assert not list(tmp_path.glob("mending-*"))


@pytest.mark.parametrize("renamed", [["-wal"], ["-wal", "-shm"]])
def test_a_setting_aside_that_was_killed_half_way_is_completed(
    tmp_path: Path, renamed: list[str]
) -> None:
    """The log of a file must not be left to another: the newest requests are in it."""
    with opened(tmp_path) as spool:
        for n in range(50):
            spool.append("p", body(n), 1, n, Signal.LOGS).result(5)
        images = {s: (tmp_path / f"spool.db{s}").read_bytes() for s in ("", "-wal", "-shm")}
    target = "spool-damaged-20261121T000000-000000001.db"
    for suffix, image in images.items():
        name = target if suffix in renamed else "spool.db"
        (tmp_path / f"{name}{suffix}").write_bytes(image)
    with opened(tmp_path) as spool:
        assert bodies(spool) == [body(n) for n in range(50)]
    assert (tmp_path / target).exists()


def put(directory: Path, images: dict[str, bytes]) -> None:
    for name, image in images.items():
        (directory / name).write_bytes(image)


def images_of(directory: Path) -> dict[str, bytes]:
    names = ("spool.db", "spool.db-wal", "spool.db-shm")
    return {name: (directory / name).read_bytes() for name in names}


def set_aside_with_its_log(directory: Path) -> Path:
    """Damage and salvage a file, store what was in it; return the name it was given."""
    middle_of_log(crashed(directory))
    with opened(directory) as spool:
        while batch := spool.take(100, 1 << 30):
            spool.finish(batch)
    [aside] = directory.glob("spool-damaged-*.db")
    return aside


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_log_whose_file_was_removed_is_not_taken_for_that_of_the_live_file(
    tmp_path: Path, is_killed: bool
) -> None:
    aside = set_aside_with_its_log(tmp_path)
    kept = log_of(aside).read_bytes()
    aside.unlink()
    wanted = [body(n) for n in range(50)]
    with opened(tmp_path) as spool:
        for one in wanted:
            spool.append("p", one, 1, 1, Signal.LOGS).result(5)
        images = images_of(tmp_path)
    if is_killed:
        put(tmp_path, images)
    with opened(tmp_path) as spool:
        assert bodies(spool) == wanted
    assert not list(tmp_path.glob("spool-damaged-*.db"))
    assert [file.read_bytes() for file in tmp_path.glob("spool-damaged-*-wal*")] == [kept]


def test_a_log_without_a_file_is_left_alone_also_by_a_spool_that_knows_nothing_of_it(
    tmp_path: Path,
) -> None:
    aside = set_aside_with_its_log(tmp_path)
    aside.unlink()
    (tmp_path / "spool.db").unlink()
    for _ in range(2):
        with opened(tmp_path) as spool:
            assert spool.depth().requests == 0
    assert not list(tmp_path.glob("spool-damaged-*.db"))


@pytest.mark.parametrize("steps", first(range(5), 2))
def test_a_setting_aside_that_ends_anywhere_loses_no_log(
    tmp_path: Path, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file has notes of an earlier one, the log of which has lost its file."""
    before = set_aside_with_its_log(tmp_path)
    before.unlink()
    with opened(tmp_path) as spool:
        for n in range(50):
            spool.append("p", body(n), 1, n, Signal.LOGS).result(5)
        images = images_of(tmp_path)
    put(tmp_path, images)
    left = [steps]

    def sync(_directory: Path) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(salvage, "_sync", sync)
        with pytest.raises(KeyboardInterrupt):
            salvage.set_aside(tmp_path / "spool.db", time.time_ns())
    with opened(tmp_path) as spool:
        assert bodies(spool) == [body(n) for n in range(50)]
    [aside] = tmp_path.glob("spool-damaged-*.db")
    assert log_of(aside).read_bytes() == images["spool.db-wal"]
    assert not list(tmp_path.glob("*-renaming"))


def test_a_file_that_was_written_while_half_set_aside_keeps_its_log(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for directory in (first, second):
        with opened(directory) as spool:
            for n in range(5):
                one = f"{directory.name} {n}".encode()
                spool.append("p", one, 1, n, Signal.LOGS).result(5)
            images = images_of(directory)
        put(directory, images)
    aside = tmp_path / "spool-damaged-20261121T000000-000000001.db"
    log_of(first / "spool.db").rename(log_of(aside))
    Path(f"{aside}-renaming").touch()
    put(tmp_path, images)
    with opened(tmp_path) as spool:
        assert bodies(spool) == [b"second %d" % n for n in range(5)]
    assert len(list(tmp_path.glob("*-wal-alone"))) == 1


def test_a_second_damage_brings_nothing_of_the_first_damaged_file_again(tmp_path: Path) -> None:
    scrambled_page(0.5)(filled(tmp_path))
    with opened(tmp_path) as spool:
        while batch := spool.take(100, 1 << 30):
            spool.finish(batch)
        for n in range(ROWS):
            spool.append("p", b"second " + body(n), 1, n + 1, Signal.LOGS).result(5)
    scrambled_page(0.5)(tmp_path / "spool.db")
    with opened(tmp_path) as spool:
        found = bodies(spool)
    assert all(one.startswith(b"second") for one in found)
    assert len(set(found)) == len(found) >= ROWS - 40
    assert len(list(tmp_path.glob("spool-damaged-*.db"))) == 2


def test_a_file_that_is_no_spool_is_set_aside_and_a_fresh_one_serves(tmp_path: Path) -> None:
    (tmp_path / "spool.db").write_bytes(b"this is not a database, and long enough to tell" * 1000)
    with opened(tmp_path) as spool:
        assert spool.depth().requests == 0
        spool.append("p", b"x", 1, 1).result(5)
    assert len(list(tmp_path.glob("spool-damaged-*.db"))) == 1


def test_dead_letters_are_salvaged_with_their_reason(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        for n in range(3):
            spool.append("p", b"poison %d" % n, 1, n).result(5)
        batch = spool.take(10, 1 << 20)
        assert batch is not None
        spool.bury(batch, "cannot be decoded")
        before = [letter.letter_id for letter in spool.letters(10, 1 << 20)]
    torn_header(tmp_path / "spool.db")
    with opened(tmp_path) as spool:
        letters = spool.letters(10, 1 << 20)
        spool.append("p", b"another", 1, 9).result(5)
        batch = spool.take(10, 1 << 20)
        assert batch is not None
        spool.bury(batch, "again")  # its number must be free
        assert spool.depth().dead_letters == 4
    assert [letter.letter_id for letter in letters] == before, "one letter keeps one identity"
    assert {letter.reason for letter in letters} == {"cannot be decoded"}


def test_rows_of_the_wrong_types_become_dead_letters_and_end_no_thread(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        for n in range(5):
            spool.append("p", b"body", 1, n, Signal.LOGS).result(5)
        with contextlib.closing(sqlite3.connect(tmp_path / "spool.db")) as file:
            file.execute("UPDATE requests SET body = 17 WHERE seq = 1")
            file.execute("UPDATE requests SET signal = 'smoke' WHERE seq = 2")
            file.execute("UPDATE requests SET project = x'ff' WHERE seq = 3")
            file.execute("UPDATE requests SET received_ns = 'then', spans = 'many' WHERE seq = 4")
            file.commit()
    with opened(tmp_path) as spool:
        batch = spool.take(100, 1 << 20)
        assert batch is not None
        assert [r.seq for r in batch.requests] == [5]
        assert [letter.seq for letter in spool.letters(10, 1 << 20)] == [1, 2, 3, 4]
        spool.finish(batch)
        assert spool.depth().requests == 0


def test_damage_that_is_met_while_running_is_mended_and_what_is_in_hand_comes_again(
    tmp_path: Path,
) -> None:
    with opened(tmp_path) as spool:
        for future in [spool.append("p", body(n), 1, n + 1, Signal.LOGS) for n in range(ROWS)]:
            future.result(10)
        in_hand = spool.take(50, 1 << 30)
        assert in_hand is not None
        with contextlib.closing(sqlite3.connect(tmp_path / "spool.db")) as file:
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        scrambled_page(0.5)(tmp_path / "spool.db")
        before = spool.spool_id
        deadline = time.monotonic() + 10
        found: list[bytes] = []
        while spool.spool_id == before and time.monotonic() < deadline:
            with contextlib.suppress(sqlite3.Error, Unavailable):
                taken = spool.take(20, 1 << 30)
                if taken and not taken.flush_id.startswith(before):
                    found += [r.body for r in taken.requests]
        spool.finish(in_hand)  # means rows of the old file: it must not touch the new ones
        found += bodies(spool)
        assert set(found) >= {r.body for r in in_hand.requests}
        assert len(set(found)) >= ROWS - 40
        wait_until(lambda: spool.append("p", b"goes on", 1, 1) is not None, timeout_s=5)


def test_a_spool_that_cannot_be_mended_refuses_and_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("spanledger_collector.spool.writer._MEND_AFTER_S", 0.3)
    real, refusals = sqlite3.connect, [3]

    def connect(*args: object, **options: object) -> sqlite3.Connection:
        if refusals[0]:
            refusals[0] -= 1
            raise sqlite3.OperationalError("database or disk is full")
        return real(*args, **options)  # type: ignore[call-overload, no-any-return]

    with opened(tmp_path) as spool:
        spool.append("p", b"kept", 1, 1, Signal.LOGS).result(5)
        monkeypatch.setattr("spanledger_collector.spool.file.sqlite3.connect", connect)
        before = spool.spool_id
        malformed = sqlite3.DatabaseError("database disk image is malformed")
        malformed.sqlite_errorcode = 11
        spool._writer.submit(spool._tell(malformed, spool._generation))
        wait_until(lambda: not spool._writer.is_whole, timeout_s=5, every_s=0.001)
        with pytest.raises(Unavailable):
            spool.append("p", b"refused", 1, 1, Signal.LOGS).result(5)
        wait_until(lambda: spool.spool_id != before and spool._writer.is_whole, timeout_s=5)
        assert b"kept" in bodies(spool)
    assert len(list(tmp_path.glob("spool-damaged-*.db"))) == 1
    assert [r.levelno for r in caplog.records if "yet" in r.message][0] == logging.ERROR


def test_a_salvaged_request_that_was_stored_already_does_not_double(
    tmp_path: Path, store: Store
) -> None:
    with opened(tmp_path) as spool:
        for n in range(6):
            spool.append("default", good(f"s{n}"), 1, time.time_ns()).result(5)
        wal_and_all = {s: (tmp_path / f"spool.db{s}").read_bytes() for s in ("", "-wal")}
        drain(spool, store.settings)
    before = store.sql_rows("SELECT * EXCEPT (ingested_at) FROM spans FINAL ORDER BY name")
    for suffix, image in wal_and_all.items():  # the state before they were stored, and damaged
        (tmp_path / f"spool.db{suffix}").write_bytes(image)
    torn_header(tmp_path / "spool.db")
    with opened(tmp_path) as spool:
        assert spool.depth().requests == 6
        drain(spool, store.settings)
    assert stored(store) == [f"s{n}" for n in range(6)]
    after = store.sql_rows("SELECT * EXCEPT (ingested_at) FROM spans FINAL ORDER BY name")
    assert after == before
    flushes = store.sql_rows("SELECT uniqExact(flush_id) AS n FROM touches")
    assert flushes == [{"n": 2}], "they did come twice, under two names"
