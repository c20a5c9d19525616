"""`spanledger inference`: scrapes inference workers into OTLP metrics, each with its identity."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from spanledger_workers.inference_streams import Streams
from spanledger_workers.inference_targets import ENGINES, ScrapeError, Target, engine_of
from spanledger_workers.loop import every, seconds, stop_on_signals
from spanledger_workers.points import (
    About,
    Outbox,
    Point,
    host_attributes,
    make_exporter,
    metrics_data,
    resource_of,
)

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricExporter
    from opentelemetry.sdk.resources import Resource
    from prometheus_client.metrics_core import Metric as Family
    from prometheus_client.registry import CollectorRegistry

log = logging.getLogger("spanledger")

SCOPE = "spanledger.inference"
# Named as Prometheus itself names them.
UP = About("up", "1", "gauge", "1 while the worker answers with metrics")
DURATION = About("scrape_duration_seconds", "s", "gauge", "How long reading its metrics took")

_AT_ONCE = 16
_TIMEOUT_S = 5.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, or 1 when a target cannot be one."""
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        workers = [Worker.of(target, options.service) for target in _targets(options)]
    except ValueError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command talks to its terminal
        return 1
    if options.once:
        return _print_once(workers, options.timeout)
    stop = stop_on_signals()
    exporter = make_exporter(options.endpoint, options.protocol)
    with Outbox(exporter) as outbox, ThreadPoolExecutor(_AT_ONCE) as pool:

        def read(worker: Worker) -> tuple[Resource, list[Point]]:
            return worker.scrape(options.timeout)

        every(options.interval, stop, lambda: _send(outbox, pool.map(read, workers)))
    return 0


@dataclass
class Worker:
    """One target and what is known of it; ``scrape`` never raises."""

    target: Target
    service: str
    streams: Streams
    engine: str = ""
    is_up: bool | None = None
    _resources: dict[str, Resource] = field(default_factory=dict[str, "Resource"])

    @classmethod
    def of(cls, target: Target, service: str = "") -> Worker:
        """Return a worker that was not asked yet."""
        return cls(target, service, Streams())

    def scrape(self, timeout_s: float) -> tuple[Resource, list[Point]]:
        """Return who the worker is and what it tells; one that does not answer is down."""
        started, now_ns = time.monotonic(), _now_ns()
        points: list[Point] = []
        try:
            points = self._read(timeout_s, now_ns)
            self._say(True, self.engine or "no engine that is known")
        except (ScrapeError, ValueError, KeyError) as error:  # the parser's words for a bad page
            self._say(False, str(error))
        points.append(Point(UP, int(bool(self.is_up)), {}, now_ns))
        points.append(Point(DURATION, time.monotonic() - started, {}, now_ns))
        return self._resource(), points

    def _read(self, timeout_s: float, now_ns: int) -> list[Point]:
        families = list(text_string_to_metric_families(self.target.read(timeout_s)))
        self.engine = engine_of({family.name for family in families}) or self.engine
        return self.streams.points(_worth_sending(families), now_ns)

    def _resource(self) -> Resource:
        if self.engine not in self._resources:
            said = self.target.identity(self.engine)
            if self.service:
                said["service.name"] = self.service
            self._resources[self.engine] = resource_of(said)
        return self._resources[self.engine]

    def _say(self, is_up: bool, why: str) -> None:
        if self.is_up != is_up:
            log.info("%s is %s: %s", self.target.url, "up" if is_up else "down", why)
        self.is_up = is_up


class WorkerMetrics:
    """Sends the metrics of this process from a thread; see :func:`spanledger.instrument_worker`."""

    def __init__(
        self,
        registry: CollectorRegistry,
        exporter: MetricExporter,
        interval_s: float,
        resource: Resource,
        streams: Streams,
    ) -> None:
        self._registry = registry
        self._resource = resource
        self._streams = streams
        self._stop = threading.Event()
        self._outbox = Outbox(exporter)
        self._thread = threading.Thread(
            target=self._run, args=(interval_s,), name="spanledger-worker", daemon=True
        )
        self._thread.start()

    @classmethod
    def of(
        cls,
        engine: str,
        interval_s: float,
        endpoint: str,
        registry: CollectorRegistry | None,
        exporter: MetricExporter | None,
    ) -> WorkerMetrics:
        """Return what sends this process's metrics as those of a worker of its own."""
        me = {"service.name": engine, "spanledger.inference.engine": engine, **host_attributes()}
        me["service.instance.id"] = f"{me['host.name']}:{os.getpid()}"
        return cls(
            registry or REGISTRY,
            exporter or make_exporter(endpoint),
            interval_s,
            resource_of(me),
            Streams(),
        )

    def stop(self, timeout_s: float = 2) -> None:
        """Send what was counted until now, and end."""
        self._stop.set()
        self._thread.join(timeout_s)

    def _run(self, interval_s: float) -> None:
        with self._outbox:
            every(interval_s, self._stop, self._send)
            self._send()

    def _send(self) -> None:
        try:
            found = _worth_sending(self._registry.collect())
            points = self._streams.points(found, _now_ns())
        except Exception:  # a collector of the host's failed; the next reading may not
            log.debug("The worker's metrics could not be read.", exc_info=True)
            return
        if points:
            self._outbox.put(metrics_data({self._resource: points}, SCOPE))


def _now_ns() -> int:
    return time.time_ns()


def _worth_sending(families: Iterable[Family]) -> list[Family]:
    prefixes = tuple(prefix for found in ENGINES.values() for prefix in found)
    return [f for f in families if f.name.startswith((*prefixes, "process_start_time_seconds"))]


def _send(outbox: Outbox, found: Iterable[tuple[Resource, list[Point]]]) -> None:
    groups: dict[Resource, list[Point]] = {}
    for resource, points in found:
        groups.setdefault(resource, []).extend(points)
    outbox.put(metrics_data(groups, SCOPE))


def _print_once(workers: Sequence[Worker], timeout_s: float) -> int:
    for worker in workers:
        _, points = worker.scrape(timeout_s)
        print(f"{worker.target.url} {worker.engine or 'down or unknown'}, {len(points)} points")  # noqa: T201
    return 0 if all(worker.is_up for worker in workers) else 1


def _targets(options: argparse.Namespace) -> list[Target]:
    headers: Mapping[str, str] = dict(_header(text) for text in options.header)
    return [Target.of(text, headers) for text in options.target]


def _header(text: str) -> tuple[str, str]:
    name, _, value = text.partition(":")
    return name.strip(), value.strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="spanledger inference",
        description="Scrape vLLM, SGLang, TGI, TensorRT-LLM, Triton, llama.cpp and the DCGM "
        "exporter, send OTLP metrics.",
    )
    add = parser.add_argument
    add(
        "--target", action="append", required=True, metavar="URL",
        help="metrics page of a worker, such as http://worker:8000/metrics; may be repeated",
    )  # fmt: skip
    add("--interval", type=seconds, default=10.0, metavar="S", help="seconds between scrapes (10)")
    add("--timeout", type=seconds, default=_TIMEOUT_S, metavar="S", help="for one scrape (5)")
    add("--service", default="", help="service.name of the workers (the engine's name)")
    add("--header", action="append", default=[], metavar="NAME: VALUE", help="sent to every target")
    add("--endpoint", default="", metavar="URL", help="OTLP address (OTEL_EXPORTER_OTLP_ENDPOINT)")
    add("--protocol", default="", choices=["http/protobuf", "grpc"], help="(http/protobuf)")
    add("--once", action="store_true", help="scrape once, say what was found; sends nothing")
    return parser
