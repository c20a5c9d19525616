"""Whatever stands under the keys of a dialect, its spans become rows."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanledger_collector import dialects
from tests.decoded import decode, span

SCOPES = sorted({scope for dialect in dialects.REGISTRY for scope in dialect.scopes} | {"ai"})
CONTENT_KEYS = [
    "ai.operationId", "ai.response.providerMetadata", "ai.prompt.messages", "ai.prompt.tools",
    "ai.response.text", "ai.response.toolCalls", "langfuse.observation.usage_details",
    "langfuse.observation.type", "langfuse.observation.input", "langfuse.observation.output",
    "langfuse.observation.level", "langfuse.observation.completion_start_time",
    "langfuse.observation.cost_details", "langfuse.observation.model.parameters",
    "langsmith.span.kind", "langsmith.metadata.usage_metadata", "gen_ai.prompt",
    "gen_ai.completion", "logfire.msg_template", "logfire.level_num", "gen_ai.usage.raw", "usage",
    "input", "output", "request_data", "response_data", "model_config", "events", "agent_name",
    "metadata.usage_object", "hidden_params", "litellm.provider.model", "span.type", "event.name",
    "success", "speed", "gcp.vertex.agent.llm_response", "haystack.component.type",
    "haystack.component.input", "haystack.component.output", "haystack.agent.step.llm.input",
    "haystack.agent.step.llm.output", "haystack.tool.error", "mcp.method.name",
    "gen_ai.operation.name", "openinference.span.kind", "output.value", "input.value",
]  # fmt: skip
NAMES = [
    "haystack.agent.step.llm", "haystack.component.run", "call_llm", "execute_tool (merged)",
    "RunWorkflow:", "MCP send tools/call ", "agent run", "running tool", "raw_gen_ai_request", "",
]  # fmt: skip
WORDS = [
    "llm", "chat", "generation", "ai.generateText.doGenerate", "ai.toolCall", "tool", "embedding",
    "Responses API with", "Function: ", "llm_request", "api_error", "OpenAIGenerator", "tools/call",
    "anthropic", "openai/", "ERROR", '"2026-11-21T01:59:30.236982Z"', '"2026-11-21"', "-5", "\0",
    "{'prompt_tokens': -1}", "{'service_tier': '\\ud800'}", "[" * 240 + "]" * 240, "[" * 5000,
    '{"a":' * 250 + "1" + "}" * 250,
]  # fmt: skip
_numbers = st.integers(-(2**63), 2**63 - 1) | st.floats() | st.none() | st.booleans()
_fields = st.sampled_from(
    [
        "usage", "usageMetadata", "usage_metadata", "prompt_tokens", "input_tokens", "input",
        "output", "output_tokens", "cache_creation", "prompt_tokens_details", "cached_tokens",
        "promptTokensDetails", "candidatesTokenCount", "tokenCount", "modality", "generations",
        "message", "kwargs", "response_metadata", "llm_output", "content", "role", "type", "parts",
        "tool_calls", "tool_call", "messages", "replies", "meta", "anthropic", "service_tier",
        "total", "id", "finish_reason", "event.name", "name", "args", "tools", "value",
    ]
)  # fmt: skip
_json = st.recursive(
    _numbers | st.sampled_from(WORDS[:12]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_fields, inner, max_size=4),
    max_leaves=12,
)
_values = (
    _json.map(json.dumps)
    | _json.map(repr)
    | st.sampled_from(WORDS)
    | _numbers
    | st.binary(max_size=4)
    | st.lists(st.sampled_from(WORDS), max_size=2)
)
_keys = st.sampled_from(CONTENT_KEYS) | st.sampled_from(
    sorted({key for dialect in dialects.REGISTRY for key in dialect.columns})
)


@given(
    st.dictionaries(_keys, _values, max_size=10), st.sampled_from(SCOPES), st.sampled_from(NAMES)
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_value_breaks_a_dialect(attributes: dict[str, Any], scope: str, name: str) -> None:
    decoded = decode(span(attributes, name=name), scope=scope)
    [made] = decoded.spans.to_pylist()
    decoded.spans.validate(full=True)
    decoded.messages.validate(full=True)
    cached = (made["cache_read_tokens"] or 0) + (made["cache_write_tokens"] or 0)
    assert made["input_tokens"] is None or made["input_tokens"] >= cached
    known = set(decoded.messages["hash"].to_pylist())
    assert known >= {*made["input_messages"], *made["output_messages"]}
    assert (made["usage_source"] == "none") == (
        made["input_tokens"] is None and made["output_tokens"] is None
    )
