"""Recorded bodies of real instrumentations, replayed over the real endpoints, priced, compared.

Every recording was made against a provider double that knew what it billed (`truth.json`); where an
instrumentation itself loses tokens, `derivable.json` says what its payload still holds. All
recordings share one store and one project, interleaved, so that none may disturb another: their
doubles reuse response ids, for instance. The expected money is computed here, by `genai_prices`
itself, from the stored tokens.
"""

from __future__ import annotations

import gzip
import json
import random
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_analytics.job import LedgerJob
from spanledger_collector.json_otlp import traces_from_json
from spanledger_storage.engine import Engine
from spanledger_storage.store import Store
from tests.conftest import fresh_store
from tests.otlp import export_grpc
from tests.running import RunningCollector, running_collector

RECORDINGS = Path(__file__).parent.parent / "fixtures" / "otlp"
NAMES = sorted(p.name for p in RECORDINGS.iterdir() if p.is_dir())
CLASSES = ("input", "output", "cache_read", "cache_write", "reasoning")


@dataclass
class Recording:
    """One folder: its trace bodies with how they were sent, and what is true of them."""

    name: str
    bodies: list[tuple[dict[str, Any], bytes]] = field(
        default_factory=list[tuple[dict[str, Any], bytes]]
    )

    def __post_init__(self) -> None:
        for sent in self.read("headers.json"):
            if sent["signal"] == "traces":
                self.bodies.append((sent, (RECORDINGS / self.name / sent["file"]).read_bytes()))

    def read(self, file: str) -> Any:
        return json.loads((RECORDINGS / self.name / file).read_text())

    def trace_ids(self) -> set[str]:
        found = set[str]()
        for sent, body in self.bodies:
            headers = {k.lower(): v for k, v in sent["headers"]}
            for resource_spans in _parse(headers, body).resource_spans:
                for scope_spans in resource_spans.scope_spans:
                    found.update(span.trace_id.hex() for span in scope_spans.spans)
        return found


def _parse(headers: dict[str, str], body: bytes) -> ExportTraceServiceRequest:
    match headers.get("content-encoding"):
        case "gzip":
            body = gzip.decompress(body)
        case "deflate":
            body = zlib.decompress(body)
        case _:
            pass
    if "json" in headers.get("content-type", ""):
        return traces_from_json(body)
    return ExportTraceServiceRequest.FromString(body)


def replay(collector: RunningCollector, sent: dict[str, Any], body: bytes) -> None:
    """Send a body as it was sent: same transport, path and headers."""
    if sent["transport"] == "grpc":
        export_grpc(collector.grpc_port, body)
        return
    kept = ("content-type", "content-encoding", "authorization")
    headers = {k.lower(): v for k, v in sent["headers"] if k.lower() in kept}
    answer = httpx.post(collector.url + sent["path"], content=body, headers=headers, timeout=10)
    assert answer.status_code == 200, answer.content


class _Marks:
    """Positions of the job, in memory."""

    def __init__(self) -> None:
        self._positions: dict[str, int] = {}

    def get(self, job: str) -> int | None:
        return self._positions.get(job)

    def set(self, job: str, position: int) -> None:
        self._positions[job] = position


def _drain(collector: RunningCollector, job: LedgerJob, expected_spans: int) -> None:
    collector.await_spans(expected_spans)
    job.run_once()


@pytest.fixture(scope="module", params=["in order", "reversed", "shuffled, each twice"])
def replayed(
    request: pytest.FixtureRequest, engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """A store with every recording in it, its ledger derived."""
    recordings = [Recording(name) for name in NAMES]
    bodies = [body for recording in recordings for body in recording.bodies]
    if request.param == "reversed":
        bodies.reverse()
    elif request.param != "in order":
        bodies = bodies * 2
        random.Random(5).shuffle(bodies)
    spans = {
        (span.trace_id, span.span_id)
        for sent, body in bodies
        for resource in _parse({k.lower(): v for k, v in sent["headers"]}, body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }
    with fresh_store(engine) as store:
        with running_collector(store, tmp_path_factory.mktemp("recordings")) as collector:
            job = LedgerJob(store, time.time_ns, _Marks())
            for number, (sent, body) in enumerate(bodies):
                replay(collector, sent, body)
                if number % 20 == 19:
                    job.run_once()  # entries derived from half a trace must give way later
            _drain(collector, job, len(spans))
        yield store


def entries(store: Store, recording: Recording) -> list[dict[str, Any]]:
    traces = "', '".join(sorted(recording.trace_ids()))
    return store.sql_rows(f"SELECT * FROM ledger_current WHERE trace_id IN ('{traces}')")


def total(rows: list[dict[str, Any]], column: str) -> int:
    return sum(row[column] or 0 for row in rows)


@pytest.mark.parametrize("name", NAMES)
def test_tokens_and_calls_equal_what_the_provider_told(replayed: Store, name: str) -> None:
    recording = Recording(name)
    expected = recording.read("derivable.json")
    rows = entries(replayed, recording)
    found = {c: total(rows, f"{c}_tokens") for c in CLASSES}
    assert found == {c: expected["derived"].get(c, 0) for c in CLASSES}
    counted = [r for r in rows if r["usage_source"] != "none" or r["cache_read_tokens"]]
    assert len(counted) == expected["calls"]


@pytest.mark.parametrize("name", NAMES)
def test_token_classes_add_up_and_unknown_is_never_zero(replayed: Store, name: str) -> None:
    for row in entries(replayed, Recording(name)):
        if row["usage_source"] == "none":
            assert row["input_tokens"] is None
            assert row["output_tokens"] is None
            assert row["total_cost_usd"] is None
        elif row["input_tokens"] is not None:
            parts = ("uncached_tokens", "cache_read_tokens", "cache_write_tokens")
            assert row["input_tokens"] == sum(row[p] or 0 for p in parts)


@pytest.mark.parametrize("name", NAMES)
def test_cost_equals_an_independent_computation(replayed: Store, name: str) -> None:
    for row in entries(replayed, Recording(name)):
        expected = independent_cost(row)
        if expected is None:
            assert row["price_status"] == "unpriced"
            assert row["total_cost_usd"] is None
        else:
            assert row["price_status"] == "priced"
            assert row["total_cost_usd"] == expected.quantize(Decimal("1e-12"))


def independent_cost(row: dict[str, Any]) -> Decimal | None:
    """Price one entry's tokens with `genai_prices` itself."""
    from genai_prices import Usage, calc_price

    if row["usage_source"] == "none":
        return None
    usage = Usage(
        input_tokens=row["input_tokens"],
        cache_read_tokens=row["cache_read_tokens"],
        cache_write_tokens=row["cache_write_tokens"],
        cache_write_1h_tokens=row["cache_write_1h_tokens"],
        output_tokens=row["output_tokens"],
        input_audio_tokens=row["audio_input_tokens"],
        output_audio_tokens=row["audio_output_tokens"],
    )
    # LiteLLM writes "openai/gpt-4o-mini"; the price data knows the name alone.
    for model in (row["model"], row["request_model"]):
        prefix, _, name = model.rpartition("/")
        try:
            price = calc_price(
                usage,
                name,
                provider_id=row["provider"] or prefix or None,
                genai_request_timestamp=row["time"],
            )
        except LookupError:
            continue
        return price.total_price
    return None


def test_a_second_run_of_the_job_writes_nothing(replayed: Store) -> None:
    before = replayed.sql_rows("SELECT count() AS n FROM ledger")
    LedgerJob(replayed, time.time_ns, _Marks()).run_once()
    assert replayed.sql_rows("SELECT count() AS n FROM ledger") == before
