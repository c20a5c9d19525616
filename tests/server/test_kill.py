"""kill -9 while spans arrive: what was acknowledged is stored, once, with its exact cost.

KILL_ROUNDS=30 runs as many rounds, each with a victim drawn at random.
"""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import psutil
import pytest

from tests.collecting import SPANS, Sender, acknowledged_by, sending
from tests.instance import Instance, wait_until

pytestmark = pytest.mark.endurance

VICTIMS = ("everything", "collect", "store child", "engine", "work")
ROUNDS = int(os.environ.get("KILL_ROUNDS", "0"))


def victims() -> list[str]:
    """Each once, or as many as asked for, drawn from a fixed seed."""
    return random.Random(4).choices(VICTIMS, k=ROUNDS) if ROUNDS else list(VICTIMS)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    instance = Instance(tmp_path / "data").start()
    yield instance
    instance.stop()


@pytest.mark.timeout(max(180, ROUNDS * 30))
def test_acknowledged_spans_survive_and_are_counted_once(instance: Instance) -> None:
    senders = [Sender(instance.run_file()["http_port"], seed) for seed in range(3)]
    rng = random.Random(30)
    with sending(*senders):
        for victim in victims():
            time.sleep(rng.uniform(0.3, 1.5))
            kill(instance, victim)
        time.sleep(1)
    acknowledged = acknowledged_by(senders)
    assert len(acknowledged) > 50
    check(instance, acknowledged)


def kill(instance: Instance, victim: str) -> None:
    if victim == "everything":
        instance.kill()
        instance.start()
    elif victim == "store child":
        for child in store_children(instance):
            with suppress(psutil.NoSuchProcess):
                child.send_signal(signal.SIGKILL)
    else:
        instance.kill_role(victim)


def store_children(instance: Instance) -> list[psutil.Process]:
    """The processes that decode and insert, and what they are forked from."""
    collector = instance.pid_of("collect")
    assert collector is not None
    children = psutil.Process(collector).children(recursive=True)
    assert children
    return children


def check(instance: Instance, acknowledged: dict[str, tuple[int, Decimal]]) -> None:
    def stored() -> dict[str, int]:
        rows = instance.sql(
            "SELECT trace_id, uniqExact(span_id) AS spans, count() AS rows FROM spans FINAL"
            " GROUP BY trace_id"
        )
        assert all(row["spans"] == row["rows"] for row in rows)
        return {row["trace_id"]: row["spans"] for row in rows}

    wait_until(lambda: acknowledged.keys() <= stored().keys())
    assert set(stored().values()) == {SPANS}  # requests are stored whole or not at all

    def priced() -> dict[str, tuple[int, Decimal]]:
        rows = instance.sql(
            "SELECT trace_id, input_tokens, toString(total_cost_usd) AS cost, count() OVER"
            " (PARTITION BY trace_id) AS entries FROM ledger_current"
        )
        assert all(row["entries"] == 1 for row in rows)
        return {r["trace_id"]: (r["input_tokens"], Decimal(r["cost"])) for r in rows}

    wait_until(lambda: acknowledged.keys() <= priced().keys())
    found = priced()
    assert {t: found[t] for t in acknowledged} == acknowledged
    assert instance.sql("SELECT count() AS n FROM dead_letters FINAL") == [{"n": 0}]
