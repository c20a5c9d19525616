"""Anthropic's messages."""

from __future__ import annotations

import json

from tests.sdk.real.billing import ANSWER, Json, ModelServer, example, new_id


def messages(server: ModelServer, asked: Json) -> tuple[Json, list[Json] | None]:
    n = len(server.bill) + 1
    billed = server.charge(
        "anthropic",
        asked["model"],
        cache_write_tokens=40 + 2 * n,
        cache_write_1h_tokens=10 + n,
    )
    plain = billed.input_tokens - billed.cache_read_tokens - billed.cache_write_tokens
    brief = billed.cache_write_tokens - billed.cache_write_1h_tokens
    usage: Json = {
        "input_tokens": plain,
        "cache_creation_input_tokens": billed.cache_write_tokens,
        "cache_read_input_tokens": billed.cache_read_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": brief,
            "ephemeral_1h_input_tokens": billed.cache_write_1h_tokens,
        },
        "output_tokens": billed.output_tokens,
        "output_tokens_details": {"thinking_tokens": billed.reasoning_tokens},
        "service_tier": "standard",
    }
    last = asked["messages"][-1]["content"]
    parts = last if isinstance(last, list) else []
    block: Json = {"type": "text", "text": ANSWER}
    reason = "end_turn"
    if asked.get("tools") and not any(part.get("type") == "tool_result" for part in parts):
        wanted = asked["tools"][0]
        arguments = example(wanted["input_schema"])
        block = {"type": "tool_use", "id": new_id("toolu_"), "name": wanted["name"]}
        block["input"] = arguments
        reason = "tool_use"
    whole: Json = {
        "id": new_id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": billed.model,
        "content": [block],
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": usage,
    }
    return whole, _message_events(whole, block, usage) if asked.get("stream") else None


def _message_events(whole: Json, block: Json, usage: Json) -> list[Json]:
    started = {**whole, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    if block["type"] == "text":
        opened: Json = {"type": "text", "text": ""}
        delta: Json = {"type": "text_delta", "text": block["text"]}
    else:
        opened = {**block, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    return [
        {"type": "message_start", "message": started},
        {"type": "content_block_start", "index": 0, "content_block": opened},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ended, "usage": usage},  # cumulative
        {"type": "message_stop"},
    ]
