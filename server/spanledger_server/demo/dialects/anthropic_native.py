"""Spans that the Anthropic SDK 2.x sends by itself, beside any other instrumentation.

The only source of the lifetime of cache writes: five minutes or one hour.
"""

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from spanledger_server.demo.otlp import put
from spanledger_server.demo.plan import Call, SpanPlan, TracePlan, Usage

_STOP_REASONS = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens"}
_STATUS_CODES = {
    "anthropic.RateLimitError": (429, "rate_limit_error"),
    "anthropic.InternalServerError": (503, "overloaded_error"),
    "anthropic.APITimeoutError": (None, "timeout"),
}


def write(trace: TracePlan, plan: SpanPlan, span: Span) -> None:
    """Describe one ``messages.create`` as the SDK sees it."""
    del trace  # the SDK knows neither session nor user
    call = plan.detail
    if not isinstance(call, Call):
        raise TypeError(f"the Anthropic SDK has no span for {plan.detail!r}")
    span.name, span.kind = "anthropic.messages.create", Span.SPAN_KIND_CLIENT
    put(
        span,
        (
            ("server.address", "api.anthropic.com"),
            ("server.port", 443),
            ("gen_ai.provider.name", "anthropic"),
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.request.model", call.model.request),
            ("gen_ai.request.max_tokens", call.max_tokens),
            ("http.request.method", "POST"),
            ("http.route", "/v1/messages"),
            ("http.request.resend_count", call.attempts - 1 if call.attempts > 1 else None),
        ),
    )
    if plan.failure is not None:
        status_code, error_type = _STATUS_CODES[plan.failure.error_type]
        put(span, (("http.response.status_code", status_code), ("error.type", error_type)))
        span.status.code, span.status.message = Status.STATUS_CODE_ERROR, plan.failure.message
        return
    span.status.code = Status.STATUS_CODE_OK
    put(
        span,
        (
            ("http.response.status_code", 200),
            ("anthropic.request.id", f"req_01{plan.span_id.hex()}"),
            ("gen_ai.response.id", call.response_id),
            ("gen_ai.response.model", call.model.response),
            ("gen_ai.response.time_to_first_chunk", call.ttft_s),
            ("anthropic.response.service_tier", "standard"),
            ("anthropic.message.stop_reason", _STOP_REASONS[call.finish_reason]),
        ),
    )
    if call.usage is not None:
        _write_usage(call.usage, span)


def _write_usage(usage: Usage, span: Span) -> None:
    put(
        span,
        (
            ("gen_ai.usage.input_tokens", usage.input_tokens),
            ("gen_ai.usage.output_tokens", usage.output_tokens),
            ("gen_ai.usage.cache_read.input_tokens", usage.cache_read_tokens),
            ("gen_ai.usage.cache_write.input_tokens", usage.cache_write_tokens),
            (
                "anthropic.usage.cache_creation.ephemeral_5m_input_tokens",
                usage.cache_write_tokens,
            ),
            ("anthropic.usage.cache_creation.ephemeral_1h_input_tokens", 0),
        ),
    )
