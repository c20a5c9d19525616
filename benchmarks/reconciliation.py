"""The reconciliation: are planted differences found, and how long does a large month take.

    python -m benchmarks.reconciliation [--days 30] [--seeds 3] [--first-seed 1]
    python -m benchmarks.reconciliation --scale 5000000 [--lines 50000] [--scale-days 30]

A month of an organisation's calls is written into the ledger, and reports of four providers into
files, as each writes them: costs and usage of OpenAI and Anthropic, Google's billing export and
DeepSeek's CSV. Between them differences are planted, one a day or several mixed. Printed is by
cause how many were found, of how many the dollars are exact, and how often a wrong cause was named
with high confidence. With --scale, days of as many entries each are made in the engine and compared
with as many lines; CPU seconds are of this process and of the engine.
"""

from __future__ import annotations

import argparse
import platform
import resource
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import psutil

from benchmarks.provider_calls import FIRST_DAY, Calls
from benchmarks.provider_month import Score, judged, mixed_days, reconciled, single_days
from benchmarks.provider_plants import Day
from benchmarks.reconciliation_scale import fill, measured
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.reconciliation.result import Cause
from spanledger_storage.engine import Engine, EngineSettings
from spanledger_storage.migrations import create_database, migrate
from spanledger_storage.store import Store
from tests.ports import free_port

_MOST_SHOWN = 20


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--scale", type=int, default=0, help="entries of one day")
    parser.add_argument("--lines", type=int, default=33_000, help="lines of one day")
    parser.add_argument("--scale-days", type=int, default=1, help="how many such days")
    options = parser.parse_args()
    print(f"{platform.machine()}, {psutil.cpu_count()} CPUs, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as directory:
        engine = Engine(EngineSettings(Path(directory) / "engine", free_port()))
        engine.start()
        try:
            if options.scale:
                _scale(engine, Path(directory), options.scale, options.lines, options.scale_days)
            else:
                for seed in range(options.first_seed, options.first_seed + options.seeds):
                    # One cause a day of a provider, and quiet days between: that takes two months.
                    _month(engine, Path(directory), f"single {seed}", single_days, seed, 56)
                    _month(engine, Path(directory), f"mixed {seed}", mixed_days, seed, options.days)
        finally:
            engine.stop()


def _month(
    engine: Engine,
    directory: Path,
    name: str,
    make: Callable[[int, int], tuple[list[Day], Calls]],
    seed: int,
    days: int,
) -> None:
    store = _database(engine, name.replace(" ", "_"))
    folder = directory / name
    folder.mkdir()
    world, _ = make(seed, days)
    score = judged(*reconciled(store, folder, world, PriceBook.bundled()))
    store.close()
    _print(name, score)


def _print(name: str, score: Score) -> None:
    print(
        f"\n{name}: {sum(score.planted.values()):,} differences; found "
        f"{score.ratio(score.found):.1%}, dollars exact {score.ratio(score.exact):.1%}; wrong with "
        f"high confidence {len(score.wrong)}; sums that do not add up {score.inexact_sums}"
    )
    for cause in Cause:
        if cause in score.planted:
            print(
                f"  {cause.value:18} {score.planted[cause]:4}  found {score.found[cause]:4}  "
                f"exact {score.exact[cause]:4}"
            )
    for item, planted, found in score.misses[:_MOST_SHOWN]:
        print(f"  missed {item.day} {item.provider} {item.model} {item.token_class} "
              f"{item.cause.value}: planted {planted:.6f}, found {found:.6f}")  # fmt: skip
    for item, usd in score.wrong[:_MOST_SHOWN]:
        print(f"  wrong {item.day} {item.provider} {item.model} {item.token_class} "
              f"{item.cause.value}: {usd:.6f}")  # fmt: skip


def _scale(engine: Engine, directory: Path, entries: int, lines: int, number: int) -> None:
    store = _database(engine, "scale")
    days = [FIRST_DAY + timedelta(days=i) for i in range(number)]
    for day in days:
        fill(store, day, entries, lines)
    print(f"{number} days of {entries:,} entries and {lines:,} lines each")
    for one in measured(store, days, engine, directory, entries=entries, lines=lines):
        print(
            f"{one.what}: {one.count:,}; {one.wall_s:.1f} s; CPU {one.own_s:.2f} s here, "
            f"{one.engine_s:.2f} s in the engine, {one.engine_mib:,.0f} MiB there"
        )
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{peak_mib:,.0f} MiB at most here")
    store.close()


def _database(engine: Engine, name: str) -> Store:
    settings = engine.writer.with_database(name)
    create_database(settings)
    store = Store.connect(settings)
    migrate(store)
    return store


if __name__ == "__main__":
    main()
