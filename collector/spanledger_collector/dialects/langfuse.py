"""Langfuse SDK 3 to 5: observations with usage as JSON, in three shapes.

https://langfuse.com/integrations/native/opentelemetry
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import cast

from spanledger_collector.decode.messages import canonical
from spanledger_collector.decode.values import Value, count, number, paid, parse_json, text
from spanledger_collector.dialects.base import Content, Dialect, Draft, sources
from spanledger_collector.dialects.nested import at, messages_in, searches_in
from spanledger_collector.dialects.otel_genai import COLUMNS, ROLES
from spanledger_collector.dialects.raw_usage import (
    TOTALS,
    fill_counts,
    fill_usage,
    parse_usage,
    tier_of,
)
from spanledger_collector.dialects.vocabulary import finish_reason, provider_of_model

_OBSERVATION = "langfuse.observation."
_KINDS = {
    "generation": "llm",
    "embedding": "embedding",
    "tool": "tool",
    "agent": "agent",
    "chain": "workflow",
    "retriever": "retrieval",
    "guardrail": "guardrail",
}
# What the SDK writes when the caller set nothing.
_DEFAULTS = {"temperature": 1, "top_p": 1, "frequency_penalty": 0, "presence_penalty": 0}
# What the handler for LangChain leaves under Vertex AI's own names.
_VERTEX = {
    "cached_content_token_count": ("cache_read_tokens",),
    "thoughts_token_count": ("output_tokens", "reasoning_tokens"),
}
_WHOLES = (*TOTALS, "cache_write_tokens")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ID_STARTS = ("chatcmpl-", "msg_", "resp_")


def _interpret(draft: Draft) -> None:
    row, attributes = draft.row, draft.attributes
    role = row["role"]
    if attributes.get(f"{_OBSERVATION}level") == "ERROR":
        row["status"] = "error"
        row["status_message"] = (
            row["status_message"] or text(attributes.get(f"{_OBSERVATION}status_message")) or ""
        )
    if role in ("llm", "embedding"):
        _read_usage(draft, parse_usage(attributes.get(f"{_OBSERVATION}usage_details")))
        _read_parameters(draft, attributes.get(f"{_OBSERVATION}model.parameters"))
        _read_call(draft)
        _read_messages(draft)
    elif role == "tool":
        draft.fill("tool_name", draft.span.name)
    elif role == "agent":
        draft.fill("agent_name", draft.span.name)


def _read_usage(draft: Draft, usage: Mapping[str, object] | None) -> None:
    if usage and not usage.keys().isdisjoint(("input", "output")):
        counts, is_bad = _sum_buckets(usage)
        fill_counts(draft, counts)
        for side in ("input_", "output_"):
            draft.fill("service_tier", tier_of(usage, side))
        if is_bad:
            draft.flags.append("bad_token_count")
    else:
        fill_usage(draft, usage)


def _sum_buckets(usage: Mapping[str, object]) -> tuple[dict[str, int], bool]:
    """Return counts by column of Langfuse's own shape: disjoint buckets, any with a detail."""
    counts: dict[str, int] = {}
    is_bad = False
    for key, value in usage.items():
        held = _held_elsewhere(key, usage)
        columns = [column for column in _columns_of(key) if column not in held]
        tokens = count(cast("Value", value))
        if columns and tokens is None and value is not None:
            is_bad = True
        for column in columns:
            counts[column] = counts.get(column, 0) + (tokens or 0)
    if is_bad:  # a sum without one of its parts is no sum
        counts.pop("input_tokens", None)
        counts.pop("output_tokens", None)
    return counts, is_bad


def _held_elsewhere(bucket: str, usage: Mapping[str, object]) -> tuple[str, ...]:
    """Return the columns for which other buckets hold a bucket already.

    So the handler for LangChain (5.0) writes lifetimes of cache writes, and OpenAI's priority tier.
    """
    if bucket.startswith("cache_creation_ephemeral"):
        return _WHOLES if "cache_creation_input_tokens" in usage else ()
    return TOTALS if bucket.startswith(("input_priority", "output_priority")) else ()


