"""What happens to every span of every library: whether it is recorded, its start and its end.

One processor instead of one for each purpose: OpenTelemetry calls each of them three times a span.
"""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanKind, StatusCode, TraceState
from opentelemetry.util.types import Attributes

from spanledger._attributes import PENDING, STEP_KIND
from spanledger._context import SCOPE, share
from spanledger._errors import LimitReached, told
from spanledger._guards import Guard, ModelCall, OpenCall, ToolCall, guards_of
from spanledger._queue import SpanQueue
from spanledger._signatures import Said
from spanledger._usage import Usage

PENDING_SCOPE = "spanledger.pending"
"""Tells the collector that the span comes again when it has ended."""
_OPERATIONS = frozenset(("invoke_agent", "invoke_workflow", "execute_tool"))
_MODEL_OPERATIONS = frozenset(("chat", "text_completion", "generate_content", "embeddings"))
_MOST_OPEN = 10_000
_MODEL_KINDS = frozenset(("LLM", "EMBEDDING"))
_PROVIDER = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")
_ASKED = ("gen_ai.request.model", "llm.request.model_name", "llm.model_name")
_ANSWERED_BY = ("gen_ai.response.model", "llm.model_name", "embedding.model_name")
_KEYS = {
    "input_tokens": ("gen_ai.usage.input_tokens", "llm.token_count.prompt"),
    "output_tokens": ("gen_ai.usage.output_tokens", "llm.token_count.completion"),
    "cache_read_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "llm.token_count.prompt_details.cache_read",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "llm.token_count.prompt_details.cache_write",
    ),
    "cache_write_1h_tokens": ("anthropic.usage.cache_creation.ephemeral_1h_input_tokens",),
}


class StepProcessor(SpanProcessor):
    """Stamps what is shared, lets guards see calls, and hands ended spans to the queue.

    Args:
        queue: takes what is to be sent; ``None``: nothing is.
        pending: whether it gets a copy of agents and tools when they start, too.
    """

    def __init__(self, queue: SpanQueue | None = None, *, pending: bool = False) -> None:
        self._queue = queue
        self._watch = Watch()
        self._pending = queue if pending else None

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Take up a span that starts.

        Raises:
            LimitReached: a guard that was told to raise stops the call.
        """
        base = context.get_current() if parent_context is None else parent_context
        try:
            scope = span.instrumentation_scope
            if scope is None or scope.name != SCOPE:  # our own are stamped already
                share(span, base)
                self._watch.started(span, base)
            if self._pending is not None and (copy := pending_copy(span)) is not None:
                self._pending.add(copy)
        except LimitReached:
            raise
        except Exception as error:
            told("a span that starts", error)

    def on_end(self, span: ReadableSpan) -> None:
        """Take up a span that has ended; never waits."""
        try:
            self._watch.ended(span)
        except Exception as error:
            told("guarding a call", error)
        if self._queue is not None:
            self._queue.add(span)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until what has ended is sent; return whether it was, in this time."""
        return self._queue is None or self._queue.force_flush(timeout_millis)

    def shutdown(self) -> None:
        """Send what is left within two seconds, then let go."""
        if self._queue is not None:
            self._queue.shutdown()


def pending_copy(span: Span) -> ReadableSpan | None:
    """Return what is sent of an agent, workflow, task or tool at its start; ``None``: nothing.

    It has the ids of the span itself: the collector puts the ended one in its place.
    """
    attributes = span.attributes or {}
    operation = attributes.get("gen_ai.operation.name")
    if operation not in _OPERATIONS and STEP_KIND not in attributes:
        return None
    return ReadableSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes={**attributes, PENDING: True},
        links=span.links,
        kind=span.kind,
        start_time=span.start_time,
        end_time=span.start_time,
        instrumentation_scope=InstrumentationScope(PENDING_SCOPE),
    )


class GuardedSampler(Sampler):
    """Records, without sending it, what another sampler drops while a guard watches.

    OpenTelemetry shows dropped spans to no span processor, which is where guards see calls.
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Return what the other sampler decides; ``RECORD_ONLY`` for ``DROP`` under a guard."""
        found = self._sampler.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )
        if found.decision is not Decision.DROP:
            return found
        base = context.get_current() if parent_context is None else parent_context
        if not guards_of(base):
            return found
        return SamplingResult(Decision.RECORD_ONLY, attributes, found.trace_state)

    def get_description(self) -> str:
        """Return how the other sampler describes itself."""
        return self._sampler.get_description()


