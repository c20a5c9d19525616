"""What a channel is given to send: one incident, or a group of them, in words and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Severity = Literal["info", "warning", "critical"]
Transition = Literal["trigger", "update", "acknowledge", "resolve"]


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


@dataclass(frozen=True, slots=True)
class Notification:
    """What is sent at once: incidents of one group that changed alike.

    Attributes:
        id: the same at every attempt.
        transition: what happened to them; ``update``: more or fewer fire, or severity changed.
        group: what they have in common, readable: ``project / rule``.
        group_key: stable id of the group's current run: a message with it may be updated in place.
        incidents: most severe first; at most 50, ``left_out`` says how many more there are.
        receipt: what the channel returned for the group's last notification; empty: nothing.
    """

    id: str
    transition: Transition
    group: str
    group_key: str
    incidents: Sequence[Incident]
    left_out: int = 0
    receipt: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])


class Channel(Protocol):
    """Where notifications go. One file each; the outbox owns retries, order and limits."""

    def send(self, notification: Notification) -> str:
        """Send once; return a receipt, such as a message's id, that later sends are given.

        Raises:
            DeliveryError: it was not taken; the error knows whether it may be tried again.
        """
        ...


class DeliveryError(Exception):
    """A notification was not taken.

    Attributes:
        permanent: trying again cannot help.
        retry_after_s: how long the other side asks to wait; None: it does not say.
        is_doubtful: it may have been taken all the same (a timeout after sending).
    """

    def __init__(
        self,
        reason: str,
        *,
        permanent: bool,
        retry_after_s: float | None = None,
        is_doubtful: bool = False,
    ) -> None:
        super().__init__(reason)
        self.permanent = permanent
        self.retry_after_s = retry_after_s
        self.is_doubtful = is_doubtful
