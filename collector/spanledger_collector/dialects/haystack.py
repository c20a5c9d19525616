"""Haystack's own tracer: a call's usage is in the dump of its output, if content is traced.

https://docs.haystack.deepset.ai/docs/tracing
"""

from __future__ import annotations

import orjson

from spanledger_collector.decode.messages import Message, canonical
from spanledger_collector.decode.values import flag, parse_json, text
from spanledger_collector.dialects.base import Content, Dialect, Draft, sources
from spanledger_collector.dialects.nested import at, without_answer
from spanledger_collector.dialects.otel_genai import COLUMNS, ROLES
from spanledger_collector.dialects.raw_usage import fill_usage
from spanledger_collector.dialects.vocabulary import finish_reason, provider_of_model

_LLM_STEP = "haystack.agent.step.llm"
_TOOL_STEP = "haystack.agent.step.tool"
_COMPONENT = "haystack.component"
_NAMES = {
    _LLM_STEP: "llm",
    _TOOL_STEP: "tool",
    "haystack.agent.run": "agent",
    "haystack.pipeline.run": "workflow",
}
_TYPES = (
    ("Generator", "llm"),
    ("Embedder", "embedding"),
    ("Retriever", "retrieval"),
    ("Ranker", "retrieval"),
)


def _interpret(draft: Draft) -> None:
    row, attributes = draft.row, draft.attributes
    name = draft.span.name
    kind = text(attributes.get(f"{_COMPONENT}.type")) or ""
    by_type = next((role for end, role in _TYPES if kind.endswith(end)), row["role"])
    row["role"] = _NAMES.get(name, by_type)
    if row["role"] in ("llm", "embedding"):
        _read_call(draft, _LLM_STEP if name == _LLM_STEP else _COMPONENT)
    elif row["role"] == "tool" and flag(attributes.get("haystack.tool.error")):
        draft.fill("error_type", "tool_error")


def _read_call(draft: Draft, prefix: str) -> None:
    attributes = draft.attributes
    output = parse_json(attributes.get(f"{prefix}.output"))
    # Chat generators tell about each reply in it, plain ones beside them, embedders once.
    for meta in (at(output, "replies", 0, "meta"), at(output, "meta", 0), at(output, "meta")):
        usage = at(meta, "usage")
        fill_usage(draft, usage if isinstance(usage, dict) else None)
        draft.fill("response_id", text(at(meta, "id")))
        draft.fill("response_model", text(at(meta, "model")))
        draft.fill("service_tier", text(at(meta, "service_tier")))
        draft.fill("finish_reason", finish_reason(at(meta, "finish_reason")))
    draft.fill("provider", provider_of_model(str(draft.row["response_model"])))
    _take_messages(draft, prefix, output)


def _take_messages(draft: Draft, prefix: str, output: object) -> None:
    """Move what was said into messages; what is left of the dumps stays in the attributes."""
    asked = parse_json(draft.attributes.get(f"{prefix}.input"))
    draft.inputs += _messages(at(asked, "messages"))
    if draft.inputs and isinstance(asked, dict):
        tools = asked.get("tools")
        draft.definitions += tools if isinstance(tools, list) else []
        rest = {key: item for key, item in asked.items() if key not in ("messages", "tools")}
        draft.attributes[f"{prefix}.input"] = orjson.dumps(rest).decode()
    draft.outputs += _messages(at(output, "replies"))
    if draft.outputs:
        draft.attributes[f"{prefix}.output"] = orjson.dumps(without_answer(output)).decode()


def _messages(listed: object) -> list[Message]:
    """Return dumped ChatMessages; their parts have one key each, which is their type."""
    if not isinstance(listed, list):
        return []
    return [
        canonical({"role": item.get("role"), "parts": [_part(p) for p in item["content"]]}, "user")
        for item in listed
        if isinstance(item, dict) and isinstance(item.get("content"), list)
    ]


def _part(item: object) -> object:
    call, result = at(item, "tool_call"), at(item, "tool_call_result")
    if isinstance(call, dict):
        return {
            "type": "tool_call",
            "id": call.get("id"),
            "name": call.get("tool_name"),
            "arguments": call.get("arguments"),
        }
    if isinstance(result, dict):
        answered = at(result, "origin", "id")
        return {"type": "tool_call_response", "id": answered, "response": result.get("result")}
    return item


HAYSTACK = Dialect(
    name="haystack",
    scopes=("haystack",),
    markers=frozenset({"haystack.component.type", "haystack.tool.name"}),
    columns={
        **COLUMNS,
        **sources("tool_name", text, "haystack.tool.name"),
    },
    roles=ROLES,
    content=Content(tool_arguments=(f"{_TOOL_STEP}.input",), tool_result=(f"{_TOOL_STEP}.output",)),
    interpret=_interpret,
)
