"""From rows to what detectors look at: the steps of each agent, each call once. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from hashlib import blake2b
from typing import NamedTuple

from spanledger_analytics.findings.finding import SpanRef
from spanledger_analytics.findings.lanes import (
    Charge,
    Lane,
    ModelCall,
    NoTexts,
    Step,
    Texts,
    ToolCall,
    TraceView,
)
from spanledger_analytics.findings.material import Call, Extra, Head, Material
from spanledger_analytics.spans import Span
from spanledger_analytics.tools import ToolCall as Execution
from spanledger_analytics.tools import tool_executions

_DIGITS = 32  # of the hash of one message
_NO_EXTRA = Extra("", "", 0, 0, "", 0, "", "")


class Candidate(NamedTuple):
    """A message that came between two calls of a model, and that no tool explains."""

    lane: int
    at_ns: int
    message: bytes


def build_view(
    material: Material, limits: Mapping[str, float], texts: Texts | None = None
) -> TraceView:
    """Return a trace as detectors see it, without what people said in the middle of it.

    1. Each span belongs to the nearest run of an agent at or above it, else to the trace's root. An
       agent right below one of its name, told by another instrumentation, is the same run.
    2. Calls of models are the ledger's, executions of tools those of ``tools.tool_executions``.
    3. In order of start, a tool belongs to the call of the model before it.
    """
    head = material.head
    root = material.spans.get(head.root_span_id)
    return TraceView(
        trace_id=head.trace_id,
        lanes=_lanes(material),
        session_id=head.session_id,
        user_id=head.user_id,
        agent_name=head.agent_name,
        agent_version=head.agent_version,
        outcome=head.outcome,
        is_open=head.status == "open",
        is_error=root is not None and root.status == "error",
        start_ns=head.start_ns,
        end_ns=head.end_ns,
        total_cost_usd=head.total_cost_usd,
        other_costs=[
            Charge(call.start_ns, call.start_ns + call.duration_ns, _ref(call), call.total_cost_usd)
            for call in material.calls
            if call.kind not in ("llm", "tool") and call.total_cost_usd is not None
        ],
        limits=limits,
        texts=texts or NoTexts(),
    )


def said_between(view: TraceView) -> list[Candidate]:
    """Return messages that may be a person's: new ones after a turn of the model without tools."""
    found: list[Candidate] = []
    for index, lane in enumerate(view.lanes):
        before: ModelCall | None = None
        for step, following in zip(lane.steps, lane.steps[1:], strict=False):
            before = step.model
            after = following.model
            if before and after and not step.tools and before.input and after.input:
                new = _added(before, after)
                found += (Candidate(index, after.start_ns, message) for message in new)
    return found


def with_people(
    view: TraceView, candidates: Collection[Candidate], roles: Mapping[bytes, str]
) -> TraceView:
    """Return the view with the times at which people spoke.

    A message of which nobody knows the role may have been a person's: it counts, so that content
    that was not captured leads to no alarm. One that comes again in its lane is a program's.
    """
    times: defaultdict[int, set[int]] = defaultdict(set)
    seen: dict[tuple[int, bytes], int] = {}
    for one in candidates:
        seen[one.lane, one.message] = seen.get((one.lane, one.message), 0) + 1
    for one in candidates:
        if roles.get(one.message, "user") == "user" and seen[one.lane, one.message] == 1:
            times[one.lane].add(one.at_ns)
    if not times:
        return view
    lanes = [
        replace(lane, human_ns=tuple(sorted({*lane.human_ns, *times[index]})))
        if index in times
        else lane
        for index, lane in enumerate(view.lanes)
    ]
    return replace(view, lanes=lanes)


def _added(before: ModelCall, after: ModelCall) -> list[bytes]:
    known = {*before.input, *before.output}
    return [message for message in dict.fromkeys(after.input) if message not in known]


def _lanes(material: Material) -> list[Lane]:
    owners = _Owners(material)
    models: defaultdict[str, list[tuple[int, str, ModelCall]]] = defaultdict(list)
    tools: defaultdict[str, list[ToolCall]] = defaultdict(list)
    paid: dict[str, Decimal] = {}
    for call in material.calls:
        if call.kind == "llm":
            model = _model_call(call, material)
            models[owners.of(_place(call, material))].append((call.start_ns, call.span_id, model))
        elif call.kind == "tool" and call.total_cost_usd is not None:
            paid[call.span_id] = paid.get(call.span_id, Decimal(0)) + call.total_cost_usd
    executions = tool_executions({span.key: span for span in material.spans.values()})
    for one in executions:
        tools[owners.of(one.primary.span_id)].append(_tool_call(one, material, paid))
    owned = {*models, *tools, *owners.agents}
    lanes = [
        _lane(material, owners, key, [one for *_, one in sorted(models[key])], tools[key])
        for key in owned
    ]
    return sorted(lanes, key=lambda lane: (lane.start_ns, lane.ref.span_id))


