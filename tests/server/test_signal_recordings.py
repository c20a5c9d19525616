"""Recorded logs and metrics beside the traces of the same calls: every call is counted once.

Bodies go over the real endpoints as they were recorded; `derivable.json` and `truth.json` say what
is true of them (see test_recordings.py).
"""

from __future__ import annotations

import itertools
import json
import random
import sqlite3
import time
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from spanledger_analytics.job import LedgerJob
from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.decode_batch import decode_batch
from spanledger_collector.signals import GRPC_SERVICES, Signal
from spanledger_collector.store.store_process import store_rows
from spanledger_storage.engine import Engine
from spanledger_storage.store import Store
from tests.conftest import fresh_store
from tests.instance import wait_until
from tests.marks import Marks
from tests.running import running_collector

RECORDINGS = Path(__file__).parent.parent / "fixtures" / "otlp"
NAMES = sorted(
    {
        path.parent.name
        for kind in ("logs", "metrics")
        for path in RECORDINGS.glob(f"*/*.{kind}.bin")
    }
)
CLASSES = ("input", "output", "cache_read", "cache_write", "reasoning")
CLAUDE = "claude-code-otel"
Sent = tuple[dict[str, Any], bytes]
_flushes = itertools.count(1)


def read(name: str, file: str) -> Any:
    return json.loads((RECORDINGS / name / file).read_text())


def bodies(names: Iterable[str], *signals: str) -> list[Sent]:
    return [
        (sent, (RECORDINGS / name / sent["file"]).read_bytes())
        for name in names
        for sent in read(name, "headers.json")
        if sent["signal"] in signals
    ]


def send(client: httpx.Client, channel: grpc.Channel, sent: dict[str, Any], body: bytes) -> None:
    if sent["transport"] == "grpc":
        service = GRPC_SERVICES[Signal(sent["signal"])]
        channel.unary_unary(
            f"/{service}/Export", request_serializer=bytes, response_deserializer=bytes
        )(body, timeout=10)
        return
    kept = ("content-type", "content-encoding", "authorization")
    headers = {k.lower(): v for k, v in sent["headers"] if k.lower() in kept}
    answer = client.post(sent["path"], content=body, headers=headers, timeout=10)
    assert answer.status_code == 200, answer.content


def replay(store: Store, directory: Path, found: Iterable[Sent]) -> None:
    """Send everything and wait until it is stored."""
    with (
        running_collector(store, directory) as collector,
        grpc.insecure_channel(f"127.0.0.1:{collector.grpc_port}") as channel,
        httpx.Client(base_url=collector.url) as client,
    ):
        for sent, body in found:
            send(client, channel, sent, body)
        wait_until(lambda: not _waiting(collector.settings.spool))


def _waiting(spool: Path) -> int:
    with sqlite3.connect(spool) as file:
        [requests] = file.execute("SELECT count(*) FROM requests").fetchone()
        [dead] = file.execute("SELECT count(*) FROM dead_letters").fetchone()
    file.close()
    assert dead == 0
    return int(requests)


def put(store: Store, found: Iterable[Sent]) -> None:
    """Store uncompressed protobuf bodies as the collector would, without a collector."""
    parts = [Body("default", body, time.time_ns(), Signal(sent["signal"])) for sent, body in found]
    flush = f"f{next(_flushes)}"
    store_rows(store, decode_batch(parts, flush, time.time_ns()), flush)


def derive(store: Store) -> None:
    LedgerJob(store, time.time_ns, Marks()).run_once()


def entries(store: Store, name: str = CLAUDE) -> list[dict[str, Any]]:
    """The entries of a recording, which has a service of its own."""
    sql = f"SELECT * FROM ledger_current WHERE service_name = 'fx-{name}' ORDER BY time"
    return store.sql_rows(sql)


def totals(rows: list[dict[str, Any]]) -> dict[str, int]:
    return {c: sum(row[f"{c}_tokens"] or 0 for row in rows) for c in CLASSES}


