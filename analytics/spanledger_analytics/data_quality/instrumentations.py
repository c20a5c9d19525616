"""Instrumentation scopes: how their names match, and what to change in each.

A pattern is a scope's exact name, or what it begins with before a dot, a dash or a space.
"""

from __future__ import annotations

from collections.abc import Iterable

# What to do when answered calls come without tokens: the first pattern that fits.
_USAGE_ADVICE: tuple[tuple[str, str], ...] = (
    (
        "opentelemetry.instrumentation.openai_v2",
        "Replace openai-v2 by opentelemetry-instrumentation-genai-openai, which reports the usage "
        "of streams that set stream_options.include_usage.",
    ),
    (
        "opentelemetry.util.genai.handler",
        "Replace openai-v2 by opentelemetry-instrumentation-genai-openai, which reports the usage "
        "of streams that set stream_options.include_usage.",
    ),
    (
        "openinference.instrumentation.openai_agents",
        "Use the Responses API (OpenAIResponsesModel), or set "
        "ModelSettings(include_usage=True): streams of chat completions carry no usage otherwise.",
    ),
    (
        "opentelemetry.instrumentation.openai_agents",
        "Use the Responses API (OpenAIResponsesModel), or add "
        "opentelemetry-instrumentation-genai-openai, which sees each request.",
    ),
    (
        "openinference.instrumentation.litellm",
        "Pass stream_options={'include_usage': True} and use LiteLLM's own OpenTelemetry callback, "
        "which reports the usage of streams.",
    ),
    (
        "litellm",
        "Pass stream_options={'include_usage': True}: LiteLLM does not ask for a stream's usage "
        "by itself.",
    ),
    (
        "openinference.instrumentation.dspy",
        "Add the instrumentation of the provider's SDK beside DSPy's; calls seen twice are merged.",
    ),
    (
        "opentelemetry.instrumentation.anthropic",
        "Update opentelemetry-instrumentation-anthropic (0.40 does not read the usage of streams), "
        "or the anthropic SDK to 2.x, which reports its calls itself.",
    ),
    (
        "openinference.instrumentation.langchain",
        "Set stream_usage=True on the chat model: LangChain does not ask for a stream's usage "
        "by itself.",
    ),
    (
        "opentelemetry.instrumentation.langchain",
        "Set stream_usage=True on the chat model: LangChain does not ask for a stream's usage "
        "by itself.",
    ),
    (
        "opentelemetry.instrumentation.genai.langchain",
        "Set stream_usage=True on the chat model: LangChain does not ask for a stream's usage "
        "by itself.",
    ),
    (
        "langsmith",
        "Set stream_usage=True on the chat model: LangChain does not ask for a stream's usage "
        "by itself.",
    ),
)
_STREAM_ADVICE = (
    "Ask for the usage of streams: OpenAI and compatible servers send it only with "
    "stream_options={'include_usage': True}."
)
_OTHER_ADVICE = (
    "If the calls stream, set stream_options={'include_usage': True}; otherwise update the "
    "instrumentation, or add the one of the provider's SDK (calls seen twice are merged)."
)

# How to switch one of several instrumentations off, the most dispensable first: two that watch one
# SDK, then an SDK's own spans, then frameworks, whose spans also hold agents and tools.
_OFF_SWITCHES: tuple[tuple[str, str], ...] = (
    ("openlit", "name it in openlit.init(disabled_instrumentors=[…])"),
    ("openinference.instrumentation.anthropic", "do not call AnthropicInstrumentor().instrument()"),
    ("openinference.instrumentation.openai", "do not call OpenAIInstrumentor().instrument()"),
    ("openinference.instrumentation.litellm", "do not call LiteLLMInstrumentor().instrument()"),
    ("opentelemetry.instrumentation.anthropic", "add it to Traceloop.init(block_instruments={…})"),
    ("opentelemetry.instrumentation.openai.v1", "add it to Traceloop.init(block_instruments={…})"),
    ("opentelemetry.instrumentation.openai_v2", "name it in OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"),
    ("opentelemetry.util.genai", "name openai_v2 in OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"),
    ("opentelemetry.instrumentation.genai.anthropic", "leave its instrument() call out"),
    ("opentelemetry.instrumentation.genai.openai", "leave its instrument() call out"),
    ("litellm", 'remove "otel" from litellm.callbacks'),
    ("com.anthropic.sdk.python", "set ANTHROPIC_OPEN_TELEMETRY=false"),
    ("langsmith", "unset LANGSMITH_OTEL_ENABLED"),
    ("langfuse-sdk", "remove its callback or decorator from the code"),
)
_SERVERS = ("vllm", "sglang")


def matches(scope_name: str, pattern: str) -> bool:
    """Tell whether a scope's name fits a pattern."""
    if not scope_name.startswith(pattern):
        return False
    rest = scope_name[len(pattern) :]
    return not rest or rest[0] in ".- "


def split(scope: str) -> tuple[str, str]:
    """Return name and version of a scope written ``name@version``."""
    name, _, version = scope.rpartition("@")
    return name, version


def names(scopes: Iterable[str]) -> list[str]:
    """Return the names in scopes written ``name@version``."""
    return [split(scope)[0] for scope in scopes]


def usage_advice(scopes: Iterable[str], *, is_stream: bool) -> str:
    """Return what to do about calls that these scopes report without tokens."""
    for name in names(scopes):
        for pattern, advice in _USAGE_ADVICE:
            if matches(name, pattern):
                return advice
    return _STREAM_ADVICE if is_stream else _OTHER_ADVICE


def off_switch(scopes: Iterable[str]) -> str:
    """Return how to switch off one of several scopes that report the same calls."""
    found = names(scopes)
    if any(matches(name, server) for name in found for server in _SERVERS):
        return "Nothing to do: client and inference server complete each other."
    for pattern, how in _OFF_SWITCHES:
        for name in found:
            if matches(name, pattern):
                return f"To report each call once, switch off {name}: {how}."
    return "To report each call once, switch off all but one of these instrumentations."
