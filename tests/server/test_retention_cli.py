"""`spanledger retention` as a user types it, in this process; the store is a real engine."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from spanledger_server import cli
from spanledger_server.jobs import JOBS
from spanledger_server.worker import Worker
from spanledger_storage.engine import Engine
from spanledger_storage.migrations import create_database, migrate
from spanledger_storage.project_settings import ProjectSettings, Retention
from spanledger_storage.projects import Projects
from spanledger_storage.state import migrate_state, open_state
from spanledger_storage.store import Store
from tests.dashboard.process import store_url
from tests.instance import typed, wait_until

_SEED = """
INSERT INTO logs (project, time, log_id, body)
SELECT 'default', now() - toIntervalDay(number), toString(number), 'x' FROM numbers(20)
SETTINGS max_partitions_per_insert_block = 0
"""


def test_show_dry_run_and_run(
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store.execute(_SEED)
    state = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(state)
    days = ProjectSettings(retention=Retention(spans_days=7))
    Projects(state).set("default", days, "anna", time.time_ns())
    state.dispose()
    monkeypatch.setenv("SPANLEDGER_DATA", str(tmp_path))
    monkeypatch.setenv("SPANLEDGER_STORE_URL", store_url(store.settings))

    def typed(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["spanledger", "retention", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        assert ended.value.code == 0, shown.err
        return shown.out

    def rows() -> int:
        return int(str(store.sql_rows("SELECT count() AS n FROM logs")[0]["n"]))

    shown = typed("show")
    assert "in tables that the store keeps about itself" in shown
    assert "for ever" in shown
    assert "drop parts" in shown
    sizes = {row["table"]: row for row in json.loads(typed("show", "--format", "json"))}
    assert sizes["logs"]["rows"] == 20
    assert "Nothing was removed." in typed("run", "--dry-run")
    assert rows() == 20
    assert "drop parts" in typed("run")
    assert rows() == 8
    assert "Nothing is past its days." in typed("run")


@pytest.fixture
def instances_store(engine: Engine) -> Iterator[Store]:
    """The database of an instance: the reader's grants are on it alone."""
    create_database(engine.writer)
    store = Store.connect(engine.writer)
    migrate(store)
    store.execute("CREATE TABLE system.some_log (n Int64) ENGINE = MergeTree ORDER BY n")
    yield store
    store.execute("DROP TABLE system.some_log SYNC")
    store.execute("TRUNCATE TABLE logs SYNC")
    store.close()


def test_the_reader_is_shown_all_that_the_writer_is(
    instances_store: Store, engine: Engine, tmp_path: Path
) -> None:
    instances_store.execute(_SEED)
    instances_store.execute("INSERT INTO system.some_log SELECT number FROM numbers(9)")
    state = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(state)
    days = ProjectSettings(retention=Retention(content_days=5, spans_days=7))
    Projects(state).set("default", days, "anna", time.time_ns())
    state.dispose()
    words = ["retention", "show", "--data", str(tmp_path), "--store-url"]
    for more in ([], ["--format", "json"]):
        shown = [typed(*words, store_url(s), *more) for s in (engine.reader, engine.writer)]
        assert [done.returncode for done in shown] == [0, 0], shown[0].stderr
        assert shown[0].stdout == shown[1].stdout
        assert "system.some_log" in shown[0].stdout
    assert "drop parts" in typed(*words, store_url(engine.reader)).stdout


def test_a_worker_removes_by_itself_what_is_past_its_days(store: Store, tmp_path: Path) -> None:
    store.execute(_SEED)
    state = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(state)
    days = ProjectSettings(retention=Retention(spans_days=7))
    Projects(state).set("default", days, "anna", time.time_ns())
    [job] = [replace(one, first_after_s=0) for one in JOBS if one.name == "retention"]
    one = Worker(store.settings, state, "test", [job])
    one.start()
    try:
        wait_until(lambda: store.sql_rows("SELECT count() AS n FROM logs") == [{"n": 8}])
    finally:
        one.stop()
        state.dispose()
