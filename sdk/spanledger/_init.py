"""``init``: from nothing, or from what the program has set up itself, to spans on their way.

Of the instrumentations that are installed it turns on one for each library. Those of three families
record the same calls; two at work would record them twice. What the program turned on itself stays.
Else OpenTelemetry's own come first, then OpenInference's, then OpenLLMetry's.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from spanledger._context import TRACING
from spanledger._errors import told
from spanledger._exit import at_exit
from spanledger._privacy import Privacy
from spanledger._processor import GuardedSampler, StepProcessor
from spanledger._queue import QueueFigures, SpanQueue
from spanledger._settings import (
    STATE,
    Redact,
    Settings,
    content_mode,
    instrumented,
    is_under_pytest,
    switch,
    variable,
)

log = logging.getLogger("spanledger")
_EXIT_MS = 2000
_CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
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
_OF_ALL = ("opentelemetry", "openinference", "instrumentation", "genai", "instrumentor")
"""Parts of modules' names that say nothing about the library."""
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
    names = os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")
    disabled = {name.strip() for name in names}
    found = installed()
    on = [one for one, entry in found if _is_on(entry)]
    kept = {one.library: one for one in reversed(on)}
    report: list[Instrumentation] = []
    for one, entry in found:
        winner = kept.get(one.library)
        if one in on:
            state, reason = "already on", "the program turned it on"
        elif "*" in disabled or entry.name in disabled:
            state, reason = "off", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS names it"
        elif wanted is not None and one.library not in wanted:
            state, reason = "off", "not asked for"
        elif winner is not None:
            state, reason = "off", f"{winner.distribution} records the same calls"
            log.info(
                "spanledger: %s: keeping %s, not %s, which records the same calls",
                *(one.library, winner.distribution, one.distribution),
            )
        else:
            state, reason = _turned_on(one, entry, provider)
            if state != "failed":
                kept[one.library] = one
        report.append(replace(one, state=state, reason=reason))
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


def _turned_on(one: Instrumentation, entry: EntryPoint, provider: Any) -> tuple[str, str]:
    """Return what became of it, and why."""
    try:
        instrumentor = entry.load()()
        instrumentor.instrument(tracer_provider=provider)
        if getattr(instrumentor, "is_instrumented_by_opentelemetry", True):
            return "on", ""
        return "failed", "its library is not installed, or in another version"
    except Exception as error:
        told(f"instrumentation {one.distribution}", error)
        return "failed", f"{type(error).__name__}: {error}"[:200]


def _family(entry: EntryPoint) -> str:
    module = entry.value
    if module.startswith(_OFFICIAL):
        return "opentelemetry"
    if module.startswith("openinference."):
        return "openinference"
    return "openllmetry" if module.startswith("opentelemetry.instrumentation.") else "other"


def _library(entry: EntryPoint) -> str:
    parts = entry.value.partition(":")[0].split(".")
    named = (part for part in parts if part not in _OF_ALL)
    name = next(named, "").replace("-", "_").lower()
    return _OTHER_NAMES.get(name, name)


@dataclass(slots=True)
class Running:
    """What ``init`` has set up.

    Attributes:
        settings: as they were taken up.
        endpoint: where spans go; empty: nowhere.
        has_own_provider: whether the program had none.
        instrumentations: what became of those installed.
        queue: spans on their way; ``None``: nothing is sent from here.
        reason: why nothing is sent.
    """

    settings: Settings
    endpoint: str = ""
    has_own_provider: bool = False
    instrumentations: list[Instrumentation] = field(default_factory=list[Instrumentation])
    queue: SpanQueue | None = None
    reason: str = ""

    @property
    def figures(self) -> QueueFigures:
        """Spans sent, dropped and failed so far."""
        return QueueFigures() if self.queue is None else self.queue.figures


_lock = threading.Lock()
_running: Running | None = None


def running() -> Running | None:
    """Return what ``init`` has set up; ``None``: nothing yet."""
    return _running


