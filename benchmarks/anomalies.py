"""The product's scorers on the Numenta Anomaly Benchmark: standard profile, one setting for all.

One is how rare a level, or a deviation from the season, has been so far (``rarity.py``), which
tells whether hours of calls are news; the other how far a value is from its season
(``baseline.py``), which tells whether spending is too much. Both know of a file what came before.

    SPANLEDGER_BENCH_DATA=<folder> python -m benchmarks.anomalies [--each]

The folder holds ``nab/data``, ``nab/combined_windows.json`` (https://github.com/numenta/NAB,
MIT). The score is NAB's: true positives by how early in their window they are, false ones by how
far after a window, one threshold over all files, scaled so that finding nothing is 0 and
everything at once 100 (Lavin and Ahmad, Evaluating Real-time Anomaly Detection Algorithms, 2015,
https://arxiv.org/abs/1510.03336; nab/scorer.py and nab/sweeper.py). Known weaknesses of the set:
labels that are debatable, and windows of a tenth of a file, in which anything counts as found.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spanledger_analytics.anomalies.baseline import Grain, Track
from spanledger_analytics.anomalies.rarity import Levels

Floats = npt.NDArray[np.float64]
TP, FP, FN = 1.0, 0.11, 1.0
"""Weights of the standard profile (config/profiles.json)."""
PROBATION = 0.15
MOST_PROBATION = 0.15 * 5_000


_DAY_S = 86_400
_NEVER = 10_000
_EPISODE = 1 / 3
"""Of the probation: so long nothing lesser is told after an alarm."""


@dataclass(frozen=True, slots=True)
class File:
    """One series.

    Attributes:
        windows: first and last place of each.
        probation: places at the start that do not count.
    """

    name: str
    seconds: npt.NDArray[np.int64]
    values: Floats
    windows: Sequence[tuple[int, int]]

    @property
    def probation(self) -> int:
        """How many places at the start do not count."""
        return int(min(math.floor(PROBATION * len(self.values)), MOST_PROBATION))


def files(folder: Path) -> Iterator[File]:
    """Yield the series of a folder."""
    labels = json.loads((folder / "combined_windows.json").read_text())
    for path in sorted((folder / "data").rglob("*.csv")):
        name = f"{path.parent.name}/{path.name}"
        with path.open(newline="") as lines:
            rows = list(csv.DictReader(lines))
        seconds = np.array([_seconds(row["timestamp"]) for row in rows], np.int64)
        values = np.array([float(row["value"]) for row in rows])
        windows = [
            (
                int(np.searchsorted(seconds, _seconds(a))),
                int(np.searchsorted(seconds, _seconds(b), "right")) - 1,
            )
            for a, b in labels[name]
        ]
        yield File(name, seconds, values, windows)


def _seconds(text: str) -> int:
    text = text.partition(".")[0]
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def rarity(file: File) -> Floats:
    """Return how rare each level, or its deviation from the season, was before: bits."""
    tracked = _tracked(file)
    rest = np.nan_to_num((tracked.values - tracked.expected)[0])
    bits = np.maximum(_bits(file.values, file.probation), _bits(rest, file.probation))
    return _onsets(bits, file)


def _bits(values: Floats, first: int) -> Floats:
    levels = Levels(values[:first].tolist())
    bits = np.zeros(len(values))
    for place in range(first, len(values)):
        value = float(values[place])
        bits[place] = levels.bits(value)
        levels.add(value)
    return bits


def deviation(file: File) -> Floats:
    """Return how far each place is from what the seasonal baseline expects, in scales."""
    z = np.abs(np.nan_to_num(_tracked(file).z[0]))
    z[: file.probation] = 0
    return _onsets(z, file)


def _tracked(file: File) -> Track:
    """Return what the baseline expects of a file.

    The setting is one for all: the seasons of a day and a week at the file's own step, a level that
    follows within a quarter of a day, a scale of two weeks in which everything counts: the files
    are short, and some jump twice a day.
    """
    step_s = int(np.median(np.diff(file.seconds)))
    day = max(4, _DAY_S // step_s)
    grain = Grain(
        step_s=step_s,
        day=day,
        week=7 * day,
        alpha=2 / (day / 8 + 1),
        scale_steps=14 * day,
        refresh=max(1, day // 24),
        relearn=day,
        warm_up=50,
        least_scale=1e-9,
        settled_weeks=_NEVER,
    )
    return Track(file.values[None, :], grain).run()


def _onsets(scores: Floats, file: File) -> Floats:
    """Return the scores that are larger than all of the episode before them; else 0."""
    episode = max(1, int(file.probation * _EPISODE))
    found = np.zeros(len(scores))
    for place, score in enumerate(scores):
        before = scores[max(0, place - episode) : place]
        found[place] = score if not len(before) or score > before.max() else 0.0
    return found


def _sigmoid(position: float) -> float:
    """Return what a detection is worth at a place relative to a window's end, which is 0."""
    if position > 3.0:
        return -1.0
    return 2.0 / (1.0 + math.exp(5.0 * position)) - 1.0


