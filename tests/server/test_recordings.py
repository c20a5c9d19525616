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
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_analytics.job import LedgerJob
from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.decode_batch import decode_batch
from spanledger_collector.edge.json_otlp import traces_from_json
from spanledger_collector.store.store_process import store_rows
from spanledger_storage.engine import Engine
from spanledger_storage.store import Store
from tests.conftest import fresh_store
from tests.marks import Marks
from tests.otlp import export_grpc
from tests.running import RunningCollector, running_collector
from tests.variants import first

RECORDINGS = Path(__file__).parent.parent / "fixtures" / "otlp"
NAMES = sorted(p.name for p in RECORDINGS.iterdir() if p.is_dir())
CLASSES = ("input", "output", "cache_read", "cache_write", "reasoning")
LIFETIMES = ("cache_write_5m", "cache_write_1h")
PROJECT = "default"
DAY_NS = 86_400 * 10**9

# Their payloads hold raw usage objects that the independent reading (`derivable.json`) passed over:
# what they say is what the provider told.
AS_THE_PROVIDER_TOLD = {"haystack-native", "old-langgraph-langsmith", "smolagents-oi"}
# A call that failed without any usage, which the independent reading took for one that cost zero.
CALLS = {"haystack-native": 6, "litellm-otel-v2": 10}
# Where a payload tells how long the provider keeps what was written to its cache.
WITH_LIFETIMES = [
    "anthropic-sdk-native",
    "langfuse",
    "langgraph-traceloop-anthropic",
    "litellm-otel",
    "oi-anthropic",
    "old-vercel-ai5",
    "pydantic-ai-anthropic",
    "traceloop-anthropic",
    "traceloop-sdk",
    "vercel-ai-legacy",
]
# Executions of tools, where these are not as many as spans that look like one.
TOOLS = {
    "agents-oi-responses": 5,  # a hand-off looks like a tool
    "claude-agent-sdk-oi": 5,  # as the agent saw them, and as the MCP server did, in other traces
    "old-pydantic-ai-anthropic": 6,
    "old-pydantic-ai-v1": 6,
    "smolagents-oi": 5,  # the final answer looks like a tool
}


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

    def expected_tokens(self) -> dict[str, int]:
        """Return the tokens per class that a reader of the payload can know."""
        if self.name in AS_THE_PROVIDER_TOLD:
            told = self.told()
            return {c: told[c] for c in CLASSES}
        derived = self.read("derivable.json")["derived"]
        expected = {c: derived.get(c, 0) for c in CLASSES}
        if self.name == "old-oi-anthropic":  # in the raw responses
            expected["reasoning"] = self.told()["reasoning"]
        elif self.name == "haystack-oi":  # in the repr of the answer
            expected |= {"cache_read": 256, "reasoning": 8}
        return expected

    def told(self) -> dict[str, int]:
        """Return the tokens per class that the provider told its clients."""
        told = self.read("truth.json")["totals"]["tokens_visible_on_wire"]
        return {**told, "cache_write": sum(told[c] for c in LIFETIMES)}

    def trace_ids(self) -> set[str]:
        return _trace_ids(self.name)

    def read_trace_ids(self) -> set[str]:
        found = set[str]()
        for sent, body in self.bodies:
            headers = {k.lower(): v for k, v in sent["headers"]}
            for resource_spans in _parse(headers, body).resource_spans:
                for scope_spans in resource_spans.scope_spans:
                    found.update(span.trace_id.hex() for span in scope_spans.spans)
        return found


@cache
def _trace_ids(name: str) -> set[str]:
    return Recording(name).read_trace_ids()


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


def replay(
    collector: RunningCollector, client: httpx.Client, sent: dict[str, Any], body: bytes
) -> None:
    """Send a body as it was sent: same transport, path and headers."""
    if sent["transport"] == "grpc":
        export_grpc(collector.grpc_port, body)
        return
    kept = ("content-type", "content-encoding", "authorization")
    headers = {k.lower(): v for k, v in sent["headers"] if k.lower() in kept}
    answer = client.post(collector.url + sent["path"], content=body, headers=headers)
    assert answer.status_code == 200, answer.content


def _drain(collector: RunningCollector, job: LedgerJob, expected_spans: int) -> None:
    collector.await_spans(expected_spans)
    collector.await_stored()
    job.run_once()


@dataclass
class Ledger:
    """What the jobs made of a store, by project and trace: ledger entries and tool calls."""

    store: Store
    entries: dict[tuple[str, str], list[dict[str, Any]]]
    tools: dict[tuple[str, str], int]

    @classmethod
    def of(cls, store: Store) -> Ledger:
        entries = defaultdict[tuple[str, str], list[dict[str, Any]]](list)
        for row in store.sql_rows("SELECT * FROM ledger_current"):
            entries[str(row["project"]), str(row["trace_id"])].append(row)
        rows = store.sql_rows("SELECT project, trace_id, tool_calls FROM traces FINAL")
        tools = {
            (str(row["project"]), str(row["trace_id"])): int(str(row["tool_calls"])) for row in rows
        }
        return cls(store, entries, tools)

    def entries_of(self, recording: Recording, project: str = PROJECT) -> list[dict[str, Any]]:
        traces = sorted(recording.trace_ids())
        return [row for trace_id in traces for row in self.entries.get((project, trace_id), ())]

    def tools_of(self, recording: Recording, project: str = PROJECT) -> int:
        return sum(self.tools.get((project, trace_id), 0) for trace_id in recording.trace_ids())


