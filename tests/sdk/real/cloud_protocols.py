"""Google's generateContent and Bedrock's Converse."""

from __future__ import annotations

import re

from tests.sdk.real.billing import ANSWER, Json, ModelServer, example, new_id


def gemini(server: ModelServer, asked: Json, path: str) -> tuple[Json, list[Json] | None]:
    model = re.findall(r"/models/([^:/]+):", path)[0]
    billed = server.charge("google", model)
    contents: list[Json] = asked["contents"]
    has_result = any("functionResponse" in part for part in contents[-1]["parts"])
    parts: list[Json] = [{"text": ANSWER}]
    tools: list[Json] = [
        one for tool in asked.get("tools") or () for one in tool["functionDeclarations"]
    ]
    if tools and not has_result:
        schema = tools[0].get("parameters") or tools[0].get("parametersJsonSchema") or {}
        parts = [{"functionCall": {"name": tools[0]["name"], "args": example(schema)}}]
    whole: Json = {
        "candidates": [
            {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
        ],
        "usageMetadata": {
            "promptTokenCount": billed.input_tokens,
            "cachedContentTokenCount": billed.cache_read_tokens,
            "candidatesTokenCount": billed.output_tokens - billed.reasoning_tokens,
            "thoughtsTokenCount": billed.reasoning_tokens,
            "totalTokenCount": billed.input_tokens + billed.output_tokens,
        },
        "modelVersion": billed.model,
        "responseId": new_id(""),
    }
    return whole, [whole] if ":stream" in path else None


def converse(server: ModelServer, asked: Json, path: str) -> tuple[Json, None]:
    model = path.split("/")[2].replace("%3A", ":")
    n = len(server.bill) + 1
    billed = server.charge("bedrock", model, cache_write_tokens=40 + n, reasoning_tokens=0)
    plain = billed.input_tokens - billed.cache_read_tokens - billed.cache_write_tokens
    usage = {
        "inputTokens": plain,
        "outputTokens": billed.output_tokens,
        "totalTokens": billed.input_tokens + billed.output_tokens,
        "cacheReadInputTokens": billed.cache_read_tokens,
        "cacheWriteInputTokens": billed.cache_write_tokens,
    }
    message = {"role": "assistant", "content": [{"text": ANSWER}]}
    whole: Json = {"output": {"message": message}, "stopReason": "end_turn", "usage": usage}
    return {**whole, "metrics": {"latencyMs": 3}}, None
