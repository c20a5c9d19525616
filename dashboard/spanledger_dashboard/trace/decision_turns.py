"""An agent's work as turns: it saw something, asked its model, and did what the model decided."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from spanledger_dashboard.trace.steps import Step


@dataclass(slots=True)
class Turn:
    """One call of a model and what followed from it.

    Attributes:
        number: from 1, over the whole trace, by start.
        call: the decision.
        before: what was done for this decision before any other was made, such as retrieval.
        actions: tools, agents and searches that followed, by start.
    """

    number: int
    call: Step
    before: list[Step] = field(default_factory=list)
    actions: list[Step] = field(default_factory=list)

    @property
    def cost_usd(self) -> Decimal | None:
        """The call's dollars and those of its actions, without agents it set to work."""
        costs = [
            s.cost_usd for s in (self.call, *self.before, *self.actions) if s.cost_usd is not None
        ]
        return sum(costs, Decimal(0)) if costs else None

    @property
    def duration_ns(self) -> int:
        """From the start of the call to the end of its last action."""
        return max(s.end_ns for s in (self.call, *self.actions)) - self.call.start_ns


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of a trace, and the steps that belong to none."""

    all: tuple[Turn, ...]
    apart: tuple[Step, ...]

    @property
    def apart_usd(self) -> Decimal | None:
        """What the steps outside any turn cost."""
        costs = [s.cost_usd for s in self.apart if s.cost_usd is not None]
        return sum(costs, Decimal(0)) if costs else None


def turns_of(steps: Sequence[Step]) -> Turns:
    """Return the turns that the steps of a trace make.

    An action belongs to the model call it lies in, else to the latest one its agent had begun
    when the action started. What an agent did before its first call prepared that call.
    """
    calls = [s for s in steps if s.role == "llm"]
    turns = {s.span_id: Turn(n, s) for n, s in enumerate(calls, 1)}
    by_owner: defaultdict[str, list[Step]] = defaultdict(list)
    for call in calls:
        by_owner[call.owner_id].append(call)
    starts = {owner: [c.start_ns for c in found] for owner, found in by_owner.items()}
    known = {s.span_id: s for s in steps}
    apart: list[Step] = []
    for step in steps:
        if step.role == "llm" or _is_inside_tool(step, known):
            continue
        if step.above_id in turns:
            turns[step.above_id].actions.append(step)
            continue
        own = by_owner.get(step.owner_id)
        if not own:
            apart.append(step)
            continue
        place = bisect_right(starts[step.owner_id], step.start_ns) - 1
        turn = turns[own[max(place, 0)].span_id]
        (turn.actions if place >= 0 else turn.before).append(step)
    return Turns(tuple(turns.values()), tuple(apart))


def _is_inside_tool(step: Step, known: dict[str, Step]) -> bool:
    """Return whether a tool set this agent to work: the tool is the action, and costs nothing."""
    above = known.get(step.above_id)
    return step.role == "agent" and above is not None and above.role == "tool"
