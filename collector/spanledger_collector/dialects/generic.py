"""Keys that mean the same on any span; the dialect of spans no other dialect reads."""

from __future__ import annotations

from spanledger_collector.decode.values import count, resends, text, usd
from spanledger_collector.dialects.base import Dialect, sources
from spanledger_collector.dialects.vocabulary import provider

COMMON = {
    **sources(
        "session_id",
        text,
        "gen_ai.conversation.id",
        "session.id",
        "langfuse.session.id",
        "traceloop.association.properties.session_id",
        "traceloop.association.properties.thread_id",
    ),
    **sources(
        "user_id",
        text,
        "user.id",
        "langfuse.user.id",
        "enduser.id",
        "gen_ai.user",
        "gen_ai.request.user",
        "traceloop.association.properties.user_id",
        "llm.user",
    ),
    **sources("task_id", text, "spanledger.task.id"),
    **sources("task_outcome", text, "spanledger.task.outcome"),
    **sources("agent_name", text, "gen_ai.agent.name"),
    **sources(
        "workflow_name",
        text,
        "gen_ai.workflow.name",
        "traceloop.workflow.name",
        "langfuse.trace.name",
    ),
    **sources("error_type", text, "error.type"),
    **sources("attempts", resends, "http.request.resend_count"),
    **sources("region", text, "cloud.region"),
    # Before whatever an instrumentation says itself: whoever sets ours, and to zero too, means it.
    "spanledger.tool.cost_usd": ("reported_cost_usd", -1, usd),
}
"""Also part of every other dialect: an SDK stamps them on the spans of all libraries."""

GENERIC = Dialect(
    name="generic",
    scopes=(),
    markers=frozenset(),
    columns={
        **COMMON,
        **sources("provider", provider, "gen_ai.provider.name", "gen_ai.system"),
        **sources("input_tokens", count, "gen_ai.usage.input_tokens"),
        **sources("output_tokens", count, "gen_ai.usage.output_tokens"),
    },
)