def _columns_of(bucket: str) -> tuple[str, ...]:
    if bucket in _VERTEX:
        return _VERTEX[bucket]
    if bucket.startswith("cached_modality_"):
        return ("input_tokens",)
    if bucket.startswith("output"):
        for word, column in (
            ("reasoning", "reasoning_tokens"),
            ("audio", "audio_output_tokens"),
            ("image", "image_output_tokens"),
        ):
            if word in bucket:
                return "output_tokens", column
        return ("output_tokens",)
    if not bucket.startswith(("input", "cache_")):
        return ()  # the total, and what no price is for
    if "creation" in bucket or "write" in bucket:
        for end in ("5m", "1h"):
            if end in bucket:
                return "input_tokens", "cache_write_tokens", f"cache_write_{end}_tokens"
        return "input_tokens", "cache_write_tokens"
    if "cache" in bucket:
        return "input_tokens", "cache_read_tokens"
    if "audio" in bucket:
        return "input_tokens", "audio_input_tokens"
    return ("input_tokens", "image_tokens") if "image" in bucket else ("input_tokens",)


def _read_parameters(draft: Draft, dumped: Value) -> None:
    parameters = parse_json(dumped)
    if not isinstance(parameters, dict):
        return
    for column in _DEFAULTS:
        value = parameters.get(column)
        if value != _DEFAULTS[column]:
            draft.fill(column, number(value))
    draft.fill("max_tokens", count(parameters.get("max_tokens")))
    draft.fill("service_tier", text(parameters.get("service_tier")))


def _read_call(draft: Draft) -> None:
    row, attributes = draft.row, draft.attributes
    model = str(row["response_model"])
    draft.fill("provider", provider_of_model(model))
    if f"{_OBSERVATION}output" not in attributes and row["output_tokens"] is None:
        row["request_model"], row["response_model"] = model, ""  # nothing came back
    costs = parse_json(attributes.get(f"{_OBSERVATION}cost_details"))
    draft.fill("reported_cost_usd", paid(at(costs, "total")))
    output = parse_json(attributes.get(f"{_OBSERVATION}output"))
    draft.fill("web_searches", searches_in(output, at(output, "content")))
    given = at(output, "id")
    if isinstance(given, str) and given.startswith(_ID_STARTS):
        draft.fill("response_id", given)
    reason = attributes.get(f"{_OBSERVATION}metadata.finish_reason")
    draft.fill("finish_reason", finish_reason(at(output, "finish_reason") or _unquoted(reason)))
    first = _time_ns(attributes.get(f"{_OBSERVATION}completion_start_time"))
    if first is not None:
        draft.row["stream"] = True
        delay = first - draft.span.start_time_unix_nano
        draft.fill("ttft_ns", delay if delay >= 0 else None)


def _unquoted(value: Value) -> Value:
    return value.strip('"') if isinstance(value, str) else value


def _time_ns(value: Value) -> int | None:
    """Return the nanoseconds since 1970 of an ISO time, which may be quoted as JSON."""
    written = _unquoted(value)
    try:
        time = (
            datetime.fromisoformat(written.replace("Z", "+00:00"))
            if isinstance(written, str)
            else None
        )
    except ValueError:
        return None
    if time is None or time.tzinfo is None:
        return None
    return (time - _EPOCH) // timedelta(microseconds=1) * 1_000


def _read_messages(draft: Draft) -> None:
    attributes = draft.attributes
    said = attributes.get(f"{_OBSERVATION}input")
    asked = messages_in(said, "user")
    if asked:
        draft.inputs += asked
        tools = at(parse_json(said), "tools")
        if isinstance(tools, list):
            draft.definitions += tools
        del attributes[f"{_OBSERVATION}input"]
    answer = attributes.get(f"{_OBSERVATION}output")
    parsed = messages_in(answer, "assistant")
    if parsed is None and isinstance(answer, str) and answer and parse_json(answer) is None:
        parsed = [canonical({"content": answer}, "assistant")]
    if parsed:
        draft.outputs += parsed
        del attributes[f"{_OBSERVATION}output"]


LANGFUSE = Dialect(
    name="langfuse",
    scopes=(),  # others borrow its tracer, and its own spans always say their type
    markers=frozenset({f"{_OBSERVATION}{key}" for key in ("type", "usage_details", "model.name")}),
    columns={
        **COLUMNS,
        **sources("response_model", text, f"{_OBSERVATION}model.name", "gen_ai.response.model"),
    },
    roles=((f"{_OBSERVATION}type", _KINDS), *ROLES),
    content=Content(
        tool_arguments=(f"{_OBSERVATION}input",), tool_result=(f"{_OBSERVATION}output",)
    ),
    interpret=_interpret,
)
