"""Logfire's own instrumentations of OpenAI, Anthropic and the OpenAI Agents SDK.

Spans of other libraries that Logfire exports keep the scope and the dialect of the library.
https://logfire.pydantic.dev/docs/integrations/llms/openai/
"""

from __future__ import annotations

import orjson

from spanledger_collector.decode.messages import Message, canonical
from spanledger_collector.decode.values import count, flag, number, parse_json, seconds, text
from spanledger_collector.dialects.base import Content, Dialect, Draft, sources
from spanledger_collector.dialects.nested import HISTORY_KEYS, TOOL_KEYS, at, messages_in
from spanledger_collector.dialects.otel_genai import COLUMNS, ROLES
from spanledger_collector.dialects.raw_usage import fill_usage, parse_usage

# By the start of the span's message template, as the names of spans are templates, too.
_TEMPLATES = (
    ("responses api", "llm"),
    ("chat completion", "llm"),
    ("message with", "llm"),
    ("completion with", "llm"),
    ("embedding", "embedding"),
    ("function:", "tool"),
    ("agent run:", "agent"),
    ("task:", "workflow"),
    ("openai agents trace:", "workflow"),
    ("guardrail", "guardrail"),
)
_STREAM_END = "streaming response"
_ERROR_LEVEL = 17


def _interpret(draft: Draft) -> None:
    row, attributes = draft.row, draft.attributes
    template = (text(attributes.get("logfire.msg_template")) or draft.span.name).lower()
    if row["role"] == "other":
        row["role"] = next(
            (role for start, role in _TEMPLATES if template.startswith(start)), "other"
        )
    if attributes.get("logfire.span_type") == "log" and template.startswith(_STREAM_END):
        _read_stream_end(draft)
    role = row["role"]
    level = number(attributes.get("logfire.level_num"))
    if level is not None and level >= _ERROR_LEVEL:
        row["status"] = "error"
    if role in ("llm", "embedding"):
        _read_call(draft)
    elif role == "tool":
        draft.fill("tool_name", text(attributes.get("name")))
    elif role == "agent":
        draft.fill("agent_name", text(attributes.get("name")))
    elif role == "workflow" and "agent_trace_id" in attributes:
        draft.fill("workflow_name", text(attributes.get("name")))


def _read_stream_end(draft: Draft) -> None:
    """Read a stream's record, written at its end, as those of other libraries: as a log record."""
    row = draft.row
    row["kind"] = "log"
    start, lasted = row["start_time"], seconds(draft.attributes.get("duration"))
    if isinstance(start, int) and lasted is not None:
        row["start_time"] = max(0, start - lasted)


def _read_call(draft: Draft) -> None:
    attributes = draft.attributes
    response = parse_json(attributes.get("response_data"))
    for usage in (
        attributes.get("gen_ai.usage.raw"),
        attributes.get("usage"),
        at(response, "usage"),
    ):
        fill_usage(draft, parse_usage(usage))
    for key in ("model_config", "model_settings", "request_data"):
        settings = parse_json(attributes.get(key))
        for column in ("temperature", "top_p", "frequency_penalty", "presence_penalty"):
            draft.fill(column, number(at(settings, column)))
        draft.fill("max_tokens", count(at(settings, "max_tokens")))
        draft.fill("stream", flag(at(settings, "stream")))
        draft.fill("service_tier", text(at(settings, "service_tier")))
    _take(draft, "input", draft.inputs, "user")
    _shorten(draft)
    _take(draft, "output", draft.outputs, "assistant")
    answer = at(response, "message")
    if isinstance(answer, dict):
        draft.outputs.append(canonical({**answer}, "assistant"))


def _shorten(draft: Draft) -> None:
    """Take the tools, and the history that the span holds already, out of the raw request."""
    request = parse_json(draft.attributes.get("request_data"))
    if not isinstance(request, dict):
        return
    if not draft.inputs:
        draft.inputs += messages_in({"messages": request.get("messages")}, "user") or []
    tools = request.get("tools")
    if isinstance(tools, list):
        draft.definitions += tools
    held = TOOL_KEYS | HISTORY_KEYS if draft.inputs else TOOL_KEYS
    rest = {key: value for key, value in request.items() if key not in held}
    draft.attributes["request_data"] = orjson.dumps(rest).decode()


def _take(draft: Draft, key: str, messages: list[Message], role: str) -> None:
    value = draft.attributes.get(key)
    found = messages_in(value, role) if value else None
    if found:
        messages += found
        del draft.attributes[key]


LOGFIRE = Dialect(
    name="logfire",
    scopes=("logfire.",),
    markers=frozenset(),
    columns={
        **COLUMNS,
        **sources("response_id", text, "gen_ai.response.id", "response_id"),
        **sources("session_id", text, "gen_ai.conversation.id", "group_id", "session.id"),
        **sources("agent_name", text, "gen_ai.agent.name", "agent_name"),
    },
    roles=ROLES,
    content=Content(
        input_messages=("gen_ai.input.messages",),
        output_messages=("gen_ai.output.messages",),
        system=("gen_ai.system_instructions",),
        tool_definitions=("gen_ai.tool.definitions",),
        tool_arguments=("input",),
        tool_result=("output",),
    ),
    interpret=_interpret,
)
