"""Turns on the instrumentations that are installed, one for each library.

Instrumentations of three families record the same calls; two at work would record them twice.
What the program turned on itself stays. Else OpenTelemetry's own come first, then OpenInference's,
then OpenLLMetry's.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from spanledger._errors import told

log = logging.getLogger("spanledger")
_GROUP = "opentelemetry_instrumentor"
_FAMILIES = ("opentelemetry", "openinference", "openllmetry", "other")
"""Whose instrumentation is kept, the best first."""
_LIBRARIES = frozenset(
    (
        *("agno", "aleph_alpha", "anthropic", "autogen", "bedrock", "beeai", "chroma", "chromadb"),
        *("claude_agent_sdk", "cohere", "crewai", "dspy", "google_adk", "google_genai"),
        *("google_generativeai", "groq", "guardrails", "haystack", "instructor", "lancedb"),
        *("langchain", "litellm", "llama_index", "llamaindex", "marqo", "mcp", "milvus"),
        *("mistralai", "ollama", "openai", "openai_agents", "pinecone", "portkey", "pydantic_ai"),
        *("qdrant", "qwen_agent", "replicate", "sagemaker", "smolagents", "strands", "together"),
        *("transformers", "vertexai", "voyageai", "watsonx", "weaviate", "writer"),
    )
)
_OTHER_NAMES = {
    "chromadb": "chroma",
    "llamaindex": "llama_index",
    "openai_v2": "openai",
    "openai_agents_v2": "openai_agents",
    "google_generativeai": "google_genai",
    "strands_agents": "strands",
}
_OFFICIAL = (
    "opentelemetry.instrumentation.genai",
    "opentelemetry.instrumentation.google_genai",
    "opentelemetry.instrumentation.openai_v2",
)


@dataclass(frozen=True, slots=True)
class Instrumentation:
    """An instrumentation that is installed.

    Attributes:
        library: what it records, such as ``openai``.
        family: whose it is: ``opentelemetry``, ``openinference``, ``openllmetry``, ``other``.
        distribution: package it came with.
        state: ``on``, ``already on``, ``off``: not asked for, or another one of the same library
            is kept; ``failed``.
        reason: why, in words.
    """

    library: str
    family: str
    distribution: str
    state: str = "off"
    reason: str = ""


def installed() -> list[tuple[Instrumentation, EntryPoint]]:
    """Return the instrumentations of libraries around models that are installed."""
    found: list[tuple[Instrumentation, EntryPoint]] = []
    for entry in entry_points(group=_GROUP):
        family = _family(entry)
        library = _library(entry)
        if library in _LIBRARIES:
            package = entry.dist.name if entry.dist is not None else entry.value
            found.append((Instrumentation(library, family, package), entry))
    return sorted(found, key=lambda one: (one[0].library, _FAMILIES.index(one[0].family)))


def turn_on(wanted: tuple[str, ...] | None, provider: Any) -> list[Instrumentation]:
    """Turn on one instrumentation for each library; return what became of each.

    Args:
        wanted: libraries; ``None``: all.
        provider: of traces, given to the instrumentations.
    """
    disabled = {
        name.strip()
        for name in os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")
        if name.strip()
    }
    found = installed()
    on = [one for one, entry in found if _is_on(entry)]
    kept = {one.library: one for one in reversed(on)}
    report: list[Instrumentation] = []
    for one, entry in found:
        winner = kept.get(one.library)
        if one in on:
            result = _with(one, "already on", "the program turned it on")
        elif "*" in disabled or entry.name in disabled:
            result = _with(one, "off", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS names it")
        elif wanted is not None and one.library not in wanted:
            result = _with(one, "off", "not asked for")
        elif winner is not None:
            result = _with(one, "off", f"{winner.distribution} records the same calls")
            log.info(
                "spanledger: %s: keeping %s, not %s, which records the same calls",
                *(one.library, winner.distribution, one.distribution),
            )
        else:
            result = _turned_on(one, entry, provider)
            if result.state != "failed":
                kept[one.library] = result
        report.append(result)
    return report


def _is_on(entry: EntryPoint) -> bool:
    """Return whether the program has turned an instrumentation on; loads nothing for it."""
    if entry.module not in sys.modules:
        return False
    try:
        return bool(getattr(entry.load()(), "is_instrumented_by_opentelemetry", False))
    except Exception as error:
        told(f"instrumentation {entry.name}", error)
        return False


def _turned_on(one: Instrumentation, entry: EntryPoint, provider: Any) -> Instrumentation:
    try:
        instrumentor = entry.load()()
        instrumentor.instrument(tracer_provider=provider)
        if getattr(instrumentor, "is_instrumented_by_opentelemetry", True):
            return _with(one, "on", "")
        return _with(one, "failed", "its library is not installed, or in another version")
    except Exception as error:
        told(f"instrumentation {one.distribution}", error)
        return _with(one, "failed", f"{type(error).__name__}: {error}"[:200])


def _with(one: Instrumentation, state: str, reason: str) -> Instrumentation:
    return Instrumentation(one.library, one.family, one.distribution, state, reason)


def _family(entry: EntryPoint) -> str:
    module = entry.value
    if module.startswith(_OFFICIAL):
        return "opentelemetry"
    if module.startswith("openinference."):
        return "openinference"
    return "openllmetry" if module.startswith("opentelemetry.instrumentation.") else "other"


def _library(entry: EntryPoint) -> str:
    last = _last_part(entry.value.partition(":")[0].split("."))
    name = last.replace("-", "_").lower()
    return _OTHER_NAMES.get(name, name)


def _last_part(parts: Iterable[str]) -> str:
    named = [p for p in parts if p not in ("opentelemetry", "openinference", "instrumentation")]
    named = [part for part in named if part not in ("genai", "instrumentor")]
    return named[0] if named else ""
