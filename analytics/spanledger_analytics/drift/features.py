"""What is compared of an agent: what it does, how much of it, and how that ends.

To add a feature: fill it in ``reading.py``, add its line to ``FEATURES``, name it in
docs/findings.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Feature(NamedTuple):
    """One thing that is compared; ``good``: the action that is a good outcome, where one is."""

    name: str
    title: str
    is_number: bool = False
    good: str = ""


FEATURES = (
    Feature("tools", "which tools it calls"),
    Feature("tool_pairs", "which tool follows which"),
    Feature("hand_offs", "hand-offs between agents"),
    Feature("tool_errors", "failed tool calls", good="ok"),
    Feature("model_errors", "failed model calls", good="ok"),
    Feature("answers", "how answers end", good="answered"),
    Feature("outcomes", "task outcomes", good="completed"),
    Feature("steps", "steps per request", is_number=True),
    Feature("llm_calls", "model calls per request", is_number=True),
    Feature("tool_calls", "tool calls per request", is_number=True),
    Feature("output_tokens", "output tokens per model call", is_number=True),
)


@dataclass(slots=True)
class Trajectory:
    """What one trajectory did on one side of a comparison.

    Attributes:
        day: of its first trace on that side, days since 1970.
        counts: by feature, how often each action was taken.
        numbers: by feature; one that is not there is not known.
        example: its first trace and that trace's root span.
    """

    day: int
    counts: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    numbers: dict[str, float] = field(default_factory=dict[str, float])
    example: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Sample:
    """An agent's version on a day, and what it can be compared with.

    Attributes:
        now: trajectories of the day.
        before: of the same version, on the days before.
        others: of other versions, on the days before.
    """

    agent_name: str
    agent_version: str
    now: Sequence[Trajectory]
    before: Sequence[Trajectory] = ()
    others: Sequence[Trajectory] = ()
