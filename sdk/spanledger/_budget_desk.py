"""The desk: this process's leases, and the one thread that talks to the server of budgets."""

from __future__ import annotations

import atexit
import json
import os
import secrets
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

from opentelemetry.trace import Span, format_span_id, format_trace_id

from spanledger._budget_server import BudgetServer, Refused, Unanswered
from spanledger._failures import told
from spanledger._leases import Line, Need, Taken, text_of
from spanledger._settings import is_under_pytest, switch, variable

DEFAULT_URL = "http://localhost:8502"
TIMEOUT_S = 0.25
_SETTLE_TIMEOUT_S = 1.0
_EVERY_S = 0.2
_IDLE_S = 5.0
_EXIT_S = 1.0
_MOST_LINES = 2_000
_MOST_SETTLEMENTS = 10_000
_BATCH = 200


@dataclass(slots=True)
class SharedFigures:
    """Calls held to shared budgets since the start.

    Attributes:
        admitted: within what was set aside, or where nothing is limited.
        refused: that did not fit.
        passed: that were let pass because nobody answered in time.
        dropped: settlements that could not be sent; the ledger counts these calls all the same.
        problem: why the server does not answer; empty: it does, or was not asked.
    """

    admitted: int = 0
    refused: int = 0
    passed: int = 0
    dropped: int = 0
    problem: str = ""


class Desk:
    """Leases of one server; used from any thread.

    Args:
        url: base URL of the API; empty: nobody is asked, and nothing is limited.
        api_key: sent as ``Authorization: Bearer``; empty: none.
        timeout_s: that a call waits at most.
    """

    def __init__(self, url: str, api_key: str = "", timeout_s: float = TIMEOUT_S) -> None:
        self._url, self._api_key, self._timeout_s = url, api_key, timeout_s
        self.figures = SharedFigures()
        self._begin()
        if url:
            _desks.add(self)

    def line(self, subject: Mapping[str, object], *, is_strict: bool) -> Line:
        """Return the line of a subject: calls that the same budgets count share one."""
        reduced = _reduced(subject, self._scopes)
        key = (is_strict, json.dumps(reduced, sort_keys=True))
        with self._lock:
            found = self._lines.get(key)
            if found is None:
                found = self._lines[key] = Line(
                    reduced, self._ask, self._give_back, self._timeout_s, is_strict=is_strict
                )
                while len(self._lines) > _MOST_LINES:
                    _, oldest = self._lines.popitem(last=False)
                    self._leaving.append(oldest)
            else:
                self._lines.move_to_end(key)
            return found

    def note(self, taken: Taken) -> None:
        """Count what became of a call."""
        if not self._url:
            return
        with self._lock:
            if taken.was_passed:
                self.figures.passed += 1
            elif taken.over and taken.lease is None:
                self.figures.refused += 1
            else:
                self.figures.admitted += 1

    def settle(
        self, line: Line, taken: Taken, used: Need, span: Span | None
    ) -> dict[str, object] | None:
        """Tell the server, later, what a call used of what it took; never waits.

        Returns what it will be told, for ``undo``; None: nothing.
        """
        lease = taken.lease
        if taken.is_free or not self._url or (lease is None and not any(used)):
            return None
        known = {m: amount for m, amount in used._asdict().items() if amount is not None}
        if used.llm_calls:  # the price of a tool says nothing about the next call of a model
            line.grew(known)
        body: dict[str, object] = {
            "key": secrets.token_hex(16),
            "subject": line.subject,
            "used": {measure: text_of(measure, amount) for measure, amount in known.items()},
            "started_at": taken.started_at_s,
            "passed": taken.was_passed,
            **_ids_of(span),
        }
        if lease is not None:
            parts = {measure: text_of(measure, part) for measure, part in taken.parts.items()}
            body |= {"reservation": lease.id, "set_aside": parts}
        with self._lock:
            if len(self._settlements) >= _MOST_SETTLEMENTS:
                self._settlements.popleft()
                self.figures.dropped += 1
            self._settlements.append(body)
            self._demand_thread()
        if lease is not None:
            line.finished(lease)
        return body

    def undo(self, body: dict[str, object] | None) -> None:
        """Take back what a call used, where the server was not told yet: it was not made."""
        if body is not None:
            with self._lock:
                body["used"] = {"usd": "0", "tokens": "0", "llm_calls": "0"}

    @property
    def waiting(self) -> int:
        """Settlements that the server was not told of yet."""
        with self._lock:
            return len(self._settlements)

    def close(self, timeout_s: float = _EXIT_S) -> None:
        """Send what is left and give back what is set aside, within a time; then calls pass."""
        with self._lock:
            thread = self._thread
            if thread is None:
                return
            self._is_ending = True
            self._wake.notify_all()
        thread.join(timeout_s)

    def after_fork(self) -> None:
        """Begin anew in a child: leases, thread and connection are the parent's."""
        self.figures = SharedFigures()
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._lines: OrderedDict[tuple[bool, str], Line] = OrderedDict()
        self._leaving: deque[Line] = deque()
        self._asking: deque[Line] = deque()
        self._settlements: deque[dict[str, object]] = deque()
        self._released: deque[str] = deque()
        self._scopes: frozenset[str] | None = None
        self._thread: threading.Thread | None = None
        self._is_ending = False
        self._server = BudgetServer(self._url, self._api_key) if self._url else None
        self._rested_at_s = monotonic()

    def _ask(self, line: Line) -> bool:
        """Let the thread renew a lease; return False where nobody will answer now."""
        server = self._server
        if server is None or server.rests or self._is_ending:
            return False
        with self._lock:
            self._asking.append(line)
            self._demand_thread()
            self._wake.notify_all()
        return True

    def _give_back(self, reservation: str) -> None:
        with self._lock:
            self._released.append(reservation)
            self._demand_thread()

    def _demand_thread(self) -> None:
        if self._thread is None and not self._is_ending:
            name = "spanledger-budgets"
            self._thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._is_ending:
            try:
                self._turn()
            except Exception as error:  # the thread must live on: else every call would wait
                told("shared budgets", error)
        try:
            self._end()
        except Exception as error:
            told("shared budgets", error)

    def _turn(self) -> None:
        with self._lock:
            if not self._asking and not self._is_ending:
                self._wake.wait(_EVERY_S)
            asking, self._asking = self._asking, deque()
            lines = list(self._lines.values())
            leaving, self._leaving = list(self._leaving), deque()
        for line in asking:
            self._renew(line)
        if not self._asking:
            self._send_settlements()
            self._send_released()
        for line in leaving:
            line.rest(0.0)
        if monotonic() - self._rested_at_s > 1.0:
            self._rested_at_s = monotonic()
            for line in lines:
                line.rest(_IDLE_S)

    def _renew(self, line: Line) -> None:
        answer = self._posted("reserve", line.request(), self._timeout_s)
        try:
            if answer is not None:
                self._learn(line, answer)
            line.answered(answer)
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
            self.figures.problem = f"the answer is no server's of budgets: {error!r}"
            told("shared budgets", self.figures.problem)
            if self._server is not None:
                self._server.leave_alone()
            line.answered(None)

    def _learn(self, line: Line, answer: Mapping[str, Any]) -> None:
        """Take up which scopes there are budgets for, and let alike calls share the line."""
        self._scopes = frozenset(map(str, answer["scopes"]))
        line.subject = _reduced(line.subject, self._scopes)
        key = (line.is_strict, json.dumps(line.subject, sort_keys=True))
        with self._lock:
            self._lines.setdefault(key, line)

    def _send_settlements(self) -> None:
        while batch := self._first_settlements():
            answer = self._posted("settle", {"settlements": batch}, _SETTLE_TIMEOUT_S)
            if answer is None:
                return  # they stay, to be sent again
            with self._lock:
                for body in batch:
                    if self._settlements and self._settlements[0] is body:
                        self._settlements.popleft()

    def _first_settlements(self) -> list[dict[str, object]]:
        with self._lock:
            return [self._settlements[n] for n in range(min(_BATCH, len(self._settlements)))]

    def _send_released(self) -> None:
        with self._lock:
            batch = [self._released[n] for n in range(min(_BATCH, len(self._released)))]
        if not batch:
            return
        answer = self._posted("release", {"reservations": batch}, _SETTLE_TIMEOUT_S)
        if answer is not None:  # else, what cannot be given back expires
            with self._lock:
                for _ in batch:
                    self._released.popleft()

    def _posted(
        self, what: str, body: Mapping[str, object], timeout_s: float
    ) -> Mapping[str, Any] | None:
        server = self._server
        if server is None or server.rests:
            return None
        try:
            answer = server.post(what, body, timeout_s)
        except Unanswered as error:
            self.figures.problem = str(error)
            told("shared budgets", f"the server does not answer, calls pass: {error}")
            return None
        except Refused as error:
            self.figures.problem = str(error)
            told("shared budgets", f"the server refuses a request: {error}")
            if what == "reserve":
                server.leave_alone()
                return None
            return {}  # sent again, it would be refused again
        self.figures.problem = ""
        return answer

    def _end(self) -> None:
        for line in list(self._lines.values()):
            line.rest(0.0)
        self._send_settlements()
        self._send_released()
        if self._server is not None:
            self._server.close()


