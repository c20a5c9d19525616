"""A collector tells what waits in its spool to those that cannot read it."""

import logging
import sqlite3
import time
import urllib.request
from pathlib import Path
from typing import Any, cast

import pytest

from spanledger_alerts.looking import look
from spanledger_alerts.measures import Sources
from spanledger_alerts.rule_files import built_in
from spanledger_alerts.sample import Failure
from spanledger_server.spool_notes import SpoolNotes, notes_of, read_spool
from spanledger_storage.collector_spools import CollectorSpools, Waiting
from spanledger_storage.state import migrate_state, open_state
from tests.collecting import CollectorProcess
from tests.instance import wait_until
from tests.keys import BODY, PROTOBUF

S = 10**9


def make_spool(file: Path, *received_ns: int) -> None:
    with sqlite3.connect(file) as spool:
        spool.execute("CREATE TABLE meta (spool_id TEXT NOT NULL)")
        spool.execute("INSERT INTO meta VALUES ('one')")
        spool.execute("CREATE TABLE requests (seq INTEGER PRIMARY KEY, received_ns INTEGER)")
        rows = list(enumerate(received_ns, 5))
        spool.executemany("INSERT INTO requests VALUES (?, ?)", rows)


def spools_in(folder: Path) -> CollectorSpools:
    folder.mkdir(exist_ok=True)
    engine = open_state(f"sqlite:///{folder / 'state.db'}")
    migrate_state(engine)
    return CollectorSpools(engine)


def test_the_age_is_that_of_the_oldest_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "spool.db"
    assert read_spool(file) is None
    make_spool(file)
    assert read_spool(file) == ("one", 0, None)
    file.unlink()
    make_spool(file, 5 * S, 6 * S, 7 * S)
    assert read_spool(file) == ("one", 3, 5 * S)
    monkeypatch.chdir(tmp_path)
    assert read_spool(Path("spool.db")) == ("one", 3, 5 * S)
    file.write_bytes(b"no database" * 100)
    assert read_spool(file) is None


def test_a_spool_is_the_same_through_restarts(tmp_path: Path) -> None:
    spools, file = spools_in(tmp_path), tmp_path / "spool.db"
    SpoolNotes(file, spools).note(9 * S)
    assert spools.waiting(9 * S) is None
    make_spool(file, 5 * S)
    SpoolNotes(file, spools).note(9 * S)
    SpoolNotes(file, spools).note(12 * S)
    assert spools.waiting(12 * S) == Waiting(1, 7)


def test_a_state_database_that_is_away_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_spool(tmp_path / "spool.db", 5 * S)
    engine = open_state(f"sqlite:///{tmp_path / 'empty.db'}")
    notes = SpoolNotes(tmp_path / "spool.db", CollectorSpools(engine))
    with caplog.at_level(logging.WARNING):
        notes.note(9 * S)
        notes.note(10 * S)
    assert len(caplog.records) == 1
    assert "nobody is told what waits" in caplog.text


def test_without_a_state_database_nobody_is_told(tmp_path: Path) -> None:
    with notes_of(tmp_path / "spool.db", None):
        pass
    assert not list(tmp_path.iterdir())


def test_the_rule_sees_a_spool_that_grows_in_another_place(tmp_path: Path) -> None:
    spools = spools_in(tmp_path / "elsewhere")
    nowhere = "clickhouse://nobody:none@127.0.0.1:1/spanledger"
    state = f"--state-url=sqlite:///{tmp_path / 'elsewhere' / 'state.db'}"
    collector = CollectorProcess(tmp_path / "collector", nowhere, state)
    collector.start()
    try:
        headers = dict(PROTOBUF)
        urllib.request.urlopen(
            urllib.request.Request(collector.url("v1/traces"), BODY, headers), timeout=10
        ).close()
        wait_until(lambda: (spools.waiting(time.time_ns()) or Waiting(0, 0)).requests == 1)
    finally:
        collector.stop()
    [rule] = [one for one in built_in() if one.name == "spool-growing"]

    def level(after_s: int) -> str | None:
        then_ns = time.time_ns() + after_s * S
        unused = cast(Any, None)
        sources = Sources(unused, unused, unused, lambda: spools.waiting(then_ns))
        found = look(rule, sources, "default", then_ns)
        assert not isinstance(found, Failure)
        return rule.level(found[0])

    # The collector ended, and what it took waits still.
    assert (level(0), level(120), level(900)) == (None, "warning", "critical")
