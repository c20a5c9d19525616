"""What watches over calls: budgets and loop guards, carried in OpenTelemetry's context.

The context goes wherever spans go: into tasks, and into threads where OpenTelemetry is told to.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, cast, runtime_checkable
from weakref import WeakKeyDictionary

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span

from spanledger._signatures import Said
from spanledger._usage import Usage

GUARDS_KEY = context.create_key("spanledger-guards")


@dataclass(slots=True)
class ToolCall:
    """A call of a tool.

    Attributes:
        tool: its name.
        said: what it was called with and what it answered; guards that ask sign it.
        usd: its price, if it has one and it is not counted yet.
        is_admitted: whether budgets have let the call pass already.
        span: that records it, if it is known.
    """

    tool: str
    said: Said
    usd: Decimal = Decimal(0)
    is_admitted: bool = False
    span: Span | None = None


@dataclass(slots=True)
class ModelCall:
    """A call of a model before it is sent.

    Attributes:
        provider: OpenTelemetry's name of it; empty: not known.
        model: as asked for.
        max_output_tokens: what the answer may have at most; ``None``: not known.
        input_tokens: of the request, if somebody counted them.
        span: that records it, once there is one.
        asked: by id of a guard that had to ask, what it was told; see ``ready``.
        answered_by: names of the model that the answer told; its price comes before that of
            ``model``, which may be the name of a deployment, or not known at all.
    """

    provider: str = ""
    model: str = ""
    max_output_tokens: int | None = None
    input_tokens: int | None = None
    span: Span | None = None
    asked: dict[int, object] | None = None
    answered_by: tuple[str, ...] = ()


class Guard(Protocol):
    """Sees calls before and after they are made; ``before_…`` may raise ``LimitReached``."""

    def before_model(self, call: ModelCall, base: Context) -> object:
        """Let a call pass, or raise; returns what ``after_model`` wants to know again."""
        ...

    def after_model(
        self, ticket: object, call: ModelCall, usage: Usage | None, *, is_sent: bool
    ) -> None:
        """See what a call used; ``None``: nobody knows. A call may not have been sent after all."""
        ...

    def before_tool(self, call: ToolCall) -> None:
        """Let a call of a tool pass, or raise."""
        ...

    def after_tool(self, call: ToolCall, *, is_error: bool) -> None:
        """See what a tool answered."""
        ...

    def spent(self, usd: Decimal, span: Span | None = None) -> None:
        """See what a tool cost beyond what was counted; below zero: it cost less."""
        ...


@runtime_checkable
class AskingGuard(Protocol):
    """A guard that has to ask somebody before it knows."""

    async def ready(self, call: ModelCall, base: Context) -> None:
        """Ask, so that ``before_model`` knows."""
        ...

    def give_up(self, call: ModelCall) -> None:
        """Take back what was asked for: the call is not made."""
        ...


async def ready(call: ModelCall, base: Context) -> None:
    """Let guards that have to ask do so, without blocking the event loop."""
    for guard in guards_of(base):
        if isinstance(guard, AskingGuard):
            await guard.ready(call, base)


def give_up(call: ModelCall, base: Context) -> None:
    """Let guards that have asked know that the call is not made."""
    for guard in guards_of(base) if call.asked else ():
        if isinstance(guard, AskingGuard):
            guard.give_up(call)


def guards_of(base: Context) -> tuple[Guard, ...]:
    """Return the guards that watch over a context."""
    return cast("tuple[Guard, ...]", base.get(GUARDS_KEY, ()))


def with_guard(guard: Guard, base: Context) -> Context:
    """Return a context that one more guard watches over."""
    return context.set_value(GUARDS_KEY, (*guards_of(base), guard), base)


def check_choice(name: str, given: object, allowed: tuple[str, ...]) -> None:
    """Check that an argument is one of a few words.

    Raises:
        ValueError: it is not.
    """
    if given not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {given!r}")


@dataclass(slots=True)
class OpenCall:
    """A call that is going on.

    Attributes:
        guards: that know of it.
        around: the same call, as a library above sees it.
        usage: that a library below told; ``None``: none did.
        answered_by: names of the model that a library below told.
    """

    guards: tuple[Guard, ...]
    around: OpenCall | None = None
    usage: Usage | None = None
    answered_by: tuple[str, ...] = ()

    def unaware(self) -> tuple[Guard, ...]:
        """Return the guards that do not know of the call from a library above."""
        above = self.around
        if above is None:
            return self.guards
        return tuple(guard for guard in self.guards if guard not in above.guards)

    def complete(self, call: ModelCall, usage: Usage | None) -> Usage | None:
        """Add what was told below to what was told here, and pass it on to the library above."""
        usage = self.usage if usage is None else usage
        call.answered_by = call.answered_by or self.answered_by
        if self.around is not None:
            self.around.usage = usage or self.around.usage
            self.around.answered_by = call.answered_by or self.around.answered_by
        return usage


_of_spans: WeakKeyDictionary[Span, OpenCall] = WeakKeyDictionary()


def open_call(base: Context) -> OpenCall:
    """Return a call that begins in a context."""
    return OpenCall(guards_of(base), _of_spans.get(trace.get_current_span(base)))


def call_began(call: OpenCall, span: Span) -> None:
    """Remember which span records a call."""
    if span.is_recording():  # one that does not may stand for several calls at once
        _of_spans[span] = call


def call_ended(span: Span | None) -> None:
    """Forget the call that a span recorded."""
    if span is not None:
        _of_spans.pop(span, None)