@pytest.fixture(scope="module")
def everything(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """All recordings that hold logs or metrics, with their traces, in any order."""
    found = bodies(NAMES, "traces", "logs", "metrics")
    random.Random(7).shuffle(found)
    with fresh_store(engine) as store:
        replay(store, tmp_path_factory.mktemp("signals"), found)
        derive(store)
        yield store


def test_no_call_is_counted_from_a_metric_or_twice_from_a_log(everything: Store) -> None:
    sql = "SELECT DISTINCT service_name FROM ledger_current WHERE usage_source IN ('metric', 'log')"
    assert everything.sql_rows(sql) == []


@pytest.mark.parametrize("name", NAMES)
def test_logs_and_metrics_add_nothing_to_what_spans_tell(everything: Store, name: str) -> None:
    derivable = read(name, "derivable.json")
    rows = entries(everything, name)
    assert totals(rows) == {c: derivable["derived"].get(c, 0) for c in CLASSES}
    assert sum(row["usage_source"] != "none" for row in rows) == derivable["calls"]


def test_records_and_points_of_all_recordings_are_kept(everything: Store) -> None:
    """As many as the 21 log bodies and 61 metric bodies hold, those of one key once."""
    [row] = everything.sql_rows(
        "SELECT (SELECT count() FROM logs FINAL) AS logs,"
        " (SELECT uniqExact(service_name) FROM metric_points) AS services"
    )
    assert row["logs"] == 247
    assert row["services"] == len({path.parent for path in RECORDINGS.glob("*/*.metrics.bin")})


def test_claude_codes_spans_learn_lifetimes_and_cost_from_its_logs(everything: Store) -> None:
    rows = entries(everything)
    told = read(CLAUDE, "truth.json")["totals"]["tokens_visible_on_wire"]
    assert [row["usage_source"] for row in rows] == ["merged"] * 5
    assert sum(row["cache_write_5m_tokens"] or 0 for row in rows) == told["cache_write_5m"]
    assert sum(row["cache_write_1h_tokens"] or 0 for row in rows) == told["cache_write_1h"]
    assert sum(row["reported_cost_usd"] for row in rows) == Decimal("0.0563604")
    assert sum(row["total_cost_usd"] for row in rows) == Decimal("0.0563604")
    spans = {
        s["span_id"] for s in everything.sql_rows("SELECT span_id FROM spans WHERE kind != 'log'")
    }
    assert {row["span_id"] for row in rows} <= spans, "a record is never the primary view"
    assert not any("double_instrumented" in row["flags"] for row in rows)


def test_claude_codes_trace_counts_its_spans_and_not_its_records(everything: Store) -> None:
    [trace] = everything.sql_rows(
        f"SELECT * FROM traces FINAL WHERE service_name = 'fx-{CLAUDE}' AND is_deleted = 0"
    )
    truth = read(CLAUDE, "truth.json")["totals"]
    assert trace["span_count"] == read(CLAUDE, "derivable.json")["spans"]
    assert trace["llm_calls"] == truth["answered_calls"]
    assert trace["tool_calls"] == truth["tool_executions"]


def without_trace_context(sent: Sent) -> Sent:
    """The same log body as Claude Code sends it with traces switched off."""
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    request = ExportLogsServiceRequest.FromString(sent[1])
    for group in request.resource_logs:
        for scope in group.scope_logs:
            for record in scope.log_records:
                record.ClearField("trace_id")
                record.ClearField("span_id")
    return sent[0], request.SerializeToString()


@pytest.mark.parametrize("has_context", [True, False])
def test_claude_codes_logs_alone_tell_the_truth(store: Store, *, has_context: bool) -> None:
    found = bodies([CLAUDE], "logs")
    if not has_context:
        found = [without_trace_context(sent) for sent in found]
    put(store, found)
    derive(store)
    rows = entries(store)
    told = read(CLAUDE, "truth.json")["totals"]["tokens_visible_on_wire"]
    assert [row["usage_source"] for row in rows] == ["log"] * 5
    assert {c: n for c, n in totals(rows).items() if c != "reasoning"} == {
        "input": told["input"],
        "output": told["output"],
        "cache_read": told["cache_read"],
        "cache_write": told["cache_write_5m"] + told["cache_write_1h"],
    }
    assert sum(row["cache_write_1h_tokens"] for row in rows) == told["cache_write_1h"]
    assert sum(row["total_cost_usd"] for row in rows) == Decimal("0.0563604")
    [trace] = store.sql_rows("SELECT * FROM traces FINAL WHERE is_deleted = 0")
    assert trace["status"] == ("open" if has_context else "closed")
    assert (trace["llm_calls"], trace["tool_calls"]) == (5, 5)
    assert trace["span_count"] == (10 if has_context else 11)
    assert trace["session_id"] == "358bda66-00e6-4acd-baef-6de1952e8316"


def test_claude_codes_metrics_alone_tell_the_totals(store: Store) -> None:
    put(store, bodies([CLAUDE], "metrics"))
    derive(store)
    [row] = entries(store)
    told = read(CLAUDE, "truth.json")["totals"]["tokens_visible_on_wire"]
    assert (row["usage_source"], row["session_id"]) == (
        "metric", "358bda66-00e6-4acd-baef-6de1952e8316",
    )  # fmt: skip
    assert (row["input_tokens"], row["output_tokens"]) == (told["input"], told["output"])
    assert row["cache_read_tokens"] == told["cache_read"]
    assert row["cache_write_tokens"] == told["cache_write_5m"] + told["cache_write_1h"]
    assert row["reported_cost_usd"] == Decimal("0.0563604")


def test_each_signal_that_comes_later_takes_over_from_the_poorer_one(store: Store) -> None:
    sources = list[set[str]]()
    for signal in ("metrics", "logs", "traces"):
        put(store, bodies([CLAUDE], signal))
        derive(store)
        rows = entries(store)
        sources.append({row["usage_source"] for row in rows})
        assert sum(row["input_tokens"] for row in rows) == 26_565
    assert sources == [{"metric"}, {"log"}, {"merged"}]


@pytest.mark.parametrize("name", ["otel-genai-openai", "pydantic-ai-otel-v6", "agent-framework"])
def test_official_metrics_alone_tell_input_and_output(store: Store, name: str) -> None:
    put(store, bodies([name], "metrics"))
    derive(store)
    rows = entries(store, name)
    derived = read(name, "derivable.json")["derived"]
    assert {row["usage_source"] for row in rows} == {"metric"}
    assert (totals(rows)["input"], totals(rows)["output"]) == (derived["input"], derived["output"])
