"""What rules see at times of their grids: several look at once, findings are read once for all."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from spanledger_alerts.measures import MEASURES, Sources, read_findings
from spanledger_alerts.rules import FINDING_KINDS, Rule
from spanledger_alerts.sample import Failure, Outcome, Sample
from spanledger_alerts.sampling import samples_of, store_time
from spanledger_storage.alert_rows import RuleStateRow
from spanledger_storage.errors import StorageError, StoreError

log = logging.getLogger(__name__)

_NS_PER_S = 10**9
_REASON_LIMIT = 500
_MOST_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class Asked:
    """A rule of a project that is due.

    Attributes:
        state: as its last evaluation left it.
        slot_ns: the time of its grid, UTC nanoseconds.
        waited: since its last evaluation, as a multiple of how often it is evaluated.
    """

    project: str
    rule: Rule
    state: RuleStateRow
    slot_ns: int
    waited: float

    @property
    def order(self) -> tuple[float, int, str, str]:
        """The most urgent first, whatever the project."""
        return (-self.waited, self.rule.every, self.project, self.rule.name)


@dataclass(frozen=True, slots=True)
class Looked:
    """What a rule saw, or why it saw nothing; and how long that took."""

    asked: Asked
    outcome: Outcome
    took_ns: int


class Looker:
    """Looks for rules.

    Args:
        sources: where measures read; safe to use from several threads.
        threads: how many look at once; 0: one after the other, in the caller's thread.
    """

    def __init__(self, sources: Sources, threads: int = 4) -> None:
        self._sources = sources
        self._threads = threads
        self._told: set[tuple[str, str]] = set()

    def look_all(self, asked: Sequence[Asked]) -> Generator[Looked]:
        """Return what each rule sees, in order; whoever stops early leaves the rest unasked.

        Raises:
            StorageError: the store or the state database does not answer.
        """
        findings = _Findings(self._sources)
        if not self._threads or len(asked) < 2:
            yield from (self._look(one, findings) for one in asked)
            return
        waiting: deque[Future[Looked]] = deque()
        with ThreadPoolExecutor(min(self._threads, len(asked)), "alert-rules") as pool:
            try:
                for one in asked:
                    waiting.append(pool.submit(self._look, one, findings))
                    if len(waiting) >= 2 * self._threads:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _look(self, asked: Asked, findings: _Findings) -> Looked:
        """Return what a rule sees; one that fails stops no other."""
        started = time.perf_counter_ns()
        outcome = self._outcome(asked, findings)
        return Looked(asked, outcome, time.perf_counter_ns() - started)

    def _outcome(self, asked: Asked, findings: _Findings) -> Outcome:
        rule = asked.rule
        try:
            if rule.finding:
                t_ns = asked.slot_ns - rule.delay * _NS_PER_S
                return findings.of(asked.project, t_ns, rule.finding)
            return look(rule, self._sources, asked.project, asked.slot_ns)
        except StoreError as error:
            if not error.code:
                raise  # nobody answers: that is no fault of the rule
            reason = f"{type(error).__name__}: {error}"
        except StorageError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            if (asked.project, rule.name) not in self._told:
                self._told.add((asked.project, rule.name))
                log.warning("rule %s failed in project %s: %s", rule.name, asked.project, reason)
        return Failure(reason[:_REASON_LIMIT])


class _Findings:
    """Findings of projects at times, each read once for all rules that ask for it."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._turns: dict[tuple[str, int], threading.Lock] = {}
        self._found: dict[tuple[str, int], list[Sample]] = {}
        self._lock = threading.Lock()

    def of(self, project: str, t_ns: int, kinds: Sequence[str]) -> list[Sample]:
        key = (project, t_ns)
        with self._lock:
            turn = self._turns.setdefault(key, threading.Lock())
        with turn:
            found = self._found.get(key)
            if found is None:
                found = read_findings(self._sources, project, t_ns, FINDING_KINDS)
                if len(self._found) >= _MOST_REMEMBERED:
                    self._found.clear()
                self._found[key] = found
        return [one for one in found if one.labels.get("kind") in kinds]


def look(rule: Rule, sources: Sources, project: str, slot_ns: int) -> Outcome:
    """Return the samples of a rule at a time of its grid.

    Raises:
        StorageError: the store or the state database refuses, or does not answer.
        ValueError: a statement has no column ``value``.
    """
    t_ns = slot_ns - rule.delay * _NS_PER_S
    if rule.finding:
        return read_findings(sources, project, t_ns, rule.finding)
    if rule.measure:
        measure = MEASURES[rule.measure]
        return measure.read(sources, project, t_ns, {**measure.params, **rule.params})
    rows = sources.store.sql_rows(rule.sql, {"project": project, "t": store_time(t_ns)})
    return samples_of(rows)
