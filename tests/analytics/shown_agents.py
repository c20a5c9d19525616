"""How instrumentations show agents and tools, and what only looks like a tool."""

from __future__ import annotations

from collections.abc import Mapping

from tests.analytics.shown import CREATION, GENAI, OPENINFERENCE, TOTALS
from tests.otlp import Value

# What frameworks show of a tool call: scope, attributes; TOOL and ID stand for its name and id.
TOOLS: dict[str, tuple[str, Mapping[str, Value]]] = {
    "genai": (
        f"{GENAI}.langchain",
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "TOOL",
            "gen_ai.tool.call.id": "ID",
        },
    ),
    "openinference": (
        "openinference.instrumentation.langchain",
        {"openinference.span.kind": "TOOL", "tool.name": "TOOL", "tool.id": "ID"},
    ),
    "openinference mcp": (
        "openinference.instrumentation.claude_agent_sdk",
        {"openinference.span.kind": "TOOL", "tool.name": "mcp__srv__TOOL", "tool.id": "ID"},
    ),
    "traceloop": (
        "traceloop.tracer",
        {"traceloop.span.kind": "tool", "traceloop.entity.name": "TOOL"},
    ),
    "vercel": ("ai", {"ai.operationId": "ai.toolCall", "ai.toolCall.name": "TOOL",
                      "ai.toolCall.id": "ID"}),
    "claude code": (
        "com.anthropic.claude_code.tracing",
        {"span.type": "tool", "tool_name": "mcp__srv__TOOL", "tool_use_id": "ID"},
    ),
}  # fmt: skip
MCP_SCOPE = "mcp-python-sdk"
MCP_SERVER: dict[str, Value] = {
    "mcp.method.name": "tools/call",
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "TOOL",
}
MCP_CLIENT: dict[str, Value] = {"mcp.method.name": "tools/call"}
# Shaped like tools, and none: the hand-off to another agent, the answer, the sum, the waiting.
NO_TOOLS: tuple[tuple[str, str, Mapping[str, Value]], ...] = (
    (
        "openinference.instrumentation.openai_agents",
        "handoff to Booker",
        {"openinference.span.kind": "TOOL"},
    ),
    (
        "openinference.instrumentation.smolagents",
        "FinalAnswerTool",
        {"openinference.span.kind": "TOOL", "tool.name": "final_answer"},
    ),
    (
        "gcp.vertex.agent",
        "execute_tool (merged)",
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "(merged tools)"},
    ),
    (
        "com.anthropic.claude_code.tracing",
        "claude_code.tool.blocked_on_user",
        {"span.type": "tool.blocked_on_user"},
    ),
)

# What agents look like: scope, attributes, and the keys under which they repeat their calls' sum.
AGENTS: tuple[tuple[str, Mapping[str, Value], Mapping[str, str]], ...] = (
    (f"{GENAI}.langchain", {"gen_ai.operation.name": "invoke_agent"}, {}),
    ("agent_framework", {"gen_ai.operation.name": "invoke_agent"}, TOTALS),
    ("gen_ai", {"gen_ai.operation.name": "invoke_agent"}, CREATION),
    (
        "openinference.instrumentation.smolagents",
        {"openinference.span.kind": "AGENT"},
        {name: OPENINFERENCE[name] for name in ("input", "output")},
    ),
    (
        "pydantic-ai",
        {"gen_ai.operation.name": "invoke_agent"},
        {"input": "gen_ai.aggregated_usage.input_tokens"},
    ),
    ("ai", {"ai.operationId": "ai.generateText"}, {"input": "ai.usage.inputTokens"}),
    ("traceloop.tracer", {"traceloop.span.kind": "workflow"}, {}),
    (f"{GENAI}.langchain", {"gen_ai.operation.name": "invoke_workflow"}, {}),
)
