"""Who writes the spans of which dialect: one file per dialect, one line here.

A writer gets a span whose ids and times are set and adds name, kind, status, attributes and events
as the real instrumentation does.
"""

from collections.abc import Callable, Mapping

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger_server.demo.dialects import anthropic_native, genai, openinference, openllmetry
from spanledger_server.demo.plan import DialectName, SpanPlan, TracePlan

DIALECTS: Mapping[DialectName, Callable[[TracePlan, SpanPlan, Span], None]] = {
    "genai": genai.write,
    "anthropic_native": anthropic_native.write,
    "openinference": openinference.write,
    "openllmetry": openllmetry.write,
}

__all__ = ["DIALECTS"]