def init(
    *,
    endpoint: str | None = None,
    api_key: str | None = None,
    service_name: str | None = None,
    content: str | None = None,
    redact: Redact | None = None,
    spool: str | os.PathLike[str] | None = None,
    pending: bool | None = None,
    instrument: bool | list[str] | tuple[str, ...] | None = None,
    send_under_pytest: bool | None = None,
) -> None:
    """Turn on tracing and every instrumentation that is installed; again: do nothing.

    A tracer provider that the program has set up is used as it is. It gets an exporter of ours
    only if an endpoint is given here or in ``SPANLEDGER_ENDPOINT``; without one, what
    OpenTelemetry's own variables say holds. Whatever goes wrong is logged, not raised.

    Args:
        endpoint: OTLP/HTTP base URL, such as ``http://localhost:4318``.
        api_key: ingest key of the project.
        service_name: name of the program.
        content: what of the conversation leaves the process: ``none``; ``hashes``, which tell
            repetition apart but not what was said; ``full``.
        redact: sees key and text of everything before it leaves; returns what to send instead,
            or ``None`` for nothing.
        spool: directory that keeps spans through outages and restarts.
        pending: send a copy of agents and tasks when they start, so that they show while they
            run. Only for Spanledger's collector: others would count them twice.
        instrument: libraries to instrument; ``False``: none. Default: all that are installed.
        send_under_pytest: send spans while pytest runs.

    Raises:
        ValueError: an argument or a variable has a value that means nothing.
    """
    global _running
    with _lock:
        if _running is not None or switch("SPANLEDGER_DISABLED", False):
            return
        is_asked = send_under_pytest or switch("SPANLEDGER_SEND_UNDER_PYTEST", False)
        settings = Settings(
            endpoint=(endpoint or variable("SPANLEDGER_ENDPOINT")).rstrip("/"),
            api_key=api_key or variable("SPANLEDGER_API_KEY"),
            service_name=service_name or "",
            content=content_mode(content),
            redact=redact,
            spool=str(spool or variable("SPANLEDGER_SPOOL")),
            spool_max_bytes=int(variable("SPANLEDGER_SPOOL_MAX_BYTES") or 100_000_000),
            pending=switch("SPANLEDGER_PENDING", False) if pending is None else pending,
            instrument=instrumented(instrument),
            is_silent=is_under_pytest() and not is_asked,
        )
        try:
            _running = _started(settings)
        except Exception as error:
            told("init", error)
            _running = Running(settings, reason=f"{type(error).__name__}: {error}")


def flush(timeout_s: float = 5.0) -> bool:
    """Wait until spans that have ended are sent; return whether they were, in this time."""
    if _running is None or _running.queue is None:
        return True
    return _running.queue.force_flush(int(timeout_s * 1000))


def _started(settings: Settings) -> Running:
    found = Running(settings)
    STATE.content = settings.content
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        if not isinstance(provider, trace.ProxyTracerProvider):
            found.reason = f"the program's {type(provider).__name__} takes no span processors"
            return found
        provider = _own_provider(settings)
        found.has_own_provider = True
    found.queue = _queue_of(found)
    provider.add_span_processor(StepProcessor(found.queue, pending=settings.pending))
    if found.has_own_provider:
        if settings.content == "hashes" and found.queue is not None:
            # Ours is the only exporter: what instrumentations capture is hashed before it leaves.
            os.environ.setdefault(_CAPTURE, "SPAN_ONLY")
            STATE.signs_later = True
        trace.set_tracer_provider(provider)
    TRACING.use(None, None)
    if settings.content == "full":
        os.environ.setdefault(_CAPTURE, "SPAN_ONLY")
    found.instrumentations = turn_on(settings.instrument, provider)
    return found


def _own_provider(settings: Settings) -> TracerProvider:
    # Resource.create reads OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME.
    names = {"service.name": settings.service_name} if settings.service_name else {}
    provider = TracerProvider(resource=Resource.create(names), shutdown_on_exit=False)
    provider.sampler = GuardedSampler(provider.sampler)  # the one of OTEL_TRACES_SAMPLER
    return provider


def _queue_of(found: Running) -> SpanQueue | None:
    """Return where spans wait to be sent; ``None``: nowhere, for the reason that is noted."""
    settings = found.settings
    if settings.is_silent:
        found.reason = "pytest runs; send_under_pytest=True sends all the same"
        return None
    if not settings.endpoint and not found.has_own_provider:
        found.reason = "the program has its own provider and exporters; no endpoint was given"
        return None
    if not settings.endpoint and os.environ.get("OTEL_TRACES_EXPORTER", "otlp") not in ("otlp", ""):
        found.reason = "OTEL_TRACES_EXPORTER names another exporter than otlp"
        return None
    from spanledger._exporters import Exporters  # it loads an HTTP client, which is not for nothing

    exporters = Exporters(settings)
    found.endpoint = exporters.endpoint
    privacy = Privacy(settings.content, settings.redact)
    queue = SpanQueue(exporters.make, privacy.applied, exporters.drain)
    at_exit(partial(queue.shutdown, _EXIT_MS))
    return queue
