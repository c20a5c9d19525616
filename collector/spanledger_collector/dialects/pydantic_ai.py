"""Pydantic AI: GenAI keys; up to version 1 agents and tools tell their role by the span's name.

``gen_ai.aggregated_usage.*`` of version 2 sums the calls below an agent and is not read. Without a
conversation it makes one up for each run, so a session that the program named comes first.
https://ai.pydantic.dev/logfire/
"""

from __future__ import annotations

from dataclasses import replace

from spanledger_collector.decode.messages import Message, canonical
from spanledger_collector.decode.values import count, parse_json, text
from spanledger_collector.dialects.base import Draft, sources
from spanledger_collector.dialects.otel_genai import (
    COLUMNS,
    OTEL_GENAI,
    guess_role,
    settle_cached_audio,
)

_DETAILS = "gen_ai.usage.details."


def _interpret(draft: Draft) -> None:
    row, name = draft.row, draft.span.name
    if row["role"] == "other" and "gen_ai.operation.name" not in draft.attributes:
        if name.startswith(("agent run", "invoke_agent")) or name.endswith(" run"):
            row["role"] = "agent"
        elif name.startswith("running tool") and row["tool_name"]:
            row["role"] = "tool"
        guess_role(draft)
    if row["role"] == "agent":
        draft.fill("agent_name", text(draft.attributes.get("agent_name")))
    elif row["role"] == "llm":
        _read_events(draft)
        settle_cached_audio(draft, f"{_DETAILS}text_cache_tokens")
        # Of Gemini these are queries, which Google does not always bill one by one.
        if not str(row["provider"]).startswith("gcp."):
            searches = count(draft.attributes.get(f"{_DETAILS}web_search_requests"))
            draft.fill("web_searches", searches)


def _read_events(draft: Draft) -> None:
    """Read the messages of version 1: a JSON list of the deprecated events."""
    events = parse_json(draft.attributes.get("events"))
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        return
    inputs: list[Message] = []
    outputs: list[Message] = []
    for event in events:
        name = str(event.get("event.name"))
        said = event.get("message") if name == "gen_ai.choice" else event
        if not isinstance(said, dict):
            return
        role = name.removeprefix("gen_ai.").removesuffix(".message")
        if name == "gen_ai.tool.message" and "id" in said:
            said = {**said, "tool_call_id": said["id"]}
        if name == "gen_ai.choice":
            outputs.append(canonical(said, "assistant"))
        else:
            inputs.append(canonical(said, role))
    draft.inputs += inputs
    draft.outputs += outputs
    del draft.attributes["events"]


PYDANTIC_AI = replace(
    OTEL_GENAI,
    name="pydantic_ai",
    scopes=("pydantic-ai",),
    markers=frozenset({"pydantic_ai.all_messages", "all_messages_events"}),
    columns={**COLUMNS, **sources("session_id", text, "session.id", "gen_ai.conversation.id")},
    interpret=_interpret,
)
