"""OpenLLMetry 0.62: GenAI keys on model calls, ``traceloop.*`` on the structure around them.

https://github.com/traceloop/openllmetry
"""

import json

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger_server.demo.otlp import fail, genai_messages, put
from spanledger_server.demo.plan import Call, Message, SpanPlan, Step, ToolRun, TracePlan

_CALL_NAMES = {
    "opentelemetry.instrumentation.google_generativeai": "gemini.generate_content",
    "opentelemetry.instrumentation.mistralai": "mistralai.chat",
    "opentelemetry.instrumentation.openai.v1": "openai.chat",
}
_FINISH_REASONS = {"tool_calls": "tool_call"}


def write(trace: TracePlan, plan: SpanPlan, span: Span) -> None:
    """Describe a span as the Traceloop SDK does."""
    span.kind = Span.SPAN_KIND_INTERNAL
    workflow = trace.spans[-1].name if trace.spans[-1].role == "workflow" else None
    prefix = "traceloop.association.properties"
    put(
        span,
        (
            ("traceloop.workflow.name", workflow),
            ("gen_ai.agent.name", plan.agent if plan.role != "workflow" else None),
            (f"{prefix}.session_id", trace.session_id or None),
            (f"{prefix}.user_id", trace.user_id or None),
        ),
    )
    match plan.detail:
        case Call():
            _write_call(plan.detail, plan, span)
        case ToolRun():
            _write_tool(plan.detail, span)
        case Step():
            _write_step(plan.detail, plan, span)
        case _:
            raise TypeError(f"the OpenLLMetry dialect has no form for {plan.detail!r}")
    if plan.failure is not None:
        error_type = plan.failure.error_type.rpartition(".")[2]
        put(span, (("error.type", error_type),))
        fail(span, plan.failure, plan.failure.message)


def _write_call(call: Call, plan: SpanPlan, span: Span) -> None:
    span.name, span.kind = _CALL_NAMES[plan.scope.name], Span.SPAN_KIND_CLIENT
    is_answered = plan.failure is None
    finish_reason = _FINISH_REASONS.get(call.finish_reason, call.finish_reason)
    put(
        span,
        (
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", call.model.provider),
            ("gen_ai.request.model", call.model.request),
            ("gen_ai.request.temperature", call.temperature),
            ("gen_ai.request.max_tokens", call.max_tokens),
            ("gen_ai.is_streaming", call.is_stream),
            ("gen_ai.input.messages", genai_messages(call.messages)),
            ("gen_ai.response.model", call.model.response if is_answered else None),
            ("gen_ai.response.id", call.response_id or None),
            ("gen_ai.response.finish_reasons", [finish_reason] if is_answered else None),
        ),
    )
    if call.output is not None:
        output = {"role": "assistant", "parts": call.output.genai_parts}
        body = json.dumps([{**output, "finish_reason": finish_reason}])
        put(span, (("gen_ai.output.messages", body),))
    if call.usage is not None:
        usage = call.usage
        put(
            span,
            (
                ("gen_ai.usage.input_tokens", usage.input_tokens),
                ("gen_ai.usage.output_tokens", usage.output_tokens),
                ("gen_ai.usage.total_tokens", usage.input_tokens + usage.output_tokens),
                ("gen_ai.usage.cache_read.input_tokens", usage.cache_read_tokens),
                ("gen_ai.usage.reasoning_tokens", usage.reasoning_tokens),
            ),
        )


def _write_tool(tool: ToolRun, span: Span) -> None:
    span.name = f"{tool.name}.tool"
    entity_input = {"args": [], "kwargs": json.loads(tool.arguments)}
    put(
        span,
        (
            ("traceloop.span.kind", "tool"),
            ("traceloop.entity.name", tool.name),
            ("gen_ai.tool.name", tool.name),
            ("traceloop.entity.input", json.dumps(entity_input)),
            ("traceloop.entity.output", json.dumps(tool.result) if tool.result else None),
        ),
    )


def _write_step(step: Step, plan: SpanPlan, span: Span) -> None:
    span.name = f"{plan.name}.{plan.role}"
    put(
        span,
        (
            ("traceloop.span.kind", plan.role),
            ("traceloop.entity.name", plan.name),
            ("traceloop.entity.version", 1),
            ("traceloop.entity.input", json.dumps({"args": [step.request], "kwargs": {}})),
            ("traceloop.entity.output", json.dumps(step.answer) if step.answer else None),
        ),
    )
    if plan.role == "agent":
        put(span, (("gen_ai.input.messages", genai_messages((Message("user", step.request),))),))
