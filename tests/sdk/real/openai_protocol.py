"""OpenAI's chat completions, embeddings and responses."""

from __future__ import annotations

import json

from tests.sdk.real.billing import ANSWER, Json, ModelServer, example, new_id


def chat(server: ModelServer, asked: Json) -> tuple[Json, list[Json] | None]:
    billed = server.charge("openai", asked["model"])
    usage = {
        "prompt_tokens": billed.input_tokens,
        "completion_tokens": billed.output_tokens,
        "total_tokens": billed.input_tokens + billed.output_tokens,
        "prompt_tokens_details": {"cached_tokens": billed.cache_read_tokens},
        "completion_tokens_details": {"reasoning_tokens": billed.reasoning_tokens},
    }
    message: Json = {"role": "assistant", "content": ANSWER, "refusal": None}
    reason = "stop"
    if asked.get("tools") and asked["messages"][-1]["role"] != "tool":
        wanted = asked["tools"][0]["function"]
        arguments = json.dumps(example(wanted.get("parameters", {})))
        function = {"name": wanted["name"], "arguments": arguments}
        call = {"id": new_id("call_"), "type": "function", "function": function}
        message |= {"content": None, "tool_calls": [call]}
        reason = "tool_calls"
    same = {"id": new_id("chatcmpl-"), "created": 1_790_000_000, "model": billed.model}
    choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
    whole = {**same, "object": "chat.completion", "choices": [choice], "usage": usage}
    if not asked.get("stream"):
        return whole, None
    is_told = bool((asked.get("stream_options") or {}).get("include_usage"))
    if not is_told:
        server.not_told(billed)
    return whole, _chat_chunks(same, message, reason, usage if is_told else None)


def _chat_chunks(same: Json, message: Json, reason: str, usage: Json | None) -> list[Json]:
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    for call in message.get("tool_calls", ()):
        deltas.append({"tool_calls": [{"index": 0, **call}]})
    if message["content"]:
        deltas += [{"content": message["content"][:8]}, {"content": message["content"][8:]}]
    same = {**same, "object": "chat.completion.chunk"}
    made = [{**same, "choices": [{"index": 0, "delta": d, "finish_reason": None}]} for d in deltas]
    made.append({**same, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    if usage:
        made.append({**same, "choices": [], "usage": usage})
    return made


def embeddings(server: ModelServer, asked: Json) -> tuple[Json, None]:
    billed = server.charge(
        "openai", asked["model"], output_tokens=0, cache_read_tokens=0, reasoning_tokens=0
    )
    data = [{"object": "embedding", "index": 0, "embedding": [0.1] * 8}]
    usage = {"prompt_tokens": billed.input_tokens, "total_tokens": billed.input_tokens}
    return {"object": "list", "data": data, "model": billed.model, "usage": usage}, None


def responses(server: ModelServer, asked: Json) -> tuple[Json, list[Json] | None]:
    billed = server.charge("openai", asked["model"])
    usage = {
        "input_tokens": billed.input_tokens,
        "input_tokens_details": {"cached_tokens": billed.cache_read_tokens},
        "output_tokens": billed.output_tokens,
        "output_tokens_details": {"reasoning_tokens": billed.reasoning_tokens},
        "total_tokens": billed.input_tokens + billed.output_tokens,
    }
    items = asked["input"] if isinstance(asked["input"], list) else []
    has_result = bool(items) and items[-1].get("type") == "function_call_output"
    text = {"type": "output_text", "text": ANSWER, "annotations": [], "logprobs": []}
    said: Json = {"type": "message", "role": "assistant", "content": [text]}
    if asked.get("tools") and not has_result:
        wanted = asked["tools"][0]
        arguments = json.dumps(example(wanted.get("parameters", {})))
        said = {"type": "function_call", "call_id": new_id("call_"), "name": wanted["name"]}
        said["arguments"] = arguments
    said |= {"id": new_id("item_"), "status": "completed"}
    whole: Json = {
        "id": new_id("resp_"),
        "object": "response",
        "created_at": 1_790_000_000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": asked.get("instructions"),
        "model": billed.model,
        "output": [said],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": asked.get("tools") or [],
        "top_p": 1.0,
        "usage": usage,
        "metadata": {},
    }
    return whole, _response_events(whole, said) if asked.get("stream") else None


def _response_events(whole: Json, said: Json) -> list[Json]:
    started = {**whole, "status": "in_progress", "output": [], "usage": None}
    at = {"item_id": said["id"], "output_index": 0}
    events: list[Json] = [
        {"type": "response.created", "response": started},
        {"type": "response.in_progress", "response": started},
    ]
    if said["type"] == "message":
        part = said["content"][0]
        within = {**at, "content_index": 0}
        opened = {**said, "status": "in_progress", "content": []}
        empty = {**part, "text": ""}
        delta = {"delta": ANSWER, "logprobs": []}
        done = {"text": ANSWER, "logprobs": []}
        events += [
            {"type": "response.output_item.added", "output_index": 0, "item": opened},
            {"type": "response.content_part.added", **within, "part": empty},
            {"type": "response.output_text.delta", **within, **delta},
            {"type": "response.output_text.done", **within, **done},
            {"type": "response.content_part.done", **within, "part": part},
        ]
    else:
        opened = {**said, "status": "in_progress", "arguments": ""}
        arguments = said["arguments"]
        events += [
            {"type": "response.output_item.added", "output_index": 0, "item": opened},
            {"type": "response.function_call_arguments.delta", **at, "delta": arguments},
            {
                "type": "response.function_call_arguments.done",
                **at,
                "name": said["name"],
                "arguments": arguments,
            },
        ]
    events += [
        {"type": "response.output_item.done", "output_index": 0, "item": said},
        {"type": "response.completed", "response": whole},
    ]
    return [{**event, "sequence_number": n} for n, event in enumerate(events)]
