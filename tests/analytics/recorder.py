"""Planted runs as requests: every call shown the way its instrumentations show it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from spanledger_collector.decode.decode import Body
from spanledger_collector.signals import Signal
from tests.analytics.planted import Agent, Called, Node, NoTool, Routed, Used
from tests.analytics.shown import (
    CLIENT,
    EVENT_OF_GENAI,
    FIELDS,
    INTERNAL,
    LOG_OF_CLAUDE_CODE,
    SERVER,
    SHOWN,
    Kind,
    Shown,
    call_attributes,
)
from tests.analytics.shown_agents import AGENTS, MCP_CLIENT, MCP_SCOPE, MCP_SERVER, NO_TOOLS, TOOLS
from tests.analytics.shown_usage import Usage
from tests.otlp import Value, attributes, request

MS = 1_000_000
T0 = 1_790_000_000 * 10**9
MODELS = {"openai": "gpt-4o", "anthropic": "claude-sonnet-4-5"}
PLAIN = {"openai": "genai openai", "anthropic": "genai anthropic"}
GAP_MS = 5


@dataclass(frozen=True)
class Truth:
    """What a ledger must say of one call; tokens nobody showed are None."""

    status: str
    tokens: tuple[int | None, ...]
    attempts: int | None = None


@dataclass
class Run:
    """A recorded run: what was sent, and what is true."""

    spans: list[tuple[str, Span]] = field(default_factory=list[tuple[str, Span]])
    logs: list[tuple[str, LogRecord]] = field(default_factory=list[tuple[str, LogRecord]])
    calls: list[Truth] = field(default_factory=list[Truth])
    tools: int = 0

    def bodies(self, rng: random.Random) -> list[Body]:
        """Return the requests: spans in any order, some sent twice, over several requests."""
        spans = self.spans + rng.sample(self.spans, rng.randrange(len(self.spans) + 1))
        rng.shuffle(spans)
        size = rng.randint(1, len(spans))
        found = [
            Body("p", request(span, service="svc", scope=scope).SerializeToString(), T0)
            for scope, span in spans
        ]
        bodies = [
            replace(part[0], payload=b"".join(body.payload for body in part))
            for part in (found[n : n + size] for n in range(0, len(found), size))
        ]
        for scope, log in self.logs:
            sent = ExportLogsServiceRequest()
            group = sent.resource_logs.add()
            group.resource.attributes.extend(attributes({"service.name": "svc"}))
            scoped = group.scope_logs.add()
            scoped.scope.name = scope
            scoped.log_records.append(log)
            bodies.append(Body("p", sent.SerializeToString(), T0, Signal.LOGS))
        rng.shuffle(bodies)
        return bodies


class Recorder:
    """Records a run; times are milliseconds since ``T0``."""

    def __init__(
        self, *, fixed_id: bool = False, hides_usage: bool = False, has_instance: bool = True
    ) -> None:
        self.run = Run()
        self._ids = 0
        self._fixed_id = fixed_id
        self._hides_usage = hides_usage
        self._has_instance = has_instance
        self._trace = self._id(16)
        self._depth = 0

    def record(self, root: Agent) -> Run:
        """Return the run of an agent."""
        self._agent(root, b"", 0)
        return self.run

    def _id(self, size: int) -> bytes:
        self._ids += 1
        return self._ids.to_bytes(size, "big")

    def _show(
        self,
        scope: str,
        name: str,
        parent: bytes,
        at: int,
        end: int,
        said: dict[str, Value],
        *,
        kind: Kind = INTERNAL,
        span_id: bytes = b"",
        trace: bytes = b"",
        failed: bool = False,
    ) -> bytes:
        span_id = span_id or self._id(8)
        span = Span(
            trace_id=trace or self._trace,
            span_id=span_id,
            parent_span_id=parent,
            name=name,
            kind=kind,
            start_time_unix_nano=T0 + at * MS,
            end_time_unix_nano=T0 + end * MS,
            attributes=attributes(said),
        )
        if failed:
            span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR))
            span.attributes.extend(attributes({"error.type": "rate_limit"}))
        self.run.spans.append((scope, span))
        return span_id

    def node(self, node: Node, parent: bytes, at: int) -> tuple[int, list[Usage]]:
        """Record a node; return when it ended, and the usage of the calls in it."""
        match node:
            case Called():
                return self._called(node, parent, at)
            case Routed():
                return self._routed(node, parent, at)
            case Used():
                return self._used(node, parent, at)
            case NoTool():
                scope, name, said = NO_TOOLS[node.which % len(NO_TOOLS)]
                self._show(scope, name, parent, at, at + 10, dict(said))
                return at + 10, []
            case Agent():
                return self._agent(node, parent, at)

    def _children(
        self, nodes: list[Node], parent: bytes, at: int, *, is_parallel: bool = False
    ) -> tuple[int, list[Usage]]:
        used: list[Usage] = []
        end = cursor = at + GAP_MS
        for node in nodes:
            ended, more = self.node(node, parent, cursor)
            used += more
            end = max(end, ended)
            cursor = cursor + 1 if is_parallel else ended + GAP_MS
        return end + GAP_MS, used

    def _agent(self, agent: Agent, parent: bytes, at: int) -> tuple[int, list[Usage]]:
        scope, said, keys = AGENTS[agent.style % len(AGENTS)]
        span_id = self._id(8)
        end, used = self._children(agent.children, span_id, at, is_parallel=agent.is_parallel)
        shown = dict(said)
        if agent.repeats_sum and used:
            shown |= {key: sum(getattr(u, name) for u in used) for name, key in keys.items()}
        self._show(scope, "run", parent, at, end, shown, span_id=span_id)
        return end, used

    def _used(self, tool: Used, parent: bytes, at: int) -> tuple[int, list[Usage]]:
        self.run.tools += 1
        scope, said = TOOLS[tool.framework]
        span_id, call_id = self._id(8), f"call-{self._ids}"
        self._depth += 1  # a tool that runs itself looks like two records of one call
        tool = replace(tool, name=f"{tool.name}_{self._depth}")
        end, used = self._children(tool.children, span_id, at)
        self._depth -= 1
        end = max(end, at + tool.lasts_ms)
        named: dict[str, Value] = {
            key: value.replace("TOOL", tool.name).replace("ID", call_id)
            if isinstance(value, str) and key != "openinference.span.kind"
            else value
            for key, value in said.items()
        }
        self._show(scope, "tool", parent, at, end, named, span_id=span_id)
        self._mcp(tool, span_id, parent, at + 1, end - 1)
        if tool.framework == "claude code":
            inner: dict[str, Value] = {"span.type": "tool.execution", "tool_use_id": call_id}
            self._show(scope, "claude_code.tool.execution", span_id, at + 1, end - 1, inner)
        return end, used

    def _mcp(self, tool: Used, above: bytes, parent: bytes, at: int, end: int) -> None:
        said = {**MCP_SERVER, "gen_ai.tool.name": tool.name}
        name = f"tools/call {tool.name}"
        if tool.mcp == "client":
            above = self._show(
                MCP_SCOPE, f"MCP send {name}", above, at, end, dict(MCP_CLIENT), kind=CLIENT
            )
        if tool.mcp in ("nested", "client"):
            self._show(MCP_SCOPE, name, above, at, end, said, kind=SERVER)
        elif tool.mcp == "siblings":
            self._show(MCP_SCOPE, name, parent, at, end, said, kind=SERVER)
        elif tool.mcp == "traces":
            self._show(MCP_SCOPE, name, b"", at, end, said, kind=SERVER, trace=self._id(16))

    def _routed(self, routed: Routed, parent: bytes, at: int) -> tuple[int, list[Usage]]:
        span_id = self._id(8)
        end, used = self._children(list(routed.calls), span_id, at)
        total = {name: sum(getattr(u, name) for u in used) for name in FIELDS}
        shown = SHOWN["genai langchain"]
        summed = Usage(**total) if used and not self._hides_usage else None
        said = call_attributes(shown, {"request_model": "router"}, summed)
        failed = all(call.outcome == "failed" for call in routed.calls)
        self._show(shown.scope, "chat router", parent, at, end, said, span_id=span_id,
                   failed=failed)  # fmt: skip
        return end, used

    def _called(self, call: Called, parent: bytes, at: int) -> tuple[int, list[Usage]]:
        views = _views(call)
        is_answered = call.outcome == "answered"
        usage = call.usage if is_answered and not self._hides_usage else None
        shape = _shape(call, views, is_told=usage is not None and self._has_instance)
        identity = self._identity(call)
        knows = frozenset[str]()
        above, end = parent, at + call.lasts_ms
        retries = call.failed_attempts if shape in ("nested", "gap") else 0
        if len(views) == 1 or views[1].kind == SERVER:
            retries = 0  # an inference server's span without tokens tells of no attempt
        for place, shown in enumerate(views):
            first, last = at + place, end - place
            if place and retries:
                first = self._failed(call, shown, above, first, retries) if place == 1 else first
                first = max(first, at + 5 * retries + place)
            if shape == "gap" and place:
                above = self._show("http", "POST", above, first, last, {})
            trace = self._id(16) if shape == "traces" and place else b""
            span_id = self._show(
                shown.scope,
                shown.name,
                b"" if trace else above,
                first,
                last,
                call_attributes(shown, identity, usage),
                kind=shown.kind,
                trace=trace,
                failed=call.outcome == "failed",
            )
            knows |= shown.knows
            knows |= self._log(call, shown, parent, span_id, first, last, usage)
            if shape in ("nested", "gap"):
                above = span_id
        tokens = tuple(
            getattr(call.usage, name) if usage and name in knows else None for name in FIELDS
        )
        attempts = retries + 1 if retries and call.outcome != "failed" else None
        self.run.calls.append(
            Truth("error" if call.outcome == "failed" else "ok", tokens, attempts)
        )
        return end, [call.usage] if is_answered else []

    def _identity(self, call: Called) -> dict[str, str]:
        self._ids += 1
        model = MODELS[call.provider]
        found = {"request_model": model, "provider": call.provider}
        if call.outcome == "failed":
            return found
        response_id = "resp-fixed" if self._fixed_id else f"resp-{self._ids}"
        return {**found, "response_model": f"{model}-2025", "response_id": response_id}

    def _failed(self, call: Called, shown: Shown, above: bytes, at: int, times: int) -> int:
        for _ in range(times):
            said = call_attributes(shown, {"request_model": MODELS[call.provider]}, None)
            self._show(shown.scope, shown.name, above, at, at + 3, said, kind=shown.kind,
                       failed=True)  # fmt: skip
            at += 5
        return at

    def _log(
        self,
        call: Called,
        shown: Shown,
        parent: bytes,
        span_id: bytes,
        at: int,
        end: int,
        usage: Usage | None,
    ) -> frozenset[str]:
        """Record what some instrumentations also log; return the counts it tells."""
        if call.log_skew_ms is None or self._hides_usage or call.outcome == "silent":
            return frozenset()
        if shown is SHOWN["claude code"]:
            keys, where = LOG_OF_CLAUDE_CODE, parent
            said: dict[str, Value] = {
                "event.name": "api_request" if usage else "api_error",
                "model": MODELS[call.provider],
                "duration_ms": end - at,
            }
            end += call.log_skew_ms
            scope = "com.anthropic.claude_code.events"
        elif shown.scope.startswith("opentelemetry.instrumentation.genai."):
            keys, where, scope = EVENT_OF_GENAI, span_id, shown.scope
            said = {
                "event.name": "gen_ai.client.inference.operation.details",
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": MODELS[call.provider],
            }
            if call.outcome == "failed":
                said["error.type"] = "rate_limit"
        else:
            return frozenset()
        if usage:
            is_exclusive = shown.is_exclusive
            said |= {key: getattr(usage, name) for name, key in keys.items()}
            said[keys["input"]] = usage.uncached if is_exclusive else usage.input
        log = LogRecord(time_unix_nano=T0 + end * MS, trace_id=self._trace, span_id=where,
                        attributes=attributes(said))  # fmt: skip
        self.run.logs.append((scope, log))
        return frozenset(keys)


def _views(call: Called) -> list[Shown]:
    """Return who shows a call: those that can, one of each scope, the outermost first."""
    found: dict[str, Shown] = {}
    for name in call.views:
        shown = SHOWN[name]
        if call.provider in shown.providers:
            found.setdefault(shown.scope, shown)
    views = sorted(found.values(), key=lambda shown: shown.layer)
    is_client_known = any(shown.layer < 3 for shown in views)
    return views if is_client_known else [SHOWN[PLAIN[call.provider]], *views]


def _shape(call: Called, views: list[Shown], *, is_told: bool) -> str:
    """Return the shape a call can have: what nothing ties together lies below one another."""
    if any(shown.kind == SERVER for shown in views):
        return "nested"
    is_tied = is_told or (call.outcome != "failed" and all(shown.has_id for shown in views))
    return "nested" if call.shape == "traces" and not is_tied else call.shape
