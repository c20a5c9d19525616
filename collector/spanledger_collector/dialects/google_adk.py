"""Google ADK: GenAI keys; older versions dump the Gemini response instead.

https://google.github.io/adk-docs/observability/
"""

from __future__ import annotations

from dataclasses import replace

from spanledger_collector.decode.values import Value, parse_json, text
from spanledger_collector.dialects.base import Draft, sources
from spanledger_collector.dialects.otel_genai import COLUMNS, CONTENT, OTEL_GENAI, guess_role
from spanledger_collector.dialects.raw_usage import fill_usage
from spanledger_collector.dialects.vocabulary import finish_reason

_ADK = "gcp.vertex.agent."
_MERGED = ("(merged)", "(merged tools)")  # the answers of parallel calls, put into one event
_NAMES = {
    "call_llm": "llm",
    "invocation": "workflow",
    "agent_run": "agent",
    "execute_tool": "tool",
}


def _interpret(draft: Draft) -> None:
    row, attributes = draft.row, draft.attributes
    first, _, rest = draft.span.name.partition(" ")
    if row["role"] == "other" and "gen_ai.operation.name" not in attributes:
        row["role"] = _NAMES.get(first, "other")
    guess_role(draft)
    if row["role"] == "tool" and (rest in _MERGED or row["tool_name"] in _MERGED):
        row["role"] = "other"
    elif row["role"] == "agent":
        draft.fill("agent_name", rest.strip("[]"))
    elif row["role"] == "llm":
        _read_response(draft, attributes.get(f"{_ADK}llm_response"))


def _read_response(draft: Draft, dumped: Value) -> None:
    response = parse_json(dumped)
    if not isinstance(response, dict):
        return
    usage = response.get("usage_metadata", response.get("usageMetadata"))
    fill_usage(draft, usage if isinstance(usage, dict) else None)
    draft.fill("finish_reason", finish_reason(response.get("finish_reason")))
    draft.fill("response_model", text(response.get("model_version")))


GOOGLE_ADK = replace(
    OTEL_GENAI,
    name="google_adk",
    scopes=("gcp.vertex.agent",),
    markers=frozenset({f"{_ADK}invocation_id", f"{_ADK}llm_response"}),
    columns={
        **COLUMNS,
        **sources("session_id", text, "gen_ai.conversation.id", f"{_ADK}session_id", "session.id"),
    },
    content=replace(
        CONTENT,
        tool_arguments=(*CONTENT.tool_arguments, f"{_ADK}tool_call_args"),
        tool_result=(*CONTENT.tool_result, f"{_ADK}tool_response"),
    ),
    interpret=_interpret,
)
