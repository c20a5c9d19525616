"""Lanes of steps with signatures, for tests of the rules of loops."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from spanledger_analytics.findings.detectors.loops import detect
from spanledger_analytics.findings.finding import Finding, SpanRef
from spanledger_analytics.findings.lanes import (
    Lane,
    ModelCall,
    NoTexts,
    Step,
    Texts,
    ToolCall,
    TraceView,
)

TRACE = "0" * 31 + "1"
S = 10**9
COST = Decimal("0.01")


def model(number: int, at: int, **changes: object) -> ModelCall:
    """Return a call of a model: one second, one cent, 1,000 tokens and 100 more each time."""
    tokens = 1_000 + 100 * number
    call = ModelCall(
        SpanRef(TRACE, f"{number:015x}a"),
        at,
        at + S,
        model="gpt-4o",
        input_tokens=tokens,
        total_cost_usd=COST,
        uncached_cost_usd=COST,
    )
    return call._replace(**changes)  # type: ignore[arg-type]  # a test names what it changes


def tool(number: int, at: int, call: int, result: int, **changes: object) -> ToolCall:
    """Return a call of a tool, half a second long."""
    made = ToolCall(
        SpanRef(TRACE, f"{number:015x}b"),
        at,
        at + S // 2,
        "search",
        call_sig=call,
        result_sig=result,
    )
    return made._replace(**changes)  # type: ignore[arg-type]  # a test names what it changes


def steps(
    pairs: Iterable[tuple[int, int]], *, gap_s: float = 0, name: str = "search", error: bool = False
) -> list[Step]:
    """Return steps of a model's turn with one call each, of these signatures."""
    made: list[Step] = []
    for number, (call, result) in enumerate(pairs):
        at = 100 * S + int(number * (1.5 + gap_s) * S)
        one = tool(number, at + S, call, result, name=name, is_error=error)
        made.append(Step(model(number, at), (one,)))
    return made


def lane(made: Sequence[Step], **changes: object) -> Lane:
    """Return a lane of steps."""
    values: dict[str, object] = {
        "ref": SpanRef(TRACE, "f" * 16),
        "parent": None,
        "agent_name": "clerk",
        "agent_version": "1",
        "steps": tuple(made),
    }
    return Lane(**(values | changes))  # type: ignore[arg-type]  # a test names what it changes


def found(*lanes: Lane, texts: Texts | None = None, **changes: object) -> list[Finding]:
    """Return the loops of a trace of lanes."""
    values: dict[str, object] = {"trace_id": TRACE, "lanes": lanes, "texts": texts or NoTexts()}
    return detect(TraceView(**(values | changes)))  # type: ignore[arg-type]  # as above


def told(*lanes: Lane, texts: Texts | None = None, **changes: object) -> list[tuple[str, str]]:
    """Return codes and severities of the loops of a trace."""
    return [(one.code, one.severity) for one in found(*lanes, texts=texts, **changes)]


@dataclass
class Said:
    """Texts by span."""

    of_tools: Mapping[SpanRef, str] = field(default_factory=dict[SpanRef, str])
    of_models: Mapping[SpanRef, str] = field(default_factory=dict[SpanRef, str])

    def arguments(self, tool: ToolCall) -> str:
        return self.of_tools.get(tool.ref, "")

    def output(self, model: ModelCall) -> str:
        return self.of_models.get(model.ref, "")


class Unread:
    """Texts that nobody may ask for."""

    def arguments(self, tool: ToolCall) -> str:
        raise AssertionError(tool)

    def output(self, model: ModelCall) -> str:
        raise AssertionError(model)
