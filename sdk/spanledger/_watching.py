"""Lets guards see the calls that instrumentations of other libraries record."""

from __future__ import annotations

from dataclasses import dataclass

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span
from opentelemetry.trace import StatusCode
from opentelemetry.util.types import Attributes

from spanledger._errors import LimitReached
from spanledger._failures import told
from spanledger._guards import (
    Guard,
    ModelCall,
    OpenCall,
    ToolCall,
    call_began,
    call_ended,
    guards_of,
    open_call,
)
from spanledger._later import Said
from spanledger._tracing import SCOPE
from spanledger._usage import Usage

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


@dataclass(slots=True)
class _Watched:
    call: ModelCall
    open: OpenCall
    tickets: list[tuple[Guard, object]]


class Watch:
    """Asks the guards when a span of a model call starts, and tells them when it has ended.

    A guard that was told to raise raises out of the instrumentation, into the program that made
    the call; that is what stops it.
    """

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: dict[int, _Watched] = {}

    def started(self, span: Span, base: Context) -> None:
        """Let a call pass, or raise.

        Raises:
            LimitReached: a guard stops the call.
        """
        if not guards_of(base) or not _is_model_call(span.attributes):
            return
        watched = _Watched(_call_of(span.attributes), open_call(base), [])
        watched.call.span = span
        try:
            for guard in watched.open.unaware():
                watched.tickets.append((guard, guard.before_model(watched.call, base)))
        except LimitReached:
            _settle(watched, None, is_sent=False)
            raise
        except Exception as error:
            told("guarding a call", error)
        if len(self._open) >= _MOST_OPEN:  # of a library that never ends its spans
            self._open.pop(next(iter(self._open)), None)
        self._open[_id_of(span)] = watched
        call_began(watched.open, span)

    def ended(self, span: ReadableSpan) -> None:
        """Tell the guards what a call used, or what a tool answered."""
        watched = self._open.pop(_id_of(span), None) if self._open else None
        if watched is not None:
            call_ended(watched.call.span)
            _answered(watched.call, span.attributes)
            usage = watched.open.complete(watched.call, _usage_of(span.attributes))
            _settle(watched, usage, is_sent=True)
        elif guards := guards_of(context.get_current()):
            _tool_ended(span, guards)


def _id_of(span: ReadableSpan) -> int:
    own = span.get_span_context()
    return 0 if own is None else own.span_id


def _settle(watched: _Watched, usage: Usage | None, *, is_sent: bool) -> None:
    for guard, ticket in watched.tickets:
        guard.after_model(ticket, watched.call, usage, is_sent=is_sent)


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


def _answered(call: ModelCall, attributes: Attributes) -> None:
    """Take up what the end of a span tells of its model; some tell of it only there."""
    call.provider = call.provider or _provider(attributes)
    names = (_text(attributes, key, "") for key in _ANSWERED_BY)
    call.answered_by = tuple(name for name in names if name)


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
