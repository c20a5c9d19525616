"""How a value came to be what it is: what the rule would have seen before, for a small chart."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from spanledger_alerts.looking import look
from spanledger_alerts.measures import MEASURES, Sources
from spanledger_alerts.rules import Rule
from spanledger_alerts.sample import Failure, Sample
from spanledger_alerts.state_machine import Instance

log = logging.getLogger(__name__)

Series = tuple[tuple[int, float], ...]
"""(UNIX seconds, value), in order."""
MOST_POINTS = 24
_NS_PER_S = 10**9
_SHORTEST_S, _LONGEST_S = 3_600, 86_400
_EVALUATIONS = 60
_LONGEST_LOOK_S = 2.0
_MOST_ROWS = 50_000
_Key = str | frozenset[tuple[str, str]]


def window_s(rule: Rule) -> int:
    """Return how far back a chart goes: sixty evaluations, at least an hour, at most a day."""
    return min(_LONGEST_S, max(_SHORTEST_S, _EVALUATIONS * rule.every))


def has_history(rule: Rule) -> bool:
    """Return whether what a rule looks at can tell of a time that is over."""
    if rule.finding:
        return False  # of a finding the value is its dollars, not a course of something
    return MEASURES[rule.measure].has_history if rule.measure else "{t:" in rule.sql


class History:
    """Values of the instances of a rule before a time, read when they are first asked for.

    It reads the rule's own rows at 24 times, the latest first, for two seconds and 50,000 rows at
    most: what is not known by then is left out. All instances of the rule share what was read.

    Args:
        rule: whose measure is read.
        sources: where it reads.
        project: whose.
        t_ns: UTC nanoseconds; the last evaluation is at this time of the grid, or before.
        passed_s: a clock that only measures how long reading takes.
    """

    def __init__(
        self,
        rule: Rule,
        sources: Sources,
        project: str,
        t_ns: int,
        passed_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rule = rule
        self._sources = sources
        self._project = project
        self._t_ns = t_ns
        self._passed_s = passed_s
        self._found: dict[_Key, list[tuple[int, float]]] | None = None

    def of(self, instance: Instance) -> Series:
        """Return the values of an instance; empty: fewer than two are known."""
        if self._found is None:
            self._found = self._read() if has_history(self._rule) else {}
        found = sorted(self._found.get(_key(instance.sample), ()))
        return tuple(found) if len(found) > 1 else ()

    def _read(self) -> dict[_Key, list[tuple[int, float]]]:
        found: dict[_Key, list[tuple[int, float]]] = {}
        every_ns = self._rule.every * _NS_PER_S
        step_ns = max(1, window_s(self._rule) * _NS_PER_S // MOST_POINTS // every_ns) * every_ns
        last_ns = self._t_ns // every_ns * every_ns
        until_s, rows = self._passed_s() + _LONGEST_LOOK_S, 0
        for number in range(MOST_POINTS):
            slot_ns = last_ns - number * step_ns
            try:
                outcome = look(self._rule, self._sources, self._project, slot_ns)
            except Exception as error:  # whatever it is: a page without a chart is a page
                log.info("no chart of rule %s: %s", self._rule.name, type(error).__name__)
                break
            samples = [] if isinstance(outcome, Failure) else outcome
            for sample in samples:
                if sample.value is not None:
                    point = (slot_ns // _NS_PER_S, float(sample.value))
                    found.setdefault(_key(sample), []).append(point)
            rows += len(samples)
            if self._passed_s() > until_s or rows >= _MOST_ROWS:
                break
        return found


def _key(sample: Sample) -> _Key:
    return sample.identity or frozenset(sample.labels.items())
