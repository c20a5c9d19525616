"""A few requests sent again and again, with ids and times of their own each time.

That is how the other systems of this field were measured: texts repeat, spans do not.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from benchmarks.chat_payloads import chat_payloads
from benchmarks.payloads import Payload

_BODIES = 40
_RESPONSE_ID = "gen_ai.response.id"


def repeated_payloads(spans: int, spans_per_request: int, seed: int = 1) -> Iterator[Payload]:
    """Yield requests of ``spans_per_request`` spans until at least ``spans`` are in them."""
    rng = random.Random(seed)
    bodies = list(chat_payloads(_BODIES * spans_per_request, spans_per_request, seed))
    for number in range(-(-spans // spans_per_request)):
        once = bodies[number % _BODIES]
        body = _written_anew(once.body, rng, time.time_ns())
        yield Payload(body, once.spans, once.llm_calls, once.input_tokens)


def _written_anew(body: bytes, rng: random.Random, now_ns: int) -> bytes:
    request = ExportTraceServiceRequest.FromString(body)
    spans = request.resource_spans[0].scope_spans[0].spans
    later_ns = now_ns - spans[0].start_time_unix_nano
    ids: dict[bytes, bytes] = {b"": b""}
    for span in spans:
        for was in (span.trace_id, span.span_id, span.parent_span_id):
            ids.setdefault(was, rng.randbytes(len(was)))
    for span in spans:
        _rewrite(span, ids, later_ns, rng)
    return request.SerializeToString()


def _rewrite(span: Span, ids: dict[bytes, bytes], later_ns: int, rng: random.Random) -> None:
    span.trace_id, span.span_id = ids[span.trace_id], ids[span.span_id]
    span.parent_span_id = ids[span.parent_span_id]
    span.start_time_unix_nano += later_ns
    span.end_time_unix_nano += later_ns
    for attribute in span.attributes:
        if attribute.key == _RESPONSE_ID:
            attribute.value.string_value = f"chatcmpl-{rng.getrandbits(60)}"
