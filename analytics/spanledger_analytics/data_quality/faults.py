"""Faults of instrumentations that are known, as data.

Each was seen in recorded traffic against provider doubles that knew what they billed, except
where a source is named. A fault is reported only where its symptom is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from spanledger_analytics.data_quality.model import Severity

# What betrays a fault: a count of cases among calls (CallKind) or among spans (ScopeKind).
CallSymptom = Literal[
    "calls",
    "without_usage",
    "streams_with_usage",
    "streams_without_usage",
    "broken_streams",
    "sums",
    "estimates",
    "no_cache_read",
    "no_cache_write",
    "no_reasoning",
    "own_ids",
]
SpanSymptom = Literal["zero_failures", "zero_costs", "blind_traces"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        scopes: patterns of instrumentation scopes; empty: whoever reports the call.
        below: the first version without the fault; empty: every version has it. A span that
            does not tell its instrumentation's version counts as an old one.
        effect: what is lost or invented.
    """

    name: str
    scopes: tuple[str, ...]
    symptom: CallSymptom | SpanSymptom
    severity: Severity
    effect: str
    fix: str
    below: str = ""


_ADD_PROVIDER = (
    "Add the instrumentation of the provider's SDK beside it (for OpenAI: "
    "opentelemetry-instrumentation-genai-openai; anthropic 2.x reports by itself)."
)
_OPENAI_V2 = ("opentelemetry.instrumentation.openai_v2", "opentelemetry.util.genai.handler")
_LITELLM = ("litellm", "openinference.instrumentation.litellm")