class _Owners:
    """Whose run of an agent each span belongs to."""

    def __init__(self, material: Material) -> None:
        self._spans = material.spans
        self._owner: dict[str, str] = {}
        roots = [span for span in self._spans.values() if not span.parent_span_id]
        first = min(roots, key=lambda span: (span.start_ns, span.span_id), default=None)
        self._root = first.span_id if first else ""
        agents = [span for span in self._spans.values() if span.role == "agent"]
        self.agents = {self.of(span.span_id) for span in agents}
        self.names = self._names()

    def of(self, span_id: str) -> str:
        """Return the span of the run: an agent, the root, or a parent that has not arrived."""
        path: list[str] = []
        at, owner = span_id, ""
        while at not in self._owner:
            self._owner[at] = at  # parents that form a circle come back here
            path.append(at)
            span = self._spans.get(at)
            if span is None:  # it has not arrived
                break
            if span.role == "agent" and not self._is_second(span):
                break
            if not span.parent_span_id:
                owner = at if span.role == "agent" else self._root
                break
            at = span.parent_span_id
        owner = owner or self._owner[at]
        for one in path:
            self._owner[one] = owner
        return owner

    def above(self, key: str) -> str | None:
        """Return the run that a run was started by; None: there is none."""
        span = self._spans.get(key)
        if span is None or not span.parent_span_id or span.role != "agent":
            return None
        above = self.of(span.parent_span_id)
        return above if above != key else None

    def _is_second(self, span: Span) -> bool:
        """Return whether another instrumentation told of the same run right above."""
        above = self._spans.get(span.parent_span_id)
        return (
            above is not None
            and above.role == "agent"
            and above.agent_name == span.agent_name != ""
            and above.scope_name != span.scope_name
        )

    def _names(self) -> dict[str, tuple[str, str]]:
        """Return the agent's name and version by run: its own, else of what it did first."""
        found: dict[str, tuple[str, str]] = {}
        for span in sorted(self._spans.values(), key=lambda one: one.start_ns):
            if span.agent_name:
                key = self.of(span.span_id)
                known = found.get(key, ("", ""))
                if not known[0] or (known[0] == span.agent_name and not known[1]):
                    found[key] = (span.agent_name, span.agent_version)
        for key in self.agents:
            agent = self._spans.get(key)
            if agent is not None and agent.agent_name:
                version = agent.agent_version or found.get(key, ("", ""))[1]
                found[key] = (agent.agent_name, version)
        return found


def _lane(
    material: Material,
    owners: _Owners,
    key: str,
    models: Sequence[ModelCall],
    tools: list[ToolCall],
) -> Lane:
    trace_id = material.head.trace_id
    span = material.spans.get(key)
    steps = _steps(models, tools)
    above = owners.above(key)
    name, version = owners.names.get(key, ("", ""))
    start_ns = span.start_ns if span else steps[0].start_ns if steps else material.head.start_ns
    ends = [step.end_ns for step in steps]
    end_ns = max([span.end_ns, *ends] if span else ends, default=start_ns)
    return Lane(
        ref=SpanRef(trace_id, key),
        parent=SpanRef(trace_id, above) if above else None,
        agent_name=name,
        agent_version=version,
        steps=steps,
        task=_task(material.extras.get(key, _NO_EXTRA), models),
        human_ns=_waited_for(material.head, start_ns, end_ns),
        start_ns=start_ns,
        end_ns=end_ns,
        is_open=span is None or bool(material.extras[key].is_pending),
        is_error=span is not None and span.status == "error",
    )


