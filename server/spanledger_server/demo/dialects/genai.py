"""OpenTelemetry semantic conventions for generative AI, as ``opentelemetry-*-genai-*`` 1.3b0 sends.

https://github.com/open-telemetry/semantic-conventions-genai
"""

import json

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger_server.demo.otlp import fail, genai_messages, put
from spanledger_server.demo.plan import Call, Message, SpanPlan, Step, ToolRun, TracePlan


def write(trace: TracePlan, plan: SpanPlan, span: Span) -> None:
    """Describe a span by GenAI conventions."""
    span.kind = Span.SPAN_KIND_INTERNAL
    put(
        span,
        (
            ("gen_ai.conversation.id", trace.session_id or None),
            ("user.id", trace.user_id or None),
        ),
    )
    match plan.detail:
        case Call():
            _write_call(plan.detail, plan, span)
        case ToolRun():
            _write_tool(plan.detail, span)
        case Step():
            _write_step(plan.detail, plan, trace, span)
        case _:
            raise TypeError(f"the GenAI dialect has no form for {plan.detail!r}")
    if plan.failure is not None:
        put(span, (("error.type", plan.failure.error_type),))
        fail(span, plan.failure, plan.failure.message)


def _write_call(call: Call, plan: SpanPlan, span: Span) -> None:
    operation = "embeddings" if plan.role == "embedding" else "chat"
    span.name = f"{operation} {call.model.request}"
    span.kind = Span.SPAN_KIND_CLIENT
    is_answered = plan.failure is None
    put(
        span,
        (
            ("gen_ai.operation.name", operation),
            ("gen_ai.provider.name", call.model.provider),
            ("gen_ai.request.model", call.model.request),
            ("gen_ai.request.temperature", call.temperature),
            ("gen_ai.request.max_tokens", call.max_tokens),
            ("gen_ai.request.stream", True if call.is_stream else None),
            ("gen_ai.input.messages", genai_messages(call.messages)),
            ("gen_ai.response.model", call.model.response if is_answered else None),
            ("gen_ai.response.id", call.response_id or None),
            ("gen_ai.response.finish_reasons", [call.finish_reason] if is_answered else None),
            ("gen_ai.response.time_to_first_chunk", call.ttft_s),
        ),
    )
    if call.output is not None:
        put(span, (("gen_ai.output.messages", _output(call.output, call.finish_reason)),))
    if call.usage is not None:
        usage = call.usage
        put(
            span,
            (
                ("gen_ai.usage.input_tokens", usage.input_tokens),
                ("gen_ai.usage.output_tokens", usage.output_tokens),
                ("gen_ai.usage.cache_read.input_tokens", usage.cache_read_tokens or None),
                ("gen_ai.usage.cache_write.input_tokens", usage.cache_write_tokens or None),
                ("gen_ai.usage.reasoning.output_tokens", usage.reasoning_tokens or None),
            ),
        )


def _write_tool(tool: ToolRun, span: Span) -> None:
    span.name = f"execute_tool {tool.name}"
    put(
        span,
        (
            ("gen_ai.operation.name", "execute_tool"),
            ("gen_ai.tool.name", tool.name),
            ("gen_ai.tool.type", "function"),
            ("gen_ai.tool.call.id", tool.call_id),
            ("gen_ai.tool.description", tool.description),
            ("gen_ai.tool.call.arguments", tool.arguments),
            ("gen_ai.tool.call.result", tool.result or None),
        ),
    )


def _write_step(step: Step, plan: SpanPlan, trace: TracePlan, span: Span) -> None:
    is_agent = plan.role == "agent"
    operation = "invoke_agent" if is_agent else "invoke_workflow"
    span.name = f"{operation} {plan.name}"
    put(
        span,
        (
            ("gen_ai.operation.name", operation),
            ("gen_ai.agent.name" if is_agent else "gen_ai.workflow.name", plan.name),
            ("gen_ai.agent.version", trace.version if is_agent else None),
            ("gen_ai.input.messages", genai_messages((Message("user", step.request),))),
        ),
    )
    if step.answer:
        output = _output(Message("assistant", step.answer), "stop")
        put(span, (("gen_ai.output.messages", output),))


def _output(message: Message, finish_reason: str) -> str:
    body = {"role": message.role, "parts": message.genai_parts, "finish_reason": finish_reason}
    return json.dumps([body])
