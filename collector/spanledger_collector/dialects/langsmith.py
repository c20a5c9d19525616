"""LangSmith's OpenTelemetry export: runs of LangChain with their dumped inputs and outputs.

https://docs.langchain.com/langsmith/trace-with-opentelemetry
"""

from __future__ import annotations

import orjson

from spanledger_collector.decode.values import Value, flag, number, parse_json, text
from spanledger_collector.dialects.base import Content, Dialect, Draft, sources
from spanledger_collector.dialects.langchain import answer_of, messages_of
from spanledger_collector.dialects.nested import at, searches_in, without_answer
from spanledger_collector.dialects.otel_genai import COLUMNS, ROLES
from spanledger_collector.dialects.raw_usage import fill_usage, parse_usage
from spanledger_collector.dialects.vocabulary import finish_reason, provider, provider_of_model

_METADATA = "langsmith.metadata."
_KINDS = {
    "llm": "llm",
    "embedding": "embedding",
    "tool": "tool",
    "retriever": "retrieval",
    "chain": "workflow",
}


def _interpret(draft: Draft) -> None:
    row, attributes = draft.row, draft.attributes
    role = row["role"]
    if role in ("llm", "embedding"):
        fill_usage(draft, parse_usage(attributes.get(f"{_METADATA}usage_metadata")))
        _read_result(draft, attributes.get("gen_ai.completion"))
        asked = messages_of(parse_json(attributes.get("gen_ai.prompt")))
        if asked:
            draft.inputs += asked
            del attributes["gen_ai.prompt"]
    elif role == "tool":
        draft.fill("tool_name", draft.span.name)
        answer = at(parse_json(attributes.get("gen_ai.completion")), "output")
        draft.fill("tool_call_id", text(at(answer, "tool_call_id")))
        draft.fill("error_type", "tool_error" if at(answer, "status") == "error" else None)
    elif role == "workflow" and row["agent_name"] == draft.span.name:
        row["role"] = "agent"  # the graph of an agent; its nodes carry the name, too


def _read_result(draft: Draft, dumped: Value) -> None:
    """Read what the older SDK tells in the dumped ``LLMResult`` alone."""
    result = parse_json(dumped)
    message = at(result, "generations", 0, 0, "message", "kwargs")
    told = at(message, "response_metadata")
    for usage in (at(message, "usage_metadata"), at(told, "usage"), at(told, "token_usage")):
        fill_usage(draft, usage if isinstance(usage, dict) else None)
    draft.fill("web_searches", searches_in(at(message, "content")))
    for place in (
        told,
        at(result, "llm_output"),
        at(result, "generations", 0, 0, "generation_info"),
    ):
        draft.fill("response_id", text(at(place, "id")))
        draft.fill("response_model", text(at(place, "model_name")))
        draft.fill("response_model", text(at(place, "model")))
        draft.fill("service_tier", text(at(place, "service_tier")))
        draft.fill("finish_reason", finish_reason(at(place, "finish_reason")))
        draft.fill("finish_reason", finish_reason(at(place, "stop_reason")))
    draft.fill("provider", provider_of_model(str(draft.row["response_model"])))
    answer = answer_of(result)
    if answer is not None:
        draft.outputs.append(answer)
        rest = orjson.dumps(without_answer(result)).decode()
        draft.attributes["gen_ai.completion"] = rest


LANGSMITH = Dialect(
    name="langsmith",
    scopes=("langsmith",),
    markers=frozenset({"langsmith.span.kind"}),
    columns={
        **COLUMNS,
        **sources(
            "provider", provider, "gen_ai.provider.name", "gen_ai.system", f"{_METADATA}ls_provider"
        ),
        **sources(
            "request_model",
            text,
            "gen_ai.request.model",
            f"{_METADATA}ls_model_name",
            f"{_METADATA}model_name",
        ),
        **sources(
            "temperature", number, "gen_ai.request.temperature", f"{_METADATA}ls_temperature"
        ),
        **sources("stream", flag, "gen_ai.request.stream", f"{_METADATA}stream"),
        **sources("session_id", text, f"{_METADATA}session_id", f"{_METADATA}thread_id"),
        **sources("user_id", text, "user.id", f"{_METADATA}user_id"),
        **sources("agent_name", text, "gen_ai.agent.name", f"{_METADATA}lc_agent_name"),
    },
    roles=(("langsmith.span.kind", _KINDS), *ROLES),
    content=Content(
        tool_definitions=("gen_ai.tool.definitions",),
        tool_arguments=("gen_ai.prompt",),
        tool_result=("gen_ai.completion",),
    ),
    interpret=_interpret,
)
