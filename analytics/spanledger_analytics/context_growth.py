"""How the prompts of each agent of a trajectory grew from call to call."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

MAX_CALLS = 300
"""Of a lane with more calls, so many evenly spaced ones decide the slope: pairs grow as squares."""
_FEW = 12


class Lane(NamedTuple):
    """The LLM calls of one agent, by time; prompts in tokens.

    ``tokens_per_call`` is the Theil-Sen slope: the median of the slopes between any two calls, so a
    single odd prompt does not count (https://doi.org/10.1080/01621459.1968.10480934).
    """

    agent_name: str
    calls: int
    first_prompt_tokens: int
    last_prompt_tokens: int
    max_prompt_tokens: int
    tokens_per_call: float


def lanes(calls: Iterable[tuple[int, str, int]]) -> list[Lane]:
    """Return the lanes by name, from start (UTC ns), agent and prompt tokens of calls, by time."""
    prompts: defaultdict[str, list[int]] = defaultdict(list)
    for _, agent, prompt in calls:
        prompts[agent].append(prompt)
    return [
        Lane(agent, len(sizes), sizes[0], sizes[-1], max(sizes), theil_sen(sizes))
        for agent, sizes in sorted(prompts.items())
    ]


def theil_sen(sizes: Sequence[int]) -> float:
    """Return the median slope per call; 0 for a single call."""
    turns: Sequence[int] = range(len(sizes))
    if len(sizes) > MAX_CALLS:
        last = len(sizes) - 1
        turns = [place * last // (MAX_CALLS - 1) for place in range(MAX_CALLS)]
    if len(turns) < 2:
        return 0.0
    if len(turns) <= _FEW:
        count = len(sizes)
        slopes = sorted(
            [(sizes[j] - sizes[i]) / (j - i) for i in range(count) for j in range(i + 1, count)]
        )
        middle = len(slopes) // 2
        return slopes[middle] if len(slopes) % 2 else (slopes[middle - 1] + slopes[middle]) / 2
    x = np.array(turns, dtype=np.float64)
    y = np.array([sizes[turn] for turn in turns], dtype=np.float64)
    first, second = np.triu_indices(len(turns), 1)
    return float(np.median((y[second] - y[first]) / (x[second] - x[first])))
