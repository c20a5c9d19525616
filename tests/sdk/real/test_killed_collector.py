"""The collector is killed while a program runs: with a spool, each of its spans is stored once."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.instance import Instance, environment, wait_until

pytestmark = pytest.mark.endurance  # starts and kills a whole instance

_PROGRAM = """
import os, spanledger, sys, threading, time
spanledger.init(instrument=False)

@spanledger.tool
def search(n):
    return {"found": n}

is_told = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), is_told.set()), daemon=True).start()
made = 0
while not is_told.is_set():
    search(made)
    made += 1
    if made % 20 == 0:
        spanledger.flush(0.5)
    time.sleep(0.005)
spanledger.flush()
waits = lambda: [name for _, _, names in os.walk(os.environ["SPANLEDGER_SPOOL"]) for name in names]
until = time.monotonic() + 60
while any(name.endswith(".otlp") for name in waits()) and time.monotonic() < until:
    search(made)
    made += 1
    spanledger.flush()
    time.sleep(0.5)
print(made)
"""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    instance = Instance(tmp_path / "data").start()
    yield instance
    instance.stop()


@pytest.mark.timeout(240)
def test_spans_of_a_program_outlive_its_collector_and_come_once(
    instance: Instance, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    variables = {"SPANLEDGER_ENDPOINT": instance.otlp_url, "SPANLEDGER_SPOOL": str(spool)}
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**environment(), "SPANLEDGER_SEND_UNDER_PYTEST": "true", **variables},
    ) as program:
        for kill in (instance.kill, lambda: instance.kill_role("collect")):
            wait_until(lambda: _stored(instance)[0] > 20)
            kill()
            if kill == instance.kill:
                wait_until(lambda: len(list(spool.glob("*/*.otlp"))) > 2)
                instance.start()
            time.sleep(1)
        told, _ = program.communicate("\n", timeout=120)
        made = int(told)
    assert made > 100
    wait_until(lambda: _stored(instance)[0] >= made)
    assert _stored(instance) == (made, made)
    assert list(spool.glob("*/*.otlp")) == []


def _stored(instance: Instance) -> tuple[int, int]:
    """Return how many spans there are, and how many different ones."""
    [row] = instance.sql("SELECT count() AS n, uniqExact(span_id) AS ids FROM spans FINAL")
    return int(row["n"]), int(row["ids"])
