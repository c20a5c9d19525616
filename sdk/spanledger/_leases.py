"""Leases: what the server of budgets has set aside for this process, used up call by call.

A call takes its part of a lease without a request; the lease is renewed before it is empty, by a
thread of its own, and one that is used often is made larger. Nobody waits longer than the timeout,
and nobody holds up an event loop: then, and when nobody answers, the call passes and is counted.

A dropped stream settles wherever the collector of garbage finds it, also in a thread that holds a
lock of ours: what settles waits for no lock.
"""

from __future__ import annotations

import contextlib
import secrets
import sys
import threading
from collections.abc import Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

from spanledger._budget_server import (
    Lease,
    Limit,
    Need,
    Taken,
    amount_of,
    is_as_large,
    limit_of,
    text_of,
)

if TYPE_CHECKING:
    import asyncio

TTL_S = 600
"""Of a reservation: longer than a call takes, so that it does not expire under one."""
_USE_S = 30.0  # a lease admits calls for so long; then another is asked for
_FREE_S = 10.0  # nothing was limited: asked again after this
_REFUSED_S = 1.0  # that a refusal holds before the server is asked again
_STALE_S = 60.0  # and on an event loop, where nobody waits for the next answer
_PASS_S = 5.0  # that a line whose request is no good is let pass
_KEPT_S = 300.0  # that an unanswered request is sent again; what it set aside then soon expires
_LOCK_S = 0.02  # more than anybody holds a line, but the thread itself that asks for it
_HOT_S = 5.0  # a lease that was used up within this was too small
_MOST_CALLS = 64


