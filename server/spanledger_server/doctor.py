"""``spanledger doctor``: is what I send counted, how fast, and if not, why not."""

from __future__ import annotations

import os
import secrets
import sqlite3
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from sqlalchemy.exc import SQLAlchemyError

from spanledger_server.errors import UsageError
from spanledger_server.guard import INGEST_KEY, sender_headers
from spanledger_server.run_file import RunFile, RunInfo, running_instance
from spanledger_server.stores import reader_of
from spanledger_storage.errors import StorageError
from spanledger_storage.state import Heartbeats, open_state_reader, sqlite_url
from spanledger_storage.store import Store

Say = Callable[[str], None]
_WORKER_SILENT_S = 15
_TRUSTING = ssl.create_default_context()
_TRUSTING.check_hostname = False
_TRUSTING.verify_mode = ssl.CERT_NONE
# The instance is on this machine: never through a proxy of the environment, and its certificate
# is made out to another name than loopback's.
_DIRECT = urllib.request.build_opener(
    urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=_TRUSTING)
)


def examine(data: Path, timeout_s: float, say: Say) -> bool:
    """Check a running instance with a probe trace; return whether all is well.

    The probe is one span without tokens: it costs nothing and appears in no total.

    Raises:
        UsageError: nothing runs on ``data``.
    """
    if os.environ.get("SPANLEDGER_STORE_URL") and not RunFile(data).is_held():
        raise UsageError(
            f"No `spanledger up` runs on {data}, which is what is examined. Of roles that run by "
            "themselves, as in containers, /readyz and /status of the collector tell what holds "
            "things up, and `spanledger data-quality` what is missing from the numbers."
        )
    info = running_instance(data)
    say(f"ok    running: process {info.pid}, OTLP {info.otlp_url}, dashboard {info.dashboard_url}")
    is_ready = _check_ready(info, say)
    _report_damage(data, say)
    _report_letters(info, data, say)
    trace_id = secrets.token_hex(16)
    sent_at = time.monotonic()
    if not _send(info, trace_id, say):
        return False
    found = _await_probe(info, data, trace_id, sent_at, timeout_s, say)
    return found and is_ready


def _check_ready(info: RunInfo, say: Say) -> bool:
    try:
        with _DIRECT.open(f"{info.otlp_url}/readyz", timeout=5):
            say("ok    ready: every process accepts work")
            return True
    except urllib.error.HTTPError as error:
        say(f"FAIL  not ready: {error.read().decode(errors='replace').strip()}")
    except OSError as error:
        say(f"FAIL  the OTLP port does not answer: {error}{_hint_of_tls(info)}")
    return False


def _report_damage(data: Path, say: Say) -> None:
    """Say which spool files were damaged, and what became of their requests."""
    for name, salvaged, damaged in _ask_spool(data, "SELECT file, salvaged, damaged FROM salvages"):
        say(
            f"note  the spool was damaged: {salvaged:,} requests salvaged, about {damaged:,} could "
            f"not be read; the file is kept as {data / 'spool' / str(name)}"
        )


def _report_letters(info: RunInfo, data: Path, say: Say) -> None:
    """Say how many requests could not be stored, in the store and on their way there."""
    waiting = sum(n for (n,) in _ask_spool(data, "SELECT count(*) FROM dead_letters"))
    if waiting:
        say(f"note  {waiting:,} dead letters wait in the spool until the store takes them")
    try:
        with closing(Store.connect(reader_of(info, data))) as store:
            [found] = store.rows("dead_letters_count")
    except StorageError:
        return  # the probe says what is wrong with the store
    if found["letters"]:
        say(
            f"note  {found['letters']:,} dead letters are open ({found['items']:,} items, the "
            f"oldest received {str(found['oldest'])[:19]}): spanledger dead-letter list"
        )