class Watch:
    """Asks the guards when a span of a model call starts, and tells them when it has ended.

    A guard that was told to raise raises out of the instrumentation, into the program that made
    the call; that is what stops it.
    """

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: dict[int, OpenCall] = {}

    def started(self, span: Span, base: Context) -> None:
        """Let a call pass, or raise.

        Raises:
            LimitReached: a guard stops the call.
        """
        if not guards_of(base) or not _is_model_call(span.attributes):
            return
        scope = span.instrumentation_scope
        call = OpenCall(_call_of(span.attributes), base, "" if scope is None else scope.name)
        call.admit()
        if len(self._open) >= _MOST_OPEN:  # of a library that never ends its spans
            self._open.pop(next(iter(self._open)), None)
        self._open[_id_of(span)] = call
        call.began(span)

    def ended(self, span: ReadableSpan) -> None:
        """Tell the guards what a call used, or what a tool answered."""
        call = self._open.pop(_id_of(span), None) if self._open else None
        if call is not None:
            _answered(call, span.attributes)
            call.ended(_usage_of(span.attributes))
        elif guards := guards_of(context.get_current()):
            _tool_ended(span, guards)


def _id_of(span: ReadableSpan) -> int:
    own = span.get_span_context()
    return 0 if own is None else own.span_id


def _tool_ended(span: ReadableSpan, guards: tuple[Guard, ...]) -> None:
    if _is_ours(span):  # those say themselves what they did
        return
    attributes = span.attributes
    if _text(attributes, "gen_ai.operation.name", "") != "execute_tool":
        return
    arguments = _text(attributes, "gen_ai.tool.call.arguments", "")
    if not arguments:
        return
    tool = _text(attributes, "gen_ai.tool.name", "")
    is_error = span.status.status_code is StatusCode.ERROR
    said = span.status.description if is_error else ""
    result = _text(attributes, "gen_ai.tool.call.result", said or "")
    call_said = Said(tool)
    call_said.arguments(arguments)
    call_said.result(result, is_error=is_error)
    call = ToolCall(tool, call_said)
    for guard in guards:
        guard.after_tool(call, is_error=is_error)


def _is_ours(span: ReadableSpan) -> bool:
    scope = span.instrumentation_scope
    return scope is not None and scope.name == SCOPE


def _is_model_call(attributes: Attributes) -> bool:
    return (
        _text(attributes, "gen_ai.operation.name", "") in _MODEL_OPERATIONS
        or _text(attributes, "openinference.span.kind", "") in _MODEL_KINDS
        or _text(attributes, "llm.request.type", "") != ""
    )


def _call_of(attributes: Attributes) -> ModelCall:
    model = _first(attributes, _ASKED)
    limit = (attributes or {}).get("gen_ai.request.max_tokens")
    return ModelCall(_provider(attributes), model, limit if isinstance(limit, int) else None)


def _answered(open_call: OpenCall, attributes: Attributes) -> None:
    """Take up what the end of a span tells of its call; some tell of the model only there."""
    call = open_call.call
    call.provider = call.provider or _provider(attributes)
    call.model = call.model or _first(attributes, _ASKED)
    names = (_text(attributes, key, "") for key in _ANSWERED_BY)
    call.answered_by = tuple(name for name in names if name) or call.answered_by
    open_call.response_id = _text(attributes, "gen_ai.response.id", open_call.response_id)


def _provider(attributes: Attributes) -> str:
    return _first(attributes, _PROVIDER).lower()


def _first(attributes: Attributes, keys: tuple[str, ...]) -> str:
    return next(filter(None, (_text(attributes, key, "") for key in keys)), "")


def _usage_of(attributes: Attributes) -> Usage | None:
    found: dict[str, int] = {}
    for name, keys in _KEYS.items():
        for key in keys:
            value = (attributes or {}).get(key)
            if isinstance(value, int):
                found[name] = value
                break
    return Usage(**found) if "input_tokens" in found or "output_tokens" in found else None


def _text(attributes: Attributes, key: str, default: str) -> str:
    value = (attributes or {}).get(key)
    return value if isinstance(value, str) and value else default
