"""A `spanledger collect` of its own, and clients that send to it as exporters do."""

from __future__ import annotations

import http.client
import random
import signal
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from tests.instance import command, environment, wait_until
from tests.otlp import llm_span, request, span
from tests.ports import free_port

SPANS = 20
# gpt-4o-mini: $0.15 and $0.60 per million tokens.
INPUT_USD, OUTPUT_USD = Decimal("0.15e-6"), Decimal("0.6e-6")


class CollectorProcess:
    """Starts, stops and asks one collector; its ports and its spool stay the same."""

    def __init__(self, data: Path, store_url: str, *options: str) -> None:
        self.data = data
        self.port = free_port()
        self._argv = [
            *command("collect"), "--data", str(data), "--store-url", store_url,
            "--http-port", str(self.port), "--grpc-port", str(free_port()), *options,
        ]  # fmt: skip
        self.output = data.with_suffix(".out")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                self._argv, stdout=output, stderr=output, env=environment()
            )
        wait_until(self.answers, every_s=0.05)

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.output.read_text()
        with suppress(OSError), urllib.request.urlopen(self.url("healthz"), timeout=2) as answer:
            return bool(answer.status == 200)
        return False

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def figure(self, name: str) -> float:
        """Return a figure of /metrics, labels summed."""
        with urllib.request.urlopen(self.url("metrics"), timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        full = f"spanledger_collector_{name}"
        found = [x for x in lines if x.startswith((f"{full} ", f"{full}{{"))]
        return sum(float(line.rsplit(" ", 1)[1]) for line in found)

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(30)


@dataclass
class Sender:
    """Sends whole traces and remembers those that were acknowledged.

    A share of the acknowledged requests is sent again, as by clients that missed the answer. What
    is refused is sent again until it is taken.
    """

    port: int
    seed: int
    resends: float = 0.2
    acknowledged: dict[str, tuple[int, Decimal]] = field(
        default_factory=dict[str, tuple[int, Decimal]]
    )
    refusals: int = 0
    statuses: set[int] = field(default_factory=set[int])
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        rng = random.Random(self.seed)
        while not self.stop.is_set():
            trace_id = rng.randbytes(16)
            inputs, outputs = rng.randrange(1, 10_000), rng.randrange(1, 1_000)
            call = llm_span("gpt-4o-mini", inputs, outputs, trace_id=trace_id)
            others = [span(trace_id=trace_id, parent=call.span_id) for _ in range(SPANS - 1)]
            body = request(call, *others).SerializeToString()
            while not self.stop.is_set():
                if self._post(body):
                    cost = inputs * INPUT_USD + outputs * OUTPUT_USD
                    self.acknowledged[trace_id.hex()] = (inputs, cost)
                    if rng.random() < self.resends:
                        self._post(body)
                    break
                self.refusals += 1
                self.stop.wait(0.05)

    def _post(self, body: bytes) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(
                "POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"}
            )
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        self.statuses.add(status)
        return status == 200


@contextmanager
def sending(*senders: Sender) -> Iterator[None]:
    """Let senders send during the block."""
    threads = [threading.Thread(target=sender.run) for sender in senders]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for sender in senders:
            sender.stop.set()
        for thread in threads:
            thread.join(30)


def acknowledged_by(senders: list[Sender]) -> dict[str, tuple[int, Decimal]]:
    """Trace ids, with the input tokens and the cost of each."""
    # A copy at once: senders go on in their threads.
    return {t: v for sender in senders for t, v in sender.acknowledged.copy().items()}
