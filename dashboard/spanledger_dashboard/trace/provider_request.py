"""A provider's request made again from what a span kept: for a terminal, with no key in it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from spanledger_dashboard.trace.data import Row
from spanledger_dashboard.trace.message_parts import Part, as_json, response_of, text_of

Message = tuple[str, list[Part]]
Body = dict[str, object]


@dataclass(frozen=True, slots=True)
class _Api:
    """How a provider is asked.

    Attributes:
        url: with ``{model}`` where the model's name belongs.
        headers: as they are written in a shell; variables stand for keys.
        form: "openai", "anthropic" or "gemini".
    """

    url: str
    headers: tuple[str, ...]
    form: str = "openai"


def _bearer(url: str, variable: str) -> _Api:
    return _Api(url, (f"Authorization: Bearer ${variable}",))


# Each from the provider's own reference of its API.
_APIS = {
    "openai": _bearer("https://api.openai.com/v1/chat/completions", "OPENAI_API_KEY"),
    "anthropic": _Api(
        "https://api.anthropic.com/v1/messages",
        ("x-api-key: $ANTHROPIC_API_KEY", "anthropic-version: 2023-06-01"),
        "anthropic",
    ),
    "gcp.gemini": _Api(
        "https://generativelanguage.googleapis.com/v1beta/models/{model}:generateContent",
        ("x-goog-api-key: $GEMINI_API_KEY",),
        "gemini",
    ),
    "mistral_ai": _bearer("https://api.mistral.ai/v1/chat/completions", "MISTRAL_API_KEY"),
    "groq": _bearer("https://api.groq.com/openai/v1/chat/completions", "GROQ_API_KEY"),
    "deepseek": _bearer("https://api.deepseek.com/chat/completions", "DEEPSEEK_API_KEY"),
    "x_ai": _bearer("https://api.x.ai/v1/chat/completions", "XAI_API_KEY"),
    "perplexity": _bearer("https://api.perplexity.ai/chat/completions", "PERPLEXITY_API_KEY"),
    "openrouter": _bearer("https://openrouter.ai/api/v1/chat/completions", "OPENROUTER_API_KEY"),
    "together_ai": _bearer("https://api.together.xyz/v1/chat/completions", "TOGETHER_API_KEY"),
    "cohere": _bearer("https://api.cohere.ai/compatibility/v1/chat/completions", "COHERE_API_KEY"),
    "ollama": _Api("http://localhost:11434/v1/chat/completions", ()),
    "azure.ai.openai": _Api(
        "$AZURE_OPENAI_ENDPOINT/openai/v1/chat/completions", ("api-key: $AZURE_OPENAI_API_KEY",)
    ),
}
_APIS["gcp.gen_ai"] = _APIS["gcp.gemini"]
# Whatever else there is speaks the chat completions of OpenAI, or a gateway in front of it does.
_COMPATIBLE = _bearer("$OPENAI_BASE_URL/chat/completions", "OPENAI_API_KEY")
_EMBEDDINGS = ("/chat/completions", "/embeddings")


def as_curl(span: Row, messages: Sequence[Message]) -> str:
    """Return a command that asks the provider the same again.

    Args:
        span: row of dashboard_span_detail.sql, of a call.
        messages: its input: role and parts.
    """
    api = _APIS.get(str(span["provider"]), _COMPATIBLE)
    body = _BODIES[api.form](span, messages)
    url = api.url
    if span["role"] == "embedding" and api.form == "openai":
        url = url.replace(*_EMBEDDINGS)
        body = {"model": _model(span), "input": [text_of(p) for _, p in messages]}
    lines = [f"curl {_url(url, _model(span))}", '-H "Content-Type: application/json"']
    lines += [f'-H "{header}"' for header in api.headers]
    lines.append(f"-d {shlex.quote(json.dumps(body, indent=2, ensure_ascii=False))}")
    return " \\\n  ".join(lines)


def _url(template: str, model: str) -> str:
    """Return the address for a shell: variables stay ours, the model's name stays text."""
    if "{model}" in template:
        return shlex.quote(template.format(model=model))
    return f'"{template}"' if "$" in template else template


def _model(span: Row) -> str:
    return str(span["request_model"] or span["response_model"])


def _openai(span: Row, messages: Sequence[Message]) -> Body:
    body: Body = {"model": _model(span), "messages": []}
    for role, parts in messages:
        if role != "tool_definitions":
            cast("list[object]", body["messages"]).extend(_openai_messages(role, parts))
    tools = [
        {"type": "function", "function": tool} for tool in _definitions(messages, "parameters")
    ]
    names = {"max_tokens": "max_completion_tokens"} if span["provider"] == "openai" else {}
    settings = ("temperature", "top_p", "max_tokens", "seed", *_PENALTIES)
    body |= {names.get(n, n): span[n] for n in settings if span[n] is not None}
    if span["reasoning_level"]:
        body["reasoning_effort"] = span["reasoning_level"]
    return body | ({"tools": tools} if tools else {}) | _stream(span)


