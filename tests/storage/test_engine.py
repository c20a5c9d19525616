"""The seam to the engine: a private entry point of a pinned wheel, so it is watched closely."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import pyarrow as pa
import pytest

from spanledger_storage.engine import Credentials, Engine, EngineSettings, find_binary
from spanledger_storage.errors import EngineError, StoreError
from spanledger_storage.migrations import create_database
from spanledger_storage.store import Store, StoreSettings
from tests.instance import wait_until
from tests.ports import free_port


def start(directory: Path, port: int | None = None) -> Engine:
    engine = Engine(EngineSettings(directory, port or free_port()))
    engine.start()
    return engine


def numbers(*values: int) -> pa.Table:
    return pa.table({"n": pa.array(values, pa.int64())})


def test_what_was_inserted_survives_kill_9(tmp_path: Path) -> None:
    engine = start(tmp_path)
    create_database(engine.writer)
    store = Store.connect(engine.writer)
    store.execute("CREATE TABLE t (n Int64) ENGINE = MergeTree ORDER BY n")
    store.insert("t", numbers(1, 2, 3), token="a")
    store.close()
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    wait_until(lambda: engine.poll() is not None)
    engine.stop()
    again = start(tmp_path)
    store = Store.connect(again.writer)
    assert store.sql_rows("SELECT sum(n) AS s FROM t") == [{"s": 6}]
    store.close()
    again.stop()


def test_a_second_engine_on_a_directory_is_refused_with_the_reason(tmp_path: Path) -> None:
    engine = start(tmp_path)
    with pytest.raises(EngineError, match="Its log"):
        start(tmp_path)
    engine.stop()


def test_a_taken_port_is_an_error_not_somebody_elses_server(tmp_path: Path) -> None:
    engine = start(tmp_path / "one")
    with pytest.raises(EngineError):
        start(tmp_path / "two", engine.writer.port)
    engine.stop()


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    port = free_port()
    script = textwrap.dedent(
        f"""
        import sys, time
        from pathlib import Path
        from spanledger_storage.engine import Engine, EngineSettings, find_binary
        engine = Engine(EngineSettings(Path({str(tmp_path)!r}), {port}))
        engine.start()
        print(engine.pid, flush=True)
        time.sleep(60)
        """
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not _runs(pid), timeout_s=5)


def _runs(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_a_config_file_in_the_working_directory_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.xml").write_text("this is not XML")
    monkeypatch.chdir(tmp_path)
    engine = start(tmp_path / "engine")
    engine.stop()


def test_its_files_with_passwords_are_private(tmp_path: Path) -> None:
    engine = start(tmp_path)
    for name in ("credentials.json", "config/users.xml", "config/config.xml"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    engine.stop()


def test_of_a_store_that_is_away_only_the_error_tells(caplog: pytest.LogCaptureFixture) -> None:
    nobody = StoreSettings.from_url(f"clickhouse://127.0.0.1:{free_port()}/x")
    with pytest.raises(StoreError, match="connection refused"):
        Store.connect(nobody)
    assert caplog.records == []


def test_passwords_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "credentials.json").mkdir()  # as the file of another user would
    with pytest.raises(EngineError, match="cannot be read or made"):
        Engine(EngineSettings(tmp_path, 1))


def test_a_repeated_token_inserts_nothing(store: Store) -> None:
    store.execute(
        "CREATE TABLE t (n Int64) ENGINE = MergeTree ORDER BY n"
        " SETTINGS non_replicated_deduplication_window = 100"
    )
    for _ in range(3):
        store.insert("t", numbers(1), token="same")
    store.insert("t", numbers(1), token="other")
    assert store.sql_rows("SELECT count() AS c FROM t") == [{"c": 2}]


def test_an_error_says_whether_a_retry_can_help(store: Store, engine: Engine) -> None:
    with pytest.raises(StoreError) as bad_sql:
        store.sql_rows("SELECT FROM WHERE")
    assert bad_sql.value.permanent
    with pytest.raises(StoreError) as slow:
        store.sql_rows("SELECT sleep(3) SETTINGS max_execution_time = 1")
    assert not slow.value.permanent
    with pytest.raises(StoreError) as unknown_table:
        store.insert("not_migrated_yet", numbers(1), token="x")
    assert not unknown_table.value.permanent
    nobody = engine.writer.__class__("127.0.0.1", free_port(), "x", "x", "secret")
    with pytest.raises(StoreError) as absent:
        Store.connect(nobody)
    assert not absent.value.permanent
    assert str(absent.value) == f"Cannot open the store at {nobody.address}: connection refused"


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("n Int64, CONSTRAINT positive CHECK n > 0", -1, 469),
        ("n Enum8('a' = 1)", "b", 691),
        ("n FixedString(2)", "longer", 131),
        ("n Decimal(4, 2)", 10**9, 407),
        ("n UUID", "none", 376),
    ],
)
def test_an_insert_whose_rows_are_at_fault_is_refused_for_good(
    store: Store, column: str, value: object, code: int
) -> None:
    store.execute(f"CREATE TABLE t ({column}) ENGINE = MergeTree ORDER BY n")
    with pytest.raises(StoreError) as refused:
        store.insert("t", pa.table({"n": [value]}), token="x")
    assert (refused.value.code, refused.value.permanent) == (code, True)


def test_an_insert_that_the_file_system_refuses_may_succeed_later(store: Store) -> None:
    store.execute("CREATE TABLE t (n Int64) ENGINE = MergeTree ORDER BY n")
    [row] = store.sql_rows(
        "SELECT data_paths[1] AS path FROM system.tables"
        " WHERE database = currentDatabase() AND name = 't'"
    )
    folder = Path(str(row["path"]))
    away = folder.rename(folder.with_name("away"))
    folder.touch()  # where files should be made
    with pytest.raises(StoreError) as refused:
        store.insert("t", numbers(1), token="x")
    folder.unlink()
    away.rename(folder)
    assert (refused.value.code, refused.value.permanent) == (1001, False)
    store.insert("t", numbers(1), token="x")
    assert store.sql_rows("SELECT n FROM t") == [{"n": 1}]


def test_a_store_that_stays_silent_is_said_to(engine: Engine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = replace(engine.writer, port=silent.getsockname()[1])
        with pytest.raises(StoreError, match=r"/\w+: it takes too long$") as late:
            Store.connect(settings, timeout_s=1)
    assert not late.value.permanent


def test_the_reader_reads_and_does_nothing_else(engine: Engine) -> None:
    create_database(engine.writer)
    writer = Store.connect(engine.writer)
    writer.execute("CREATE TABLE IF NOT EXISTS t (n Int64) ENGINE = MergeTree ORDER BY n")
    reader = Store.connect(engine.reader)
    assert reader.sql_rows("SELECT count() AS c FROM t") == [{"c": 0}]
    for refused in (
        "INSERT INTO t VALUES (1)",
        "DROP TABLE t",
        "CREATE TABLE u (n Int64) ENGINE = Memory",
        "SELECT * FROM file('x', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "SELECT 1 SETTINGS max_execution_time = 100000",
        "SYSTEM SHUTDOWN",
    ):
        with pytest.raises(StoreError):
            reader.sql_rows(refused)
    reader.close()
    writer.close()


@pytest.mark.parametrize(
    ("says", "is_used"),
    [
        ("ClickHouse server version 26.9.1.5 (official build).", True),
        ("ClickHouse server version 27.1.0.1.", True),
        ("ClickHouse server version 26.8.0.1.", False),
        ("ClickHouse server version 18.16.1.", False),
        ("command not understood", False),
    ],
)
def test_an_installed_server_is_used_when_it_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, is_used: bool
) -> None:
    binary = tmp_path / "clickhouse"
    binary.write_text(f"#!/bin/sh\necho '{says}'\n")
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert find_binary() == (str(binary) if is_used else None)


def test_nobody_is_heard_without_one_of_its_two_passwords(engine: Engine) -> None:
    url = f"http://127.0.0.1:{engine.writer.port}/"
    for headers in (
        {},
        {"Content-Type": "text/plain", "Origin": "http://elsewhere.example"},
        {"X-ClickHouse-User": "default"},
        {"Authorization": "Basic ZGVmYXVsdDo="},  # default, without a password
    ):
        for query in ("SELECT 1", "SYSTEM STOP LISTEN HTTP"):
            answer = httpx.post(f"{url}?user=default", content=query, headers=headers)
            assert answer.status_code == 404
    assert engine.answers()


def test_a_proxy_of_the_environment_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    engine = start(tmp_path)
    create_database(engine.writer)
    engine.stop()


@pytest.mark.parametrize("setting", ["max_execution_time", "max_result_bytes"])
def test_the_reader_cannot_lift_its_limits(engine: Engine, setting: str) -> None:
    create_database(engine.writer)
    reader = Store.connect(engine.reader)
    with pytest.raises(StoreError):
        reader.sql_rows(f"SELECT 1 SETTINGS {setting} = 0")
    reader.close()


def test_start_and_stop_leave_no_process(tmp_path: Path) -> None:
    engine = start(tmp_path)
    pid = engine.pid
    assert pid is not None
    started = time.monotonic()
    engine.stop()
    assert time.monotonic() - started < 5
    assert not _runs(pid)


def test_whoever_comes_first_makes_passwords_for_all(tmp_path: Path) -> None:
    together = threading.Barrier(4)

    def ask(directory: Path) -> Credentials:
        together.wait(timeout=30)
        return Credentials.of(directory)

    with ThreadPoolExecutor(together.parties) as threads:
        for number in range(20):
            directory = tmp_path / f"{number}"
            directory.mkdir()
            made = set(threads.map(ask, [directory] * together.parties))
            assert made == {Credentials.of(directory)}


@pytest.mark.parametrize("left", [b"", b"{}", b"\0" * 92])
def test_passwords_that_a_loss_of_power_cut_off_are_made_anew(tmp_path: Path, left: bytes) -> None:
    file = tmp_path / "credentials.json"
    file.write_bytes(left)
    made = Credentials.of(tmp_path)
    assert made.writer != made.reader
    assert Credentials.of(tmp_path) == made
    assert file.stat().st_mode & 0o777 == 0o600