class Line:
    """The calls of one subject: those that the same budgets count.

    Args:
        subject: as the server takes it.
        ask: lets the thread renew this line's lease.
        give_back: lets the thread release a reservation.
        timeout_s: that a call waits at most.
        is_strict: whether the server refuses what does not fit, or only tells of it.
    """

    def __init__(
        self,
        subject: Mapping[str, object],
        ask: Callable[[Line], bool],
        give_back: Callable[[str], None],
        timeout_s: float,
        *,
        is_strict: bool,
    ) -> None:
        self.subject = subject
        self.is_strict = is_strict
        self._ask = ask
        self._give_back = give_back
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._sleepers: list[asyncio.Future[None]] = []
        self._lease: Lease | None = None
        self._is_asking = False
        self._waiting = 0
        self._calls = 1
        self._guessed: list[str] = []
        self._typical: dict[str, int] = {}  # the largest call so far
        self._guess: dict[str, int] = {}  # what the server takes for one while there was none
        self._needed = Need(None, None, 1)
        self._asked = Need(None, None, 1)  # with the request that has no answer yet
        self._request: dict[str, object] | None = None
        self._requested_s = 0.0
        self._pass_until_s = 0.0
        self._free_until_s = 0.0
        self._refused_at_s = -_STALE_S
        self._refused = Need(None, None, 1)
        self._refused_by: tuple[Limit, ...] = ()
        self._over: tuple[Limit, ...] = ()
        self._soft: tuple[Limit, ...] = ()
        self.used_at_s = monotonic()

    def take(self, need: Need) -> Taken:
        """Take what a call may use; waits for the server where that blocks nobody else."""
        deadline_s = monotonic() + self._timeout_s
        with self._changed:
            while True:
                self.used_at_s = now_s = monotonic()
                taken = self._take_now(need, now_s)
                if taken is not None:
                    return taken
                is_asked = self._renew(need)
                left_s = deadline_s - now_s
                if is_asked and left_s > 0 and _is_on_event_loop():
                    # Nobody may wait here: what was said last holds until there is an answer.
                    if self._is_refused(need, now_s, _STALE_S):
                        return Taken(over=self._refused_by)
                    return Taken(was_passed=True)
                if not is_asked or left_s <= 0:
                    return Taken(was_passed=True)
                self._waiting += 1
                try:
                    self._changed.wait(left_s)
                finally:
                    self._waiting -= 1

    async def take_when_told(self, need: Need) -> Taken:
        """Take what a call may use; the event loop goes on meanwhile."""
        deadline_s = monotonic() + self._timeout_s
        while True:
            with self._changed:
                self.used_at_s = now_s = monotonic()
                taken = self._take_now(need, now_s, is_awaited=True)
                if taken is not None:
                    return taken
                sleeper = self._sleeper(need, deadline_s - now_s)
            if sleeper is None:
                return Taken(was_passed=True)
            await self._sleep(sleeper, deadline_s - now_s)

    async def prepare(self, need: Need) -> None:
        """Wait until a call of this need can be answered without waiting."""
        deadline_s = monotonic() + self._timeout_s
        while True:
            with self._changed:
                now_s = monotonic()
                if self._can_answer(need, now_s):
                    return
                sleeper = self._sleeper(need, deadline_s - now_s)
            if sleeper is None:
                return
            await self._sleep(sleeper, deadline_s - now_s)

    def settled(self, used: Mapping[str, int], lease: Lease | None) -> bool:
        """Take up that a call is over; return False where the lock is held, to be called again.

        What it used says how much to set aside for the next of which nothing is known; the last
        call of a retired lease gives back the rest.
        """
        if not self._lock.acquire(timeout=_LOCK_S):
            return False
        is_over = False
        try:
            for measure, amount in used.items():
                self._typical[measure] = max(amount, self._typical.get(measure, 0))
            if lease is not None:
                lease.in_flight -= 1
                is_over = lease.is_retired and lease.in_flight == 0
        finally:
            self._lock.release()
        if lease is not None and is_over:
            self._give_back(lease.id)
        return True

    def rest(self, idle_s: float) -> None:
        """Give back a lease that nobody has used for a while."""
        with self._changed:
            lease = self._lease
            if lease is None or monotonic() - lease.used_at_s < idle_s:
                return
            is_over = self._retire()
        if is_over:
            self._give_back(lease.id)

    def request(self) -> dict[str, object]:
        """Return what the thread asks the server for.

        While there was no answer it is the same request: it may have been granted all the same,
        and sent again it is granted once.
        """
        with self._changed:
            if self._request is not None and monotonic() - self._requested_s < _KEPT_S:
                return self._request
            need = self._needed
            calls = max(self._calls, self._waiting + len(self._sleepers))
            wanted = self._amounts(need, calls) if calls > 1 else {}
            needed = self._amounts(need, 1)
            self._guessed = [measure for measure in Need._fields if measure not in needed]
            self._asked, self._requested_s = need, monotonic()
            self._request = {
                "key": secrets.token_hex(16),
                "subject": self.subject,
                "needed": needed,
                "wanted": wanted,
                "ttl_s": TTL_S,
                "enforce": self.is_strict,
            }
            return self._request

    def answered(self, answer: Mapping[str, Any] | None) -> None:
        """Take up what the server said; None: nothing."""
        over_id = ""
        with self._changed:
            self._is_asking = False
            try:
                if answer is not None:
                    self._request = None
                    over_id = self._take_up(answer, monotonic())
            finally:
                self._wake()
        if over_id:
            self._give_back(over_id)

    def declined(self) -> None:
        """Let calls pass for a while: the server does not take what is asked for them."""
        with self._changed:
            self._is_asking = False
            self._request = None
            self._pass_until_s = monotonic() + _PASS_S
            self._wake()

    def _wake(self) -> None:
        self._changed.notify_all()
        sleepers, self._sleepers = self._sleepers, []
        for sleeper in sleepers:
            with contextlib.suppress(RuntimeError):  # its event loop is closed
                sleeper.get_loop().call_soon_threadsafe(_end_sleep, sleeper)

    def _sleeper(self, need: Need, left_s: float) -> asyncio.Future[None] | None:
        """Ask for a lease; return what is done once there is an answer, if one may come in time."""
        import asyncio  # its callers have it anyway; others need not wait for it

        if not self._renew(need) or left_s <= 0:
            return None
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append(sleeper)
        return sleeper

    async def _sleep(self, sleeper: asyncio.Future[None], for_s: float) -> None:
        import asyncio

        try:
            await asyncio.wait({sleeper}, timeout=for_s)
        finally:  # without the lock: a task may be collected in a thread that holds it
            with contextlib.suppress(ValueError):
                self._sleepers.remove(sleeper)

    def _take_now(self, need: Need, now_s: float, *, is_awaited: bool = False) -> Taken | None:
        if now_s < self._free_until_s:
            return Taken(is_free=True)
        lease = self._lease
        if lease is not None and self._fits(lease, need, now_s):
            parts = self._parts(lease, need)
            for measure, part in parts.items():
                lease.left[measure] -= part
            lease.in_flight += 1
            lease.used_at_s = now_s
            if lease.is_low and (self._calls > 1 or (not is_awaited and _is_on_event_loop())):
                self._renew(need)  # while there is enough left for those who come meanwhile
            return Taken(lease, parts, self._over, self._soft)
        if self._is_refused(need, now_s, _REFUSED_S):
            return Taken(over=self._refused_by)
        if now_s < self._pass_until_s:
            return Taken(was_passed=True)
        return None

    def _can_answer(self, need: Need, now_s: float) -> bool:
        lease = self._lease
        return (
            now_s < max(self._free_until_s, self._pass_until_s)
            or (lease is not None and self._fits(lease, need, now_s))
            or self._is_refused(need, now_s, _REFUSED_S)
        )

    def _fits(self, lease: Lease, need: Need, now_s: float) -> bool:
        parts = self._parts(lease, need)
        is_enough = all(lease.left[measure] >= part for measure, part in parts.items())
        return is_enough and now_s < lease.use_until_s

    def _is_refused(self, need: Need, now_s: float, for_s: float) -> bool:
        return now_s < self._refused_at_s + for_s and is_as_large(need, self._refused)

    def _parts(self, lease: Lease, need: Need) -> dict[str, int]:
        known: dict[str, int | None] = need._asdict()
        parts: dict[str, int] = {}
        for measure, left in lease.left.items():
            amount = known[measure]
            if amount is None:  # as the largest call so far; the first takes it all
                amount = self._typical.get(measure, self._guess.get(measure, max(1, left)))
            parts[measure] = amount
        return parts

    def _renew(self, need: Need) -> bool:
        """Let the thread ask, if it does not already; return whether an answer may come."""
        if not self._is_asking:
            self._needed = need
            self._is_asking = self._ask(self)
        return self._is_asking

    def _amounts(self, need: Need, calls: int) -> dict[str, object]:
        found: dict[str, object] = {}
        for measure, known in need._asdict().items():
            amount = self._typical.get(measure) if known is None else known
            if amount is not None:
                found[measure] = text_of(measure, amount * calls)
        return found

    def _take_up(self, answer: Mapping[str, Any], now_s: float) -> str:
        """Return the id of a reservation that nobody needs any more, or nothing."""
        budgets = [limit_of(one) for one in answer["budgets"]]
        over = tuple(one for one in budgets if one.id in answer["over"])
        if not answer["granted"]:
            self._refused_at_s, self._refused, self._refused_by = now_s, self._asked, over
            self._calls = 1
            self._typical.clear()  # one very large call must not keep out small ones for ever
            return ""
        self._refused_at_s = -_STALE_S
        before = self._lease
        is_over = self._retire()
        self._free_until_s = now_s + _FREE_S if not budgets else 0.0
        if budgets:
            self._over, self._soft = over, tuple(b for b in budgets if b.level == "soft")
            self._begin(answer, before, now_s)
        return before.id if before is not None and is_over else ""

    def _begin(self, answer: Mapping[str, Any], before: Lease | None, now_s: float) -> None:
        left = {m: amount_of(m, text) for m, text in answer["amounts"].items()}
        self._guess = {measure: left[measure] for measure in self._guessed if measure in left}
        self._grow(before, now_s)
        reservation = str(answer["reservation"])
        self._lease = Lease(reservation, dict(left), left, now_s + _USE_S, now_s, used_at_s=now_s)

    def _grow(self, before: Lease | None, now_s: float) -> None:
        """Ask for twice as many calls where the last lease was used up at once, else for one."""
        is_hot = before is not None and now_s - before.began_s < _HOT_S
        self._calls = min(_MOST_CALLS, self._calls * 2) if is_hot else 1

    def _retire(self) -> bool:
        """Admit no more calls with the lease; return whether it covers none any more."""
        lease, self._lease = self._lease, None
        if lease is None:
            return False
        lease.is_retired = True
        return lease.in_flight == 0


def _end_sleep(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)


def _is_on_event_loop() -> bool:
    found = sys.modules.get("asyncio")
    if found is None:
        return False
    try:
        found.get_running_loop()
    except RuntimeError:
        return False
    return True
