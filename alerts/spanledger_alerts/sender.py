"""The sender: takes notifications from the queue and gives them to channels, at least once each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from spanledger_alerts.delivery import TokenBucket, backoff_s, handed, heads, plan
from spanledger_alerts.delivery_trouble import ended_trouble, trouble
from spanledger_alerts.notification import ConfiguredChannel, DeliveryError
from spanledger_alerts.stored import payload_of
from spanledger_storage.alert_outbox import AlertOutbox, Attempted, Claim
from spanledger_storage.alert_rows import TimelineRow

log = logging.getLogger(__name__)

_NS_PER_S = 10**9
_CLAIM_NS = 120 * _NS_PER_S  # longer than any channel takes
_MOST_PER_RUN = 100
_RUN_NS = 5 * _NS_PER_S  # then others have their turn
_LONGEST_PAUSE_S = 3_600.0


@dataclass(slots=True)
class Sent:
    """What one run did."""

    sent: int = 0
    failed: int = 0
    dead: int = 0

    def __add__(self, other: Sent) -> Sent:
        return Sent(self.sent + other.sent, self.failed + other.failed, self.dead + other.dead)


@dataclass(slots=True)
class _Lane:
    """How one channel may be used."""

    bucket: TokenBucket
    paused_until_ns: int = 0


class Sender:
    """Sends what waits.

    Several may run at once: each notification is taken by one of them, and by another only when
    the first has not said within two minutes how it went.

    Args:
        outbox: the queue.
        channels: returns the channels as they are now, by name.
        now_ns: the clock, UTC nanoseconds.
        threads: channels that are served at once; 0: one after the other, in this thread.
    """

    def __init__(
        self,
        outbox: AlertOutbox,
        channels: Callable[[], Mapping[str, ConfiguredChannel]],
        now_ns: Callable[[], int],
        threads: int = 8,
    ) -> None:
        self._outbox = outbox
        self._channels = channels
        self._now_ns = now_ns
        self._threads = threads
        self._lanes: dict[str, _Lane] = {}

    def run_once(self) -> Sent:
        """Send what may be sent now.

        Raises:
            StateError: the state database does not answer; the next run goes on.
        """
        there = self._channels()
        waiting = [there[name] for name in self._outbox.channels() if name in there]
        for channel in waiting:
            if channel.name not in self._lanes:
                bucket = TokenBucket(channel.per_s, channel.burst, self._now_ns())
                self._lanes[channel.name] = _Lane(bucket)
        if not self._threads or len(waiting) < 2:
            return sum((self._serve(one, there) for one in waiting), Sent())
        with ThreadPoolExecutor(min(self._threads, len(waiting))) as pool:
            return sum(pool.map(lambda one: self._serve(one, there), waiting), Sent())

    def _serve(self, channel: ConfiguredChannel, there: Mapping[str, ConfiguredChannel]) -> Sent:
        """Send what waits for one channel, the first of each group."""
        lane = self._lanes[channel.name]
        done = Sent()
        started_ns = now_ns = self._now_ns()
        for rows in heads(self._outbox.queue(channel.name), now_ns):
            now_ns = self._now_ns()
            is_full = done.sent + done.failed + done.dead >= _MOST_PER_RUN
            if is_full or now_ns - started_ns > _RUN_NS or now_ns < lane.paused_until_ns:
                break
            delivered = self._outbox.delivered(rows[0].group_key, channel.name)
            claim = plan(rows, delivered, now_ns)
            if not claim.ends_as and not lane.bucket.take(now_ns):
                break
            until_ns = now_ns + _CLAIM_NS
            if not self._outbox.claim(claim, now_ns, until_ns) or claim.ends_as:
                continue
            receipt = next((row.receipt for row in reversed(delivered) if row.receipt), "")
            attempted = self._attempt(channel, claim, receipt, there, lane)
            if not self._outbox.finish(claim.row, attempted, self._now_ns(), until_ns):
                continue  # it took longer, and another sender says how it went
            done.sent += attempted.status == "sent"
            done.failed += attempted.status == "waiting"
            done.dead += attempted.status == "dead"
        return done

    def _attempt(
        self,
        channel: ConfiguredChannel,
        claim: Claim,
        receipt: str,
        there: Mapping[str, ConfiguredChannel],
        lane: _Lane,
    ) -> Attempted:
        row = replace(claim.row, transition=claim.transition, payload=claim.payload)
        try:
            receipt = channel.channel.send(handed(row, claim.payload, receipt)) or receipt
        except DeliveryError as error:
            failure = error
        except Exception as error:
            log.error("channel %s failed: %s", channel.name, type(error).__name__)
            reason = f"The channel failed: {type(error).__name__}"
            failure = DeliveryError(reason, permanent=False, is_doubtful=True)
        else:
            new = ended_trouble(self._outbox, channel.name, self._now_ns())
            said = self._said(row.project, row.rule, claim, "sent", channel.name)
            return Attempted("sent", receipt, new=new, timeline=said)
        return self._failed(channel, claim, failure, there, lane)

    def _failed(
        self,
        channel: ConfiguredChannel,
        claim: Claim,
        error: DeliveryError,
        there: Mapping[str, ConfiguredChannel],
        lane: _Lane,
    ) -> Attempted:
        row, now_ns = claim.row, self._now_ns()
        reason = str(error)
        receipt = error.receipt or row.receipt  # of what was done before it failed
        if error.permanent:
            new = trouble(self._outbox, channel.name, row, reason, sorted(there), now_ns)
            note = f"{channel.name}: {reason}"
            said = self._said(row.project, row.rule, claim, "undelivered", note)
            doubtful = error.is_doubtful
            return Attempted("dead", receipt, reason, 0, doubtful, new, said)
        wait_s = backoff_s(row.id, row.attempts)
        if error.retry_after_s is not None:
            asked_s = min(max(error.retry_after_s, 0.0), _LONGEST_PAUSE_S)
            wait_s = max(wait_s, asked_s)
            lane.paused_until_ns = now_ns + round(asked_s * _NS_PER_S)
        not_before_ns = now_ns + round(wait_s * _NS_PER_S)
        return Attempted(
            "waiting",
            receipt,
            reason,
            not_before_ns=not_before_ns,
            is_doubtful=error.is_doubtful,
        )

    def _said(
        self, project: str, rule: str, claim: Claim, action: str, note: str
    ) -> list[TimelineRow]:
        now_ns = self._now_ns()
        incidents = payload_of(claim.payload).notification.incidents
        note = f"{claim.transition} · {note}"[:1_000]
        return [TimelineRow(project, rule, one.key, now_ns, action, note=note) for one in incidents]