def worths(file: File) -> Floats:
    """Return what an alarm at each place is worth: in windows positive, after them negative."""
    worth = np.zeros(len(file.values))
    ended: tuple[int, int] | None = None
    spans = list(file.windows)
    for place in range(len(worth)):
        inside = next((w for w in spans if w[0] <= place <= w[1]), None)
        if inside:
            width = inside[1] - inside[0] + 1
            worth[place] = TP * _sigmoid(-(inside[1] - place + 1) / width) / _sigmoid(-1.0)
            ended = inside
        elif ended is None:
            worth[place] = -FP
        else:
            width = max(ended[1] - ended[0], 1)
            worth[place] = FP * _sigmoid(abs(ended[1] - place) / width)
    return worth


def swept(scored: Sequence[tuple[File, Floats]]) -> tuple[float, float, dict[str, float]]:
    """Return the best score of one threshold over all files, that threshold, and by file."""
    marks: list[tuple[float, int, int]] = []  # score, file, place
    prepared = [(file, worths(file)) for file, _ in scored]
    for number, (file, scores) in enumerate(scored):
        for place in range(file.probation, len(scores)):
            marks.append((float(scores[place]), number, place))
    marks.sort(reverse=True)
    hit: dict[tuple[int, int], float] = {}
    windows = sum(len([w for w in file.windows if w[1] >= file.probation]) for file, _ in scored)
    total, best = -FN * windows, (-FN * windows, math.inf)
    by_file: list[float] = [0.0] * len(scored)
    kept = list(by_file)
    for n, (value, number, place) in enumerate(marks):
        file, worth = prepared[number]
        inside = next((w for w in file.windows if w[0] <= place <= w[1]), None)
        change = 0.0
        if inside is None:
            change = worth[place]
        else:
            key = (number, inside[0])
            if key not in hit:
                hit[key] = worth[place]
                change = worth[place] + FN
            elif worth[place] > hit[key]:
                change = worth[place] - hit[key]
                hit[key] = worth[place]
        total += change
        by_file[number] += change
        is_last = n + 1 == len(marks) or marks[n + 1][0] < value
        if is_last and total > best[0]:
            best = (total, value)
            kept = list(by_file)
    perfect, null = TP * windows, -FN * windows
    return (
        100 * (best[0] - null) / (perfect - null),
        best[1],
        {scored[n][0].name: kept[n] - FN * len(scored[n][0].windows) for n in range(len(scored))},
    )


def main() -> None:
    """Print the scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", action="store_true", help="print what each file adds")
    asked = parser.parse_args()
    folder = Path(os.environ.get("SPANLEDGER_BENCH_DATA", "")) / "nab"
    if not (folder / "combined_windows.json").exists():
        sys.exit(
            "SPANLEDGER_BENCH_DATA must name a folder with nab/data and nab/combined_windows.json."
        )
    every = list(files(folder))
    print(f"{len(every)} files, {sum(len(file.values) for file in every)} points")
    for name, scorer in (("rarity", rarity), ("deviation", deviation)):
        began = time.process_time()
        scored = [(file, scorer(file)) for file in every]
        took = time.process_time() - began
        standard, threshold, each = swept(scored)
        if asked.each:
            for file, _ in scored:
                print(f"{each[file.name]:8.2f} of {len(file.windows)}  {file.name}")
        print(f"{name}: {standard:.1f} at threshold {threshold:.2f}, in {took:.1f} CPU-s")


if __name__ == "__main__":
    main()