def _steps(models: Sequence[ModelCall], tools: list[ToolCall]) -> tuple[Step, ...]:
    """Return turns in order of start: a tool is of the call before it, or a step by itself."""
    tools.sort(key=lambda tool: (tool.start_ns, tool.ref.span_id))
    if not models:
        return tuple([Step(None, (tool,)) for tool in tools])
    starts = [tool.start_ns for tool in tools]
    cuts = [bisect_left(starts, model.start_ns) for model in models] + [len(tools)]
    steps = [Step(None, (tool,)) for tool in tools[: cuts[0]]]
    for model, low, high in zip(models, cuts, cuts[1:], strict=False):
        steps.append(Step(model, tuple(tools[low:high])))
    return tuple(steps)


def _place(call: Call, material: Material) -> str:
    """Return the span of a call that is stored; the primary if it is."""
    if call.span_id in material.spans or not call.others:
        return call.span_id
    return next((one for one in call.others.split() if one in material.spans), call.span_id)


def _ref(call: Call) -> SpanRef:
    return SpanRef(call.trace_id, call.span_id)


def _model_call(call: Call, material: Material) -> ModelCall:
    extras = [material.extras.get(call.span_id, _NO_EXTRA)]
    if call.others:
        extras += [material.extras.get(one, _NO_EXTRA) for one in call.others.split()]
    return ModelCall(
        _ref(call),
        call.start_ns,
        call.start_ns + call.duration_ns,
        call.provider,
        call.model,
        call.status == "error",
        call.error_type,
        call.ttft_ns,
        call.input_tokens,
        call.cache_read_tokens,
        call.cache_write_tokens,
        call.output_tokens,
        next((one.finish_reason for one in extras if one.finish_reason), ""),
        call.total_cost_usd,
        call.uncached_cost_usd,
        call.cache_read_cost_usd,
        call.output_cost_usd,
        call.fees_cost_usd,
        _hashes(max((one.input for one in extras), key=len)),
        _hashes(next((one.output for one in extras if one.output), "")),
    )


def _tool_call(one: Execution, material: Material, paid: Mapping[str, Decimal]) -> ToolCall:
    span = one.primary
    if len(one.views) == 1:
        extra = material.extras[span.span_id]
        call_sig, result_sig, evidence = extra.call_sig, extra.result_sig, extra.tool_evidence
        cost = paid.get(span.span_id) if paid else None
        server = material.servers.get(span.span_id, "")
    else:
        extra, call_sig, result_sig, evidence = _combined(one, material)
        costs = [paid[view.span_id] for view in one.views if view.span_id in paid]
        cost = sum(costs, Decimal(0)) if costs else None
        server = _first(material.servers.get(view.span_id, "") for view in one.views)
    is_declared = extra.tool_outcome == "error" or span.status == "error"
    evidence = "declared" if is_declared else evidence
    return ToolCall(
        SpanRef(span.trace_id, span.span_id),
        span.start_ns,
        span.end_ns,
        span.tool_name or _first(view.tool_name for view in one.views),
        call_sig,
        result_sig,
        evidence in ("declared", "payload"),
        evidence,
        span.error_type,
        span.tool_call_id or _first(view.tool_call_id for view in one.views),
        server,
        cost,
    )


def _combined(one: Execution, material: Material) -> tuple[Extra, int, int, str]:
    """Return what views of one execution say together: the outermost first, as far as it knows."""
    extras = [material.extras[view.span_id] for view in one.views]
    outer = extras[0]
    call_sig = next((extra.call_sig for extra in extras if extra.call_sig), 0)
    result_sig = next((extra.result_sig for extra in extras if extra.result_sig), 0)
    evidence = outer.tool_evidence
    if not evidence and not outer.result_sig:
        evidence = _first(extra.tool_evidence for extra in extras)
    return outer, call_sig, result_sig, evidence


def _task(extra: Extra, models: Sequence[ModelCall]) -> bytes:
    """Return a hash of what the agent was asked: its own input, else that of its first call."""
    asked = bytes.fromhex(extra.input) or (b"".join(models[0].input) if models else b"")
    return blake2b(asked, digest_size=16).digest() if asked else b""


def _waited_for(head: Head, start_ns: int, end_ns: int) -> tuple[int, ...]:
    """Return when people answered: ends of the waits for them during a run."""
    ends = head.human_times[1::2]
    return ends[bisect_left(ends, start_ns) : bisect_right(ends, end_ns)] if ends else ()


def _hashes(digits: str) -> tuple[bytes, ...]:
    joined = bytes.fromhex(digits)
    size = _DIGITS // 2
    return tuple([joined[at : at + size] for at in range(0, len(joined), size)])


def _first(values: Iterable[str]) -> str:
    return next((value for value in values if value), "")
