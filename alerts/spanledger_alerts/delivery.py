"""What is sent of a queue: a pure function of what waits, what was delivered, and the time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from spanledger_alerts.notification import Incident, Notification, Severity, Transition
from spanledger_alerts.rules import RANKS
from spanledger_alerts.stored import Payload, payload_of, payload_text
from spanledger_storage.alert_outbox import Claim, OutboxRow

_NS_PER_S = 10**9
_EXPIRES_NS = 24 * 3_600 * _NS_PER_S
_LONGEST_WAIT_S = 300.0
_JITTER = 0.2


def heads(rows: Sequence[OutboxRow], now_ns: int) -> Iterator[list[OutboxRow]]:
    """Return what waits of each group that may be sent now: rows of one run, in order.

    A group whose first row is being sent, or waits to be tried again, waits as a whole: nothing
    overtakes.
    """
    by_group: dict[str, list[OutboxRow]] = {}
    for row in rows:
        by_group.setdefault(row.group_id, []).append(row)
    for waiting in by_group.values():
        head = waiting[0]
        # What was put back stands before what may be under way.
        is_taken = any(o.status == "sending" and o.claimed_until_ns > now_ns for o in waiting)
        if not is_taken and head.not_before_ns <= now_ns:
            yield [row for row in waiting if row.group_key == head.group_key]


def plan(rows: Sequence[OutboxRow], delivered: Sequence[OutboxRow], now_ns: int) -> Claim:
    """Return what to send for the waiting rows of one run of a group.

    Rows that nobody can have seen are told by the last of them: what came and went in between is
    no news. One that may have been taken is sent again as it was, under its own id. One that was
    put back after a later one had been taken has nothing left to tell.

    Args:
        rows: what waits, in order; not empty.
        delivered: what the channel took last of the run, and what it may have taken since.
        now_ns: UTC nanoseconds.
    """
    told_until = max((row.id for row in delivered if _tells_all(row)), default=0)
    told = [row.id for row in rows if row.id < told_until]
    rows = [row for row in rows if row.id > told_until] or rows[-1:]
    if rows[-1].id < told_until:
        return Claim(rows[-1], rows[-1].transition, rows[-1].payload, told[:-1], ends_as="merged")
    fresh = [row for row in rows if now_ns - row.waits_since_ns < _EXPIRES_NS]
    doubtful = next((row for row in fresh if row.is_doubtful or row.status == "sending"), None)
    if doubtful is not None:
        before = [row for row in rows if row.id < doubtful.id]
        if doubtful.transition != "acknowledge" or not before:
            merged = [*told, *(row.id for row in before)]
            return Claim(doubtful, doubtful.transition, doubtful.payload, merged)
        rows = before  # an acknowledgement does not tell what was before it
    expired = [r.id for r in rows if r not in fresh and r.transition != "resolve"]
    left = [row for row in rows if row.id not in expired]
    if not left:
        last = rows[-1]
        return Claim(last, last.transition, last.payload, told, expired[:-1], ends_as="expired")
    last = left[-1]
    merged = [*told, *(row.id for row in left[:-1])]
    payload = _merged([payload_of(row.payload) for row in left], _seen(delivered), now_ns)
    if payload is None:
        return Claim(last, last.transition, last.payload, merged, expired, ends_as="merged")
    transition = payload.notification.transition
    return Claim(last, transition, payload_text(payload), merged, expired)


def _tells_all(row: OutboxRow) -> bool:
    """Whether a row was taken and told all that was new; an acknowledgement does not."""
    return row.status == "sent" and row.transition != "acknowledge"


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a channel knows.

    Attributes:
        incidents: that it knows as firing, by key: it took them, or may have.
        certain: how it was told of those for certain.
        counted: keys of all that it was told to fire, listed or not.
    """

    incidents: dict[str, Incident]
    certain: dict[str, Incident]
    counted: frozenset[str]

    def severity(self, key: str) -> Severity | None:
        """Return as how severe it knows what fires; None: it does not for certain."""
        one = self.certain.get(key)
        return None if one is None or one.ended_ns is not None else one.severity

    def is_acknowledged(self, key: str) -> bool:
        """Return whether it knows for certain that somebody looks after an incident."""
        return key in self.certain and bool(self.certain[key].acknowledged_by)


def _seen(delivered: Sequence[OutboxRow]) -> _Seen:
    incidents: dict[str, Incident] = {}
    certain: dict[str, Incident] = {}
    counted: frozenset[str] = frozenset()
    for row in delivered:
        payload = payload_of(row.payload)
        is_certain = row.status == "sent"
        counted = frozenset(payload.firing)
        for one in (*payload.kept, *payload.notification.incidents):
            if one.ended_ns is None:
                incidents[one.key] = one
            elif is_certain:  # else it may be open there still
                incidents.pop(one.key, None)
            if is_certain:
                certain[one.key] = one
    return _Seen(incidents, certain, counted)


