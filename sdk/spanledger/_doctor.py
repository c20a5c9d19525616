"""``doctor``: what is captured, what is not, and why."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from typing import TYPE_CHECKING, cast

from spanledger._init import Instrumentation, Running, installed, running
from spanledger._settings import Settings
from spanledger._spool import is_on_this_machine

if TYPE_CHECKING:
    from spanledger._budget_desk import SharedFigures

_TIMEOUT_S = 2.0
_CAPTURABLE = {
    "openai": "opentelemetry-instrumentation-genai-openai",
    "anthropic": "opentelemetry-instrumentation-genai-anthropic",
    "langchain_core": "opentelemetry-instrumentation-genai-langchain",
    "agents": "opentelemetry-instrumentation-genai-openai-agents",
    "llama_index": "openinference-instrumentation-llama-index",
    "crewai": "openinference-instrumentation-crewai",
    "dspy": "openinference-instrumentation-dspy",
    "smolagents": "openinference-instrumentation-smolagents",
    "agno": "openinference-instrumentation-agno",
    "litellm": "openinference-instrumentation-litellm",
    "mistralai": "openinference-instrumentation-mistralai",
    "groq": "openinference-instrumentation-groq",
    "google.genai": "openinference-instrumentation-google-genai",
    "boto3": "opentelemetry-instrumentation-genai-bedrock",
}
_LIBRARY_OF = {
    "langchain_core": "langchain",
    "agents": "openai_agents",
    "google.genai": "google_genai",
    "boto3": "bedrock",
}
_BY_ITSELF = {
    "agent_framework": "once agent_framework.observability.enable_instrumentation() was called",
    "autogen_agentchat": "",
    "haystack": "once haystack.tracing is enabled with opentelemetry-haystack",
    "mcp": "",
    "pydantic_ai": "once Agent.instrument_all() was called",
    "strands": "",
    "temporalio": "once client and worker have temporalio.contrib.opentelemetry's interceptor",
}
"""Libraries that make spans of their own, and what the program has to do for it."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What ``doctor`` found; its text is for people.

    Attributes:
        is_started: whether ``init`` has run.
        endpoint: where spans go; empty: nowhere.
        problem: why nothing is sent or nobody answers; empty: nothing is wrong.
        sent: spans sent so far.
        dropped: spans dropped because the queue was full.
        failed: spans that nobody took.
        instrumentations: what became of those installed.
        missing: libraries that are installed and not captured, with the package that would.
        shared_budgets: what became of calls held to the server's budgets; ``None``: there are none.
        by_itself: libraries that record themselves, with what the program has to do for it.
    """

    is_started: bool
    endpoint: str
    problem: str
    sent: int
    dropped: int
    failed: int
    instrumentations: tuple[Instrumentation, ...]
    missing: tuple[tuple[str, str], ...]
    shared_budgets: SharedFigures | None = None
    by_itself: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        answers = "" if self.problem else ", which answers"
        where = f"Spans go to {self.endpoint}{answers}." if self.endpoint else "Spans go nowhere."
        lines = [where]
        if self.problem:
            lines.append(f"Problem: {self.problem}")
        if self.is_started:
            lines.append(f"{self.sent} sent, {self.dropped} dropped, {self.failed} failed so far.")
        return "\n".join([*lines, *self._budgets(), *self.libraries()])

    def _budgets(self) -> list[str]:
        found = self.shared_budgets
        if found is None:
            return []
        said = (
            f"Shared budgets: {found.admitted} calls admitted, {found.refused} refused, "
            f"{found.passed} passed because nobody answered in time."
        )
        return [said, f"Problem: {found.problem}"] if found.problem else [said]

    def libraries(self) -> list[str]:
        """Return a line for each library around models that is installed."""
        lines: list[str] = []
        for one in self.instrumentations:
            state = one.state if self.is_started else "installed"
            why = f": {one.reason}" if one.reason else ""
            lines.append(f"  {one.library}: {one.distribution} is {state}{why}")
        for library, when in self.by_itself:
            lines.append(f"  {library} records itself{f', {when}' if when else ''}")
        for library, package in self.missing:
            lines.append(f"  {library} is not captured; pip install {package}")
        return lines


def doctor() -> Diagnosis:
    """Return what is captured and what is not, after asking the collector whether it is there."""
    found = running()
    if found is None:
        listed = tuple(one for one, _ in installed())
        found = Running(Settings(), reason="spanledger.init() has not been called")
    else:
        listed = tuple(found.instrumentations)
    have = {*packages_distributions(), *sys.modules}
    figures = found.figures
    return Diagnosis(
        is_started=running() is not None,
        endpoint=found.endpoint,
        problem=found.reason or _unreachable(found.endpoint, found.settings.api_key),
        sent=figures.sent,
        dropped=figures.dropped,
        failed=figures.failed,
        instrumentations=listed,
        missing=_missing(listed, have),
        shared_budgets=_shared(),
        by_itself=_by_itself(listed, have),
    )


def _shared() -> SharedFigures | None:
    desk = sys.modules.get("spanledger._budget_desk")  # loaded by the first shared budget alone
    return None if desk is None else cast("SharedFigures | None", desk.shared_figures())


def _unreachable(endpoint: str, api_key: str) -> str:
    """Return why an endpoint does not take spans; most answers of HTTP will do."""
    if not endpoint.startswith(("http://", "https://")):
        return ""
    url = endpoint if endpoint.endswith("/v1/traces") else f"{endpoint.rstrip('/')}/v1/traces"
    headers = {"Content-Type": "application/x-protobuf"}
    if api_key:
        headers["Authorization"] = f"Bearer {api_key}"
    request = urllib.request.Request(url, data=b"", headers=headers)
    none = [urllib.request.ProxyHandler({})] if is_on_this_machine(url) else []
    try:
        with urllib.request.build_opener(*none).open(request, timeout=_TIMEOUT_S):
            return ""
    except urllib.error.HTTPError as error:
        if error.code in (401, 403) and api_key:
            return f"{endpoint} refuses the key: it answers {error.code}"
        return f"{endpoint} is no OTLP endpoint" if error.code == 404 else ""
    except (OSError, ValueError) as error:
        return f"{endpoint} does not answer: {error}"


def _missing(listed: tuple[Instrumentation, ...], have: set[str]) -> tuple[tuple[str, str], ...]:
    covered = {one.library for one in listed if one.state != "failed"}
    named = ((_LIBRARY_OF.get(one, one), one, package) for one, package in _CAPTURABLE.items())
    return tuple(
        (library, package)
        for library, module, package in named
        if library not in covered and module in have
    )


def _by_itself(listed: tuple[Instrumentation, ...], have: set[str]) -> tuple[tuple[str, str], ...]:
    recorded = {one.library for one in listed if one.state in ("on", "already on")}
    found = _BY_ITSELF.items()
    return tuple(one for one in found if one[0] not in recorded and one[0] in have)
