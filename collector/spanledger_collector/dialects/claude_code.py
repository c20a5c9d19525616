"""Claude Code and the Claude Agent SDK: spans, and log records of the same requests.

https://code.claude.com/docs/en/monitoring-usage
"""

from __future__ import annotations

from spanledger_collector.decode.values import Value, count, flag, milliseconds, paid, text
from spanledger_collector.dialects.base import Content, Dialect, Draft, sources
from spanledger_collector.dialects.otel_genai import COLUMNS
from spanledger_collector.dialects.raw_usage import add_cache_to_input
from spanledger_collector.dialects.vocabulary import finish_reason

_EVENTS_SCOPE = "com.anthropic.claude_code.events"
_MCP_PREFIX = "mcp__"
_UNNAMED = "mcp_tool"  # any MCP server's, in log records without OTEL_LOG_TOOL_DETAILS
_ROLES = {
    "interaction": "agent",
    "user_prompt": "agent",
    "llm_request": "llm",
    "api_request": "llm",
    "api_error": "llm",
    "tool": "tool",  # not its parts, tool.execution and tool.blocked_on_user
    "tool_result": "tool",
}
_CLOUDS = {"bedrock": "aws.bedrock", "vertex": "gcp.vertex_ai"}


def _tool_name(value: Value) -> str | None:
    """Read a tool's name without the MCP server's: ``mcp__<server>__<tool>``."""
    name = text(value)
    if name == _UNNAMED:
        return None
    return name.rpartition("__")[2] or name if name and name.startswith(_MCP_PREFIX) else name


def _attempt(value: Value) -> int | None:
    attempt = count(value)
    return attempt if attempt is not None and 0 < attempt < 2**31 else None


def _provider(draft: Draft) -> str:
    """Return who was called, which ``gen_ai.provider.name`` does not tell: it names the maker."""
    cloud = _CLOUDS.get(str(draft.attributes.get("anthropic.provider")).lower())
    return cloud or str(draft.row["provider"]) or "anthropic"


def _interpret(draft: Draft) -> None:
    row, attributes = draft.row, draft.attributes
    event = str(attributes.get("event.name", "")).rpartition(".")[2]
    if row["role"] == "llm":
        row["provider"] = _provider(draft)
        if row["scope_name"] == _EVENTS_SCOPE:  # which learned from the answer what model it was
            row["response_model"] = row["response_model"] or row["request_model"]
            row["request_model"] = text(attributes.get("gen_ai.request.model")) or ""
        if attributes.get("speed") == "fast":
            draft.fill("service_tier", "fast")
        if event == "api_error" or flag(attributes.get("success")) is False:
            row["status"] = "error"
        add_cache_to_input(draft)
    elif row["role"] == "tool" and flag(attributes.get("success")) is False:
        row["status"] = "error"
        draft.fill("error_type", "tool_error")
    elif row["role"] == "agent":
        draft.fill("agent_name", "claude-code")


CLAUDE_CODE = Dialect(
    name="claude_code",
    scopes=("com.anthropic.claude_code",),
    markers=frozenset(),
    columns={
        **COLUMNS,
        **sources("request_model", text, "gen_ai.request.model", "model"),
        **sources("input_tokens", count, "input_tokens"),
        **sources("output_tokens", count, "output_tokens"),
        **sources("cache_read_tokens", count, "cache_read_tokens"),
        **sources("cache_write_tokens", count, "cache_creation_tokens"),
        **sources("cache_write_5m_tokens", count, "cache_creation_5m_tokens"),
        **sources("cache_write_1h_tokens", count, "cache_creation_1h_tokens"),
        **sources("reported_cost_usd", paid, "cost_usd"),
        **sources("ttft_ns", milliseconds, "ttft_ms"),
        **sources("request_id", text, "request_id"),
        **sources("attempts", _attempt, "attempt"),
        **sources("finish_reason", finish_reason, "stop_reason", "gen_ai.response.finish_reasons"),
        **sources("tool_name", _tool_name, "gen_ai.tool.name", "tool_name"),
        **sources("tool_call_id", text, "gen_ai.tool.call.id", "tool_use_id"),
        **sources("error_type", text, "error.type", "error_type"),
    },
    roles=(("span.type", _ROLES), ("event.name", _ROLES)),
    content=Content(
        tool_arguments=("gen_ai.tool.call.arguments", "tool_input", "tool_parameters"),
        tool_result=("gen_ai.tool.call.result",),
    ),
    interpret=_interpret,
)
