"""What one request costs the receiving process, from the first byte to the answer.

    python -m benchmarks.requests [--requests 4000] [--per-request 64] [--clients 4]

A collector whose store is out of reach, so that its process does nothing but receive and spool.
CPU is user and system time of that process alone; the clients and the storing processes have
their own.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import platform
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc
import psutil

from benchmarks.payloads import payloads
from tests.instance import command, environment
from tests.otlp import GRPC_METHOD
from tests.ports import free_port

_WARM_UP = 200


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--requests", type=int, default=4_000)
    parser.add_argument("--per-request", type=int, default=64)
    parser.add_argument("--clients", type=int, default=4)
    options = parser.parse_args()
    made = [p.body for p in payloads(50 * options.per_request, options.per_request)]
    print(
        f"{platform.machine()}, {psutil.cpu_count()} CPUs, Python {platform.python_version()}; "
        f"{options.requests:,} requests of {options.per_request} spans "
        f"({sum(map(len, made)) / len(made):,.0f} bytes), {options.clients} clients"
    )
    with tempfile.TemporaryDirectory() as directory:
        ports = free_port(), free_port()
        process = _start(Path(directory), *ports)
        try:
            for name, client, port in (("http", _Http, ports[0]), ("grpc", _Grpc, ports[1])):
                _load(client, port, made, _WARM_UP, options.clients)
                before, started = _cpu_s(process.pid), time.perf_counter()
                _load(client, port, made, options.requests, options.clients)
                wall_s, cpu_s = time.perf_counter() - started, _cpu_s(process.pid) - before
                print(
                    f"{name}: {1e6 * cpu_s / options.requests:8.0f} µs CPU a request, "
                    f"{options.requests / wall_s:6.0f} requests/s"
                )
        finally:
            process.terminate()
            process.wait()


def _start(directory: Path, http_port: int, grpc_port: int) -> subprocess.Popen[bytes]:
    nowhere = "clickhouse://nobody:nothing@127.0.0.1:1/none"
    arguments = ["--data", str(directory), "--store-url", nowhere, "--store-processes", "1"]
    ports = ["--http-port", str(http_port), "--grpc-port", str(grpc_port)]
    process = subprocess.Popen(
        [*command("collect"), *arguments, *ports],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", http_port, timeout=1)
        try:
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return process
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise SystemExit("the collector does not start")


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


class _Http:
    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def send(self, body: bytes) -> None:
        headers = {"content-type": "application/x-protobuf"}
        self._connection.request("POST", "/v1/traces", body, headers)
        answer = self._connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise SystemExit(f"HTTP {answer.status}")

    def close(self) -> None:
        self._connection.close()


class _Grpc:
    def __init__(self, port: int) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", options)
        self._export = self._channel.unary_unary(
            GRPC_METHOD, request_serializer=bytes, response_deserializer=bytes
        )

    def send(self, body: bytes) -> None:
        self._export(body, timeout=30)

    def close(self) -> None:
        self._channel.close()


def _load(
    client: Callable[[int], _Http | _Grpc],
    port: int,
    bodies: Sequence[bytes],
    requests: int,
    clients: int,
) -> None:
    """Send requests from several threads, each with a connection of its own."""

    def run() -> None:
        sender = client(port)
        for body in itertools.islice(itertools.cycle(bodies), requests // clients):
            sender.send(body)
        sender.close()

    threads = [threading.Thread(target=run) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
