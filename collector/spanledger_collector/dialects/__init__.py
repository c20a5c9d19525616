"""Dialects: how the instrumentations of the world spell what our columns say.

To add one, write a file like its neighbours and enter it in ``REGISTRY``.
"""

from __future__ import annotations

from collections.abc import KeysView
from functools import lru_cache

from spanledger_collector.dialects.agent_framework import AGENT_FRAMEWORK
from spanledger_collector.dialects.base import Dialect
from spanledger_collector.dialects.bedrock import BEDROCK
from spanledger_collector.dialects.claude_code import CLAUDE_CODE
from spanledger_collector.dialects.gemini_cli import GEMINI_CLI
from spanledger_collector.dialects.generic import GENERIC
from spanledger_collector.dialects.google_adk import GOOGLE_ADK
from spanledger_collector.dialects.haystack import HAYSTACK
from spanledger_collector.dialects.inference_server import INFERENCE_SERVER
from spanledger_collector.dialects.langfuse import LANGFUSE
from spanledger_collector.dialects.langsmith import LANGSMITH
from spanledger_collector.dialects.litellm import LITELLM
from spanledger_collector.dialects.logfire import LOGFIRE
from spanledger_collector.dialects.mcp import MCP
from spanledger_collector.dialects.openinference import OPENINFERENCE
from spanledger_collector.dialects.openlit import OPENLIT
from spanledger_collector.dialects.openllmetry import OPENLLMETRY
from spanledger_collector.dialects.otel_genai import OTEL_GENAI
from spanledger_collector.dialects.pydantic_ai import PYDANTIC_AI
from spanledger_collector.dialects.spanledger import SPANLEDGER, SPANLEDGER_PENDING
from spanledger_collector.dialects.strands import STRANDS
from spanledger_collector.dialects.temporal import TEMPORAL
from spanledger_collector.dialects.vercel import VERCEL

REGISTRY: tuple[Dialect, ...] = (
    VERCEL,
    OPENINFERENCE,
    LANGFUSE,
    LANGSMITH,
    LITELLM,
    LOGFIRE,
    OPENLIT,
    CLAUDE_CODE,
    GEMINI_CLI,
    HAYSTACK,
    GOOGLE_ADK,
    INFERENCE_SERVER,
    MCP,
    PYDANTIC_AI,
    OPENLLMETRY,
    STRANDS,
    BEDROCK,
    AGENT_FRAMEWORK,
    OTEL_GENAI,
    SPANLEDGER,
    SPANLEDGER_PENDING,
    TEMPORAL,
    GENERIC,
)
"""In the order their markers are looked for; the last one reads every span left."""


@lru_cache(maxsize=4096)
def of_scope(scope: str) -> Dialect | None:
    """Return the dialect an instrumentation scope always speaks, if one is known for it."""
    matches = [
        (len(prefix), dialect)
        for dialect in REGISTRY
        for prefix in dialect.scopes
        if scope.startswith(prefix)
    ]
    return max(matches, key=lambda match: match[0])[1] if matches else None


MARKERS = {
    marker: place
    for place, dialect in reversed(list(enumerate(REGISTRY)))
    for marker in dialect.markers
}
"""Marker to the place in the registry of the first dialect that has it."""


def of_keys(keys: KeysView[str]) -> Dialect:
    """Return the dialect that the attribute keys of a span speak."""
    marked = MARKERS.keys() & keys
    return REGISTRY[min(map(MARKERS.__getitem__, marked), default=-1)]


TRANSLATED = "openinference.span.kind"
UNTRANSLATED = frozenset(
    {"gen_ai.operation.name", "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"}
)


def of_span(known: Dialect | None, keys: KeysView[str]) -> Dialect:
    """Return the dialect of a span, given that of its scope if one is known.

    Span processors and callbacks for Phoenix (of Strands, of LiteLLM) write OpenInference's keys
    in the place of the library's own.
    """
    if known is None:
        return of_keys(keys)
    if TRANSLATED in keys and keys.isdisjoint(UNTRANSLATED):
        return OPENINFERENCE
    return known
