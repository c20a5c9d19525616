"""What every span is made with, and shares: the tracer; session, user, task and dimensions.

What is shared is carried as baggage.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from time import time_ns
from typing import Generic, TypeVar, cast

from opentelemetry import baggage, context, trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span
from opentelemetry.trace import Tracer, TracerProvider

from spanledger._attributes import DIMENSION_PREFIX, TASK_ID, TRAJECTORY_ID
from spanledger._version import __version__

SCOPE = "spanledger"
"""Instrumentation scope of all spans made here."""
T = TypeVar("T")
SESSION_ID = "session.id"
CONVERSATION_ID = "gen_ai.conversation.id"
USER_ID = "user.id"
AGENT_KEY = context.create_key("spanledger-agent")
"""The innermost run of an agent, in this process only."""
_KEYS = frozenset((SESSION_ID, USER_ID, TASK_ID, TRAJECTORY_ID))
_BAGGAGE = next(iter(baggage.set_baggage("a", "b", Context())))  # OpenTelemetry's key of it
_NOTHING: dict[str, str] = {}
_last: tuple[object, dict[str, str]] = (None, _NOTHING)


def with_shared(shared: Mapping[str, str], base: Context | None = None) -> Context:
    """Return a context whose spans carry these attributes, and those of the base."""
    made = context.get_current() if base is None else base
    for key, value in shared.items():
        made = baggage.set_baggage(key, value, made)
    return made


def shared(base: Context | None) -> dict[str, str]:
    """Return what spans of a context share, as ``with_shared`` takes it."""
    return {
        key: value
        for key, value in baggage.get_all(base).items()
        if isinstance(value, str) and (key in _KEYS or key.startswith(DIMENSION_PREFIX))
    }


def stamps(base: Context) -> Mapping[str, str]:
    """Return the attributes that every span of a context gets; not to be changed."""
    global _last
    carried = base.get(_BAGGAGE)
    if not carried:
        return _NOTHING
    last = _last
    if carried is last[0]:  # most spans share with the one before
        return last[1]
    found = shared(base)
    if SESSION_ID in found:
        found[CONVERSATION_ID] = found[SESSION_ID]
    _last = carried, found
    return found


def share(span: Span, base: Context) -> None:
    """Stamp a span of another library that starts; attributes that it has stay."""
    found = stamps(base)
    if found:
        own = set(span.attributes or ())
        span.set_attributes({key: value for key, value in found.items() if key not in own})


class Block(Generic[T]):
    """Entered by ``with`` and ``async with`` alike."""

    __slots__ = ()

    def __enter__(self) -> T:
        raise NotImplementedError

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> T:
        return self.__enter__()

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.__exit__(kind, error, traceback)


class AgentRun:
    """One run of an agent, for what is counted per run."""

    __slots__ = ("__weakref__", "name")

    def __init__(self, name: str) -> None:
        self.name = name


def run_of(base: Context) -> AgentRun | None:
    """Return the innermost run of an agent."""
    return cast("AgentRun | None", base.get(AGENT_KEY))


def agent_of(base: Context) -> str:
    """Return the name of the innermost agent; empty: none."""
    run = run_of(base)
    return "" if run is None else run.name


@contextmanager
def session(id: str, *, user: str | None = None) -> Generator[None]:
    """Mark every span inside with the id of a conversation, and of its user.

    Works around ``async`` code, too: ``with``, not ``async with``.
    """
    found = {SESSION_ID: str(id)}
    if user is not None:
        found[USER_ID] = str(user)
    with attached(found):
        yield


@contextmanager
def dimensions(**values: str) -> Generator[None]:
    """Mark every span inside with dimensions of your own: ``dimensions(team="search")``.

    They travel as W3C baggage. Whoever may not see them must not get baggage:
    ``OTEL_PROPAGATORS=tracecontext`` keeps it in the process.
    """
    with attached({DIMENSION_PREFIX + key: str(value) for key, value in values.items()}):
        yield


@contextmanager
def attached(found: Mapping[str, str]) -> Generator[None]:
    """Make spans inside carry these attributes."""
    token = context.attach(with_shared(found))
    try:
        yield
    finally:
        context.detach(token)


class _Tracing:
    """The tracer in use; tests put in their own provider and clock."""

    __slots__ = ("clock_ns", "provider", "tracer")

    def __init__(self) -> None:
        self.use(None, None)

    def use(self, provider: TracerProvider | None, clock_ns: Callable[[], int] | None) -> None:
        """Take spans from a provider; ``None``: the global one, on the system's clock."""
        self.provider = provider
        self.clock_ns = clock_ns
        # The proxy that the API hands out before there is a provider follows the one set later.
        self.tracer: Tracer = (provider or trace).get_tracer(SCOPE, __version__)


TRACING = _Tracing()


def now_ns() -> int:
    """Return the time in nanoseconds since 1970."""
    clock_ns = TRACING.clock_ns
    return time_ns() if clock_ns is None else clock_ns()
