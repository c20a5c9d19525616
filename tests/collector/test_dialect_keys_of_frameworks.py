"""Frameworks, gateways and servers: the keys they document, beside what is recorded."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.decoded import NOW_NS, row, tokens

CHAT = {"gen_ai.operation.name": "chat"}
ADK = "gcp.vertex.agent"


# Logfire.


@pytest.mark.parametrize(
    ("template", "role"),
    [
        ("Responses API with {gen_ai.request.model!r}", "llm"),
        ("Chat Completion with {request_data[model]!r}", "llm"),
        ("Message with {request_data[model]!r}", "llm"),
        ("Embedding Creation with {request_data[model]!r}", "embedding"),
        ("Function: {name}", "tool"),
        ("Agent run: {name!r}", "agent"),
        ("Task: {name}", "workflow"),
        ("Turn {turn} for agent A", "other"),
        ("Handoff: {from_agent} -> {to_agent}", "other"),
        ("streaming response from {request_data[model]!r} took {duration:.2f}s", "other"),
    ],
)
def test_logfire_tells_roles_by_template(template: str, role: str) -> None:
    made = row({"logfire.msg_template": template, "name": "n"}, scope="logfire.openai")
    assert made["role"] == role


@pytest.mark.parametrize("key", ["gen_ai.usage.raw", "usage"])
def test_logfire_usage_is_raw(key: str) -> None:
    usage = {
        "input_tokens": 1223,
        "output_tokens": 37,
        "input_tokens_details": {"cached_tokens": 500},
        "output_tokens_details": {"reasoning_tokens": 16},
    }
    made = row(
        {
            "logfire.msg_template": "Responses API with {gen_ai.request.model!r}",
            "response_id": "resp_1",
            "logfire.level_num": 17,
            key: json.dumps(usage),
        },
        scope="logfire.openai_agents",
    )
    assert tokens(made) == (1223, 500, None, 37, 16)
    assert (made["usage_source"], made["response_id"], made["status"]) == ("raw", "resp_1", "error")


def test_logfire_reads_the_response_of_other_clients() -> None:
    made = row(
        {
            "logfire.msg_template": "Message with {request_data[model]!r}",
            "request_data": json.dumps(
                {"model": "claude", "messages": [{"role": "user", "content": "hi"}], "top_p": 0.5}
            ),
            "response_data": json.dumps(
                {
                    "message": {"role": "assistant", "content": "ho"},
                    "usage": {"input_tokens": 3, "cache_read_input_tokens": 9, "output_tokens": 1},
                }
            ),
        },
        scope="logfire.anthropic",
    )
    assert tokens(made) == (12, 9, None, 1, None)
    assert [message["parts"][0]["content"] for message in made["said"]] == ["hi", "ho"]
    assert made["top_p"] == 0.5
    assert json.loads(made["attributes"]["request_data"]) == {"model": "claude", "top_p": 0.5}


def test_logfire_reads_the_service_tier_of_the_request() -> None:
    request = {"model": "gpt-5", "service_tier": "flex"}
    made = row(
        {
            "logfire.msg_template": "Chat Completion with {request_data[model]!r}",
            "request_data": json.dumps(request),
            "response_data": json.dumps({"usage": {"prompt_tokens": 9, "completion_tokens": 1}}),
        },
        scope="logfire.openai",
    )
    assert made["service_tier"] == "flex"


def test_logfire_tier_of_the_answer_comes_before_the_one_asked_for() -> None:
    usage = {"input_tokens": 3, "output_tokens": 1, "service_tier": "priority"}
    made = row(
        {
            "logfire.msg_template": "Message with {request_data[model]!r}",
            "request_data": json.dumps({"model": "claude", "service_tier": "auto"}),
            "response_data": json.dumps({"usage": usage}),
        },
        scope="logfire.anthropic",
    )
    assert made["service_tier"] == "priority"


STREAM_END = {
    "logfire.span_type": "log",
    "logfire.msg_template": "streaming response from {request_data[model]!r} took {duration:.2f}s",
    "duration": 0.5,
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-5-mini",
    "gen_ai.usage.input_tokens": 21_520,
    "gen_ai.usage.output_tokens": 7_167,
}


@pytest.mark.parametrize(
    ("said", "lasted"),
    [
        ({}, timedelta(seconds=0.5)),
        ({"duration": -1}, timedelta()),
        ({"duration": "long"}, timedelta()),
        ({"duration": 1e300}, timedelta()),
    ],
)
def test_logfires_record_of_a_stream_began_when_the_stream_did(
    said: dict[str, object], lasted: timedelta
) -> None:
    times = {"start_time_unix_nano": NOW_NS, "end_time_unix_nano": NOW_NS}
    made = row({**STREAM_END, **said}, scope="logfire.openai", **times)
    assert (made["role"], made["kind"], made["usage_source"]) == ("llm", "log", "log")
    assert made["end_time"] - made["start_time"] == lasted


# LangSmith.


@pytest.mark.parametrize("tier", ["flex", "priority"])
def test_langsmith_usage_metadata_knows_the_service_tier(tier: str) -> None:
    usage = {
        "input_tokens": 1000,
        "output_tokens": 100,
        "input_token_details": {f"{tier}_cache_read": 600, tier: 400},
        "output_token_details": {f"{tier}_reasoning": 60, tier: 40},
    }
    made = row(
        {"langsmith.span.kind": "llm", "langsmith.metadata.usage_metadata": json.dumps(usage)},
        scope="langsmith",
    )
    assert made["service_tier"] == tier
    assert tokens(made) == (1000, 600, None, 100, 60)


def test_langsmith_usage_metadata_knows_lifetimes() -> None:
    usage = {
        "input_tokens": 9113,
        "output_tokens": 31,
        "input_token_details": {
            "cache_read": 6000,
            "cache_creation": 0,
            "ephemeral_5m_input_tokens": 1000,
            "ephemeral_1h_input_tokens": 2000,
        },
    }
    made = row(
        {
            "langsmith.span.kind": "llm",
            "gen_ai.system": "langchain",
            "langsmith.metadata.ls_provider": "anthropic",
            "langsmith.metadata.ls_model_name": "claude-sonnet-4-5",
            "langsmith.metadata.thread_id": "t",
            "langsmith.metadata.usage_metadata": json.dumps(usage),
        },
        scope="langsmith",
    )
    assert tokens(made) == (9113, 6000, 3000, 31, None)
    assert (made["cache_write_5m_tokens"], made["cache_write_1h_tokens"]) == (1000, 2000)
    assert (made["provider"], made["request_model"]) == ("anthropic", "claude-sonnet-4-5")
    assert made["session_id"] == "t"


@pytest.mark.parametrize(
    ("kind", "name", "role"),
    [
        ("chain", "node", "workflow"),
        ("chain", "weather", "agent"),
        ("retriever", "kb", "retrieval"),
        ("parser", "p", "other"),
    ],
)
def test_langsmith_roles(kind: str, name: str, role: str) -> None:
    made = row(
        {"langsmith.span.kind": kind, "langsmith.metadata.lc_agent_name": "weather"},
        scope="langsmith",
        name=name,
    )
    assert (made["role"], made["agent_name"]) == (role, "weather")


# LiteLLM.


def litellm(**said: object) -> dict[str, Any]:
    return row({key.replace("__", "."): value for key, value in said.items()}, scope="litellm")


def test_litellm_usage_is_a_repr() -> None:
    usage = {"prompt_tokens": 2048, "completion_tokens": 307, "prompt_tokens_details": None}
    made = litellm(
        gen_ai__operation__name="acompletion",
        metadata__usage_object=repr(usage),
        hidden_params='{"response_cost": 0.00078}',
        metadata__user_api_key_end_user_id="",
        metadata__user_api_key_user_id="user-7",
    )
    assert (made["role"], made["usage_source"]) == ("llm", "raw")
    assert tokens(made) == (2048, None, None, 307, None)
    assert (made["reported_cost_usd"], made["user_id"]) == (Decimal("0.00078"), "user-7")


def test_litellm_embeddings_name_their_provider_in_the_model_alone() -> None:
    made = litellm(
        gen_ai__operation__name="aembedding",
        litellm__provider__model="openai/text-embedding-3-small",
        gen_ai__usage__input_tokens=71,
    )
    assert (made["role"], made["provider"]) == ("embedding", "openai")


def test_litellm_raw_requests_are_no_calls() -> None:
    made = row({"llm.request.type": "completion"}, scope="litellm", name="raw_gen_ai_request")
    assert made["role"] == "other"


def test_a_cost_of_zero_is_a_missing_price_list() -> None:
    made = litellm(gen_ai__operation__name="chat", litellm__cost__total=0.0)
    assert made["reported_cost_usd"] is None
    openlit = row({**CHAT, "gen_ai.usage.cost": 0}, scope="openlit.instrumentation.openai")
    assert openlit["reported_cost_usd"] is None


# OpenLIT.


def test_openlit_input_of_anthropic_leaves_the_cache_out() -> None:
    usage = {"gen_ai.usage.input_tokens": 9000, "gen_ai.usage.cache_read.input_tokens": 600}
    scope = "openlit.instrumentation.anthropic"
    made = row({**CHAT, "gen_ai.provider.name": "anthropic", **usage}, scope=scope)
    assert tokens(made)[:2] == (9600, 600)
    assert made["flags"] == ["input_excluded_cache"]
    openai = "openlit.instrumentation.openai"
    assert row({**CHAT, "gen_ai.provider.name": "openai", **usage}, scope=openai)["flags"] == []


@pytest.mark.parametrize(
    ("scope", "provider", "total"),
    [
        ("openlit.instrumentation.bedrock", "aws.bedrock", 9600),
        ("openlit.otel.tracing", "anthropic", 9600),
        ("openlit.instrumentation.langchain", "anthropic", 9000),
        ("openlit.instrumentation.claude_agent_sdk", "anthropic", 9000),
        ("openlit.instrumentation.litellm", "aws.bedrock", 9000),
    ],
)
def test_openlit_input_of_frameworks_includes_the_cache(
    scope: str, provider: str, total: int
) -> None:
    usage = {"gen_ai.usage.input_tokens": 9000, "gen_ai.usage.cache_read.input_tokens": 600}
    made = row({**CHAT, "gen_ai.provider.name": provider, **usage}, scope=scope)
    assert tokens(made)[:2] == (total, 600)


@pytest.mark.parametrize(("library", "output"), [("google_ai_studio", 560), ("openai", 500)])
def test_openlit_output_of_gemini_leaves_the_thoughts_out(library: str, output: int) -> None:
    usage = {"gen_ai.usage.output_tokens": 500, "gen_ai.usage.reasoning_tokens": 60}
    made = row({**CHAT, **usage}, scope=f"openlit.instrumentation.{library}")
    assert tokens(made) == (None, None, None, output, 60)


@pytest.mark.parametrize(
    "scope",
    [
        "opentelemetry.instrumentation.genai.bedrock",
        "opentelemetry.instrumentation.botocore.bedrock-runtime",
        "opentelemetry.instrumentation.bedrock",
    ],
)
def test_bedrock_input_leaves_the_cache_out(scope: str) -> None:
    usage = {
        "gen_ai.usage.input_tokens": 765,
        "gen_ai.usage.cache_read.input_tokens": 201,
        "gen_ai.usage.cache_write.input_tokens": 41,
        "gen_ai.usage.output_tokens": 53,
    }
    assert tokens(row({**CHAT, **usage}, scope=scope)) == (1007, 201, 41, 53, None)


def test_a_session_that_was_named_comes_before_one_that_pydantic_ai_makes_up() -> None:
    ids = {"gen_ai.conversation.id": "01a1ff2f-7d14", "session.id": "chat-7"}
    assert row({**CHAT, **ids}, scope="pydantic-ai")["session_id"] == "chat-7"
    made_up = {"gen_ai.conversation.id": "01a1ff2f-7d14"}
    assert row({**CHAT, **made_up}, scope="pydantic-ai")["session_id"] == "01a1ff2f-7d14"


def test_openlit_estimates_and_defaults_are_not_believed() -> None:
    made = row(
        {
            **CHAT,
            "gen_ai.request.stream": True,
            "gen_ai.usage.input_tokens": 8,
            "gen_ai.usage.output_tokens": 12,
            "gen_ai.request.temperature": 1.0,
            "gen_ai.request.seed": 0,
            "gen_ai.request.top_p": 0.9,
            "gen_ai.tool.name": "get_weather, get_weather",
        },
        scope="openlit.instrumentation.openai",
    )
    assert made["flags"] == ["estimated_usage"]
    assert (made["temperature"], made["seed"], made["top_p"]) == (None, None, 0.9)
    assert (made["role"], made["tool_name"]) == ("llm", "")


# Bedrock and Agno, as OpenInference tells them.


@pytest.mark.parametrize(("total", "expected"), [(10_027, 9_641), (9_386, 9_000)])
def test_openinference_total_tells_whether_its_input_includes_the_cache(
    total: int, expected: int
) -> None:
    said = {
        "openinference.span.kind": "LLM",
        "llm.token_count.prompt": 9_000,
        "llm.token_count.completion": 386,
        "llm.token_count.total": total,
        "llm.token_count.prompt_details.cache_read": 600,
        "llm.token_count.prompt_details.cache_write": 41,
    }
    assert row(said, scope="openinference.instrumentation.bedrock")["input_tokens"] == expected


@pytest.mark.parametrize("detail", ["prompt_details.audio", "completion_details.reasoning"])
@pytest.mark.parametrize("cached", [None, 0, 30])
def test_openinference_input_is_known_whatever_a_detail_is(detail: str, cached: int | None) -> None:
    said: dict[str, object] = {
        "openinference.span.kind": "LLM",
        "llm.token_count.prompt": 100,
        "llm.token_count.completion": 20,
        "llm.token_count.total": 120,
        f"llm.token_count.{detail}": float("nan"),
    }
    if cached is not None:
        said["llm.token_count.prompt_details.cache_read"] = cached
    made = row(said, scope="openinference.instrumentation.openai")
    assert (tokens(made)[:2], made["flags"]) == ((100, cached), ["bad_token_count"])


@pytest.mark.parametrize(
    ("provider", "model", "total"),
    [
        ("Anthropic", "claude-sonnet-4-5", 9_641),
        ("AwsBedrock", "amazon.nova-pro-v1:0", 9_641),
        ("VertexAI", "claude-sonnet-4-5@20250929", 9_641),
        ("VertexAI", "gemini-2.5-pro", 9_000),
        ("OpenAI", "gpt-4o", 9_000),
    ],
)
def test_agno_input_of_anthropic_and_bedrock_leaves_the_cache_out(
    provider: str, model: str, total: int
) -> None:
    said = {
        "openinference.span.kind": "LLM",
        "llm.provider": provider,
        "llm.model_name": model,
        "llm.token_count.prompt": 9_000,
        "llm.token_count.prompt_details.cache_read": 600,
        "llm.token_count.prompt_details.cache_write": 41,
    }
    assert row(said, scope="openinference.instrumentation.agno")["input_tokens"] == total


# Agent Framework.


@pytest.mark.parametrize(
    ("provider", "model", "total"),
    [
        ("anthropic", "claude-sonnet-4-5", 9_641),
        ("aws.bedrock", "amazon.nova-pro-v1:0", 9_641),
        ("google.vertex.ai", "claude-sonnet-4-5@20250929", 9_641),
        ("azure.ai.foundry", "claude-sonnet-4-5", 9_641),
        ("azure.ai.foundry", "gpt-4o", 9_000),
        ("openai", "anthropic/claude-sonnet-4-5", 9_000),
    ],
)
def test_agent_framework_input_of_anthropic_and_bedrock_leaves_the_cache_out(
    provider: str, model: str, total: int
) -> None:
    said = {
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "gen_ai.usage.input_tokens": 9_000,
        "gen_ai.usage.cache_read.input_tokens": 600,
        "gen_ai.usage.cache_creation.input_tokens": 41,
    }
    assert row({**CHAT, **said}, scope="agent_framework")["input_tokens"] == total


# Gemini, where an instrumentation knows nothing of thoughts.


@pytest.mark.parametrize(
    ("scope", "prefix", "total_key"),
    [
        (
            "opentelemetry.instrumentation.google_generativeai",
            "gen_ai",
            "gen_ai.usage.total_tokens",
        ),
        ("opentelemetry.instrumentation.vertexai", "gen_ai", "llm.usage.total_tokens"),
        ("openinference.instrumentation.vertexai", "llm", "llm.token_count.total"),
    ],
)
@pytest.mark.parametrize(
    ("total", "output", "reasoning"), [(1_560, 560, 500), (1_060, 60, None), (None, 60, None)]
)
def test_the_total_tells_of_thoughts_that_the_output_leaves_out(
    scope: str, prefix: str, total_key: str, total: int | None, output: int, reasoning: int | None
) -> None:
    keys = {
        "gen_ai": ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"),
        "llm": ("llm.token_count.prompt", "llm.token_count.completion"),
    }
    given, answered = keys[prefix]
    said = {"openinference.span.kind": "LLM"} if prefix == "llm" else CHAT
    made = row({**said, given: 1_000, answered: 60, total_key: total}, scope=scope)
    assert tokens(made) == (1_000, None, None, output, reasoning)


# Inference servers.


@pytest.mark.parametrize(
    ("scope", "provider"),
    [("vllm.tracing.otel", "vllm"), ("sglang server", "sglang"), ("my.proxy", "vllm")],
)
def test_inference_servers_see_calls_from_their_side(scope: str, provider: str) -> None:
    made = row(
        {
            "gen_ai.usage.prompt_tokens": 1011,
            "gen_ai.usage.completion_tokens": 31,
            "gen_ai.usage.cached_tokens": 500,
            "gen_ai.latency.time_in_queue": 0.002,
            "gen_ai.latency.time_in_model_prefill": 0.019,
            "gen_ai.latency.time_in_model_decode": 0.31,
            "gen_ai.request.id": "r",
            "gen_ai.response.finish_reasons": '["stop"]',
        },
        scope=scope,
    )
    assert (made["role"], made["provider"], made["request_id"]) == ("server", provider, "r")
    assert tokens(made) == (1011, 500, None, 31, None)
    assert made["time_in_queue_ns"] == 2_000_000
    assert (made["prefill_ns"], made["decode_ns"]) == (19_000_000, 310_000_000)
    phase = row({"gen_ai.request.id": "r"}, scope="sglang server", name="prefill")
    assert phase["role"] == "other"


# Google ADK.


def test_older_adk_dumps_the_response_of_gemini() -> None:
    usage = {
        "prompt_token_count": 1000,
        "cached_content_token_count": 400,
        "candidates_token_count": 50,
        "thoughts_token_count": 30,
    }
    made = row(
        {
            "gen_ai.system": ADK,
            "gen_ai.request.model": "gemini-2.5-flash",
            f"{ADK}.session_id": "s",
            f"{ADK}.llm_response": json.dumps({"usage_metadata": usage, "finish_reason": "STOP"}),
        },
        scope=ADK,
        name="call_llm",
    )
    assert (made["role"], made["provider"], made["session_id"]) == ("llm", "gcp.vertex_ai", "s")
    assert tokens(made) == (1000, 400, None, 80, 30)
    assert made["finish_reason"] == "stop"


def test_adk_output_includes_thoughts() -> None:
    made = row(
        {
            "gen_ai.operation.name": "generate_content",
            "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.output_tokens": 80,
            "gen_ai.usage.reasoning.output_tokens": 30,
        },
        scope=ADK,
        name="generate_content gemini-2.5-flash",
    )
    assert tokens(made) == (1000, None, None, 80, 30)


@pytest.mark.parametrize(
    ("name", "tool", "role"),
    [
        ("execute_tool get_weather", "get_weather", "tool"),
        ("execute_tool (merged)", "x", "other"),
        ("execute_tool x", "(merged tools)", "other"),
    ],
)
def test_merged_answers_of_adk_are_no_tools(name: str, tool: str, role: str) -> None:
    made = row(
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": tool,
            f"{ADK}.tool_call_args": '{"a":1}',
        },
        scope=ADK,
        name=name,
    )
    assert made["role"] == role
    assert made["tool_arguments"] == ('{"a":1}' if role == "tool" else "")


# MCP, Pydantic AI, Temporal, Haystack, Semantic Kernel, Strands.


@pytest.mark.parametrize(
    ("method", "name", "kind", "role", "tool"),
    [
        ("tools/call", "MCP send tools/call book", Span.SPAN_KIND_CLIENT, "tool", "book"),
        ("tools/call", "tools/call book", Span.SPAN_KIND_SERVER, "tool", "book"),
        ("tools/list", "tools/list", Span.SPAN_KIND_SERVER, "other", ""),
        ("prompts/get", "prompts/get hello", Span.SPAN_KIND_SERVER, "other", ""),
    ],
)
def test_mcp_calls_are_tools_on_either_side(
    method: str, name: str, kind: int, role: str, tool: str
) -> None:
    made = row({"mcp.method.name": method}, scope="mcp-python-sdk", name=name, kind=kind)
    assert (made["role"], made["tool_name"]) == (role, tool)


@pytest.mark.parametrize(
    ("name", "attributes", "role"),
    [
        ("agent run", {"agent_name": "specialist"}, "agent"),
        ("running tool", {"gen_ai.tool.name": "t"}, "tool"),
        ("running tools", {"tools": ["t", "t"]}, "other"),
        ("chat gpt-4o", CHAT, "llm"),
        ("invoke_agent a", {"gen_ai.operation.name": "invoke_agent"}, "agent"),
    ],
)
def test_pydantic_ai_roles(name: str, attributes: dict[str, object], role: str) -> None:
    made = row(attributes, scope="pydantic-ai", name=name)
    assert (made["role"], made["agent_name"]) == (role, attributes.get("agent_name", ""))


def test_aggregated_usage_of_pydantic_ai_is_not_read() -> None:
    made = row(
        {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.aggregated_usage.input_tokens": 5,
            "gen_ai.aggregated_usage.output_tokens": 5,
        },
        scope="pydantic-ai",
    )
    assert tokens(made) == (None,) * 5


@pytest.mark.parametrize(
    ("name", "role", "workflow"),
    [
        ("StartWorkflow:Trip", "workflow", "Trip"),
        ("RunWorkflow:Trip", "workflow", "Trip"),
        ("RunActivity:call_llm", "other", ""),
        ("HandleSignal:proceed", "other", ""),
    ],
)
def test_temporal_roles(name: str, role: str, workflow: str) -> None:
    scope = "temporalio.contrib.opentelemetry._interceptor"
    made = row({"temporalWorkflowID": "trip-42"}, scope=scope, name=name)
    assert (made["role"], made["workflow_name"]) == (role, workflow)
    assert made["session_id"] == "trip-42"


def test_haystack_components_are_read_by_their_type() -> None:
    meta = {"model": "gpt-4o-mini-2024-07-18", "usage": {"prompt_tokens": 7, "total_tokens": 7}}

    def component(kind: str, output: object) -> dict[str, Any]:
        said = {"haystack.component.type": kind, "haystack.component.output": json.dumps(output)}
        return row(said, scope="haystack", name="haystack.component.run")

    made = component("OpenAIGenerator", {"replies": ["hi"], "meta": [meta]})
    assert (made["role"], made["provider"]) == ("llm", "openai")
    assert tokens(made) == (7, None, None, None, None)
    assert component("OpenAITextEmbedder", {"meta": meta})["input_tokens"] == 7
    replied = {"meta": {"id": "resp_1", "service_tier": "priority", **meta}}
    made = component("OpenAIResponsesChatGenerator", {"replies": [replied]})
    assert (made["response_id"], made["service_tier"]) == ("resp_1", "priority")
    assert component("InMemoryBM25Retriever", {})["role"] == "retrieval"
    assert component("Agent", {"messages": []})["role"] == "other"
    untraced = row({}, scope="haystack", name="haystack.agent.step.llm")
    assert (untraced["role"], untraced["usage_source"]) == ("llm", "none")


def test_semantic_kernel_names_its_enums() -> None:
    made = row(
        {
            "gen_ai.operation.name": "chat.completions",
            "gen_ai.response.finish_reason": "FinishReason.TOOL_CALLS",
            "gen_ai.usage.input_tokens": 3,
        },
        scope="semantic_kernel.utils.telemetry.model_diagnostics.decorators",
    )
    assert (made["role"], made["finish_reason"]) == ("llm", "tool_calls")


@pytest.mark.parametrize(
    ("total", "expected"),
    [(10_027, 9_641), (9_386, 9_000), (None, 9_000)],
    ids=["Bedrock's", "the sum of input and output", "not told"],
)
def test_strands_total_tells_whether_its_input_includes_the_cache(
    total: int | None, expected: int
) -> None:
    usage = {
        "gen_ai.usage.prompt_tokens": 9_000,
        "gen_ai.usage.input_tokens": 9_000,
        "gen_ai.usage.output_tokens": 386,
        "gen_ai.usage.cache_read_input_tokens": 600,
        "gen_ai.usage.cache_write_input_tokens": 41,
        **({} if total is None else {"gen_ai.usage.total_tokens": total}),
    }
    made = row({**CHAT, **usage}, scope="strands.telemetry.tracer")
    assert made["input_tokens"] == expected


@pytest.mark.parametrize(
    ("said", "provider"),
    [
        ({"gen_ai.request.model": "us.amazon.nova-pro-v1:0"}, "aws.bedrock"),
        ({"gen_ai.request.model": "gpt-4o"}, ""),
    ],
)
def test_strands_names_itself_where_the_provider_is_bedrock(
    said: dict[str, str], provider: str
) -> None:
    made = row(
        {**CHAT, "gen_ai.system": "strands-agents", **said}, scope="strands.telemetry.tracer"
    )
    assert made["provider"] == provider


def test_strands_counts_the_first_token_in_milliseconds() -> None:
    made = row({**CHAT, "gen_ai.server.time_to_first_token": 926}, scope="strands.telemetry.tracer")
    assert made["ttft_ns"] == 926_000_000
