"""Commands beside instances whose databases are elsewhere."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from spanledger_analytics.job import LedgerJob
from spanledger_collector.decode.decode import Body, decode_traces
from spanledger_server import doctor
from spanledger_server.run_file import RunInfo
from spanledger_server.stores import reader_of
from spanledger_storage.errors import ConfigError
from spanledger_storage.state import Heartbeats, migrate_state, open_state
from spanledger_storage.store import Store
from tests.instance import typed
from tests.marks import Marks
from tests.ports import free_port

STATE_URL = "SPANLEDGER_STATE_URL"


def test_the_worker_is_looked_for_in_the_state_database_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.delenv(STATE_URL, raising=False)
    assert doctor._sign_of_the_worker(data).startswith(f"set {STATE_URL} to see whether it lives")
    url = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    state = open_state(url)
    migrate_state(state)
    monkeypatch.setenv(STATE_URL, url)
    assert doctor._sign_of_the_worker(data).startswith("last sign of life never; see ")
    Heartbeats(state).beat("worker", "one", time.time_ns() - 100 * 10**9)
    assert doctor._sign_of_the_worker(data).startswith("last sign of life 1")
    Heartbeats(state).beat("worker", "one", time.time_ns())
    assert doctor._sign_of_the_worker(data) == "lives"
    monkeypatch.setenv(STATE_URL, f"postgresql+psycopg://u:pw@127.0.0.1:{free_port()}/x")
    assert doctor._sign_of_the_worker(data).startswith("the state database does not answer; see ")
    state.dispose()


def test_a_store_elsewhere_that_is_not_named_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SPANLEDGER_READ_STORE_URL", "SPANLEDGER_STORE_URL"):
        monkeypatch.delenv(name, raising=False)
    info = RunInfo(pid=1, started_at_s=0, host="127.0.0.1", http_port=1, grpc_port=1,
                   dashboard_port=1, engine_port=0)  # fmt: skip
    with pytest.raises(ConfigError, match="set SPANLEDGER_READ_STORE_URL or SPANLEDGER_STORE_URL"):
        reader_of(info, tmp_path)


def test_where_roles_run_by_themselves_it_says_who_tells(tmp_path: Path) -> None:
    place = "clickhouse://u:pw@clickhouse/spanledger"
    told = typed("doctor", "--data", str(tmp_path), SPANLEDGER_STORE_URL=place)
    assert told.returncode == 2
    assert "/readyz and /status of the collector" in told.stderr
    assert "No Spanledger runs" in typed("doctor", "--data", str(tmp_path)).stderr


@pytest.mark.parametrize("name", ["SPANLEDGER_READ_STORE_URL", "SPANLEDGER_STORE_URL"])
def test_sql_reads_a_store_that_the_environment_names_and_never_writes(
    store: Store, tmp_path: Path, name: str
) -> None:
    def sql(query: str) -> subprocess.CompletedProcess[str]:
        words = ("sql", query, "--format", "csv", "--data", str(tmp_path))
        return typed(*words, **{name: store.settings.url})

    assert sql("SELECT count() AS spans FROM spans").stdout == '"spans"\n0\n'
    for written in ("DROP TABLE spans", "CREATE TABLE t (n Int8) ENGINE = Memory"):
        done = sql(written)
        assert done.returncode == 2
        assert "is not possible here" in done.stderr
    assert "No Spanledger runs" in typed("sql", "SELECT 1", "--data", str(tmp_path)).stderr


@pytest.mark.parametrize(
    "query",
    ["SELECT file('/etc/passwd')", "SELECT * FROM python('x')", "SELECT 1 INTO OUTFILE 'rows.csv'"],
)
def test_sql_reaches_nothing_but_the_tables(store: Store, tmp_path: Path, query: str) -> None:
    named = {"SPANLEDGER_READ_STORE_URL": store.settings.url}
    done = typed("sql", query, "--data", str(tmp_path), **named)
    assert (done.returncode, done.stdout) == (2, "")
    assert "is not possible here" in done.stderr


def test_sql_writes_bytes_that_are_no_text_as_json_that_can_be_read(
    store: Store, tmp_path: Path
) -> None:
    named = {"SPANLEDGER_READ_STORE_URL": store.settings.url}
    words = ("sql", "SELECT unhex('ff61') AS hash", "--format", "json", "--data", str(tmp_path))
    assert json.loads(typed(*words, **named).stdout) == [{"hash": "\ufffda"}]


def test_the_probe_is_found_in_the_project_of_whichever_key_it_came_with(store: Store) -> None:
    probe = doctor._probe("ab" * 16).SerializeToString()
    now_ns = time.time_ns()
    decoded = decode_traces([Body("shop", probe, now_ns)], "flush", now_ns)
    asked = {"trace_id": "ab" * 16}
    for table in ("spans", "touches"):
        store.insert(table, getattr(decoded, table), token=table)
    assert store.rows("doctor_span", asked) == [{"found": True}]
    assert store.rows("doctor_trace", asked) == [{"found": False}]
    LedgerJob(store, time.time_ns, Marks()).run_once()
    assert store.rows("doctor_trace", asked) == [{"found": True}]
