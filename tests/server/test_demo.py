import gzip
import hashlib
import http.server
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from random import Random
from typing import Any

import genai_prices
import pytest
from google.rpc import status_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

import spanledger
from spanledger_server.demo import Clock, DemoError, DemoReport, ModelTotals, run_demo
from spanledger_server.demo.agents import FLEET
from spanledger_server.demo.agents.support import INTENT_MODEL
from spanledger_server.demo.batch import MAX_SPANS
from spanledger_server.demo.conversation import Conversation
from spanledger_server.demo.traffic import LiveTraffic, history, newest_day_first

NOW = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * 10**9
SECOND_NS = 10**9


@dataclass
class FakeTime:
    """A clock that only moves when somebody waits; sets `stop` after so many seconds."""

    now_ns: int = NOW_NS
    waits: list[float] = field(default_factory=list)
    stop_after_s: float = float("inf")

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        self.waits.append(seconds)
        self.now_ns += int(seconds * SECOND_NS)
        if self.now_ns - NOW_NS > self.stop_after_s * SECOND_NS:
            stop.set()
        return stop.is_set()

    def clock(self) -> Clock:
        return Clock(lambda: self.now_ns, self.wait)


class Endpoint:
    """An OTLP/HTTP endpoint on loopback that keeps what it accepts."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.paths: list[str] = []
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.default: tuple[int, dict[str, str], bytes] = (200, {}, b"")
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                assert self.headers["content-encoding"] == "gzip"
                assert self.headers["content-type"] == "application/x-protobuf"
                queue = endpoint.answers
                status, headers, answer = queue.pop(0) if queue else endpoint.default
                endpoint.paths.append(self.path)
                if status == 200:
                    endpoint.bodies.append(gzip.decompress(body))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    yield endpoint
    endpoint.close()


def run(
    url: str,
    time: FakeTime | None = None,
    say: Callable[[str], None] = lambda _: None,
    **options: Any,
) -> DemoReport:
    time = time or FakeTime()
    options = {"hours": 2.0, "live": False, **options}
    return run_demo(url, on_progress=say, stop=threading.Event(), clock=time.clock(), **options)


@dataclass(frozen=True)
class Sent:
    span: Span
    scope: str
    resource: dict[str, Any]

    @cached_property
    def attributes(self) -> dict[str, Any]:
        return {a.key: _value(a.value) for a in self.span.attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    assert kind is not None
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind)


def sent(bodies: list[bytes]) -> list[Sent]:
    spans: list[Sent] = []
    for body in bodies:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {a.key: _value(a.value) for a in resource.resource.attributes}
            for scope in resource.scope_spans:
                spans += [Sent(span, scope.scope.name, names) for span in scope.spans]
    return spans


def is_call(attributes: dict[str, Any]) -> bool:
    operation = attributes.get("gen_ai.operation.name")
    kind = attributes.get("openinference.span.kind")
    return operation in ("chat", "embeddings") or kind in ("LLM", "EMBEDDING")


_KEYS = {
    "input_tokens": ("gen_ai.usage.input_tokens", "llm.token_count.prompt"),
    "output_tokens": ("gen_ai.usage.output_tokens", "llm.token_count.completion"),
    "cache_read_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "llm.token_count.prompt_details.cache_read",
    ),
    "cache_write_tokens": ("gen_ai.usage.cache_write.input_tokens",),
    "reasoning_tokens": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
    ),
}


def _first(attributes: dict[str, Any], *keys: str) -> Any:
    return next((attributes[key] for key in keys if key in attributes), None)


def _model(attributes: dict[str, Any]) -> str:
    name = _first(
        attributes,
        "gen_ai.response.model",
        "llm.model_name",
        "embedding.model_name",
        "gen_ai.request.model",
    )
    return str(name or attributes["llm.invocation_parameters"].split('"')[3])


def counted_once(spans: list[Sent]) -> dict[str, ModelTotals]:
    """Totals from the wire alone: a call inside a call is the same call."""
    calls = {s.span.span_id for s in spans if is_call(s.attributes)}
    totals: dict[str, ModelTotals] = defaultdict(ModelTotals)
    for item in spans:
        attributes = item.attributes
        if item.span.span_id not in calls or item.span.parent_span_id in calls:
            continue
        of_model = totals[_model(attributes)]
        has_failed = item.span.status.code == Status.STATUS_CODE_ERROR
        of_model.calls += 1
        of_model.errors += has_failed
        has_usage = _first(attributes, *_KEYS["input_tokens"]) is not None
        of_model.calls_without_usage += not has_usage and not has_failed
        for name, keys in _KEYS.items():
            setattr(of_model, name, getattr(of_model, name) + (_first(attributes, *keys) or 0))
    return dict(totals)


Day = tuple[DemoReport, list[Sent], list[bytes]]


@pytest.fixture(scope="module")
def day() -> Day:
    endpoint = Endpoint()
    report = run(endpoint.url, hours=24.0)
    endpoint.close()
    return report, sent(endpoint.bodies), endpoint.bodies


def test_same_seed_and_moment_send_the_same_bytes(endpoint: Endpoint) -> None:
    digests = []
    for _ in range(2):
        endpoint.bodies.clear()
        run(endpoint.url)
        digests.append([hashlib.sha256(body).hexdigest() for body in endpoint.bodies])
    assert digests[0] == digests[1]
    assert len(digests[0]) >= 1


def test_another_seed_or_moment_sends_other_traces() -> None:
    def ids(seed: int, now_ns: int) -> set[bytes]:
        return {trace.trace_id for trace in history(seed, now_ns, 2, 40)}

    assert not ids(7, NOW_NS) & ids(8, NOW_NS)
    assert not ids(7, NOW_NS) & ids(7, NOW_NS + SECOND_NS)


def test_planted_totals_are_what_the_wire_says_when_each_call_counts_once(day: Day) -> None:
    report, spans, _ = day
    assert counted_once(spans) == report.models
    assert len(spans) == report.spans
    assert len({s.span.span_id for s in spans}) == report.spans
    assert len({s.span.trace_id for s in spans}) == report.traces
    llm = sum(t.calls for name, t in report.models.items() if not name.startswith("text-emb"))
    assert (llm, report.rejected_spans) == (report.llm_calls, 0)


def test_counting_every_span_would_count_some_calls_twice(day: Day) -> None:
    report, spans, _ = day
    seen = sum(is_call(s.attributes) for s in spans)
    assert seen > report.llm_calls + report.embedding_calls


def test_second_views_of_a_call_share_its_response_id(day: Day) -> None:
    _, spans, _ = day
    by_id = {s.span.span_id: s for s in spans}
    native = [s for s in spans if s.scope == "com.anthropic.sdk.python"]
    assert native
    for item in native:
        outer = by_id[item.span.parent_span_id]
        key = "gen_ai.response.id"
        assert item.attributes.get(key) == outer.attributes.get(key)


def test_every_dialect_and_role_is_on_the_wire(day: Day) -> None:
    _, spans, _ = day
    scopes = Counter(s.scope for s in spans)
    assert {
        "opentelemetry.instrumentation.genai.anthropic",
        "opentelemetry.instrumentation.genai.langchain",
        "com.anthropic.sdk.python",
        "openinference.instrumentation.openai",
        "openinference.instrumentation.langchain",
        "openinference.instrumentation.llama_index",
        "opentelemetry.instrumentation.google_generativeai",
        "opentelemetry.instrumentation.mistralai",
        "opentelemetry.instrumentation.openai.v1",
        "traceloop.tracer",
    } == set(scopes)
    kinds = {s.attributes.get("openinference.span.kind") for s in spans}
    assert {"AGENT", "LLM", "TOOL", "RETRIEVER", "EMBEDDING"} <= kinds
    assert {s.resource["deployment.environment.name"] for s in spans} == {"production", "staging"}


def test_spans_are_whole_and_inside_their_parents(day: Day) -> None:
    _, spans, _ = day
    ends: dict[bytes, tuple[bytes, int, int]] = {}
    for item in spans:
        span = item.span
        assert (len(span.trace_id), len(span.span_id)) == (16, 8)
        assert span.start_time_unix_nano >= NOW_NS - 24 * 3600 * SECOND_NS
        assert span.start_time_unix_nano <= span.end_time_unix_nano < NOW_NS
        ends[span.span_id] = (span.trace_id, span.start_time_unix_nano, span.end_time_unix_nano)
    for item in spans:
        span = item.span
        if span.parent_span_id:
            trace_id, start_ns, end_ns = ends[span.parent_span_id]
            assert trace_id == span.trace_id
            assert start_ns <= span.start_time_unix_nano
            assert span.end_time_unix_nano <= end_ns


def test_conversations_of_a_session_repeat_and_extend_their_history(day: Day) -> None:
    _, spans, _ = day
    lengths: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for item in spans:
        a = item.attributes
        if a.get("llm.output_messages.0.message.role") and a.get("session.id"):
            count = sum(k.startswith("llm.input_messages.") and k.endswith(".role") for k in a)
            if count > 2:
                lengths[a["session.id"]].append((item.span.start_time_unix_nano, count))
    longest = max(lengths.values(), key=len)
    counts = [count for _, count in sorted(longest)]
    assert counts == sorted(counts)
    assert counts[-1] >= counts[0] + 8


def test_runaway_repeats_one_search_and_costs_more_than_ten_dollars(day: Day) -> None:
    report, spans, _ = day
    [trace_id] = report.runaway_trace_ids
    inside = [s for s in spans if s.span.trace_id.hex() == trace_id]
    searches = [s.attributes for s in inside if s.span.name == "execute_tool search_web"]
    assert len(searches) >= 110
    assert len({a["gen_ai.tool.call.arguments"] for a in searches}) == 1
    [(name, totals)] = [x for x in counted_once(inside).items() if x[1].input_tokens]
    price = genai_prices.calc_price(
        genai_prices.Usage(
            input_tokens=totals.input_tokens,
            cache_write_tokens=totals.cache_write_tokens,
            output_tokens=totals.output_tokens,
        ),
        model_ref=name,
        provider_id="anthropic",
        genai_request_timestamp=NOW,
    )
    assert price.total_price > 10
    [root] = [s for s in inside if not s.span.parent_span_id]
    assert root.attributes[spanledger.TASK_OUTCOME] == "failed"


def test_the_last_day_comes_first_and_has_the_only_runaway() -> None:
    traces = list(newest_day_first(7, NOW_NS, 72, 4))
    day_ago = NOW_NS - 24 * 3600 * SECOND_NS
    is_newest = [min(span.start_ns for span in trace.spans) >= day_ago for trace in traces]
    assert is_newest == sorted(is_newest, reverse=True)
    assert 0 < sum(is_newest) < len(traces)
    assert [trace.is_runaway for trace in traces].count(True) == 1
    assert any(trace.is_runaway for trace in traces[: sum(is_newest)])


def test_every_runaway_runs_until_the_framework_stops_it() -> None:
    for seed in range(30):
        trace = Conversation.that_runs_away(Random(seed)).next_trace(NOW_NS)
        failures = {span.failure.error_type for span in trace.spans if span.failure is not None}
        assert "GraphRecursionError" in failures
        assert sum(span.role == "llm" for span in trace.spans) >= 110


def test_roots_carry_task_and_outcome_and_some_work_fails(day: Day) -> None:
    report, spans, _ = day
    roots = [s for s in spans if not s.span.parent_span_id]
    assert len(roots) == report.traces
    assert all(s.attributes[spanledger.TASK_ID] for s in roots)
    outcomes = Counter(s.attributes.get(spanledger.TASK_OUTCOME) for s in roots)
    assert set(outcomes) == {"completed", "failed", "escalated", "abandoned", None}
    assert 0 < report.tool_errors < report.tool_calls / 5
    assert sum(t.errors for t in report.models.values()) > 10
    assert sum(t.calls_without_usage for t in report.models.values()) > 5
    failed_tools = [
        s
        for s in spans
        if s.span.status.code == Status.STATUS_CODE_ERROR and not is_call(s.attributes)
    ]
    assert any(e.name == "exception" for s in failed_tools for e in s.span.events)


def test_streams_tell_the_time_to_the_first_token(day: Day) -> None:
    _, spans, _ = day
    events = [e for s in spans for e in s.span.events if e.name == "First Token Stream Event"]
    attributes = [s.attributes.get("gen_ai.response.time_to_first_chunk") for s in spans]
    assert len(events) > 50
    assert all(0 < a < 20 for a in attributes if a is not None)
    assert any(attributes)


def test_every_model_but_the_internal_one_has_a_price() -> None:
    models = {m for agent in FLEET for m, _ in agent.models}
    models |= {agent.helper for agent in FLEET if agent.helper is not None}
    usage = genai_prices.Usage(input_tokens=1_000, output_tokens=10)
    for model in models - {INTENT_MODEL}:
        for name in (model.request, model.response):
            price = genai_prices.calc_price(
                usage, name, provider_id=model.provider, genai_request_timestamp=NOW
            )
            assert price.total_price > 0
    with pytest.raises(LookupError):
        genai_prices.calc_price(usage, INTENT_MODEL.response, provider_id=INTENT_MODEL.provider)


def test_shares_of_the_fleet_add_up_and_days_are_busier_than_nights() -> None:
    assert sum(agent.share for agent in FLEET) == pytest.approx(1)
    hours = Counter(
        min(s.start_ns for s in trace.spans) // (3600 * SECOND_NS) % 24
        for trace in history(7, NOW_NS, 48, 40)
    )
    assert sum(hours[h] for h in range(9, 18)) > 3 * sum(hours[h] for h in (23, 0, 1, 2, 3, 4))


def test_requests_stay_small(day: Day) -> None:
    _, _, bodies = day
    assert max(len(sent([body])) for body in bodies) <= MAX_SPANS
    assert max(map(len, bodies)) < 3 * 1024 * 1024


def test_overload_is_waited_out_as_long_as_the_endpoint_asks(endpoint: Endpoint) -> None:
    later = datetime.fromtimestamp(NOW_NS / SECOND_NS + 9, UTC)
    http_date = later.strftime("%a, %d %b %Y %H:%M:%S GMT")
    endpoint.answers = [
        (503, {"retry-after": "7"}, b""),
        (429, {"retry-after": http_date}, b""),
        (503, {}, b""),
    ]
    time, said = FakeTime(), list[str]()
    report = run(endpoint.url, time, said.append)
    assert time.waits[:2] == [7.0, 2.0]
    assert len(time.waits) == 3
    assert report.spans == len(sent(endpoint.bodies)) > 100
    assert sum("trying again" in line for line in said) == 1


def test_endpoint_that_refuses_for_a_minute_ends_the_demo_with_a_hint(endpoint: Endpoint) -> None:
    endpoint.default = (503, {"retry-after": "20"}, b"")
    time = FakeTime()
    with pytest.raises(DemoError, match=r"not usable for 60 s: .*503.*`spanledger up`"):
        run(endpoint.url, time)
    assert time.waits == [20.0, 20.0, 20.0]


def test_absent_endpoint_is_named_and_tried_again() -> None:
    closed = Endpoint()
    url = closed.url
    closed.close()
    said = list[str]()
    with pytest.raises(DemoError, match=f"{url}/v1/traces was not usable.*no connection"):
        run(url, say=said.append)
    assert len(said) == 1


def test_final_answer_is_not_tried_again(endpoint: Endpoint) -> None:
    endpoint.default = (401, {}, b"no such key")
    time = FakeTime()
    with pytest.raises(DemoError, match="status 401: no such key"):
        run(endpoint.url, time)
    assert time.waits == []


def test_refusal_is_told_in_the_words_of_the_collector(endpoint: Endpoint) -> None:
    refusal = status_pb2.Status(code=16, message="A key is needed.").SerializeToString()
    endpoint.default = (401, {"content-type": "application/x-protobuf"}, refusal)
    with pytest.raises(DemoError, match="status 401: A key is needed. Set SPANLEDGER_INGEST_KEY"):
        run(endpoint.url)


def test_answer_of_something_else_than_a_collector_is_refused(endpoint: Endpoint) -> None:
    endpoint.default = (200, {}, b"<html>welcome</html>")
    with pytest.raises(DemoError, match="did not answer as an OTLP endpoint"):
        run(endpoint.url)


def test_address_without_scheme_is_refused() -> None:
    with pytest.raises(DemoError, match="must be an http"):
        run("127.0.0.1:4318")


def test_path_of_the_endpoint_may_be_given_in_full(endpoint: Endpoint) -> None:
    run(f"{endpoint.url}/v1/traces")
    assert set(endpoint.paths) == {"/v1/traces"}


def test_live_spans_arrive_as_they_end_children_before_parents(endpoint: Endpoint) -> None:
    time = FakeTime(stop_after_s=240)
    report = run(endpoint.url, time, hours=0, live=True)
    spans = sent(endpoint.bodies)
    assert len(spans) == report.spans
    assert 60 <= report.traces <= 240
    place = {s.span.span_id: i for i, s in enumerate(spans)}
    parents = [(s.span.span_id, s.span.parent_span_id) for s in spans if s.span.parent_span_id]
    assert sum(parent in place for _, parent in parents) > 100
    batch_of = {
        s.span.span_id: number for number, body in enumerate(endpoint.bodies) for s in sent([body])
    }
    for child, parent in parents:
        assert parent not in batch_of or batch_of[child] <= batch_of[parent]
    assert all(s.span.end_time_unix_nano <= time.now_ns for s in spans)
    assert counted_once(spans) == report.models


def test_live_runs_away_at_times() -> None:
    traffic = LiveTraffic(7, NOW_NS)
    runaways = set[bytes]()
    for second in range(0, 900, 10):
        due = traffic.due(NOW_NS + second * SECOND_NS)
        runaways |= {trace.trace_id for trace, _ in due if trace.is_runaway}
    assert len(runaways) == 1


def test_stop_ends_history_and_keeps_what_was_accepted(endpoint: Endpoint) -> None:
    stop = threading.Event()
    report = run_demo(
        endpoint.url,
        hours=24,
        on_progress=lambda _: stop.set(),
        stop=stop,
        clock=FakeTime().clock(),
    )
    assert report.spans == len(sent(endpoint.bodies))
    assert 0 < report.spans < 6_000


def test_rejected_spans_are_said_and_counted(endpoint: Endpoint) -> None:
    partial = ExportTracePartialSuccess(rejected_spans=3, error_message="too old")
    body = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
    endpoint.answers = [(200, {}, body)]
    said = list[str]()
    report = run(endpoint.url, say=said.append)
    assert report.rejected_spans == 3
    assert "3 spans were rejected: too old" in said
