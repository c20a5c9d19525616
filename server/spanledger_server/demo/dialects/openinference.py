"""OpenInference, as its LangChain, LlamaIndex and OpenAI instrumentations send it.

https://github.com/Arize-ai/openinference/blob/main/spec/semantic_conventions.md
"""

import json
from collections.abc import Iterator

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from spanledger_server.demo.otlp import Value, fail, put
from spanledger_server.demo.plan import (
    Call,
    Message,
    Retrieval,
    SpanPlan,
    Step,
    ToolRun,
    TracePlan,
)

_JSON = "application/json"
_TEXT = "text/plain"
_FRAMEWORK_CALL_NAMES = {
    "openinference.instrumentation.langchain": "ChatOpenAI",
    "openinference.instrumentation.llama_index": "OpenAI.chat",
}


def write(trace: TracePlan, plan: SpanPlan, span: Span) -> None:
    """Describe a span by OpenInference conventions."""
    span.kind = Span.SPAN_KIND_INTERNAL
    put(
        span,
        (
            ("session.id", trace.session_id or None),
            ("user.id", trace.user_id or None),
            ("metadata", json.dumps({"thread_id": trace.session_id, "agent": plan.agent})),
        ),
    )
    match plan.detail:
        case Call() if plan.role == "embedding":
            _write_embedding(plan.detail, span)
        case Call():
            _write_call(plan.detail, plan, span)
        case ToolRun():
            _write_tool(plan.detail, span)
        case Retrieval():
            _write_retrieval(plan.detail, span)
        case Step():
            _write_step(plan.detail, plan, span)
        case None:
            raise TypeError("a span without detail cannot be described")
    if plan.failure is None:
        span.status.code = Status.STATUS_CODE_OK
    else:
        error_name = plan.failure.error_type.rpartition(".")[2]
        fail(span, plan.failure, f"{error_name}: {plan.failure.message}")


def _write_call(call: Call, plan: SpanPlan, span: Span) -> None:
    span.name = _FRAMEWORK_CALL_NAMES.get(plan.scope.name, "ChatCompletion")
    invocation: dict[str, object] = {"model": call.model.request}
    if call.temperature is not None:
        invocation["temperature"] = call.temperature
    if call.is_stream:
        invocation["stream"] = True
    head = json.dumps(invocation)[:-1]
    request = head + ', "messages": [' + ",".join(m.openai_json for m in call.messages) + "]}"
    put(
        span,
        (
            ("openinference.span.kind", "LLM"),
            ("llm.system", call.model.provider),
            ("llm.invocation_parameters", json.dumps(invocation)),
            ("input.value", request),
            ("input.mime_type", _JSON),
        ),
    )
    for number, message in enumerate(call.messages):
        put(span, _message(f"llm.input_messages.{number}.message", message))
    if call.is_stream and call.ttft_s is not None:
        first_ns = span.start_time_unix_nano + int(call.ttft_s * 1e9)
        span.events.add(time_unix_nano=first_ns, name="First Token Stream Event")
    if call.output is not None:
        _write_answer(call, call.output, span)


def _write_answer(call: Call, output: Message, span: Span) -> None:
    choice = {"index": 0, "finish_reason": call.finish_reason}
    answer = {
        "id": call.response_id,
        "object": "chat.completion",
        "model": call.model.response,
        "choices": [{**choice, "message": json.loads(output.openai_json)}],
    }
    put(
        span,
        (
            ("output.value", json.dumps(answer)),
            ("output.mime_type", _JSON),
            ("llm.model_name", call.model.response),
            ("llm.finish_reason", call.finish_reason),
        ),
    )
    put(span, _message("llm.output_messages.0.message", output))
    usage = call.usage
    if usage is not None:
        put(
            span,
            (
                ("llm.token_count.prompt", usage.input_tokens),
                ("llm.token_count.completion", usage.output_tokens),
                ("llm.token_count.total", usage.input_tokens + usage.output_tokens),
                ("llm.token_count.prompt_details.cache_read", usage.cache_read_tokens),
                ("llm.token_count.completion_details.reasoning", usage.reasoning_tokens),
            ),
        )


def _message(prefix: str, message: Message) -> Iterator[tuple[str, Value]]:
    yield f"{prefix}.role", message.role
    if message.text:
        yield f"{prefix}.content", message.text
    if message.tool_call_id:
        yield f"{prefix}.tool_call_id", message.tool_call_id
    for number, request in enumerate(message.requests):
        call = f"{prefix}.tool_calls.{number}.tool_call"
        yield f"{call}.id", request.call_id
        yield f"{call}.function.name", request.name
        yield f"{call}.function.arguments", request.arguments


def _write_embedding(call: Call, span: Span) -> None:
    span.name = "CreateEmbeddings"
    text = call.messages[0].text
    parameters = {"model": call.model.request, "encoding_format": "base64"}
    put(
        span,
        (
            ("openinference.span.kind", "EMBEDDING"),
            ("llm.system", call.model.provider),
            ("embedding.model_name", call.model.response),
            ("embedding.invocation_parameters", json.dumps(parameters)),
            ("embedding.embeddings.0.embedding.text", text),
            ("input.value", json.dumps({**parameters, "input": [text]})),
            ("input.mime_type", _JSON),
        ),
    )
    if call.usage is not None:
        tokens = call.usage.input_tokens
        put(span, (("llm.token_count.prompt", tokens), ("llm.token_count.total", tokens)))


def _write_tool(tool: ToolRun, span: Span) -> None:
    span.name = tool.name
    put(
        span,
        (
            ("openinference.span.kind", "TOOL"),
            ("tool.name", tool.name),
            ("tool.id", tool.call_id),
            ("tool.description", tool.description),
            ("input.value", tool.arguments),
            ("input.mime_type", _JSON),
            ("output.value", tool.result or None),
        ),
    )


def _write_retrieval(retrieval: Retrieval, span: Span) -> None:
    span.name = "VectorIndexRetriever.retrieve"
    put(
        span,
        (
            ("openinference.span.kind", "RETRIEVER"),
            ("input.value", retrieval.query),
            ("input.mime_type", _TEXT),
        ),
    )
    for number, (document_id, text, score) in enumerate(retrieval.documents):
        prefix = f"retrieval.documents.{number}.document"
        put(
            span,
            (
                (f"{prefix}.id", document_id),
                (f"{prefix}.content", text),
                (f"{prefix}.score", score),
            ),
        )


def _write_step(step: Step, plan: SpanPlan, span: Span) -> None:
    span.name = plan.name
    is_agent = plan.role == "agent"
    put(
        span,
        (
            ("openinference.span.kind", "AGENT" if is_agent else "CHAIN"),
            ("agent.name", plan.name if is_agent else None),
            ("input.value", step.request),
            ("input.mime_type", _TEXT),
            ("output.value", step.answer or None),
            ("output.mime_type", _TEXT if step.answer else None),
        ),
    )
