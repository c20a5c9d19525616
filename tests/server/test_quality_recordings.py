"""Whatever a recorded instrumentation loses or invents shows up in the data-quality report."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from spanledger_analytics.data_quality import Finding, Period, Report, report
from spanledger_analytics.job import LedgerJob
from spanledger_storage.engine import Engine
from spanledger_storage.store import Store
from tests.conftest import fresh_store
from tests.marks import Marks
from tests.running import running_collector
from tests.server.test_recordings import NAMES, Recording, replay

CLASSES = ("input", "output", "cache_read", "cache_write", "reasoning")


def billed(recording: Recording) -> dict[str, int]:
    """What the provider billed, per token class."""
    tokens = recording.read("truth.json")["totals"]["tokens_all"]
    tokens["cache_write"] = tokens.get("cache_write_5m", 0) + tokens.get("cache_write_1h", 0)
    return {c: tokens.get(c, 0) for c in CLASSES}


def derivable(recording: Recording) -> dict[str, int]:
    tokens = recording.read("derivable.json")["derived"]
    return {c: tokens.get(c, 0) for c in CLASSES}


# The same spans in another encoding prove nothing new here.
LOSSY = [
    name
    for name in NAMES
    if not name.startswith("otel-genai-openai-")
    and derivable(Recording(name)) != billed(Recording(name))
]


@dataclass(frozen=True)
class Replayed:
    store: Store
    report: Report

    def lacks(self, name: str) -> bool:
        """Whether the ledger's tokens differ from what the provider billed."""
        sums = ", ".join(f"sum(ifNull({c}_tokens, 0)) AS {c}" for c in CLASSES)
        [row] = self._rows(f"SELECT {sums} FROM ledger_current", name)
        return row != billed(Recording(name))

    def findings(self, name: str) -> list[tuple[Finding, str]]:
        """The findings that name a service of a recording, each with what it says."""
        rows = self._rows("SELECT DISTINCT service_name AS s FROM spans", name)
        services = {row["s"] for row in rows}
        return [
            (finding, group.detail)
            for finding in self.report.findings
            for group in finding.groups
            if group.service_name in services
        ]

    def _rows(self, query: str, name: str) -> list[dict[str, object]]:
        traces = "', '".join(sorted(Recording(name).trace_ids()))
        return self.store.sql_rows(f"{query} WHERE trace_id IN ('{traces}')")


@pytest.fixture(scope="module")
def replayed(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayed]:
    recordings = [Recording(name) for name in LOSSY]
    with fresh_store(engine) as store:
        with (
            running_collector(store, tmp_path_factory.mktemp("quality")) as collector,
            httpx.Client(timeout=10) as client,
        ):
            for recording in recordings:
                for sent, body in recording.bodies:
                    replay(collector, client, sent, body)
            collector.await_spans(sum(r.read("derivable.json")["spans"] for r in recordings))
            collector.await_stored()
        LedgerJob(store, time.time_ns, Marks()).run_once()
        period = Period(1_700_000_000, int(time.time()) + 60)
        yield Replayed(store, report(store, "default", period))


@pytest.mark.parametrize("name", LOSSY)
def test_a_recording_that_lacks_tokens_is_in_the_report(replayed: Replayed, name: str) -> None:
    checks = {finding.check for finding, _ in replayed.findings(name)}
    assert checks - {"double_instrumentation"} or not replayed.lacks(name)


@pytest.mark.parametrize(
    ("name", "check", "effect"),
    [
        ("agents-genai-chat", "known_faults", "no model call"),
        ("agents-genai-responses", "known_faults", "no model call"),
        ("agents-traceloop-chat", "known_faults", "chat completions"),
        ("autogen", "known_faults", "no model call"),
        ("anthropic-sdk-native", "known_faults", "broke off"),
        ("claude-agent-sdk-oi", "known_faults", "nearly all output tokens"),
        ("claude-agent-sdk-oi", "sums_only", "agent's span"),
        ("crewai-oi", "known_faults", "no model call"),
        ("dspy-oi", "missing_usage", ""),
        ("haystack-oi", "known_faults", "no model call"),
        ("langgraph-oi-openai", "missing_usage", "streamed"),
        ("litellm-oi", "known_faults", "usage of streams"),
        ("oi-anthropic", "double_instrumentation", ""),
        ("old-oi-anthropic", "known_faults", "before 1.0"),
        ("old-openai-v2", "known_faults", "Responses API"),
        ("old-pydantic-ai-v1", "known_faults", "cache reads"),
        ("old-traceloop-anthropic", "known_faults", "up to 0.4x"),
        ("otel-openai-v2", "known_faults", "usage of streamed calls"),
        ("strands", "known_faults", "reasoning"),
        ("temporal-interceptor", "known_faults", "Workflows without a model call"),
        ("traceloop-anthropic", "known_faults", "one too many per stream"),
        ("vercel-ai-json", "known_faults", "reasoning"),
        ("vllm-client-server", "double_instrumentation", ""),
    ],
)
def test_the_report_says_what_the_instrumentation_does_wrong(
    replayed: Replayed, name: str, check: str, effect: str
) -> None:
    said = [detail for finding, detail in replayed.findings(name) if finding.check == check]
    assert any(effect in detail for detail in said), said


def test_every_example_is_a_stored_span(replayed: Replayed) -> None:
    rows = replayed.store.sql_rows("SELECT DISTINCT trace_id AS t, span_id AS s FROM spans")
    stored = {(row["t"], row["s"]) for row in rows}
    traces = {trace_id for trace_id, _ in stored}
    examples = [e for f in replayed.report.findings for g in f.groups for e in g.examples]
    assert len(examples) > 50
    for example in examples:
        assert example.trace_id in traces
        assert not example.span_id or (example.trace_id, example.span_id) in stored


def test_counts_agree_with_the_ledger(replayed: Replayed) -> None:
    [row] = replayed.store.sql_rows(
        "SELECT countIf(usage_source = 'none' AND status = 'ok') AS missing,"
        " countIf(usage_source != 'none' AND price_status = 'unpriced') AS unpriced,"
        " sum(total_cost_usd) AS spend, count() AS calls FROM ledger_current"
    )
    found = {finding.check: finding.count for finding in replayed.report.findings}
    assert found["missing_usage"] == row["missing"]
    assert found.get("unpriced_models", 0) == row["unpriced"]
    assert replayed.report.coverage.spend_usd == row["spend"]
    assert replayed.report.coverage.calls == row["calls"]
