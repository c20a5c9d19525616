"""Budgets: how fast the real API answers, and what a guarded call costs an agent.

    python -m benchmarks.budgets [--clients 100] [--seconds 10]

A process of `spanledger api` with a state database of its own in a temporary directory. First one
client alone, then many at once, each with one request after the other; then calls of the SDK
inside ``budget(shared=True)``.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import psutil

from spanledger_storage.budgets import Budgets, BudgetTerms
from spanledger_storage.state import migrate_state, open_state
from tests.instance import command, environment, wait_until
from tests.ports import free_port

_BASE = "/api/v1/budgets"
_ALONE = 500
_BUDGETS = 20


class Client:
    """One connection."""

    def __init__(self, port: int, name: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._name = name
        self._number = 0
        self._reservation = ""

    def _post(self, what: str, body: object) -> dict[str, object]:
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", f"{_BASE}/{what}", json.dumps(body), headers)
        answer = self._connection.getresponse()
        found: dict[str, object] = json.loads(answer.read())
        assert answer.status == 200, found
        return found

    def state(self) -> None:
        """Ask what an agent's budgets are at."""
        self._connection.request("GET", f"{_BASE}/state?agent=agent-1")
        answer = self._connection.getresponse()
        assert len(json.loads(answer.read())["budgets"]) == 2

    def reserve(self) -> None:
        """Set something aside in two budgets."""
        self._number += 1
        body = {
            "key": f"{self._name}-{self._number}",
            "subject": {"agent": "agent-1"},
            "needed": {"usd": "0.000001"},
        }
        found = self._post("reserve", body)
        assert found["granted"]
        self._reservation = str(found["reservation"])

    def settle(self) -> None:
        """Settle what was reserved last."""
        one = {
            "key": f"{self._name}-{self._number}",
            "reservation": self._reservation,
            "used": {"usd": "0.000001"},
        }
        self._post("settle", {"settlements": [one]})

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        _make_budgets(data)
        port = free_port()
        process = subprocess.Popen(
            [*command("api"), "--data", str(data), "--port", str(port),
             "--store-url", "clickhouse://127.0.0.1:1/nowhere"], env=environment(),
        )  # fmt: skip
        try:
            wait_until(lambda: _is_up(port), every_s=0.05)
            _alone(port, psutil.Process(process.pid))
            _together(port, options.clients, options.seconds)
            _sdk(port)
        finally:
            process.terminate()
            process.wait(10)


def _make_budgets(data: Path) -> None:
    state = open_state(f"sqlite:///{data / 'state.db'}")
    migrate_state(state)
    budgets = Budgets(state)
    for number in range(_BUDGETS):
        terms = BudgetTerms(f"agent {number}", "agent", f"agent-{number}", "usd", "month",
                            hard_limit=Decimal(1_000_000))  # fmt: skip
        budgets.create("default", terms, "me", time.time_ns())
    terms = BudgetTerms("all", "project", "", "usd", "month", hard_limit=Decimal(1_000_000))
    budgets.create("default", terms, "me", time.time_ns())
    state.dispose()


def _is_up(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False


def _alone(port: int, process: psutil.Process) -> None:
    client = Client(port, "alone")

    def pair() -> None:
        client.reserve()
        client.settle()

    for _ in range(50):
        pair()
        client.state()
    for name, ask in (("state", client.state), ("reserve and settle", pair)):
        before_s = _cpu_s(process)
        times = [_timed(ask) for _ in range(_ALONE)]
        cpu_ms = (_cpu_s(process) - before_s) * 1e3 / _ALONE
        print(f"one client, {name}: {_summary(times)}; {cpu_ms:.2f} ms of the server's CPU each")
    client.close()


def _cpu_s(process: psutil.Process) -> float:
    used = process.cpu_times()
    return used.user + used.system


def _together(port: int, clients: int, seconds: float) -> None:
    times: list[float] = []
    states: list[float] = []
    end_s = time.monotonic() + seconds

    def work(number: int) -> None:
        client = Client(port, f"client-{number}")
        while time.monotonic() < end_s:
            times.append(_timed(client.reserve))
            times.append(_timed(client.settle))
        client.close()

    def look() -> None:
        client = Client(port, "looking")
        while time.monotonic() < end_s:
            states.append(_timed(client.state))
            time.sleep(0.02)
        client.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(clients)]
    threads.append(threading.Thread(target=look))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{clients} clients: {len(times) / seconds:,.0f} requests/s; each {_summary(times)}")
    print(f"{clients} clients, state beside them: {_summary(states)}")


def _sdk(port: int) -> None:
    import spanledger
    from spanledger import _budget_desk

    os.environ["SPANLEDGER_API_URL"] = f"http://127.0.0.1:{port}"
    desk = _budget_desk.desk()

    def call() -> None:
        with spanledger.llm_call(provider="openai", model="gpt-4o") as one:
            one.usage(input_tokens=10, output_tokens=5)

    for shared in (False, True):
        with spanledger.budget(llm_calls=10**9, shared=shared, mode="raise"):
            for _ in range(300):
                call()
            times = [_timed(call) for _ in range(5_000)]
        name = "shared" if shared else "of the process"
        print(f"one guarded call, budget {name}: {_summary(times, 'µs', 1e6)}")
    desk.close()
    figures = desk.figures
    print(f"admitted {figures.admitted}, passed unasked {figures.passed}")


def _timed(ask: Callable[[], None]) -> float:
    began = time.perf_counter()
    ask()
    return time.perf_counter() - began


def _summary(times: list[float], unit: str = "ms", scale: float = 1e3) -> str:
    found = sorted(t * scale for t in times)
    p99 = found[int(len(found) * 0.99)]
    return (
        f"median {statistics.median(found):.2f} {unit}, p99 {p99:.2f} {unit}, "
        f"max {found[-1]:.2f} {unit} ({len(found)} times)"
    )


if __name__ == "__main__":
    main()
