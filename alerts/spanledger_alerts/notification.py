"""What a channel is given to send: one incident, or a group of them, in words and figures.

The engine knows ``Facts``; ``content.incident(facts, base_url)`` returns the ``Incident`` in words.
``channels.load_channels(file, environ)`` returns ``ConfiguredChannel`` by name. The sender calls
``channel.send`` from one thread per channel at a time, and does all waiting and trying again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, Protocol

Severity = Literal["info", "warning", "critical"]
Transition = Literal["trigger", "update", "acknowledge", "resolve"]
Unit = Literal["usd", "ratio", "seconds", "tokens", "count"]
Cause = Literal["value", "finding", "no_data", "error"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the engine knows of an instance; ``content.incident(facts, base_url)`` says it.

    Attributes:
        key: ``project/instance/generation``.
        rule: name of the rule; ``title`` and ``description`` are its words, one line and some.
        labels: which instance; from outside, so hostile.
        cause: why it fires: a value, a finding, no data, or the rule's own error.
        value: in ``unit``; None: there is none.
        op: how value and threshold compare when it fires: ``>=``, ``>``, ``<=`` or ``<``.
        threshold: of the severity it has; None: none.
        baseline: what is usual, in ``unit``; None: not known.
        usd: what it costs, exact, when it is over at its worst; None: not known.
        worst: of what is over, the value farthest beyond the threshold; None: it fires, or is not
            known.
        headline: of a finding: its title; else empty.
        explanation: of a finding: its explanation; of an error: the error; else empty.
        trace_ids: up to three traces that show it, most telling first.
        view: path and query of the view below the dashboard's address; empty: none.
        started_ns: UTC nanoseconds since when; ``ended_ns``: None while it fires.
        acknowledged_by: who; empty: nobody.
        series: (UNIX seconds, value) of a small chart; empty: none.
    """

    key: str
    project: str
    rule: str
    title: str
    description: str
    labels: Mapping[str, str]
    severity: Severity
    cause: Cause
    unit: Unit = "count"
    value: Decimal | None = None
    op: str = ">="
    threshold: Decimal | None = None
    baseline: Decimal | None = None
    usd: Decimal | None = None
    worst: Decimal | None = None
    headline: str = ""
    explanation: str = ""
    trace_ids: Sequence[str] = ()
    view: str = ""
    runbook: str = ""
    owner: str = ""
    started_ns: int = 0
    ended_ns: int | None = None
    acknowledged_by: str = ""
    series: Sequence[tuple[int, float]] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A place to look."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Incident:
    """One instance of a rule that fires, or fired.

    Attributes:
        key: ``project/instance/generation``: the same from trigger to resolve, new for the next
            incident of the same instance.
        rule: name of the rule.
        labels: which instance: a project, an agent, a user; from outside, so hostile.
        severity: now.
        title: one line: what happened, to whom, how much.
        lines: what happened, since when, compared with what, the likely cause; plain text.
        value: as it reads, with its unit: ``$12.40``, ``4.2 %``; empty: there is none.
        threshold: the same of what it passed.
        usd: what it costs, as it reads; empty: not known.
        started_ns: UTC nanoseconds.
        ended_ns: None while it fires.
        links: view with its time range, top traces, runbook.
        owner: whom the rule names; empty: nobody.
        series: (UNIX seconds, value) of a small chart; empty: none.
        limit: the threshold, as the chart shows it; None: there is none.
        acknowledged_by: who looks after it; empty: nobody.
    """

    key: str
    rule: str
    labels: Mapping[str, str]
    severity: Severity
    title: str
    lines: Sequence[str]
    value: str = ""
    threshold: str = ""
    usd: str = ""
    started_ns: int = 0
    ended_ns: int | None = None
    links: Sequence[Link] = ()
    owner: str = ""
    series: Sequence[tuple[int, float]] = ()
    limit: float | None = None
    acknowledged_by: str = ""


@dataclass(frozen=True, slots=True)
class Notification:
    """What is sent at once: incidents of one group that changed alike.

    Attributes:
        id: the same at every attempt.
        transition: what happened to them; ``update``: more or fewer fire, or severity changed.
        group: what they have in common, readable: ``project / rule``.
        group_key: stable id of the group's current run: a message with it may be updated in place.
        incidents: what fires, at most 50, most severe first; then those the channel was shown
            before and that ended since (``ended_ns`` says so).
        left_out: how many more fire; ``ended_left_out``: how many more ended.
        known: keys of those among them that the channel took before, as severe as they are.
        acknowledged: keys of those among them that somebody looks after, which the channel was not
            told before.
        receipt: what the channel said last for the group, returned or in an error; empty: nothing.
        is_repeat: nothing changed, but it still fires: worth a new message.
    """

    id: str
    transition: Transition
    group: str
    group_key: str
    incidents: Sequence[Incident]
    left_out: int = 0
    receipt: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    is_repeat: bool = False
    ended_left_out: int = 0
    known: Sequence[str] = ()
    acknowledged: Sequence[str] = ()


class Channel(Protocol):
    """Where notifications go. One file each; the outbox owns retries, order and limits."""

    def send(self, notification: Notification) -> str:
        """Send once; return a receipt, such as a message's id, that later sends are given.

        Raises:
            DeliveryError: it was not taken; the error knows whether it may be tried again.
        """
        ...


@dataclass(frozen=True, slots=True)
class ConfiguredChannel:
    """A channel as a person configured it.

    Attributes:
        name: what rules call it.
        kind: name in ``CHANNELS``.
        per_s: notifications a second it takes for long; ``burst``: at once.
    """

    name: str
    kind: str
    channel: Channel
    per_s: float = 1.0
    burst: int = 5


class DeliveryError(Exception):
    """A notification was not taken.

    Attributes:
        permanent: trying again cannot help.
        retry_after_s: how long the other side asks to wait; None: it does not say.
        is_doubtful: it may have been taken all the same (a timeout after sending).
        receipt: what was done before it failed; kept like a returned one, so that the next attempt
            goes on from there and does nothing twice. Empty: keep what there is.
    """

    def __init__(
        self,
        reason: str,
        *,
        permanent: bool,
        retry_after_s: float | None = None,
        is_doubtful: bool = False,
        receipt: str = "",
    ) -> None:
        super().__init__(reason)
        self.permanent = permanent
        self.retry_after_s = retry_after_s
        self.is_doubtful = is_doubtful
        self.receipt = receipt
