"""kill -9 while spans arrive: what was acknowledged is stored, once, with its exact cost."""

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest

from tests.instance import Instance, wait_until
from tests.otlp import llm_span, request, span

ROUNDS = ["everything", "collect", "engine", "work", "everything"]
SPANS = 20
# gpt-4o-mini: $0.15 and $0.60 per million tokens.
INPUT_USD, OUTPUT_USD = Decimal("0.15e-6"), Decimal("0.6e-6")


@dataclass
class Sender:
    """Sends whole traces and remembers those that were acknowledged."""

    instance: Instance
    seed: int
    acknowledged: dict[str, tuple[int, Decimal]] = field(
        default_factory=dict[str, tuple[int, Decimal]]
    )
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        rng = random.Random(self.seed)
        while not self.stop.is_set():
            trace_id = rng.randbytes(16)
            inputs, outputs = rng.randrange(1, 10_000), rng.randrange(1, 1_000)
            call = llm_span("gpt-4o-mini", inputs, outputs, trace_id=trace_id)
            others = [span(trace_id=trace_id, parent=call.span_id) for _ in range(SPANS - 1)]
            body = request(call, *others).SerializeToString()
            try:
                status = self.instance.post(body)
                if status == 200 and rng.random() < 0.2:
                    self.instance.post(body)  # a client that missed the answer sends again
            except (OSError, ValueError, KeyError):
                time.sleep(0.05)
                continue
            if status == 200:
                cost = inputs * INPUT_USD + outputs * OUTPUT_USD
                self.acknowledged[trace_id.hex()] = (inputs, cost)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    instance = Instance(tmp_path / "data").start()
    instance.keep_ports()
    yield instance
    instance.stop()


def test_acknowledged_spans_survive_and_are_counted_once(instance: Instance) -> None:
    senders = [Sender(instance, seed) for seed in range(3)]
    threads = [threading.Thread(target=sender.run) for sender in senders]
    for thread in threads:
        thread.start()
    for victim in ROUNDS:
        time.sleep(1.5)
        if victim == "everything":
            instance.kill()
            instance.start()
        else:
            instance.kill_role(victim)
    time.sleep(1)
    for sender, thread in zip(senders, threads, strict=True):
        sender.stop.set()
        thread.join()
    acknowledged = {t: v for sender in senders for t, v in sender.acknowledged.items()}
    assert len(acknowledged) > 50
    _check(instance, acknowledged)


def _check(instance: Instance, acknowledged: dict[str, tuple[int, Decimal]]) -> None:
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
