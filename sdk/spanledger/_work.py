"""One piece of work that is going on: an open span, and the context its children see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import Token
from decimal import Decimal

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    Span,
    SpanKind,
    Status,
    StatusCode,
    set_span_in_context,
)
from opentelemetry.util.types import AttributeValue

from spanledger._attributes import TOOL_COST_USD
from spanledger._context import TRACING, stamps
from spanledger._errors import LimitReached, told
from spanledger._guards import Guard, ToolCall, guards_of
from spanledger._settings import STATE
from spanledger._signatures import ENDING, Said, named, to_json

_LONGEST_MESSAGE = 2000
_NOTHING = Decimal(0)
_CURRENT = next(iter(set_span_in_context(INVALID_SPAN, Context())))  # OpenTelemetry's key of it
_PAUSES = ("langgraph.errors.GraphBubbleUp", "langgraph.errors.GraphInterrupt")


class Work:
    """An open span with what may be said of it; what goes wrong in here never gets out."""

    __slots__ = (
        "_call",
        "_charged",
        "_context",
        "_is_admitted",
        "_said",
        "_token",
        "_tool",
        "_usd",
        "span",
    )

    def __init__(
        self,
        name: str,
        attributes: Mapping[str, AttributeValue],
        values: Mapping[str, object],
        base: Context,
        tool: str = "",
        kind: SpanKind = SpanKind.INTERNAL,
        links: Sequence[Link] = (),
    ) -> None:
        clock_ns = TRACING.clock_ns
        start_ns = None if clock_ns is None else clock_ns()
        if found := stamps(base):
            attributes = {**found, **attributes}
        span = TRACING.tracer.start_span(name, base, kind, attributes, links, start_ns)
        # One copy of the map instead of one for each value.
        self._begin(span, Context(base, **{_CURRENT: span}, **values), tool)

    @classmethod
    def none(cls) -> Work:
        """Return work that nobody records, for when starting a span failed."""
        work = cls.__new__(cls)
        work._begin(INVALID_SPAN, context.get_current(), "")
        return work

    def _begin(self, span: Span, current: Context, tool: str) -> None:
        self.span = span
        self._context = current
        self._token: Token[Context] | None = None
        self._tool = tool
        self._usd = self._charged = _NOTHING  # the price, and what of it the guards have counted
        self._is_admitted = False
        self._call: ToolCall | None = None
        self._said: Said | None = None

    def enter(self) -> None:
        """Make the span the current one."""
        self._token = context.attach(self._context)

    def leave(self) -> None:
        """Make the span before it the current one again; remember what was set meanwhile."""
        token, self._token = self._token, None
        if token is not None:
            self._context = context.get_current()
            context.detach(token)

    def set(self, key: str, value: AttributeValue) -> None:
        """Set an attribute of the span."""
        self.span.set_attribute(key, value)

    def arguments(self, value: object) -> None:
        """Say what a tool was called with, before it does anything.

        Raises:
            LimitReached: a guard that was told to raise stops the call here.
        """
        guards = guards_of(self._context)
        said = self._heard(guards)
        try:
            if STATE.content == "full" and self.span.is_recording():
                self.span.set_attribute("gen_ai.tool.call.arguments", _text(value))
            if said is not None:
                said.arguments(value)
        except Exception as error:
            told("arguments of a tool", error)
        if said is not None and guards:
            self._announce(said, guards)

    def called(
        self, names: tuple[str, ...], args: tuple[object, ...], kwargs: dict[str, object]
    ) -> None:
        """Say what a function that is a tool was called with, and the names of its parameters.

        Raises:
            LimitReached: a guard that was told to raise stops the call here.
        """
        if STATE.content == "full" or (kwargs and len(args) > len(names)):
            self.arguments({**named(names, args), **kwargs})
            return
        guards = guards_of(self._context)
        said = self._heard(guards)
        if said is None:
            return
        try:
            if kwargs:
                names, args = (*names[: len(args)], *kwargs), (*args, *kwargs.values())
            said.called(names, args)
        except Exception as error:
            told("arguments of a tool", error)
        if guards:
            self._announce(said, guards)

    def result(self, value: object, *, is_error: bool = False) -> None:
        """Say what a tool answered."""
        call, self._call = self._call, None
        said = self._said or self._heard(guards_of(self._context))
        try:
            if STATE.content == "full" and not is_error and self.span.is_recording():
                self.span.set_attribute("gen_ai.tool.call.result", _text(value))
            if said is None:
                return
            said.result(value, is_error=is_error)
            if call:
                for guard in guards_of(self._context):
                    guard.after_tool(call, is_error=is_error)
        except Exception as error:
            told("result of a tool", error)

    def _heard(self, guards: tuple[Guard, ...]) -> Said | None:
        """Return what keeps the words of a call; ``None``: nobody wants them signed."""
        if self._said is None and (
            guards or (STATE.content == "hashes" and self.span.is_recording())
        ):
            self._said = Said(self._tool)
        return self._said

    def _announce(self, said: Said, guards: tuple[Guard, ...]) -> None:
        """Let the guards see a call whose arguments are known."""
        self._call = self._next_call(said)
        self._admit(guards, self._call)

    def cost(self, usd: Decimal | float | str) -> None:
        """Say what a call of a paid tool cost, in US dollars; the last amount counts.

        Raises:
            LimitReached: only if the callback of a budget raises it; the amount is counted.
        """
        if not self.price(usd):
            return
        more, self._charged = self._usd - self._charged, self._usd
        stopped: LimitReached | None = None
        for guard in guards_of(self._context) if more else ():
            try:
                guard.spent(more, self.span)
            except LimitReached as error:  # the others must know of the money, too
                stopped = stopped or error
        if stopped is not None:
            raise stopped

    def admit(self) -> None:
        """Let budgets count the price before the arguments are known.

        Raises:
            LimitReached: a budget that was told to raise stops the call here.
        """
        if guards := guards_of(self._context):
            self._admit(guards, self._next_call(Said(self._tool)))

    def _next_call(self, said: Said) -> ToolCall:
        return ToolCall(self._tool, said, self._usd - self._charged, self._is_admitted, self.span)

    def _admit(self, guards: tuple[Guard, ...], call: ToolCall) -> None:
        """Let the guards see a call before it is made; one that is refused costs nothing."""
        passed: list[Guard] = []
        try:
            for guard in guards:
                guard.before_tool(call)
                passed.append(guard)
        except LimitReached:
            if call.usd:
                for guard in passed:
                    guard.spent(-call.usd, self.span)
                self.price(0)
            raise
        self._charged, self._is_admitted = self._usd, True

    def price(self, usd: Decimal | float | str | None) -> bool:
        """Say what the call will cost; budgets see it with the arguments. False: no amount."""
        if usd is None:
            return False
        try:
            self._usd = amount = _amount(usd)
        except (ArithmeticError, ValueError) as error:
            told("cost of a tool", error)
            return False
        self.span.set_attribute(TOOL_COST_USD, format(amount, "f"))
        return True

    def fail(self, error: BaseException) -> None:
        """Record an exception; an interrupt that waits for a human is no error."""
        if isinstance(error, GeneratorExit):  # its reader has had enough
            return
        try:
            if is_pause(error):
                self.span.add_event("spanledger.pause")
                return
            name = type(error).__qualname__
            message = f"{name}: {error}"[:_LONGEST_MESSAGE]
            self.span.set_status(Status(StatusCode.ERROR, message))
            self.span.set_attribute("error.type", name)
            self.span.record_exception(error)
            if self._tool:
                self.result(message, is_error=True)
        except Exception as failure:
            told("recording an exception", failure)

    def finish(self, error: BaseException | None = None) -> None:
        """Leave and end the span, with the exception that ended the work."""
        token, self._token = self._token, None
        if token is not None:
            context.detach(token)
        if error is not None:
            self.fail(error)
        clock_ns = TRACING.clock_ns
        end_ns = None if clock_ns is None else clock_ns()
        said = self._said
        if said is not None and not (STATE.signs_later and self.span.is_recording()):
            self._sign(said)
            said = None
        if said is None:
            self.span.end(end_ns)
            return
        ENDING.said = said  # our queue takes it up with the span
        try:
            self.span.end(end_ns)
        finally:
            ENDING.said = None

    def _sign(self, said: Said) -> None:
        """Sign what was said now: no thread of ours will."""
        signatures = said.signatures()
        if STATE.content == "hashes":
            self.span.set_attributes(signatures)


def is_pause(error: BaseException) -> bool:
    """Return whether an exception is how LangGraph stops to wait, not an error."""
    return any(f"{c.__module__}.{c.__qualname__}" in _PAUSES for c in type(error).__mro__[:-2])


def _amount(usd: Decimal | float | str) -> Decimal:
    amount = Decimal(str(usd))
    if not (amount.is_finite() and amount >= 0):
        raise ValueError(f"{usd!r} is not an amount")
    return amount


def _text(value: object) -> str:
    return value if isinstance(value, str) else to_json(value)
