"""Runs of agents by hand, for tests of detectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from spanledger_analytics.findings.finding import SpanRef
from spanledger_analytics.findings.lanes import Lane, ModelCall, Step, ToolCall, TraceView

TRACE = "0" * 31 + "1"
START_NS = 1_700_000_000 * 10**9
S = 10**9


def ref(number: int, trace_id: str = TRACE) -> SpanRef:
    return SpanRef(trace_id, f"{number:016x}")


def model(
    number: int,
    cost: str | None = "0.01",
    input_tokens: int | None = 1_000,
    *,
    at_s: float | None = None,
    took_s: float = 1,
    ttft_s: float | None = None,
    cached: int | None = None,
    output_tokens: int | None = 100,
    output_cost: str | None = "0",
    name: str = "gpt-4o",
) -> ModelCall:
    start = START_NS + int((number if at_s is None else at_s) * S)
    return ModelCall(
        ref(number),
        start,
        start + int(took_s * S),
        provider="openai",
        model=name,
        ttft_ns=None if ttft_s is None else int(ttft_s * S),
        input_tokens=input_tokens,
        cache_read_tokens=cached,
        output_tokens=output_tokens,
        total_cost_usd=None if cost is None else Decimal(cost),
        output_cost_usd=None if cost is None or output_cost is None else Decimal(output_cost),
    )


def tool(
    number: int, name: str = "book", evidence: str = "", sig: int = 1, cost: str | None = None
) -> ToolCall:
    start = START_NS + number * S
    return ToolCall(
        ref(number),
        start,
        start + S // 2,
        name,
        call_sig=sig,
        result_sig=2 if evidence else 3,
        is_error=evidence in ("declared", "payload"),
        evidence=evidence,
        cost_usd=None if cost is None else Decimal(cost),
    )


def lane(
    steps: Sequence[Step], number: int = 0, parent: SpanRef | None = None, agent: str = "clerk"
) -> Lane:
    return Lane(
        ref(0xA000 + number), parent, agent, "1", tuple(steps), start_ns=START_NS, end_ns=START_NS
    )


@dataclass
class Said:
    """Texts by span."""

    arguments_of: Mapping[SpanRef, str] = field(default_factory=dict[SpanRef, str])
    outputs: Mapping[SpanRef, str] = field(default_factory=dict[SpanRef, str])

    def arguments(self, tool: ToolCall) -> str:
        return self.arguments_of.get(tool.ref, "")

    def output(self, model: ModelCall) -> str:
        return self.outputs.get(model.ref, "")


def view(*lanes: Lane, **changes: object) -> TraceView:
    made = {
        "trace_id": TRACE,
        "lanes": lanes,
        "session_id": "s1",
        "user_id": "u1",
        "agent_name": "clerk",
        "start_ns": START_NS,
        "end_ns": START_NS + 100 * S,
    }
    return TraceView(**(made | changes))  # type: ignore[arg-type]  # a test names what it changes
