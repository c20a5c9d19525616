"""A trajectory across processes and days: its context in a map of texts, and its pauses."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Generator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import TypeVar, cast

from opentelemetry import context, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from spanledger._attributes import STEP_KIND, TRAJECTORY_ID, WAIT_FOR, WAIT_REASON
from spanledger._context import (
    AGENT_KEY,
    TRACING,
    AgentRun,
    agent_of,
    now_ns,
    shared,
    stamps,
    with_shared,
)
from spanledger._errors import TokenError, told
from spanledger._work import Work

_VERSION = "1"
C = TypeVar("C", bound=MutableMapping[str, str])
_W3C = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])


def pause(*, waits_for: str = "human", reason: str = "") -> str:
    """Record that the trajectory stops here to wait; return a token for ``resume``.

    The token is text of less than a kilobyte, safe in URLs and databases. It holds ids, the
    session, the task and the dimensions, and nothing of the conversation.

    Args:
        waits_for: ``human``, or what else.
        reason: in a few words.
    """
    base = context.get_current()
    now = now_ns()
    parent = trace.get_current_span(base).get_span_context()
    attributes = {
        **stamps(base),
        STEP_KIND: "pause",
        WAIT_FOR: waits_for,
        WAIT_REASON: reason,
    }
    span = TRACING.tracer.start_span("pause", base, attributes=attributes, start_time=now)
    span.end(now)
    here = span.get_span_context()
    found = shared(base)
    token = {
        "v": _VERSION,
        "trace": f"{here.trace_id:032x}",
        "span": f"{here.span_id:016x}",
        "parent": f"{parent.span_id:016x}" if parent.is_valid else "",
        "sampled": bool(here.trace_flags.sampled),
        "at": now,
        "for": waits_for,
        "agent": agent_of(base),
        "shared": {TRAJECTORY_ID: f"{here.trace_id:032x}", **found},
    }
    text = json.dumps(token, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


@contextmanager
def resume(token: str, *, name: str = "") -> Generator[Work]:
    """Continue a paused trajectory inside the block: in a new trace, linked to the old one.

    The time in between is recorded in the old trace as a span that waits; it costs nothing.

    Args:
        token: of ``pause``.
        name: of the agent that goes on; default: the one that paused.

    Raises:
        TokenError: the text is no token.
    """
    read = _Token(token)
    try:
        read.record_wait()
    except Exception as error:
        told("recording a wait", error)
    work = read.work(name or read.agent)
    work.enter()
    try:
        yield work
    except BaseException as error:
        work.finish(error)
        raise
    work.finish()


class _Token:
    """What a token says."""

    def __init__(self, token: str) -> None:
        try:
            padded = token + "=" * (-len(token) % 4)
            said = json.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
            if said["v"] != _VERSION:
                raise ValueError("it is of another version")
            flags = TraceFlags(TraceFlags.SAMPLED if said["sampled"] else TraceFlags.DEFAULT)
            self.paused = SpanContext(int(said["trace"], 16), int(said["span"], 16), True, flags)
            parent = int(said["parent"] or "0", 16)
            self._parent = SpanContext(self.paused.trace_id, parent, True, flags)
            self._at_ns = int(said["at"])
            self._waits_for = str(said["for"])
            self.agent = str(said["agent"])
            found = cast("dict[object, object]", said["shared"])
            self._shared = {str(key): str(value) for key, value in found.items()}
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
            raise TokenError(f"not a token of pause(): {error}") from None

    def record_wait(self) -> None:
        """Record the time since the pause, in the old trace."""
        base = Context()
        if self._parent.span_id:
            base = set_span_in_context(NonRecordingSpan(self._parent), base)
        else:
            base = set_span_in_context(NonRecordingSpan(self.paused), base)
        base = with_shared(self._shared, base)
        attributes = {**stamps(base), STEP_KIND: "wait", WAIT_FOR: self._waits_for}
        span = TRACING.tracer.start_span(
            f"wait for {self._waits_for}", base, attributes=attributes, start_time=self._at_ns
        )
        span.end(max(now_ns(), self._at_ns))

    def work(self, agent: str) -> Work:
        """Start the span of what goes on now."""
        base = with_shared(self._shared, set_span_in_context(trace.INVALID_SPAN))
        values: dict[str, object] = {AGENT_KEY: AgentRun(agent)} if agent else {}
        attributes = {"gen_ai.operation.name": "invoke_agent", TRAJECTORY_ID: self._trajectory()}
        if agent:
            attributes["gen_ai.agent.name"] = agent
        work = Work(
            f"invoke_agent {agent}".rstrip(),
            attributes,
            values,
            base,
            links=[Link(self.paused, {STEP_KIND: "resume"})],
        )
        return work

    def _trajectory(self) -> str:
        return self._shared.get(TRAJECTORY_ID, f"{self.paused.trace_id:032x}")


def inject(carrier: C) -> C:
    """Write the current trace and baggage, as W3C headers, into a map; return it.

    Headers of HTTP, of a message in a queue, of a Celery task or a Temporal workflow, or ``_meta``
    of a call of MCP: ``inject({})`` gives what to send along.
    """
    _W3C.inject(carrier)
    return carrier


@contextmanager
def extract(carrier: Mapping[str, str] | None) -> Generator[None]:
    """Continue inside the block the trace that ``inject`` wrote into a map."""
    found = {} if carrier is None else {key.lower(): value for key, value in carrier.items()}
    token = context.attach(_W3C.extract(found))
    try:
        yield
    finally:
        context.detach(token)
