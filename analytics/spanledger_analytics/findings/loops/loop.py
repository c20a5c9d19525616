"""What a rule says: the steps that repeat, and which of them were for nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from spanledger_analytics.findings.finding import Json, Severity
from spanledger_analytics.findings.lanes import Lane, Step
from spanledger_analytics.findings.loops.repetition import Repeat
from spanledger_analytics.findings.loops.steps import Segment


def worst_of(severities: Iterable[Severity]) -> Severity:
    """Return the worst of some severities."""
    heard = set(severities)
    return "critical" if "critical" in heard else "warning" if "warning" in heard else "info"


class Place(NamedTuple):
    """A step: of which lane, and its number in it, from 0."""

    lane: Lane
    step: int

    @property
    def what(self) -> Step:
        """The step itself."""
        return self.lane.steps[self.step]


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop that a rule found.

    Attributes:
        code: the rule.
        lane: where it is told; for loops of several runs of agents the first of them.
        severity: what it asks for.
        first: the first copy, which was needed.
        wasted: the copies after it, in order.
        warn: how many of the wasted steps had been made when it could be told.
        period: steps of a copy.
        copies: how many came, the first with them.
        is_sure: it is known from signatures, not from likeness.
        is_output: only the output of the wasted calls was for nothing.
        is_last: nothing came after it in its lane.
        said: what happened, one sentence.
        advice: what to do about it, one sentence.
        details: figures of the rule.
    """

    code: str
    lane: Lane
    severity: Severity
    first: Sequence[Place]
    wasted: Sequence[Place]
    warn: int
    period: int
    copies: int
    said: str
    advice: str
    is_sure: bool = True
    is_output: bool = False
    is_last: bool = False
    details: dict[str, Json] = field(default_factory=dict[str, Json])


def repeated(
    segment: Segment,
    group: Sequence[Repeat],
    severity: Severity,
    said: str,
    advice: str,
    *,
    code: str = "",
) -> Loop:
    """Return repeats of a segment that overlap as one loop; the first of them names it.

    ``said`` may name ``{copies}`` and ``{period}``, which are those of the longest. With a ``code``
    of the caller's own it is not sure.
    """
    lead, lane = group[0], segment.lane
    widest = max(group, key=lambda one: one.end - one.first)
    wasted = sorted({at for one in group for at in one.later})
    held = {at for one in group for at in (one.held or range(one.first, one.end))}
    tools: list[Json] = [*sorted({t.name for at in wasted for t in segment.turns[at].tools})]
    last = segment.turns[max(one.end for one in group) - 1].places[-1]
    return Loop(
        code=code or lead.kind,
        lane=lane,
        severity=severity,
        first=places(lane, segment.numbers(sorted(held.difference(wasted)))),
        wasted=places(lane, segment.numbers(wasted)),
        warn=len(segment.numbers(at for at in wasted if at <= lead.warn)),
        period=widest.period,
        copies=widest.copies,
        said=said.format(copies=widest.copies, period=widest.period),
        advice=advice,
        is_sure=not code,
        is_last=last == len(lane.steps) - 1,
        details={"tools": tools},
    )


def places(lane: Lane, numbers: Sequence[int]) -> list[Place]:
    """Return steps of a lane by their numbers."""
    return [Place(lane, number) for number in numbers]
