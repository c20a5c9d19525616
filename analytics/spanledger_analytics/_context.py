"""Who a span works for: agent, workflow, task, session, user, dimensions: its own or from above."""

from __future__ import annotations

from collections import defaultdict
from functools import reduce
from typing import NamedTuple

from spanledger_analytics.spans import Dimensions, Span, SpanKey


class Context(NamedTuple):
    """What a span inherits; '' where no span above says it."""

    agent_name: str = ""
    agent_version: str = ""
    workflow_name: str = ""
    session_id: str = ""
    user_id: str = ""
    task_id: str = ""
    dimensions: Dimensions = ()


_NOTHING = Context()
_OPEN = Context(*_NOTHING)  # told from _NOTHING by identity: the search is at this span


class Contexts:
    """Looks contexts up; each span is looked at once, however many calls lie below it."""

    def __init__(self, spans: dict[SpanKey, Span]) -> None:
        self._spans = spans
        self._known: dict[SpanKey, Context] = {}
        self._cyclic: set[SpanKey] = set()
        self._only: dict[str, tuple[str, str]] | None = None

    def of(self, span: Span) -> Context:
        """Return a span's context, nearest ancestors first; parent cycles end the search."""
        known = self._known.get(span.key)
        if known is not None:
            return known
        path: list[Span] = []
        key, current = span.key, span
        while key not in self._known:
            self._known[key] = _OPEN
            path.append(current)
            key = current.parent_key
            above = self._spans.get(key)
            if above is None:
                break
            current = above
        found = self._known.get(key, _NOTHING)
        if found is _OPEN or key in self._cyclic:
            self._cyclic.update(one.key for one in path)
            found = _NOTHING if found is _OPEN else found
        for current in reversed(path):
            found = self._known[current.key] = _inherit(current, found)
        return found

    @property
    def has_cycles(self) -> bool:
        """Whether the parents of any span looked up so far lead in a circle."""
        return bool(self._cyclic)

    def is_cyclic(self, key: SpanKey) -> bool:
        """Return whether the parents of a span, looked up before, lead in a circle."""
        return key in self._cyclic

    def only_session_and_user(self, trace_id: str) -> tuple[str, str]:
        """Return the trace's one session and one user, '' where it names none or several."""
        if self._only is None:
            self._only = self._count_sessions()
        return self._only.get(trace_id, ("", ""))

    def _count_sessions(self) -> dict[str, tuple[str, str]]:
        sessions: defaultdict[str, set[str]] = defaultdict(set)
        users: defaultdict[str, set[str]] = defaultdict(set)
        for span in self._spans.values():
            if span.session_id:
                sessions[span.trace_id].add(span.session_id)
            if span.user_id:
                users[span.trace_id].add(span.user_id)
        return {
            trace_id: (_only(sessions.get(trace_id)), _only(users.get(trace_id)))
            for trace_id in sessions.keys() | users.keys()
        }


def _only(values: set[str] | None) -> str:
    return next(iter(values)) if values and len(values) == 1 else ""


_FIRST, _END = Span._fields.index("agent_name"), Span._fields.index("task_id") + 1


def _inherit(span: Span, above: Context) -> Context:
    if not any(span[_FIRST:_END]) and not span.dimensions:
        return above
    agent_name, agent_version = span.agent_name, span.agent_version
    if not agent_name or agent_name == above.agent_name:
        # A version belongs to the agent it was said of, never to a sub-agent below it.
        agent_name, agent_version = above.agent_name, agent_version or above.agent_version
    found = Context(
        agent_name,
        agent_version,
        span.workflow_name or above.workflow_name,
        span.session_id or above.session_id,
        span.user_id or above.user_id,
        span.task_id or above.task_id,
        joined(span.dimensions, above.dimensions),
    )
    return above if found == above else found


def joined(own: Dimensions, others: Dimensions) -> Dimensions:
    """Return dimensions of two sources; where both name one, the first source's value."""
    if not own or not others or own == others:
        return own or others
    return tuple(sorted({**dict(others), **dict(own)}.items()))


def fill(first: Context, others: list[Context]) -> Context:
    """Return ``first`` with its gaps filled from the first of ``others`` that knows."""
    if not others or (all(first[:-1]) and not any(other.dimensions for other in others)):
        return first
    everyone = (first, *others)
    agent = next((c for c in everyone if c.agent_name), first)
    return Context(
        agent.agent_name,
        agent.agent_version,
        next((c.workflow_name for c in everyone if c.workflow_name), ""),
        next((c.session_id for c in everyone if c.session_id), ""),
        next((c.user_id for c in everyone if c.user_id), ""),
        next((c.task_id for c in everyone if c.task_id), ""),
        reduce(joined, (c.dimensions for c in everyone)),
    )