@dataclass(frozen=True, slots=True)
class _Latest:
    """What holds after all that waits."""

    payload: Payload
    acknowledged: dict[str, Incident]
    ended: dict[str, Incident]


def _latest(payloads: Sequence[Payload]) -> _Latest | None:
    """Return the last state of the group; None: acknowledgements alone wait."""
    last: Payload | None = None
    acknowledged: dict[str, Incident] = {}
    ended: dict[str, Incident] = {}
    for payload in payloads:
        incidents = payload.notification.incidents
        if payload.notification.transition == "acknowledge":
            acknowledged |= {one.key: one for one in incidents}
        else:
            last = payload
            ended |= {one.key: one for one in incidents if one.ended_ns is not None}
    return None if last is None else _Latest(last, acknowledged, ended)


def _merged(payloads: Sequence[Payload], seen: _Seen, now_ns: int) -> Payload | None:
    """Return one notification for all; None: there is nothing the channel needs to know."""
    latest = _latest(payloads)
    if latest is None:
        everything = [one for payload in payloads for one in payload.notification.incidents]
        found = {one.key: one for one in everything if one.key in seen.incidents}
        if not found:
            return None
        counted = replace(payloads[-1], firing=tuple(sorted(seen.counted)))
        return _with(counted, "acknowledge", list(found.values()), seen)
    last = latest.payload
    # Who looks after one was perhaps told after what is tried again.
    acknowledged = {k: o for k, o in seen.incidents.items() if o.acknowledged_by}
    acknowledged |= latest.acknowledged
    shown = [one for one in last.notification.incidents if one.ended_ns is None]
    firing = [one if one.acknowledged_by else acknowledged.get(one.key, one) for one in shown]
    still = frozenset(last.firing)
    ended = [
        latest.ended.get(key) or replace(one, ended_ns=now_ns)
        for key, one in seen.incidents.items()
        if key not in still
    ]
    if not firing and not ended:
        return None
    transition: Transition = "resolve" if not still else "update" if seen.incidents else "trigger"
    merged = _with(last, transition, [*firing, *ended], seen)
    is_repeat = last.notification.is_repeat and len(payloads) == 1
    said = replace(
        merged.notification,
        is_repeat=is_repeat,
        known=() if is_repeat else merged.notification.known,
        ended_left_out=max(0, len(seen.counted - still) - len(ended)),
    )
    return replace(merged, notification=said)


def _with(
    payload: Payload, transition: Transition, incidents: Sequence[Incident], seen: _Seen
) -> Payload:
    """Return a payload that tells of these incidents, with what the channel knows besides."""
    listed = {one.key for one in incidents}
    firing = [one for one in incidents if one.ended_ns is None]
    known = [one.key for one in firing if seen.severity(one.key) == one.severity]
    acknowledged = [o.key for o in firing if o.acknowledged_by and not seen.is_acknowledged(o.key)]
    told = replace(
        payload.notification,
        transition=transition,
        incidents=incidents,
        known=tuple(known),
        acknowledged=tuple(acknowledged),
    )
    kept = tuple(one for key, one in seen.incidents.items() if key not in listed)
    return replace(payload, notification=told, kept=kept)


def handed(row: OutboxRow, payload: str, receipt: str) -> Notification:
    """Return what is handed to the channel: what fires before what ended, most severe first."""
    told = payload_of(payload).notification
    ordered = sorted(told.incidents, key=lambda o: (o.ended_ns is not None, -RANKS[o.severity]))
    return replace(told, id=f"{row.group_key}/{row.id}", incidents=ordered, receipt=receipt)


def backoff_s(row_id: int, attempt: int) -> float:
    """Return how long to wait after a failed attempt: 1, 2, 4 … 300 s, give or take a fifth.

    The same for the same row and attempt, so that a plan can be repeated.
    """
    base = min(_LONGEST_WAIT_S, 2.0 ** min(attempt, 20))
    digest = sha256(f"{row_id}/{attempt}".encode()).digest()
    share = int.from_bytes(digest[:4], "big") / 2**32
    return base * (1 - _JITTER + 2 * _JITTER * share)


class TokenBucket:
    """How fast a channel may be used; ``per_s`` for long, ``burst`` at once."""

    def __init__(self, per_s: float, burst: int, now_ns: int) -> None:
        self._per_s = per_s
        self._burst = burst
        self._tokens = float(burst)
        self._at_ns = now_ns

    def take(self, now_ns: int) -> bool:
        """Return whether something may be sent now, and count it."""
        passed_s = max(0, now_ns - self._at_ns) / _NS_PER_S
        self._tokens = min(float(self._burst), self._tokens + passed_s * self._per_s)
        self._at_ns = max(self._at_ns, now_ns)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
