"""The queue of notifications: one queue for each channel and group, in the order they were made."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from spanledger_storage.alert_figures import count_deliveries
from spanledger_storage.alert_rows import NewOutbox, TimelineRow
from spanledger_storage.alert_state import add_timeline, new_outbox_values
from spanledger_storage.alert_tables import WAITS_SINCE, attempts, outbox, reading, writing

_OPEN = ("waiting", "sending")
_REASON_LIMIT = 1_000


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A notification and how it fares; times in UTC nanoseconds.

    Attributes:
        status: ``waiting``; ``sending``: somebody has it until ``claimed_until_ns``; ``sent``;
            ``dead``: refused for good; ``expired``; ``merged``: a later one tells it;
            ``dropped``: somebody gave it up.
        is_doubtful: the other side may have taken it though nobody knows.
        retried_at_ns: when somebody had it tried again after it was refused; None: nobody did.
    """

    id: int
    project: str
    rule: str
    channel: str
    group_id: str
    group_key: str
    transition: str
    payload: str
    status: str
    created_at_ns: int
    not_before_ns: int
    claimed_until_ns: int
    attempts: int
    is_doubtful: bool
    receipt: str
    last_error: str
    ended_at_ns: int | None
    retried_at_ns: int | None = None

    @property
    def waits_since_ns(self) -> int:
        """Since when it waits, UTC nanoseconds."""
        return self.retried_at_ns or self.created_at_ns


@dataclass(frozen=True, slots=True)
class Claim:
    """What is about to be sent, and what need not be.

    Attributes:
        row: as it was read; it is claimed only if nobody changed it since.
        transition, payload: what it becomes.
        merged, expired: ids of rows that leave the queue.
        ends_as: ``merged`` or ``expired``: nothing has to be sent, the row leaves the queue as
            well; empty: it is sent.
    """

    row: OutboxRow
    transition: str
    payload: str
    merged: Sequence[int] = ()
    expired: Sequence[int] = ()
    ends_as: str = ""


@dataclass(frozen=True, slots=True)
class Attempted:
    """How sending went.

    Attributes:
        status: ``sent``, ``waiting`` (to be tried again) or ``dead``.
        new: what is to be sent because of it, in the same transaction.
    """

    status: str
    receipt: str = ""
    reason: str = ""
    not_before_ns: int = 0
    is_doubtful: bool = False
    new: Sequence[NewOutbox] = ()
    timeline: Sequence[TimelineRow] = ()