_PENALTIES = ("frequency_penalty", "presence_penalty")


def _openai_messages(role: str, parts: Sequence[Part]) -> list[Body]:
    answers = [p for p in parts if p.get("type") == "tool_call_response"]
    if answers:
        return [
            {
                "role": "tool",
                "tool_call_id": str(p.get("id") or ""),
                "content": as_json(response_of(p)),
            }
            for p in answers
        ]
    message: Body = {"role": role or "user", "content": text_of(parts)}
    calls = [
        {
            "id": str(p.get("id") or ""),
            "type": "function",
            "function": {"name": p.get("name"), "arguments": as_json(p.get("arguments") or {})},
        }
        for p in parts
        if p.get("type") == "tool_call"
    ]
    return [message | ({"tool_calls": calls} if calls else {})]


def _anthropic(span: Row, messages: Sequence[Message]) -> Body:
    system = [text_of(parts) for role, parts in messages if role == "system"]
    turns: list[Body] = []
    for role, parts in messages:
        if role in ("system", "tool_definitions"):
            continue
        blocks = [block for part in parts if (block := _anthropic_block(part))]
        speaker = "assistant" if role == "assistant" else "user"
        if turns and turns[-1]["role"] == speaker:
            cast("list[object]", turns[-1]["content"]).extend(blocks)
        else:
            turns.append({"role": speaker, "content": blocks})
    # The API refuses a request without a limit.
    limit = cast("int | None", span["max_tokens"]) or 1024
    body: Body = {"model": _model(span), "max_tokens": limit, "messages": turns}
    if system:
        body["system"] = "\n\n".join(system)
    body |= {n: span[n] for n in ("temperature", "top_p", "top_k") if span[n] is not None}
    tools = _definitions(messages, "input_schema")
    return body | ({"tools": tools} if tools else {}) | _stream(span)


def _anthropic_block(part: Part) -> Body | None:
    match part.get("type"):
        case "text":
            return {"type": "text", "text": as_json(part.get("content") or "")}
        case "tool_call":
            return {
                "type": "tool_use",
                "id": str(part.get("id") or ""),
                "name": part.get("name"),
                "input": part.get("arguments") or {},
            }
        case "tool_call_response":
            return {
                "type": "tool_result",
                "tool_use_id": str(part.get("id") or ""),
                "content": as_json(response_of(part)),
            }
        case _:
            return None


def _gemini(span: Row, messages: Sequence[Message]) -> Body:
    system = [text_of(parts) for role, parts in messages if role == "system"]
    body: Body = {
        "contents": [
            {"role": "model" if role == "assistant" else "user", "parts": _gemini_parts(parts)}
            for role, parts in messages
            if role not in ("system", "tool_definitions")
        ]
    }
    if system:
        body["systemInstruction"] = {"parts": [{"text": text} for text in system]}
    names = {
        "temperature": "temperature",
        "top_p": "topP",
        "top_k": "topK",
        "max_tokens": "maxOutputTokens",
        "seed": "seed",
    }
    config = {theirs: span[ours] for ours, theirs in names.items() if span[ours] is not None}
    if config:
        body["generationConfig"] = config
    tools = _definitions(messages, "parameters")
    return body | ({"tools": [{"functionDeclarations": tools}]} if tools else {})


def _gemini_parts(parts: Sequence[Part]) -> list[Body]:
    found: list[Body] = []
    for part in parts:
        kind = part.get("type")
        if kind == "text":
            found.append({"text": as_json(part.get("content") or "")})
        elif kind == "tool_call":
            call = {"name": part.get("name"), "args": part.get("arguments") or {}}
            found.append({"functionCall": call})
        elif kind == "tool_call_response":
            answer = {"name": part.get("name"), "response": {"result": response_of(part)}}
            found.append({"functionResponse": answer})
    return found


def _definitions(messages: Sequence[Message], schema_key: str) -> list[Body]:
    """Return the tools that were offered, their schema under the name a provider wants."""
    found: list[Body] = []
    for role, parts in messages:
        for part in parts if role == "tool_definitions" else ():
            inner = part.get("function")
            tool = cast("Part", inner) if isinstance(inner, Mapping) else part
            schema = next(
                (tool[k] for k in ("parameters", "input_schema", "inputSchema") if k in tool),
                {"type": "object"},
            )
            made: Body = {"name": tool.get("name"), schema_key: schema}
            if tool.get("description"):
                made["description"] = tool["description"]
            found.append(made)
    return found


def _stream(span: Row) -> Body:
    return {"stream": True} if span["stream"] else {}


_BODIES = {"openai": _openai, "anthropic": _anthropic, "gemini": _gemini}
