"""`spanledger gpu`: samples the NVIDIA GPUs of this host and sends OTLP metrics."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from spanledger_workers.gpu_metrics import SCOPE
from spanledger_workers.gpu_sampler import GpuError, Sampler
from spanledger_workers.loop import every, seconds, stop_on_signals
from spanledger_workers.points import (
    Outbox,
    Point,
    host_attributes,
    make_exporter,
    metrics_data,
    resource_of,
)

log = logging.getLogger("spanledger")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, or 1 when there is nothing to sample."""
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        sampler = Sampler(time.time_ns(), Path(options.proc))
    except GpuError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command talks to its terminal
        return 1
    try:
        if options.once:
            _print(sampler.sample(time.time_ns()), as_json=options.json)
        else:
            _run(sampler.sample, options, stop_on_signals())
    finally:
        sampler.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="spanledger gpu", description="Sample the NVIDIA GPUs of this host, send OTLP metrics."
    )
    add = parser.add_argument
    add("--interval", type=seconds, default=1.0, metavar="S", help="seconds between samples (1)")
    add(
        "--send-every", type=seconds, default=10.0, metavar="S",
        help="seconds between requests, each with the samples since the last (10)",
    )  # fmt: skip
    add("--endpoint", default="", metavar="URL", help="OTLP address (OTEL_EXPORTER_OTLP_ENDPOINT)")
    add("--protocol", default="", choices=["http/protobuf", "grpc"], help="(http/protobuf)")
    add("--once", action="store_true", help="print one sample and end; sends nothing")
    add("--json", action="store_true", help="with --once: as JSON")
    add("--proc", default="/proc", metavar="DIR", help="the host's /proc, mounted here (/proc)")
    return parser


def _run(
    sample: Callable[[int], list[Point]], options: argparse.Namespace, stop: threading.Event
) -> None:
    """Sample until told to stop; samples that wait go out at the end."""
    resource = resource_of({"service.name": "spanledger-gpu", **host_attributes()})
    exporter = make_exporter(options.endpoint, options.protocol)
    waiting: list[Point] = []
    sent = time.monotonic()
    with Outbox(exporter) as outbox:

        def send() -> None:
            nonlocal waiting, sent
            outbox.put(metrics_data({resource: waiting}, SCOPE))
            waiting, sent = [], time.monotonic()

        def measure() -> None:
            waiting.extend(sample(time.time_ns()))
            if time.monotonic() - sent >= options.send_every:
                send()

        every(options.interval, stop, measure)
        if waiting:
            send()


def _print(points: Sequence[Point], *, as_json: bool) -> None:
    if as_json:
        rows = [
            {
                "metric": p.about.name,
                "unit": p.about.unit,
                "value": p.value,
                "attributes": dict(p.attributes),
            }
            for p in points
        ]
        print(json.dumps(rows, indent=2))  # noqa: T201
        return
    device = ""
    for p in points:
        if p.attributes["hw.id"] != device:
            device = str(p.attributes["hw.id"])
            print(f"{p.attributes['hw.name']} {device}")  # noqa: T201
        said = [f"{k}={v}" for k, v in p.attributes.items() if not k.startswith(_ABOUT_THE_GPU)]
        print(f"  {p.about.name:38} {p.value:>20,.12g} {p.about.unit:6} {' '.join(said)}")  # noqa: T201


_ABOUT_THE_GPU = ("hw.id", "hw.type", "hw.name", "hw.model", "hw.vendor", "spanledger.gpu.index")
