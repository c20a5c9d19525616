"""How long does the engine take for many instances, and how long until somebody is told?

1. One rule with many instances (10,000 by default), of which all are well, all fire for the first
   time, go on firing, and end: reading their state, the states, groups, and the transaction.
2. A finding and a breach of a budget are stored at random moments; engine and sender run as in the
   worker (every 1 s and 0.5 s), by a virtual clock: seconds from there until the channel has it.

    python -m benchmarks.alerts --instances 10000 --repeats 5

Needs no store: the rule's rows are made here. State is SQLite in a temporary directory, synchronous
as in the product.
"""

from __future__ import annotations

import argparse
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import cast

from spanledger_alerts.content import incident
from spanledger_alerts.engine import Engine, Setting
from spanledger_alerts.measures import MEASURES, Measure, Params, Sources
from spanledger_alerts.notification import ConfiguredChannel, Notification
from spanledger_alerts.rule_files import built_in
from spanledger_alerts.rules import Rule, rule_of
from spanledger_alerts.sample import Sample
from spanledger_alerts.sender import Sender
from spanledger_storage.alert_outbox import AlertOutbox
from spanledger_storage.alert_state import AlertState
from spanledger_storage.state import migrate_state, open_state

S = 10**9
T0 = 1_800_000_000 * S
FINDINGS_EVERY_S = 5.0  # the job that finds loops
LEDGER_S = 0.5 + 2.0  # the job that prices calls, then the one of budgets


@dataclass
class Taking:
    """A channel that takes everything; ``at_ns`` of the first."""

    now_ns: Callable[[], int]
    at_ns: int = 0

    def send(self, notification: Notification) -> str:
        """Take it."""
        self.at_ns = self.at_ns or self.now_ns()
        return ""


class World:
    """Engine and sender over rows that are said."""

    def __init__(self, folder: Path, rule: Rule) -> None:
        engine = open_state(f"sqlite:///{folder / 'state.db'}")
        migrate_state(engine)
        self.now_ns = T0
        self.samples: list[Sample] = []
        self.channel = Taking(lambda: self.now_ns)
        state = AlertState(engine)
        setting = Setting(
            state=state,
            sources=cast("Sources", self),
            rules=lambda: [rule],
            projects=lambda: ["default"],
            channels=lambda: ["ops"],
            words=incident,
        )
        self.engine = Engine(setting, "benchmark", lambda: self.now_ns)
        channels = {"ops": ConfiguredChannel("ops", "made", self.channel)}
        outbox = AlertOutbox(engine)
        self.sender = Sender(outbox, lambda: channels, lambda: self.now_ns, threads=0)


def read_said(sources: Sources, project: str, t_ns: int, params: Params) -> list[Sample]:
    """Return the rows of a world."""
    return cast("World", sources).samples


def show_instances(count: int, repeats: int) -> None:
    """Print seconds for a step of each kind."""
    rule = rule_of(
        {"name": "many", "title": "Many", "measure": "said", "critical": 10, "every": "10s",
         "delay": 0, "group_wait": 0, "keep_firing_for": 0, "max_instances": count},
        "benchmark",
    )  # fmt: skip
    names = [f"user-{number}" for number in range(count)]
    steps = {"all are well": 1, "all begin to fire": 12, "all go on": 13, "all end": 2}
    took: dict[str, list[float]] = {step: [] for step in steps}
    cpu: dict[str, list[float]] = {step: [] for step in steps}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            world = World(Path(folder), rule)
            for step, value in steps.items():
                world.samples = [Sample({"user": n}, Decimal(value)) for n in names]
                world.now_ns += 10 * S
                started, busy = time.perf_counter(), time.process_time()
                world.engine.run_once()
                took[step].append(time.perf_counter() - started)
                cpu[step].append(time.process_time() - busy)
    print(f"{count:,} instances, seconds (median, min to max of {repeats}; of them CPU, least):")
    for step, found in took.items():
        told = f"{statistics.median(found):.2f}  {min(found):.2f} to {max(found):.2f}"
        print(f"  {step:18} {told}  ({min(cpu[step]):.2f})")


def show_latency(name: str, before_s: float, repeats: int, seed: int) -> None:
    """Print the seconds until a channel has what a built-in rule tells.

    Args:
        name: of the rule, whose timing is used.
        before_s: longest time that the jobs before it take; it is drawn evenly.
        repeats: how many alerts.
        seed: of the moments.
    """
    [given] = [rule for rule in built_in() if rule.name == name]
    moments = random.Random(seed)
    found: list[float] = []
    for _ in range(repeats):
        rule = given.model_copy(update={"measure": "said", "finding": (), "critical": Decimal(1)})
        with tempfile.TemporaryDirectory() as folder:
            world = World(Path(folder), rule)
            acknowledged_ns = T0 + round(moments.uniform(10, 70) * S)
            known_ns = acknowledged_ns + round(moments.uniform(0, before_s) * S)
            while not world.channel.at_ns:
                world.now_ns += S // 2
                if world.now_ns >= known_ns:
                    world.samples = [Sample({"agent": "a"}, Decimal(2))]
                if world.now_ns % S == 0:
                    world.engine.run_once()
                world.sender.run_once()
            found.append((world.channel.at_ns - acknowledged_ns) / S)
    found.sort()
    p95 = found[round(0.95 * (len(found) - 1))]
    print(
        f"{name}: median {statistics.median(found):.1f} s, p95 {p95:.1f} s, max {found[-1]:.1f} s"
    )


def main() -> None:
    """Run both parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--alerts", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    MEASURES["said"] = Measure(read_said)
    print(f"{platform.machine()}, Python {platform.python_version()}")
    show_instances(options.instances, options.repeats)
    print(f"from acknowledged to told, {options.alerts} alerts at random moments:")
    show_latency("loop", LEDGER_S + FINDINGS_EVERY_S, options.alerts, options.seed)
    show_latency("budget-exceeded", LEDGER_S, options.alerts, options.seed)


if __name__ == "__main__":
    main()
