"""How well loops are found: against people's labels, planted ones, and lanes without any.

Reads ``loops/*.jsonl.gz`` in the folder that ``SPANLEDGER_BENCH_DATA`` names: one run of an agent a
line, with ``id``, ``agent``, ``steps`` (``tool``, ``arguments``, ``result``) and, where people
judged it, ``labels`` for each step but the first (runs of three coding agents, arXiv 2506.18824).
Without the folder only lanes made here are measured.

    SPANLEDGER_BENCH_DATA=/data python -m benchmarks.loops

Prints, with fixed seeds:

* step level: precision, recall and F1 of ``repeated_steps``, by agent, and cross-validated;
* alarms in runs without labels;
* recall of loops planted into the runs, by period and by what makes them hard to see;
* precision of alarms in a fleet of which one lane in five has a loop;
* steps per second on lanes of 50 steps.
"""

from __future__ import annotations

import os
import platform
import random
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple, TypeVar

from benchmarks.loop_lanes import (
    HEALTHY,
    Action,
    KnownTexts,
    Planted,
    Run,
    Trouble,
    healthy_lanes,
    make_lane,
    plant,
    read_runs,
)
from spanledger_analytics.findings.detectors.loops import detect
from spanledger_analytics.findings.finding import Finding
from spanledger_analytics.findings.lanes import Lane, Texts, TraceView
from spanledger_analytics.findings.loops.marks import repeated_steps
from spanledger_analytics.findings.loops.repetition import call_repeats, tandem_repeats
from spanledger_analytics.findings.loops.wording import WORDING, WordingLimits

_T = TypeVar("_T")
_SEED = 20_261_121
_COPIES = range(3, 11)
_TRIALS = 50  # planted loops for each period and trouble
_FLEET = 2_500
_FOLDS = 5
_GRID = [
    WordingLimits(ratio, words, long)
    for ratio, words, long in product((0.9, 0.95, 0.98), (30, 60, 120), (15, 30, 80))
]
_TROUBLES = {
    "plain": Trouble(),
    "argument jitter": Trouble(jitter=True),
    "changing results": Trouble(changing=True),
    "5 % noise": Trouble(noise_ratio=0.05),
    "all three": Trouble(jitter=True, changing=True, noise_ratio=0.05),
}