class AlertOutbox:
    """Reads and changes the queue.

    Methods raise StateError when the database does not answer, is read-only or lacks the tables.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def channels(self) -> list[str]:
        """Return the channels for which something waits."""
        statement = sa.select(outbox.c.channel).where(outbox.c.status.in_(_OPEN)).distinct()
        with reading(self._engine) as connection:
            return sorted(str(row.channel) for row in connection.execute(statement))

    def queue(self, channel: str, limit: int = 2_000) -> list[OutboxRow]:
        """Return what waits for a channel, in order."""
        mine = (outbox.c.channel == channel) & outbox.c.status.in_(_OPEN)
        statement = sa.select(outbox).where(mine).order_by(outbox.c.id).limit(limit)
        with reading(self._engine) as connection:
            return [OutboxRow(*row) for row in connection.execute(statement)]

    def delivered(self, group_key: str, channel: str) -> list[OutboxRow]:
        """Return what a channel took last of a run of a group, and may have taken since, in order.

        What it took last also says what it knows of what was sent before. What was tried again is
        taken after rows that were made later: order is that of the end.
        """
        mine = (outbox.c.group_key == group_key) & (outbox.c.channel == channel)
        is_sent = outbox.c.status == "sent"
        last = sa.select(outbox.c.id, outbox.c.ended_at_ns).where(mine, is_sent)
        last = last.order_by(outbox.c.ended_at_ns.desc(), outbox.c.id.desc()).limit(1)
        found = last.cte("last")
        last_id, last_ns = (sa.select(column).scalar_subquery() for column in found.c)
        since = outbox.c.ended_at_ns.is_(None) | (
            outbox.c.ended_at_ns >= sa.func.coalesce(last_ns, 0)
        )
        taken = (outbox.c.id == last_id) | (~is_sent & outbox.c.is_doubtful & since)
        in_order = (sa.case((is_sent, 0), else_=1), outbox.c.id)
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(outbox).where(mine, taken).order_by(*in_order))
            return [OutboxRow(*row) for row in rows]

    def claim(self, claim: Claim, now_ns: int, until_ns: int) -> bool:
        """Take a notification to send it, with those it stands for; False: somebody else did."""
        row = claim.row
        unchanged = (outbox.c.id == row.id) & (outbox.c.status == row.status)
        unchanged &= outbox.c.claimed_until_ns == row.claimed_until_ns
        sending = {"status": "sending", "claimed_until_ns": until_ns}
        ending = {"status": claim.ends_as, "ended_at_ns": now_ns}
        said: dict[str, Any] = {"transition": claim.transition, "payload": claim.payload}
        said["is_doubtful"] = row.is_doubtful or row.status == "sending"  # whoever had it died
        with writing(self._engine) as connection:
            statement = sa.update(outbox).where(unchanged)
            done = connection.execute(
                statement.values(**said, **(ending if claim.ends_as else sending))
            )
            if not done.rowcount:
                return False
            leaving = [(claim.merged, "merged"), (claim.expired, "expired")]
            if claim.ends_as:
                leaving.append(([row.id], claim.ends_as))
            for ids, status in leaving:
                _leave(connection, row.channel, ids, status, now_ns)
            return True

    def finish(self, row: OutboxRow, attempted: Attempted, now_ns: int, until_ns: int) -> bool:
        """Note how an attempt went; False: nothing is, because another sender took the row since.

        Args:
            row: as it was before it was claimed.
            attempted: how it went.
            now_ns: UTC nanoseconds.
            until_ns: until when it was claimed.
        """
        mine = (outbox.c.id == row.id) & (outbox.c.claimed_until_ns == until_ns)
        values: dict[str, Any] = {
            "status": attempted.status,
            "attempts": outbox.c.attempts + 1,
            "claimed_until_ns": 0,
            "not_before_ns": attempted.not_before_ns,
            "is_doubtful": row.is_doubtful or row.status == "sending" or attempted.is_doubtful,
            "receipt": attempted.receipt,
            "last_error": attempted.reason[:_REASON_LIMIT],
            "ended_at_ns": None if attempted.status == "waiting" else now_ns,
        }
        outcome = {"waiting": "failed"}.get(attempted.status, attempted.status)
        with writing(self._engine) as connection:
            if not connection.execute(sa.update(outbox).where(mine).values(values)).rowcount:
                return False
            _note(connection, row.channel, [row.id], outcome, now_ns, attempted.reason)
            if attempted.new:
                new = [new_outbox_values(one) for one in attempted.new]
                connection.execute(sa.insert(outbox), new)
            add_timeline(connection, attempted.timeline)
            return True

    def newest_of_group(self, group_id: str) -> OutboxRow | None:
        """Return the latest notification of a group, on whatever channel."""
        statement = sa.select(outbox).where(outbox.c.group_id == group_id)
        with reading(self._engine) as connection:
            row = connection.execute(statement.order_by(outbox.c.id.desc()).limit(1)).first()
            return None if row is None else OutboxRow(*row)

    def health(self, now_ns: int) -> dict[str, dict[str, int]]:
        """Return by channel: how much waits, how old it is (seconds), what failed of late.

        Keys: waiting, oldest_s, dead (of the last day), sent (of the last day).
        """
        day_ns = now_ns - 86_400 * 10**9
        of_day = outbox.c.ended_at_ns >= day_ns
        is_open = outbox.c.status.in_(_OPEN)
        statement = sa.select(
            outbox.c.channel,
            _count(is_open).label("waiting"),
            sa.func.min(sa.case((is_open, WAITS_SINCE))).label("oldest_ns"),
            _count((outbox.c.status == "dead") & of_day).label("dead"),
            _count((outbox.c.status == "sent") & of_day).label("sent"),
        ).group_by(outbox.c.channel)
        with reading(self._engine) as connection:
            return {
                str(row.channel): {
                    "waiting": int(row.waiting),
                    "oldest_s": max(0, now_ns - (row.oldest_ns or now_ns)) // 10**9,
                    "dead": int(row.dead),
                    "sent": int(row.sent),
                }
                for row in connection.execute(statement)
            }

    def last_attempts(self) -> dict[str, tuple[int, str, str]]:
        """Return of each channel the last attempt: UTC nanoseconds, outcome, reason."""
        tried = attempts.c.outcome.in_(("sent", "failed", "dead"))
        newest = sa.select(sa.func.max(attempts.c.id)).where(tried).group_by(attempts.c.channel)
        statement = sa.select(attempts).where(attempts.c.id.in_(newest))
        with reading(self._engine) as connection:
            return {
                str(row.channel): (int(row.at_ns), str(row.outcome), str(row.reason))
                for row in connection.execute(statement)
            }


def _count(what: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((what, 1), else_=0)), 0)


def _leave(
    connection: sa.Connection, channel: str, ids: Collection[int], status: str, now_ns: int
) -> None:
    if ids:
        statement = sa.update(outbox).where(outbox.c.id.in_(ids))
        connection.execute(statement.values(status=status, ended_at_ns=now_ns))
        _note(connection, channel, ids, status, now_ns, "")


def _note(
    connection: sa.Connection,
    channel: str,
    ids: Collection[int],
    outcome: str,
    now_ns: int,
    reason: str,
) -> None:
    row = {"channel": channel, "at_ns": now_ns, "outcome": outcome}
    rows = [{**row, "outbox_id": one, "reason": reason[:_REASON_LIMIT]} for one in ids]
    connection.execute(sa.insert(attempts), rows)
    count_deliveries(connection, channel, outcome, len(ids))