def _ids_of(span: Span | None) -> dict[str, object]:
    own = None if span is None else span.get_span_context()
    if own is None or not own.is_valid:
        return {}
    return {"trace_id": format_trace_id(own.trace_id), "span_id": format_span_id(own.span_id)}


def _reduced(subject: Mapping[str, object], scopes: frozenset[str] | None) -> dict[str, object]:
    """Return the part of a subject that any budget asks for; all of it before the first answer."""
    tags = subject["tags"]
    known: Mapping[str, str] = tags if isinstance(tags, dict) else {}
    found = {key: value for key, value in subject.items() if key != "tags" and value}
    if scopes is None:
        return {**found, "tags": dict(known)}
    return {
        **{key: value for key, value in found.items() if key in scopes},
        "tags": {key: value for key, value in known.items() if f"tag:{key}" in scopes},
    }


_desks: weakref.WeakSet[Desk] = weakref.WeakSet()
_lock = threading.Lock()
_own: Desk | None = None


def desk() -> Desk:
    """Return the desk of the environment: SPANLEDGER_API_URL and SPANLEDGER_API_KEY."""
    global _own
    with _lock:
        if _own is None:
            is_silent = switch("SPANLEDGER_DISABLED", False) or (
                is_under_pytest() and not switch("SPANLEDGER_SEND_UNDER_PYTEST", False)
            )
            url = "" if is_silent else variable("SPANLEDGER_API_URL") or DEFAULT_URL
            try:
                _own = Desk(url.rstrip("/"), variable("SPANLEDGER_API_KEY"))
            except ValueError as error:
                told("shared budgets", error)
                _own = Desk("")
        return _own


def shared_figures() -> SharedFigures | None:
    """Return the figures of the desk; None: no budget of this process is shared."""
    return None if _own is None else _own.figures


def _close_all() -> None:
    for one in list(_desks):
        one.close()


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    for one in list(_desks):
        one.after_fork()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
