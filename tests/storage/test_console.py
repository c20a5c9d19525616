"""What a typed query may do as the reading user: read the tables, and no more."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from spanledger_storage.console import ConsoleQuery, QueryAnswer, QueryLimits
from spanledger_storage.console_guard import LENGTH_LIMIT, QueryRefused, canonical
from spanledger_storage.engine import Engine
from spanledger_storage.errors import StoreError
from spanledger_storage.migrations import create_database, migrate
from spanledger_storage.store import Store, StoreSettings
from tests.instance import wait_until
from tests.ports import free_port

ENDLESS = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))"


@pytest.fixture(scope="module")
def writer(engine: Engine) -> Iterator[Store]:
    create_database(engine.writer)
    store = Store.connect(engine.writer)
    migrate(store)
    yield store
    store.close()


@pytest.fixture
def reader(engine: Engine, writer: Store) -> Iterator[Store]:
    assert writer
    store = Store.connect(engine.reader)
    yield store
    store.close()


def ask(settings: StoreSettings, sql: str, **limits: int) -> QueryAnswer:
    query = ConsoleQuery(settings, sql, {}, QueryLimits(**limits))
    query.start()
    assert query.wait(30)
    return query.answer()


# What the grants and the profile of the reading user refuse, whatever asks.
REFUSED_BY_THE_ENGINE = """
SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')
SELECT * FROM urlCluster('default', 'http://127.0.0.1:1/', 'LineAsString')
SELECT * FROM file('x.csv', 'CSV')
SELECT * FROM file('/etc/passwd', 'LineAsString', 'line String')
SELECT * FROM default.`/etc/passwd`
SELECT * FROM filesystem('/')
SELECT * FROM s3('http://localhost:1/bucket/x.csv', 'CSV', 'a String')
SELECT * FROM gcs('http://localhost:1/bucket/x.csv', 'CSV', 'a String')
SELECT * FROM azureBlobStorage('http://127.0.0.1:1/', 'c', 'x', 'n', 'aw==', 'CSV', 'auto')
SELECT * FROM hdfs('hdfs://127.0.0.1:1/x', 'CSV', 'a String')
SELECT * FROM iceberg('http://localhost:1/bucket/')
SELECT * FROM icebergLocal('/tmp')
SELECT * FROM deltaLake('http://localhost:1/bucket/')
SELECT * FROM hudi('http://localhost:1/bucket/')
SELECT * FROM remote('127.0.0.1:1', system.one)
SELECT * FROM remoteSecure('127.0.0.1:1', system.one)
SELECT * FROM cluster('default', system.one)
SELECT * FROM mysql('127.0.0.1:1', 'd', 't', 'u', 'p')
SELECT * FROM postgresql('127.0.0.1:1', 'd', 't', 'u', 'p')
SELECT * FROM mongodb('127.0.0.1:1', 'd', 't', 'u', 'p', 'a String')
SELECT * FROM redis('127.0.0.1:1', 'k', 'k String')
SELECT * FROM sqlite('/tmp/x.db', 't')
SELECT * FROM jdbc('a', 'b', 'c')
SELECT * FROM odbc('DSN=a', 'b', 'c')
SELECT * FROM executable('id', 'TSV', 'a String')
SELECT * FROM dictionary('d')
SELECT dictGet('d', 'a', 1)
DESCRIBE url('http://127.0.0.1:1/', 'LineAsString')
EXPLAIN SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')
SELECT 1 INTO OUTFILE '/tmp/out.csv'
INSERT INTO spans (project) VALUES ('x')
INSERT INTO FUNCTION file('y.csv', 'CSV', 'a String') SELECT 'x'
INSERT INTO FUNCTION url('http://127.0.0.1:1/', 'CSV', 'a String') SELECT 'x'
CREATE TABLE t (n Int8) ENGINE = Memory
CREATE TEMPORARY TABLE t (n Int8)
CREATE VIEW v AS SELECT 1
CREATE FUNCTION f AS x -> x
CREATE DICTIONARY d (a Int8) PRIMARY KEY a SOURCE(NULL()) LAYOUT(FLAT()) LIFETIME(1)
CREATE USER u
ALTER TABLE spans DELETE WHERE 1
ALTER TABLE spans DROP PARTITION '20260101'
DELETE FROM spans WHERE 1
UPDATE spans SET name = 'x' WHERE 1
TRUNCATE TABLE spans
DROP TABLE spans
DETACH TABLE spans
RENAME TABLE spans TO s
OPTIMIZE TABLE spans FINAL
BACKUP TABLE spans TO File('/tmp/b')
RESTORE TABLE spans FROM File('/tmp/b')
GRANT ALL ON *.* TO reader
SET readonly = 0
SELECT 1 SETTINGS readonly = 0
SELECT 1 SETTINGS max_execution_time = 0
SELECT 1 SETTINGS max_execution_time = 61
SELECT 1 SETTINGS max_memory_usage = 0
SELECT 1 SETTINGS max_result_bytes = 0
SELECT 1 SETTINGS max_temporary_data_on_disk_size_for_query = 0
SELECT demangle('x') SETTINGS allow_introspection_functions = 1
EXECUTE AS spanledger SELECT 1
SYSTEM SHUTDOWN
SYSTEM DROP MARK CACHE
SYSTEM STOP LISTEN HTTP
KILL QUERY WHERE 1
KILL QUERY WHERE user = 'reader'
KILL MUTATION WHERE 1
SHOW PROCESSLIST
SHOW USERS
SHOW CREATE USER reader
SELECT 1; DROP TABLE spans
SELECT query, user FROM system.processes
SELECT * FROM system.query_log
SELECT * FROM system.users
SELECT * FROM system.grants
SELECT * FROM system.errors
SELECT * FROM system.disks
SELECT * FROM system.server_settings
SELECT * FROM system.named_collections
SELECT * FROM system.parts
SELECT path FROM system.parts
SELECT command FROM system.mutations
SELECT path FROM system.detached_parts
SHOW CREATE TABLE system.query_log
SELECT * FROM system.mutations
SELECT * FROM system.stack_trace
SELECT * FROM system.query_cache
SELECT * FROM system.user_processes
SELECT * FROM system.backups
SELECT * FROM system.symbols
""".strip().splitlines()

# What the engine would answer, so that it must not come that far.
REFUSED_BY_THE_GUARD = r"""
SELECT file('/etc/passwd')
SELECT `file`('/etc/passwd')
SELECT "fi\x6ce"('/etc/passwd')
SELECT file /* c */ ('/etc/passwd')
SELECT 'it\'s' AS a, file('/etc/passwd') AS b, 'it\'s' AS c
SELECT 1 AS `'`, file('/etc/passwd') AS `'b`
SELECT $$'$$, file('/etc/passwd'), $$'$$
SELECT * APPLY file FROM (SELECT '/etc/passwd' AS x)
SELECT * APPLY(file) FROM (SELECT '/etc/passwd' AS x)
SELECT COLUMNS('x') APPLY (p -> file(p)) FROM (SELECT '/etc/passwd' AS x)
SELECT arrayMap(x -> file(x), ['/etc/passwd'])
SELECT arrayMap(file, ['/etc/passwd'])
SELECT arrayMap(`file`, ['/etc/passwd'])
SELECT arrayMap((file), ['/etc/passwd'])
SELECT arrayMap(file AS g, ['/etc/passwd'])
SELECT arrayFilter(aiGenerate, ['x'])
WITH (SELECT file('/etc/passwd')) AS x SELECT x
EXPLAIN SELECT file('/etc/passwd')
(SELECT 1) UNION ALL (SELECT file('/etc/passwd'))
SELECT count() FROM spans SETTINGS additional_result_filter = 'file(''/etc/passwd'') = '''''
SELECT * FROM (SELECT 1 SETTINGS additional_result_filter = 'file(''/etc/passwd'') = ''''')
SELECT 1 FORMAT Template SETTINGS format_template_row = '/etc/passwd'
SELECT 1 FORMAT CSV
SELECT 1 INTO OUTFILE '/tmp/out.csv'
SELECT * FROM python('os')
SELECT * FROM Python(sys)
SELECT * FROM eval('SELECT 1')
SELECT aiGenerate('x')
SELECT AIEmbed('x')
SELECT logTrace('x')
SELECT getClientHTTPHeader('Authorization')
SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')
SELECT 1 SETTINGS max_threads = 1
SET ROLE ALL
SYSTEM STOP MERGES
USE system
KILL QUERY WHERE 1
DROP TABLE spans
INSERT INTO spans SELECT * FROM spans
""".strip().splitlines()

ALLOWED = r"""
SELECT 1
select number from numbers(3) order by 1
FROM numbers(3) SELECT number
WITH x AS (SELECT 1 AS a) SELECT a FROM x
(SELECT 1) UNION ALL (SELECT 2)
EXPLAIN SELECT 1
DESCRIBE TABLE spans
SHOW TABLES
SELECT 'file(x) SETTINGS FORMAT \' INTO OUTFILE' AS text, attributes['file'] FROM spans
SELECT name AS file_name, format('{}', name), URLHash('x') FROM trajectories -- file(1)
SELECT 1 AS `my SETTINGS`
SELECT * FROM values('a String', 'x')
SELECT count() FROM system.columns WHERE database = currentDatabase()
""".strip().splitlines()


def test_the_engine_refuses_what_is_not_reading_the_tables(engine: Engine, writer: Store) -> None:
    assert writer
    for attack in REFUSED_BY_THE_ENGINE:
        with pytest.raises(StoreError) as refused:
            ask(engine.reader, attack, seconds=5)
        assert refused.value.code, f"not refused, but not answered: {attack}"


def test_stopping_merges_as_the_reader_stops_none(engine: Engine, writer: Store) -> None:
    ask(engine.reader, "SYSTEM STOP MERGES")
    for token in ("a", "b"):
        hour = pa.array([0], pa.timestamp("s"))
        row = pa.table({"project": ["p"], "trace_id": [token * 32], "hour": hour})
        writer.insert("trace_hours", row, token=token)
    writer.execute("OPTIMIZE TABLE trace_hours FINAL")  # fails where merges are stopped
    writer.execute("TRUNCATE TABLE trace_hours SYNC")


def test_the_guard_refuses_what_the_engine_would_answer(reader: Store) -> None:
    passed: list[str] = []
    for attack in REFUSED_BY_THE_GUARD:
        try:
            canonical(reader, attack)
        except (QueryRefused, StoreError):
            continue
        passed.append(attack)
    assert passed == []


def test_nobody_who_can_write_asks(writer: Store) -> None:
    with pytest.raises(QueryRefused, match="SPANLEDGER_READ_STORE_URL"):
        canonical(writer, "SELECT 1")


def test_a_query_that_reads_is_run_as_it_was_meant(reader: Store, engine: Engine) -> None:
    for query in ALLOWED:
        ask(engine.reader, canonical(reader, query))
    text = canonical(reader, "SELECT 'a\\'b' AS `x y`, [1, 2] AS l -- comment")
    assert ask(engine.reader, text).table.to_pylist() == [{"x y": "a'b", "l": [1, 2]}]


def test_the_guard_tells_what_it_refuses(reader: Store) -> None:
    with pytest.raises(QueryRefused, match=r"file\(\) is not possible here"):
        canonical(reader, "SELECT file('x')")
    with pytest.raises(QueryRefused, match="DROP is not possible here: a query begins with SELECT"):
        canonical(reader, "DROP TABLE spans")
    with pytest.raises(QueryRefused, match="at most 20,000 characters"):
        canonical(reader, "SELECT 1" + " " * LENGTH_LIMIT)
    with pytest.raises(StoreError, match="failed at position 10"):
        canonical(reader, "SELECT 1 1")


def test_an_answer_has_its_rows_types_and_what_it_took(engine: Engine, writer: Store) -> None:
    assert writer
    answer = ask(
        engine.reader,
        "SELECT number AS n, toDecimal128('0.000000000001', 12) AS usd, NULL AS nothing "
        "FROM numbers(3)",
    )
    assert answer.table.column_names == ["n", "usd", "nothing"]
    assert str(answer.table.schema.field("usd").type) == "decimal128(38, 12)"
    assert not answer.is_cut
    assert answer.read_rows == 3
    assert answer.elapsed_ns > 0


def test_rows_beyond_the_limit_are_cut(engine: Engine, writer: Store) -> None:
    assert writer
    for rows, is_cut in ((10, False), (11, True), (1_000_000, True)):
        answer = ask(engine.reader, f"SELECT number FROM numbers({rows})", rows=10)
        assert (answer.table.num_rows, answer.is_cut) == (10, is_cut)


def test_bytes_beyond_the_limit_are_not_kept(engine: Engine, writer: Store) -> None:
    assert writer
    query = "SELECT repeat('x', 1000) FROM numbers({})"
    assert ask(engine.reader, query.format(1_000), bytes=1 << 20).table.nbytes >= 1_000_000
    with pytest.raises(StoreError, match="larger than 1 MiB"):
        ask(engine.reader, query.format(100_000), bytes=1 << 20)
    lifted = " SETTINGS max_result_bytes = 1000000000, max_result_rows = 0"
    with pytest.raises(StoreError, match="larger than 1 MiB"):
        ask(engine.reader, query.format(60_000) + lifted, bytes=1 << 20)


def test_parameters_are_taken_as_they_are(engine: Engine, writer: Store) -> None:
    assert writer
    value = "a'b\\c\td\ne{}é"
    query = ConsoleQuery(engine.reader, "SELECT {x:String} AS x", {"x": value}, QueryLimits())
    query.start()
    query.wait(10)
    assert query.answer().table.to_pylist() == [{"x": value}]


def test_a_cancelled_query_ends_in_the_store(engine: Engine, writer: Store) -> None:
    query = ConsoleQuery(engine.reader, ENDLESS, {}, QueryLimits(seconds=60))
    query.start()
    wait_until(lambda: _running(writer) == 1)
    query.cancel()
    assert query.wait(5)
    with pytest.raises(StoreError, match="cancelled"):
        query.answer()
    wait_until(lambda: _running(writer) == 0)
    query.cancel()  # harmless


def _running(writer: Store) -> int:
    rows = writer.sql_rows(
        "SELECT count() AS c FROM system.processes WHERE user = 'reader' AND query LIKE '%sipHash%'"
    )
    return int(str(rows[0]["c"]))


def test_a_slow_query_ends_by_itself(engine: Engine, writer: Store) -> None:
    assert writer
    started = time.monotonic()
    with pytest.raises(StoreError) as slow:
        ask(engine.reader, ENDLESS, seconds=1)
    assert slow.value.code == 159
    assert time.monotonic() - started < 10


def test_nobody_answering_is_said(engine: Engine) -> None:
    nobody = engine.reader.__class__("127.0.0.1", free_port(), "x", "x", "secret")
    with pytest.raises(StoreError, match="did not answer") as absent:
        ask(nobody, "SELECT 1")
    assert "secret" not in str(absent.value)


def test_a_store_with_tls_is_asked_with_tls(engine: Engine, tmp_path: Path) -> None:
    assert tmp_path
    secure = engine.reader.__class__("127.0.0.1", engine.reader.port, "x", "x", "y", secure=True)
    with pytest.raises(StoreError, match=ssl.SSLError.__name__):
        ask(secure, "SELECT 1")  # this engine has none