def _ask_spool(data: Path, sql: str) -> list[tuple[int, ...]]:
    """Return rows of the spool file, none when it cannot be read."""
    try:
        with closing(sqlite3.connect(f"{_spool(data).as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute(sql).fetchall()
    except sqlite3.Error:
        return []


def _spool(data: Path) -> Path:
    return data.absolute() / "spool" / "spool.db"


def _send(info: RunInfo, trace_id: str, say: Say) -> bool:
    request = urllib.request.Request(
        f"{info.otlp_url}/v1/traces",
        data=_probe(trace_id).SerializeToString(),
        headers={"Content-Type": "application/x-protobuf", **sender_headers()},
    )
    started = time.monotonic()
    try:
        with _DIRECT.open(request, timeout=10):
            say(f"ok    probe acknowledged after {(time.monotonic() - started) * 1000:.0f} ms")
            return True
    except OSError as error:
        say(f"FAIL  the probe was not accepted: {error}{_hint(error)}")
        return False


def _hint(error: OSError) -> str:
    if isinstance(error, urllib.error.HTTPError) and error.code in (401, 403):
        return f"; set {INGEST_KEY} to a key with the scope ingest"
    return ""


def _hint_of_tls(info: RunInfo) -> str:
    """A server that demands a certificate ends the connection only after the handshake."""
    if not info.is_tls:
        return ""
    return (
        "; with --tls-client-ca it answers those alone who have a certificate, and doctor has none"
    )


def _probe(trace_id: str) -> ExportTraceServiceRequest:
    now = time.time_ns()
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    service = resource_spans.resource.attributes.add(key="service.name")
    service.value.string_value = "spanledger-doctor"
    resource_spans.scope_spans.add().spans.append(
        Span(
            trace_id=bytes.fromhex(trace_id),
            span_id=secrets.token_bytes(8),
            name="doctor probe",
            start_time_unix_nano=now - 1_000_000,
            end_time_unix_nano=now,
        )
    )
    return request


def _await_probe(
    info: RunInfo, data: Path, trace_id: str, sent_at: float, timeout_s: float, say: Say
) -> bool:
    """Wait until the probe is stored and then worked into a trace."""
    try:
        store = Store.connect(reader_of(info, data))
    except StorageError as error:
        say(f"FAIL  the store cannot be read: {error}")
        return False
    stages = [("queryable", "doctor_span"), ("in the traces", "doctor_trace")]
    try:
        while stages:
            waited = time.monotonic() - sent_at
            stage, statement = stages[0]
            if store.rows(statement, {"trace_id": trace_id})[0]["found"]:
                say(f"ok    probe {stage} after {waited:.1f} s")
                stages.pop(0)
            elif waited > timeout_s:
                say(f"FAIL  probe not {stage} after {waited:.0f} s")
                _explain(data, say)
                return False
            else:
                time.sleep(0.1)
    finally:
        store.close()
    return True


def _explain(data: Path, say: Say) -> None:
    """Say which stage holds things up."""
    try:
        connection = sqlite3.connect(f"{_spool(data).as_uri()}?mode=ro", uri=True)
        waiting, dead = connection.execute(
            "SELECT (SELECT count(*) FROM requests), (SELECT count(*) FROM dead_letters)"
        ).fetchone()
        connection.close()
        say(f"      spool: {waiting} requests wait to be stored, {dead} dead letters")
    except sqlite3.Error as error:
        say(f"      spool: cannot be read ({error})")
    say(f"      worker: {_sign_of_the_worker(data)}")
    say(f"      logs: {data / 'logs'}, engine: {data / 'engine' / 'engine.log'}")


def _sign_of_the_worker(data: Path) -> str:
    """Return when the worker was last heard of, as far as can be told from here."""
    file, log = data / "state.db", data / "logs" / "worker.log"
    url = os.environ.get("SPANLEDGER_STATE_URL") or (sqlite_url(file) if file.exists() else "")
    if not url:
        return f"set SPANLEDGER_STATE_URL to see whether it lives; its log is {log}"
    try:
        newest = Heartbeats(open_state_reader(url)).newest("worker")
    except (SQLAlchemyError, StorageError):
        return f"the state database does not answer; see {log}"
    if newest is None:
        return f"last sign of life never; see {log}"
    silent_s = (time.time_ns() - newest) / 1e9
    if silent_s > _WORKER_SILENT_S:
        return f"last sign of life {silent_s:.0f} s ago; see {log}"
    return "lives"
