"""Which dialect reads a span, and that every dialect is well made."""

from __future__ import annotations

import pytest

from spanledger_collector import dialects
from spanledger_collector.decode.columns import TEMPLATE
from spanledger_collector.dialects.base import Dialect
from tests.decoded import row, tokens


@pytest.mark.parametrize(
    ("scope", "name"),
    [
        ("openinference.instrumentation.openai", "openinference"),
        ("opentelemetry.instrumentation.openai_v2", "otel_genai"),
        ("opentelemetry.instrumentation.openai.v1", "openllmetry"),
        ("opentelemetry.instrumentation.openai_agents", "openllmetry"),
        ("opentelemetry.instrumentation.genai.anthropic", "otel_genai"),
        ("opentelemetry.instrumentation.genai.bedrock", "bedrock"),
        ("com.anthropic.sdk.python", "otel_genai"),
        ("strands.telemetry.tracer", "strands"),
        ("com.anthropic.claude_code.tracing", "claude_code"),
        ("com.anthropic.claude_code.events", "claude_code"),
        ("gcp.vertex.agent", "google_adk"),
        ("haystack", "haystack"),
        ("langsmith", "langsmith"),
        ("litellm", "litellm"),
        ("logfire.openai_agents", "logfire"),
        ("mcp-python-sdk", "mcp"),
        ("openlit.instrumentation.openai", "openlit"),
        ("openlit", "openlit"),
        ("pydantic-ai", "pydantic_ai"),
        ("agent_framework", "agent_framework"),
        ("autogen-core", "otel_genai"),
        ("semantic_kernel.utils.telemetry.model_diagnostics.decorators", "otel_genai"),
        ("sglang server", "inference_server"),
        ("vllm.tracing.otel", "inference_server"),
        ("temporalio.contrib.opentelemetry._interceptor", "temporal"),
    ],
)
def test_scope_names_choose_the_dialect(scope: str, name: str) -> None:
    dialect = dialects.of_scope(scope)
    assert dialect is not None
    assert dialect.name == name


def test_keys_choose_the_dialect_of_an_unknown_scope() -> None:
    assert dialects.of_scope("my.app") is None
    assert dialects.of_keys({"a": 1}.keys()).name == "generic"
    assert dialects.of_keys({"gen_ai.operation.name": 1}.keys()).name == "otel_genai"
    assert dialects.of_keys({"ai.operationId": 1, "gen_ai.system": 1}.keys()).name == "vercel"
    assert dialects.of_keys({"langfuse.observation.type": 1}.keys()).name == "langfuse"
    assert dialects.of_keys({"mcp.method.name": 1, "gen_ai.tool.name": 1}.keys()).name == "mcp"
    both = {"gen_ai.operation.name": 1, "openinference.span.kind": 1}
    assert dialects.of_keys(both.keys()).name == "openinference"
    both = {"ai.operationId": 1, "openinference.span.kind": 1}
    assert dialects.of_keys(both.keys()).name == "vercel"
    both = {"temporalWorkflowID": 1, "gen_ai.operation.name": 1}
    assert dialects.of_keys(both.keys()).name == "otel_genai"


GENAI = {
    "gen_ai.operation.name": "chat",
    "gen_ai.usage.input_tokens": 1_000,
    "gen_ai.usage.output_tokens": 50,
    "gen_ai.usage.cache_read.input_tokens": 400,
    "gen_ai.usage.reasoning.output_tokens": 9,
}
OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.token_count.prompt": 1_000,
    "llm.token_count.completion": 50,
    "llm.token_count.prompt_details.cache_read": 400,
    "llm.token_count.completion_details.reasoning": 9,
}
WHOLE = (1_000, 400, None, 50, 9)


@pytest.mark.parametrize(
    "scope", ["litellm", "strands.telemetry.tracer", "haystack", "langfuse-sdk"]
)
def test_keys_translated_to_openinference_are_read_in_any_scope(scope: str) -> None:
    """As callbacks and span processors for Phoenix write them."""
    made = row(OPENINFERENCE, scope=scope)
    assert (made["dialect"], made["role"]) == ("openinference", "llm")
    assert tokens(made) == WHOLE


@pytest.mark.parametrize(
    ("scope", "beside"),
    [
        ("pydantic-ai", {"openinference.span.kind": "LLM"}),
        ("my.app", {"openinference.span.kind": "LLM"}),
        ("my.app", {"openinference.span.kind": "LLM", "llm.token_count.prompt": 1_000}),
        ("my.app", {"langfuse.observation.type": "span"}),
        ("my.app", {"temporalWorkflowID": "w"}),
        ("my.app", {"haystack.component.type": "OpenAIChatGenerator"}),
        ("temporalio.contrib.opentelemetry.workflow", {}),
        ("haystack", {}),
        ("langfuse-sdk", {}),
        ("openinference.instrumentation.new", {}),
    ],
)
def test_current_keys_are_read_beside_others_and_in_borrowed_scopes(
    scope: str, beside: dict[str, object]
) -> None:
    made = row({**GENAI, **beside}, scope=scope)
    assert made["role"] == "llm"
    assert tokens(made) == WHOLE


@pytest.mark.parametrize("dialect", dialects.REGISTRY, ids=lambda dialect: dialect.name)
def test_every_dialect_fills_columns_that_exist(dialect: Dialect) -> None:
    assert {column for column, _, _ in dialect.columns.values()} <= TEMPLATE.keys()
    roles = {role for _, table in dialect.roles for role in table.values()}
    assert roles <= {"llm", "embedding", "tool", "agent", "workflow", "retrieval", "guardrail"}
