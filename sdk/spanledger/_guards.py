"""What watches over calls: budgets and loop guards, carried in OpenTelemetry's context.

The context goes wherever spans go: into tasks, and into threads where OpenTelemetry is told to.
"""

from __future__ import annotations

import sys
import threading
from contextvars import Token
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar, cast
from weakref import WeakKeyDictionary, WeakValueDictionary

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span

from spanledger._context import Block
from spanledger._errors import LimitReached, told
from spanledger._signatures import Said
from spanledger._usage import Usage, filled

G = TypeVar("G")
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
        asked: by id of a guard that had to ask, what it was told; see ``Guard.ready``.
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


class Guard:
    """Sees calls before and after they are made; ``before_…`` may raise ``LimitReached``.

    Attributes:
        block: what was entered for it.
        token: takes it away when the block is left.
    """

    __slots__ = ("block", "token")

    def __init__(self, block: object = None) -> None:
        self.block = block
        self.token: Token[Context] | None = None

    async def ready(self, call: ModelCall, base: Context) -> None:
        """Ask whom it has to ask before ``before_model`` knows, without blocking the event loop."""

    def give_up(self, call: ModelCall) -> None:
        """Take back what was asked for, unless ``before_model`` used it: the call is not made."""

    def before_model(self, call: ModelCall, base: Context) -> object:
        """Let a call pass, or raise; returns what ``after_model`` wants to know again."""

    def after_model(
        self, ticket: object, call: ModelCall, usage: Usage | None, *, is_sent: bool
    ) -> None:
        """See what a call used; ``None``: nobody knows. It may not have been sent after all."""

    def made(self, call: ModelCall, base: Context, usage: Usage | None) -> None:
        """See a call that was made, and was taken for another one until it had ended."""

    def before_tool(self, call: ToolCall) -> None:
        """Let a call of a tool pass, or raise."""

    def after_tool(self, call: ToolCall, *, is_error: bool) -> None:
        """See what a tool answered."""

    def spent(self, usd: Decimal, span: Span | None = None) -> None:
        """See what a tool cost beyond what was counted; below zero: it cost less."""


class GuardBlock(Block[G]):
    """A block that a guard of its own watches over each time it is entered."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        # Looked up, not remembered: several tasks may have entered the same object.
        for guard in reversed(guards_of(context.get_current())):
            if guard.block is self and guard.token is not None:
                context.detach(guard.token)
                return


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


class OpenCall:
    """A call that is going on: one for all libraries that record it.

    A library whose span lies inside another one's records the same call. So does, it seems, one
    that begins beside it: in the same thread and task, under the same span, before it has ended.
    One response id, or the same tokens, tell at the end whether that is so; what turns out to be
    another call is counted then.

    Args:
        call: what is known of it before it is sent.
        base: context it begins in.
        scope: library that records it; empty: nobody records it beside us.
    """

    __slots__ = (
        *("__weakref__", "_above", "_base", "_beside", "_guards", "_is_over", "_key", "_scopes"),
        *("_tickets", "_twins", "call", "response_id", "usage"),
    )

    def __init__(self, call: ModelCall, base: Context, scope: str = "") -> None:
        self.call = call
        self.response_id = ""
        self.usage: Usage | None = None  # as told here, or by a library below
        self._base = base
        self._guards = guards_of(base)
        self._tickets: list[tuple[Guard, object]] = []
        self._is_over = False
        around = trace.get_current_span(base)
        self._above = _of_spans.get(around)
        self._scopes = {scope}
        self._key: tuple[int, int, int] | None = None
        self._beside: OpenCall | None = None
        if scope and self._above is None:
            self._key = (threading.get_ident(), _task_id(), around.get_span_context().span_id)
            self._beside = self._found_beside(scope)
        self._twins: list[OpenCall] = []  # that have ended, and were not compared yet

    def _found_beside(self, scope: str) -> OpenCall | None:
        found = None if self._key is None else _latest.get(self._key)
        if found is None or found._is_over or scope in found._scopes:
            return None
        one, other = self.call, found.call
        told = (one.provider, other.provider), (one.model, other.model)
        if any(mine and theirs and mine != theirs for mine, theirs in told):
            return None
        found._scopes.add(scope)
        return found

    def admit(self) -> None:
        """Let the guards see the call, but for those that know of it from another library.

        Raises:
            LimitReached: a guard stops the call.
        """
        other = self._above or self._beside
        for guard in self._guards:
            if other is not None and guard in other._guards:
                continue
            try:
                self._tickets.append((guard, guard.before_model(self.call, self._base)))
            except LimitReached:
                self._settle(is_sent=False)
                raise
            except Exception as error:
                told("guarding a call", error)

    def began(self, span: Span) -> None:
        """Remember which span records the call."""
        self.call.span = span
        if self._guards and span.is_recording():  # else it may stand for several calls at once
            _of_spans[span] = self
            if self._key is not None and self._beside is None:
                _latest[self._key] = self

    def ended(self, usage: Usage | None) -> None:
        """Let the guards see what the call used, as told here or by another library."""
        if self.call.span is not None:
            _of_spans.pop(self.call.span, None)
        self.usage = filled(usage, self.usage)
        self._is_over = True
        self._compare()
        if self._above is not None:
            self._above._learn(self)
        elif self._beside is not None:
            self._beside._twins.append(self)
            if self._beside._is_over:
                self._beside._compare()
        self._settle(is_sent=True)

    def _compare(self) -> None:
        """Take up what twins told; count those that were calls of their own."""
        while self._twins:
            try:
                twin = self._twins.pop()
            except IndexError:  # another thread has it
                return
            if not _is_one_call(self, twin):
                twin._count(self._guards)
            else:
                self._learn(twin)

    def _learn(self, other: OpenCall) -> None:
        self.usage = filled(self.usage, other.usage)
        self.response_id = self.response_id or other.response_id
        self.call.answered_by = self.call.answered_by or other.call.answered_by

    def _count(self, unaware: tuple[Guard, ...]) -> None:
        for guard in self._guards:
            if guard in unaware:
                try:
                    guard.made(self.call, self._base, self.usage)
                except Exception as error:
                    told("settling a call", error)

    def _settle(self, *, is_sent: bool) -> None:
        tickets, self._tickets = self._tickets, []
        for guard, ticket in tickets:
            try:
                guard.after_model(ticket, self.call, self.usage, is_sent=is_sent)
            except Exception as error:
                told("settling a call", error)


_of_spans: WeakKeyDictionary[Span, OpenCall] = WeakKeyDictionary()
_latest: WeakValueDictionary[tuple[int, int, int], OpenCall] = WeakValueDictionary()
"""By thread, task and span around it: the call of a library that began last."""


def _task_id() -> int:
    """Return what tells tasks of an event loop apart; 0: this is none."""
    asyncio = sys.modules.get("asyncio")
    try:
        return 0 if asyncio is None else id(asyncio.current_task())
    except RuntimeError:  # there is no event loop
        return 0


def _is_one_call(one: OpenCall, other: OpenCall) -> bool:
    """Return whether two libraries told of one call; one that tells nothing tells of the other."""
    if one.response_id and other.response_id:
        return one.response_id == other.response_id
    mine, theirs = one.usage, other.usage
    if mine is None or theirs is None:
        return True
    is_equal = mine.input_tokens == theirs.input_tokens
    return is_equal and (mine.output_tokens or 0) == (theirs.output_tokens or 0)
