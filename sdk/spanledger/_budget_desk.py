"""The desk: this process's leases, and the one thread that talks to the server of budgets."""

from __future__ import annotations

import json
import os
import secrets
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

from opentelemetry.trace import Span, format_span_id, format_trace_id

from spanledger._budget_server import (
    BudgetServer,
    Lease,
    Need,
    Refused,
    Taken,
    Unanswered,
    reduced,
    text_of,
)
from spanledger._errors import told
from spanledger._exit import at_exit
from spanledger._leases import Line
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
        counted = reduced(subject, self._scopes)
        key = (is_strict, json.dumps(counted, sort_keys=True))
        with self._lock:
            found = self._lines.get(key)
            if found is None:
                found = self._lines[key] = Line(
                    counted, self._ask, self._give_back, self._timeout_s, is_strict=is_strict
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
        """Tell the server, later, what a call used of what it took; takes no lock of the desk.

        Returns what it will be told, for ``undo``; None: nothing.
        """
        lease = taken.lease
        if taken.is_free or not self._url or (lease is None and not any(used)):
            return None
        known = {m: amount for m, amount in used._asdict().items() if amount is not None}
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
        # The price of a tool says nothing about the next call of a model.
        grown = known if used.llm_calls else {}
        if not line.settled(grown, lease):
            self._late.append((line, grown, lease))
        if len(self._settlements) >= _MOST_SETTLEMENTS:  # the oldest goes
            self.figures.dropped += 1
        self._settlements.append(body)
        self._demand_thread()
        return body

    def undo(self, body: dict[str, object] | None) -> None:
        """Take back what a call used, where the server was not told yet: it was not made."""
        if body is not None:
            body["used"] = {"usd": "0", "tokens": "0", "llm_calls": "0"}

    @property
    def waiting(self) -> int:
        """Settlements that the server was not told of yet."""
        return len(self._batch) + len(self._settlements)

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
        # Never taken while settling: a stream may be collected, and settle, while this is held.
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._lines: OrderedDict[tuple[bool, str], Line] = OrderedDict()
        self._leaving: deque[Line] = deque()
        self._asking: deque[Line] = deque()
        self._settlements: deque[dict[str, object]] = deque(maxlen=_MOST_SETTLEMENTS)
        self._batch: list[dict[str, object]] = []  # of the thread: sent, or about to be
        self._late: deque[tuple[Line, Mapping[str, int], Lease | None]] = deque()
        self._released: deque[str] = deque()
        self._scopes: frozenset[str] | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._is_ending = False
        self._server = BudgetServer(self._url, self._api_key) if self._url else None
        self._rested_at_s = monotonic()

    def _ask(self, line: Line) -> bool:
        """Let the thread renew a lease; return False where nobody will answer now."""
        server = self._server
        if server is None or server.rests("reserve") or self._is_ending:
            return False
        if not self._demand_thread():
            return False
        with self._lock:
            self._asking.append(line)
            self._wake.notify_all()
        return True

    def _give_back(self, reservation: str) -> None:
        self._released.append(reservation)
        self._demand_thread()

    def _demand_thread(self) -> bool:
        """Return whether there is a thread, or one was just started."""
        if self._thread is None and not self._is_ending and self._starting.acquire(blocking=False):
            try:
                if self._thread is None:
                    self._start_thread()
            finally:
                self._starting.release()
        return self._thread is not None

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._run, name="spanledger-budgets", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # no more threads, or the interpreter is ending
            self.figures.problem = f"{error}; calls pass"
            told("shared budgets", self.figures.problem)
        else:
            self._thread = thread

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
        self._take_up_late()
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

    def _take_up_late(self) -> None:
        for _ in range(len(self._late)):
            line, grown, lease = self._late.popleft()
            if not line.settled(grown, lease):
                self._late.append((line, grown, lease))

    def _renew(self, line: Line) -> None:
        try:
            answer = self._posted("reserve", line.request(), self._timeout_s)
        except Refused:
            line.declined()
            return
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
        line.subject = reduced(line.subject, self._scopes)
        key = (line.is_strict, json.dumps(line.subject, sort_keys=True))
        with self._lock:
            self._lines.setdefault(key, line)

    def _send_settlements(self) -> None:
        """Send what calls used; of a batch that is refused, all but what is no good itself."""
        size = _BATCH
        while self._filled_batch():
            part = self._batch[:size]
            try:
                if self._posted("settle", {"settlements": part}, _SETTLE_TIMEOUT_S) is None:
                    return  # they stay, to be sent again
            except Refused:
                if len(part) > 1:
                    size = len(part) // 2
                    continue
                self.figures.dropped += 1
            del self._batch[: len(part)]
            size = min(_BATCH, 2 * size)
            if self._asking and not self._is_ending:
                return  # somebody waits

    def _filled_batch(self) -> bool:
        while self._settlements and len(self._batch) < _BATCH:
            self._batch.append(self._settlements.popleft())
        return bool(self._batch)

    def _send_released(self) -> None:
        batch = [self._released[n] for n in range(min(_BATCH, len(self._released)))]
        if not batch:
            return
        with suppress(Refused):  # sent again, it would be refused again
            if self._posted("release", {"reservations": batch}, _SETTLE_TIMEOUT_S) is None:
                return  # what cannot be given back expires
        for _ in batch:
            self._released.popleft()

    def _posted(
        self, what: str, body: Mapping[str, object], timeout_s: float
    ) -> Mapping[str, Any] | None:
        """Return the answer; None: there is none now.

        Raises:
            Refused: this request is no good; others may be.
        """
        server = self._server
        if server is None or server.rests(what):
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
            if not error.is_of_all:
                raise
            server.leave_alone()
            return None
        self.figures.problem = ""
        return answer

    def _end(self) -> None:
        self._take_up_late()
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


at_exit(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