@pytest.fixture(scope="module", params=first(["shuffled, each twice", "in order", "reversed"]))
def replayed(
    request: pytest.FixtureRequest, engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ledger]:
    """A store with every recording in it, its ledger derived."""
    recordings = [Recording(name) for name in NAMES]
    bodies = [body for recording in recordings for body in recording.bodies]
    step = len(bodies) // 4
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
        with (
            running_collector(store, tmp_path_factory.mktemp("recordings")) as collector,
            httpx.Client(timeout=10) as client,
        ):
            job = LedgerJob(store, time.time_ns, Marks())
            for number, (sent, body) in enumerate(bodies):
                replay(collector, client, sent, body)
                if number % step == step - 1:
                    job.run_once()  # entries derived from half a trace must give way later
            _drain(collector, job, len(spans))
        yield Ledger.of(store)


def total(rows: list[dict[str, Any]], column: str) -> int:
    return sum(row[column] or 0 for row in rows)


def assert_counted_once(ledger: Ledger, recording: Recording, project: str = PROJECT) -> None:
    rows = ledger.entries_of(recording, project)
    assert {c: total(rows, f"{c}_tokens") for c in CLASSES} == recording.expected_tokens()
    counted = [r for r in rows if r["usage_source"] != "none" or r["cache_read_tokens"]]
    derivable = recording.read("derivable.json")
    assert len(counted) == CALLS.get(recording.name, derivable["calls"])
    tools = TOOLS.get(recording.name, derivable["tools"])
    assert ledger.tools_of(recording, project) == tools


@pytest.mark.parametrize("name", NAMES)
def test_tokens_calls_and_tools_equal_what_really_happened(replayed: Ledger, name: str) -> None:
    assert_counted_once(replayed, Recording(name))


@pytest.mark.parametrize("name", WITH_LIFETIMES)
def test_lifetimes_of_cache_writes_are_known(replayed: Ledger, name: str) -> None:
    recording = Recording(name)
    rows = replayed.entries_of(recording)
    told = recording.told()
    assert {c: total(rows, f"{c}_tokens") for c in LIFETIMES} == {c: told[c] for c in LIFETIMES}


@pytest.mark.parametrize("name", NAMES)
def test_token_classes_add_up_and_unknown_is_never_zero(replayed: Ledger, name: str) -> None:
    for row in replayed.entries_of(Recording(name)):
        if row["usage_source"] == "none":
            assert row["input_tokens"] is None
            assert row["output_tokens"] is None
            assert row["total_cost_usd"] is None
        elif row["input_tokens"] is not None:
            parts = ("uncached_tokens", "cache_read_tokens", "cache_write_tokens")
            assert row["input_tokens"] == sum(row[p] or 0 for p in parts)


@pytest.mark.parametrize("name", NAMES)
def test_cost_equals_an_independent_computation(replayed: Ledger, name: str) -> None:
    for row in replayed.entries_of(Recording(name)):
        if row["provider"] == "vllm":
            assert (row["price_status"], row["total_cost_usd"]) == ("self_hosted", None)
            continue
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


def test_a_second_run_of_the_job_writes_nothing(replayed: Ledger) -> None:
    store = replayed.store
    before = store.sql_rows("SELECT count() AS n FROM ledger")
    LedgerJob(store, time.time_ns, Marks()).run_once()
    assert store.sql_rows("SELECT count() AS n FROM ledger") == before


def test_two_projects_and_late_bodies_do_not_mix(engine: Engine) -> None:
    """Each body comes a day after the one before, to two projects that know nothing of another."""
    recordings = [Recording(name) for name in NAMES]
    bodies = [
        _parse({k.lower(): v for k, v in sent["headers"]}, body).SerializeToString()
        for recording in recordings
        for sent, body in recording.bodies
    ]
    random.Random(7).shuffle(bodies)
    first_ns = time.time_ns()
    with fresh_store(engine) as store:
        job = LedgerJob(store, time.time_ns, Marks())
        for number, first in enumerate(range(0, len(bodies), 32)):
            group = bodies[first : first + 32]
            received_ns = first_ns + number * DAY_NS
            late = [Body(p, body, received_ns) for p in ("acme", "zeta") for body in group]
            flush = f"flush-{number}"
            store_rows(store, decode_batch(late, flush, time.time_ns()), flush)
            job.run_once()  # entries derived from half a trace must give way later
        ledger = Ledger.of(store)
        for recording in recordings:
            for project in ("acme", "zeta"):
                assert_counted_once(ledger, recording, project)
        spans = store.sql_rows("SELECT project, count() AS n FROM spans FINAL GROUP BY project")
        assert len({row["n"] for row in spans}) == 1