FAULTS = (
    Fault(
        "traceloop_anthropic_stream_output",
        ("opentelemetry.instrumentation.anthropic",),
        "streams_with_usage",
        Severity.warning,
        "Adds the first stream event's output token to the final count: one too many per stream.",
        "Switch it off (Traceloop.init(block_instruments={Instruments.ANTHROPIC})); anthropic 2.x "
        "reports its calls itself.",
    ),
    Fault(
        "traceloop_streams",
        ("opentelemetry.instrumentation.anthropic", "opentelemetry.instrumentation.openai"),
        "streams_without_usage",
        Severity.error,
        "Versions up to 0.4x lose the usage of streamed calls.",
        "Update the Traceloop instrumentations to 0.62 or newer.",
        below="0.50",
    ),
    Fault(
        "openai_v2_streams",
        _OPENAI_V2,
        "without_usage",
        Severity.error,
        "openai-v2 up to 2.4 loses the usage of streamed calls.",
        "Replace it by opentelemetry-instrumentation-genai-openai.",
        below="2.5",
    ),
    Fault(
        "openai_v2_responses",
        _OPENAI_V2,
        "calls",
        Severity.warning,
        "openai-v2 up to 2.4 does not see the Responses API at all; such calls leave no span.",
        "Replace it by opentelemetry-instrumentation-genai-openai if you use the Responses API.",
        below="2.5",
    ),
    Fault(
        "cache_reads",
        (
            *_OPENAI_V2,
            "openinference.instrumentation.smolagents",
            "openinference.instrumentation.agno",
            "openinference.instrumentation.haystack",
            "semantic_kernel.utils.telemetry",
        ),
        "no_cache_read",
        Severity.warning,
        "Does not report cache reads: they are priced as fresh input, which is too much.",
        _ADD_PROVIDER,
    ),
    Fault(
        "pydantic_ai_1_cache_reads",
        ("pydantic-ai",),
        "no_cache_read",
        Severity.warning,
        "Pydantic AI 1.x does not report cache reads: they are priced as fresh input.",
        "Update Pydantic AI to 2.x.",
        below="2",
    ),
    Fault(
        "openinference_anthropic_0",
        ("openinference.instrumentation.anthropic",),
        "calls",
        Severity.warning,
        "Versions before 1.0 miss calls made through newer methods of the SDK.",
        "Update openinference-instrumentation-anthropic, and anthropic to 2.x.",
        below="1.0",
    ),
    Fault(
        "reasoning",
        (
            "strands.telemetry.tracer",
            "gen_ai",
            "opentelemetry.instrumentation.langchain",
            "com.anthropic.claude_code",
        ),
        "no_reasoning",
        Severity.info,
        "Does not tell reasoning tokens apart; they are within the output, so the cost holds.",
        "Nothing to do for the cost; for the split, add the instrumentation of the provider's SDK.",
    ),
    Fault(
        "server_cache_reads",
        ("vllm.tracing",),
        "no_cache_read",
        Severity.info,
        "vLLM's spans do not tell which input came from its prefix cache.",
        "Read vllm:prefix_cache_hits from its metrics; an own server's calls have no price anyway.",
    ),
    Fault(
        "cache_writes",
        ("opentelemetry.instrumentation.openai.v1",),
        "no_cache_write",
        Severity.info,
        "Does not tell cache writes apart; they are priced as fresh input.",
        "Replace it by opentelemetry-instrumentation-genai-openai where cache writes have a price.",
    ),
    Fault(
        "estimates",
        (),
        "estimates",
        Severity.error,
        "Counts that nobody measured: OpenLIT guesses the tokens of streams without usage, others "
        "write 0.",
        "Set stream_options={'include_usage': True}, or use the instrumentation of the provider.",
    ),
    Fault(
        "openlit_zero_cost",
        ("openlit",),
        "zero_costs",
        Severity.info,
        "OpenLIT reports a cost of 0 when it has no price list; it is ignored.",
        "Nothing to do here; other tools show those calls as free.",
    ),
    Fault(
        "claude_agent_sdk_output",
        ("openinference.instrumentation.claude_agent_sdk",),
        "sums",
        Severity.error,
        "Sums the output of the first stream events: nearly all output tokens are missing.",
        "Turn on Claude Code's own telemetry (CLAUDE_CODE_ENABLE_TELEMETRY=1, "
        "CLAUDE_CODE_ENHANCED_TELEMETRY_BETA=1, OTEL_TRACES_EXPORTER=otlp).",
    ),
    # https://docs.anthropic.com/en/release-notes/claude-code
    Fault(
        "claude_code_streams",
        ("com.anthropic.claude_code",),
        "calls",
        Severity.error,
        "Claude Code before 2.1.214 inflates the counts of streamed calls.",
        "Update Claude Code.",
        below="2.1.214",
    ),
    Fault(
        "litellm_ids",
        _LITELLM,
        "own_ids",
        Severity.info,
        "LiteLLM makes its own response ids, so that a call cannot be matched by id.",
        "Nothing to do; views of one call are matched by time and tokens instead.",
    ),
    Fault(
        "litellm_zero_failures",
        _LITELLM,
        "zero_failures",
        Severity.info,
        "LiteLLM writes 0 tokens on failed calls; they are read as unknown.",
        "Nothing to do here; other tools count those calls as having usage.",
    ),
    Fault(
        "litellm_streams",
        _LITELLM,
        "without_usage",
        Severity.error,
        "LiteLLM does not ask for the usage of streams.",
        "Pass stream_options={'include_usage': True}.",
    ),
    Fault(
        "agents_over_chat",
        (
            "openinference.instrumentation.openai_agents",
            "opentelemetry.instrumentation.openai_agents",
        ),
        "without_usage",
        Severity.error,
        "Loses the usage of OpenAI Agents that run over chat completions.",
        "Use the Responses API (OpenAIResponsesModel), or add "
        "opentelemetry-instrumentation-genai-openai.",
    ),
    Fault(
        "dspy_usage",
        ("openinference.instrumentation.dspy",),
        "without_usage",
        Severity.error,
        "DSPy's spans carry no usage.",
        _ADD_PROVIDER,
    ),
    Fault(
        "frameworks_without_calls",
        (
            "openinference.instrumentation.crewai",
            "openinference.instrumentation.haystack",
            "openinference.instrumentation.dspy",
            "opentelemetry.instrumentation.genai.openai_agents",
            "opentelemetry.instrumentation.crewai",
            "opentelemetry.instrumentation.haystack",
            "haystack",
            "autogen",
        ),
        "blind_traces",
        Severity.error,
        "Traces of a framework that reports agents and tools, but no model call.",
        _ADD_PROVIDER,
    ),
    Fault(
        "workflows_without_calls",
        ("temporalio.contrib.opentelemetry",),
        "blind_traces",
        Severity.info,
        "Workflows without a model call; if their activities call models, nobody reports it.",
        _ADD_PROVIDER,
    ),
    Fault(
        "vercel_5_sums",
        ("ai",),
        "sums",
        Severity.error,
        "Vercel AI SDK 5 reports the last step only on the span around several steps.",
        "Update the AI SDK to 7 with @ai-sdk/otel.",
    ),
    Fault(
        "broken_streams",
        (),
        "broken_streams",
        Severity.warning,
        "A stream that broke off: the provider bills what it made, and nobody reports all of it.",
        "Look for timeouts and cancelled requests; only the provider's usage export knows more.",
    ),
)
