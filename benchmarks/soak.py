"""A long steady stream: whether a process grows, and whether the numbers stay equal.

    python -m benchmarks.soak [--rate 400] [--minutes 60] [--every 5]

`spanledger up` receives a fleet of agents (agent_traffic.py). Reported every few minutes: memory
that each process has for itself, and open files. At the end, once every call is priced: spans sent
and stored, and the dollars of ledger, hourly usage and traces.
"""

from __future__ import annotations

import argparse
import http.client
import platform
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.agent_traffic import Traffic
from tests.instance import Instance

_ROLES = ("engine", "collect", "work", "dashboard", "api")
_MINUTE_S = 60
_SETTLE_S = 300
_PROTOBUF = {"Content-Type": "application/x-protobuf"}
_TOTALS = """
SELECT
    (SELECT count() FROM spans) AS spans,
    (SELECT uniqExact(trace_id, span_id) FROM spans) AS distinct_spans,
    (SELECT toString(sum(total_cost_usd)) FROM ledger_current) AS ledger_usd,
    (SELECT toString(sum(total_cost_usd)) FROM usage_hourly FINAL WHERE is_deleted = 0)
        AS usage_usd,
    (SELECT toString(sum(total_cost_usd)) FROM traces FINAL WHERE is_deleted = 0) AS traces_usd
"""


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("--rate", type=int, default=400, help="spans a second")
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--every", type=int, default=5, help="minutes between two lines")
    options = parser.parse_args()
    print(
        f"{platform.machine()}, {psutil.cpu_count()} CPUs, Python {platform.python_version()}; "
        f"{options.rate:,} spans/s for {options.minutes} minutes"
    )
    with tempfile.TemporaryDirectory() as directory:
        instance = Instance(Path(directory) / "data").start()
        try:
            _say_memory(instance, 0)
            sent = _stream(instance, options.rate, options.minutes, options.every)
            _say_totals(instance, sent)
        finally:
            instance.stop()


def _stream(instance: Instance, rate: int, minutes: int, every: int) -> int:
    """Send second by second; return how many spans were acknowledged."""
    sent = 0
    traffic = Traffic(rate, time.time_ns(), minutes * _MINUTE_S, seed=0)
    began_s = time.monotonic()
    with closing(http.client.HTTPConnection(urlsplit(instance.otlp_url).netloc)) as connection:
        for second, bodies in enumerate(traffic.requests()):
            sent += sum(_acknowledged(connection, body) for body in bodies)
            if second and second % (every * _MINUTE_S) == 0:
                _say_memory(instance, second // _MINUTE_S)
            time.sleep(max(0.0, began_s + second - time.monotonic()))
    return sent


def _acknowledged(connection: http.client.HTTPConnection, body: bytes) -> int:
    connection.request("POST", "/v1/traces", body, _PROTOBUF)
    answer = connection.getresponse()
    answer.read()
    if answer.status != http.client.OK:
        raise SystemExit(f"the collector answered {answer.status}")
    return sum(
        len(scope.spans)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
    )


def _say_memory(instance: Instance, minute: int) -> None:
    said: list[str] = []
    for role in _ROLES:
        process = psutil.Process(instance.pid_of(role))
        own_mib = process.memory_full_info().uss / 2**20
        said.append(f"{role} {own_mib:.0f} MiB, {process.num_fds()} files")
    print(f"minute {minute:4}: {'; '.join(said)}", flush=True)


def _say_totals(instance: Instance, sent: int) -> None:
    """Print what is stored, once its sums are equal and stay so; or what they are after minutes."""
    deadline_s = time.monotonic() + _SETTLE_S
    before, [totals] = None, instance.sql(_TOTALS)
    while time.monotonic() < deadline_s and not (totals == before and _are_equal(totals)):
        time.sleep(20)
        before, [totals] = totals, instance.sql(_TOTALS)
    print(f"sent {sent:,}, stored {totals['spans']:,}, distinct {totals['distinct_spans']:,} spans")
    print(
        f"ledger ${totals['ledger_usd']}, hourly usage ${totals['usage_usd']}, "
        f"traces ${totals['traces_usd']}"
    )


def _are_equal(totals: dict[str, Any]) -> bool:
    return len({totals[f"{name}_usd"] for name in ("ledger", "usage", "traces")}) == 1


if __name__ == "__main__":
    main()
