"""Runs the demo: history first, then a live trickle until told to stop."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from spanledger_server.demo.batch import Batch
from spanledger_server.demo.clock import Clock
from spanledger_server.demo.plan import SpanPlan, TracePlan
from spanledger_server.demo.planted import DemoReport, Planted
from spanledger_server.demo.sender import Sender, Stopped
from spanledger_server.demo.traffic import LiveTraffic, newest_day_first

PROGRESS_EVERY_SPANS = 4_000
LIVE_PROGRESS_EVERY_NS = 60 * 10**9
_NS = 10**9


def run_demo(
    endpoint: str,
    *,
    hours: float = 24,
    traces_per_hour: float = 40,
    live: bool = True,
    seed: int = 7,
    on_progress: Callable[[str], None],
    stop: threading.Event,
    clock: Clock | None = None,
) -> DemoReport:
    """Send a simulated fleet of agents and return what the endpoint accepted.

    The same seed, start moment and arguments send the same spans.

    Args:
        endpoint: Base URL of an OTLP/HTTP endpoint, for example ``http://127.0.0.1:4318``.
        hours: Length of the history; 0 for none.
        traces_per_hour: Average over the history; days are busier than nights.
        live: Go on with new traces, their spans sent as they end, until ``stop`` is set.
        seed: Another number gives other conversations.
        on_progress: Told what happens, one sentence at a time.
        stop: Ends the demo at the next opportunity.
        clock: The moment now and how to wait; the real ones when None.

    Raises:
        DemoError: The endpoint is wrong, refuses for good, or stays away for a minute.
    """
    clock = clock or Clock()
    planted = Planted()
    with Sender(endpoint, on_progress, stop, clock) as sender:
        fleet = _Run(sender, planted, clock, stop, on_progress)
        try:
            if hours > 0:
                fleet.send_history(seed, hours, traces_per_hour)
            if live and not stop.is_set():
                fleet.send_live(seed)
        except Stopped:
            on_progress("Stopped while the endpoint was away.")
    return planted.report()


@dataclass(slots=True)
class _Run:
    sender: Sender
    planted: Planted
    clock: Clock
    stop: threading.Event
    say: Callable[[str], None]
    batch: Batch = field(default_factory=Batch)

    def send_history(self, seed: int, hours: float, traces_per_hour: float) -> None:
        started_ns, told_spans = self.clock.now_ns(), 0
        for trace in newest_day_first(seed, started_ns, hours, traces_per_hour):
            for span in trace.spans:
                self._add(trace, span)
            if self.stop.is_set():
                return
            if self.planted.spans - told_spans >= PROGRESS_EVERY_SPANS:
                told_spans = self.planted.spans
                self.say(f"History: {told_spans:,} spans in {self.planted.traces:,} traces so far")
        self._flush()
        seconds = (self.clock.now_ns() - started_ns) / _NS
        self.say(
            f"History of {hours:g} h sent: {self.planted.traces:,} traces, "
            f"{self.planted.spans:,} spans in {seconds:.1f} s"
        )

    def send_live(self, seed: int) -> None:
        self.say("Live: a new trace every second or three. Ctrl-C ends it.")
        told_ns = self.clock.now_ns()
        traffic = LiveTraffic(seed, told_ns)
        while not self.stop.is_set():
            now_ns = self.clock.now_ns()
            for trace, span in traffic.due(now_ns):
                self._add(trace, span)
            self._flush()
            if now_ns - told_ns >= LIVE_PROGRESS_EVERY_NS:
                told_ns = now_ns
                self.say(f"Live: {self.planted.traces:,} traces, {self.planted.spans:,} spans")
            pause_s = max(0.0, (traffic.next_ns() - self.clock.now_ns()) / _NS)
            # Spans that end within the same moment share a request.
            self.clock.wait(self.stop, pause_s + 0.1)

    def _add(self, trace: TracePlan, span: SpanPlan) -> None:
        self.batch.add(trace, span)
        if self.batch.is_full:
            self._flush()

    def _flush(self) -> None:
        batch, self.batch = self.batch, Batch()
        if not batch.members:
            return
        self.planted.rejected_spans += self.sender.send(batch.body())
        for trace, span in batch.members:
            self.planted.add(trace, span)