class Score(NamedTuple):
    """Steps marked rightly, wrongly, and missed."""

    hit: int = 0
    wrong: int = 0
    missed: int = 0

    def plus(self, other: Score) -> Score:
        """Return the sum."""
        return Score(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 where there was nothing to find."""
        all_of = 2 * self.hit + self.wrong + self.missed
        return 2 * self.hit / all_of if all_of else 1.0

    def __str__(self) -> str:
        precision = self.hit / max(self.hit + self.wrong, 1)
        recall = self.hit / max(self.hit + self.missed, 1)
        counts = f"{self.hit}/{self.wrong}/{self.missed}"
        return f"P {precision:.3f}  R {recall:.3f}  F1 {self.f1:.3f}  ({counts})"


def main() -> None:
    """Print the figures."""
    print(f"{platform.machine()}, Python {platform.python_version()}, seed {_SEED}")
    folder = os.environ.get("SPANLEDGER_BENCH_DATA", "")
    runs = read_runs(Path(folder)) if folder else []
    if runs:
        _print_labels([run for run in runs if run.labels])
        _print_unlabelled([run for run in runs if not run.labels])
    else:
        where = f"no loops/*.jsonl.gz in {folder}" if folder else "SPANLEDGER_BENCH_DATA is not set"
        print(f"labels: not measured, {where}", file=sys.stderr)
        runs = _made_runs()
    _print_planted(runs)
    _print_fleet(runs)
    _print_speed()


def _print_labels(runs: Sequence[Run]) -> None:
    print("\nStep level, against people's labels (right/wrong/missed)")
    prepared = [(run, *_lane(run)) for run in runs]
    by_agent: defaultdict[str, Score] = defaultdict(Score)
    for run, lane, texts in prepared:
        score = _score(run, lane, texts, WORDING)
        for name in ("all", run.agent):
            by_agent[name] = by_agent[name].plus(score)
    for name, score in by_agent.items():
        print(f"  {name:16} {score}")
    for name, score in _cross_validated(prepared).items():
        print(f"  {name:16} {score}  thresholds chosen on the other runs, {_FOLDS} folds")


def _cross_validated(prepared: Sequence[tuple[Run, Lane, Texts]]) -> dict[str, Score]:
    """Return scores of each run with the thresholds that were best on the other folds."""
    order = list(prepared)
    random.Random(_SEED).shuffle(order)
    table = [[_score(*one, limits) for limits in _GRID] for one in order]
    total: defaultdict[str, Score] = defaultdict(Score)
    for fold in range(_FOLDS):
        sums = [Score()] * len(_GRID)
        for number, scores in enumerate(table):
            if number % _FOLDS != fold:
                sums = [a.plus(b) for a, b in zip(sums, scores, strict=True)]
        best = max(range(len(_GRID)), key=lambda at: sums[at].f1)
        for number in range(fold, len(order), _FOLDS):
            for name in ("all", order[number][0].agent):
                total[name] = total[name].plus(table[number][best])
    return dict(total)


def _lane(run: Run) -> tuple[Lane, KnownTexts]:
    texts = KnownTexts()
    return make_lane(run.actions, texts, lane_id=run.run_id), texts


def _score(run: Run, lane: Lane, texts: Texts, limits: WordingLimits) -> Score:
    marked = set(repeated_steps(lane, texts, limits))
    told = {number for number, label in enumerate(run.labels, 1) if label == "Repetition"}
    return Score(len(marked & told), len(marked - told), len(told - marked))


def _print_unlabelled(runs: Sequence[Run]) -> None:
    by_agent: defaultdict[str, list[list[Finding]]] = defaultdict(list)
    for run in runs:
        by_agent[run.agent].append(_alarms(*_lane(run)))
    print("\nAlarms in runs without labels")
    for agent, found in by_agent.items():
        alarmed = [one for one in found if one]
        codes = Counter(finding.code for one in alarmed for finding in one)
        rate = 100 * len(alarmed) / len(found)
        print(f"  {agent}: {len(alarmed)} of {len(found)} runs, {rate:.1f} per 100 {dict(codes)}")


def _alarms(lane: Lane, texts: Texts) -> list[Finding]:
    found = detect(TraceView("trace", [lane], texts=texts))
    return [one for one in found if one.severity != "info"]


def _print_planted(runs: Sequence[Run]) -> None:
    print(f"\nRecall of planted loops of {_COPIES[0]} to {_COPIES[-1]} copies, by period")
    print(f"  {'':18}" + "".join(f"{period:>7}" for period in range(1, 9)) + "    all")
    rng = random.Random(_SEED)
    others = [action for run in runs for action in run.actions]
    total: list[bool] = []
    for name, trouble in _TROUBLES.items():
        found = [
            [_is_found(rng, runs, others, period, trouble) for _ in range(_TRIALS)]
            for period in range(1, 9)
        ]
        every = [hit for row in found for hit in row]
        total += every
        row = "".join(f"{statistics.fmean(row):7.3f}" for row in found)
        print(f"  {name:18}{row}{statistics.fmean(every):7.3f}")
    print(f"  {'overall':18}{statistics.fmean(total):7.3f} of {len(total)}")


def _planted(
    rng: random.Random, runs: Sequence[Run], others: list[Action], period: int, trouble: Trouble
) -> Planted:
    while True:
        made = plant(rng, rng.choice(runs), others, period, rng.choice(_COPIES), trouble)
        if made is not None:
            return made


def _is_found(
    rng: random.Random, runs: Sequence[Run], others: list[Action], period: int, trouble: Trouble
) -> bool:
    made = _planted(rng, runs, others, period, trouble)
    texts = KnownTexts()
    lane = make_lane(made.actions, texts)
    marked = {
        number
        for finding in _alarms(lane, texts)
        for number, step in enumerate(lane.steps)
        if {tool.ref for tool in step.tools} & set(finding.evidence)
    }
    return len(marked & made.later) >= 0.5 * len(made.later)


def _print_fleet(runs: Sequence[Run]) -> None:
    rng = random.Random(_SEED + 1)
    others = [action for run in runs for action in run.actions]
    clean = [run for run in runs if not _alarms(*_lane(run))]
    false: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    right = wrong = 0
    for kind, lane, texts in healthy_lanes(rng, _FLEET * 4 // 5):
        raised = len(_alarms(lane, texts))
        seen[kind] += 1
        false[kind] += raised > 0
        wrong += raised
    found = 0
    for _ in range(_FLEET // 5):
        trouble = rng.choice(list(_TROUBLES.values()))
        made = _planted(rng, clean, others, rng.randrange(1, 9), trouble)
        texts = KnownTexts()
        lane = make_lane(made.actions, texts)
        alarms = _alarms(lane, texts)
        hits = sum(_touches(one, lane, made) for one in alarms)
        right, wrong, found = right + hits, wrong + len(alarms) - hits, found + (hits > 0)
    print(f"\nA fleet of {_FLEET:,} lanes, one in five with a loop")
    print(f"  precision of alarms {right / (right + wrong):.4f} ({right} right, {wrong} wrong)")
    print(f"  lanes with a loop that alarm {found / (_FLEET // 5):.4f}")
    print(f"  lanes without a loop that alarm {sum(false.values())} of {sum(seen.values())}")
    for kind in HEALTHY:
        if false[kind]:
            print(f"    {kind}: {false[kind]} of {seen[kind]}")


def _touches(finding: Finding, lane: Lane, made: Planted) -> bool:
    spans = {tool.ref for number in made.later for tool in lane.steps[number].tools}
    return not spans.isdisjoint(finding.evidence)


def _print_speed() -> None:
    rng = random.Random(_SEED + 2)
    lanes = [[rng.randrange(1, 60) for _ in range(50)] for _ in range(10_000)]
    looping = [[*lane[:20], *lane[:5] * 6] for lane in lanes]
    print("\nSpeed, million steps per second of processor (median, min, max of 5), lanes of 50")
    _time("exact and cycles, numbers", lanes, _exact)
    _time("exact and cycles, each lane loops", looping, _exact)
    _time("all rules, lanes", [_numbered_lane(lane) for lane in lanes[:2_000]], _detect)
    _time(
        "all rules, a lane of 100,000",
        [_numbered_lane(rng.choices(range(8), k=100_000))],
        _detect,
        100_000,
    )
    _time("all rules, each lane loops", [_numbered_lane(lane) for lane in looping[:2_000]], _detect)


def _time(name: str, lanes: Sequence[_T], work: Callable[[_T], object], steps: int = 50) -> None:
    rates: list[float] = []
    for _ in range(6):
        start = time.process_time()  # whatever else the machine does
        for lane in lanes:
            work(lane)
        rates.append(steps * len(lanes) / (time.process_time() - start) / 1e6)
    rates = sorted(rates[1:])
    print(f"  {name:34} {rates[2]:.2f}, {rates[0]:.2f}, {rates[-1]:.2f}")


def _exact(ids: Sequence[int]) -> None:
    tandem_repeats(ids)
    call_repeats(ids, [False] * len(ids))


def _detect(lane: Lane) -> None:
    detect(TraceView("trace", [lane]))


def _numbered_lane(numbers: Iterable[int]) -> Lane:
    return make_lane([Action("tool", {"n": n}, f"result {n}") for n in numbers], KnownTexts())


def _made_runs() -> list[Run]:
    rng = random.Random(_SEED)
    tools = ("search", "read", "edit", "run", "ask")
    return [Run(f"made-{number}", "made", _made_actions(rng, tools), ()) for number in range(60)]


def _made_actions(rng: random.Random, tools: Sequence[str]) -> tuple[Action, ...]:
    return tuple(
        Action(rng.choice(tools), {"of": rng.randrange(10_000)}, f"said {rng.random()}")
        for _ in range(rng.randrange(10, 60))
    )


if __name__ == "__main__":
    main()
