"""A real `spanledger up`, started by tests and benchmarks as a user would start it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil

from tests.ports import free_port

START_TIMEOUT_S = 120
PORTS = ("http", "grpc", "dashboard", "api", "engine")


class Instance:
    """One running instance on its own data directory and ports, also when it starts again."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.process: subprocess.Popen[bytes] | None = None
        self.output = data.with_suffix(".out")
        self._ports = [word for port in PORTS for word in (f"--{port}-port", str(free_port()))]

    def start(self) -> Instance:
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [*command("up"), "--data", str(self.data), *self._ports],
                stdout=output,
                stderr=output,
                env=environment(),
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"not ready: {self.output.read_text()}")
            time.sleep(0.05)
        return self

    def run_file(self) -> dict[str, Any]:
        return dict(json.loads((self.data / "run.json").read_text()))

    @property
    def otlp_url(self) -> str:
        return f"http://127.0.0.1:{self.run_file()['http_port']}"

    @property
    def dashboard_url(self) -> str:
        return f"http://127.0.0.1:{self.run_file()['dashboard_port']}"

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.otlp_url}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, ValueError, KeyError):
            return False

    def tree(self) -> list[psutil.Process]:
        assert self.process is not None
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]

    def pid_of(self, role: str) -> int | None:
        """Return the process of a role (collect, work, dashboard, api, engine) if there is one."""
        mark = {"engine": "spanledger_storage._engine_process"}.get(role, role)
        return next((p.pid for p in self.tree() if mark in _command_line(p)[:4]), None)

    def kill_role(self, role: str) -> None:
        """kill -9 one role and wait until its successor is up."""
        victim = self.pid_of(role)
        assert victim is not None
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: self.pid_of(role) not in (victim, None) and self.is_ready())

    def kill(self) -> None:
        """kill -9 every process at once."""
        for process in self.tree():
            with contextlib.suppress(psutil.NoSuchProcess):  # ended by itself meanwhile
                process.send_signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait()

    def stop(self, number: int = signal.SIGINT) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(30)

    def sql(self, query: str) -> list[dict[str, Any]]:
        """Run `spanledger sql … --format json`."""
        done = typed("sql", query, "--format", "json", "--data", str(self.data))
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))

    def post(self, body: bytes, content_type: str = "application/x-protobuf") -> int:
        """Send a trace request; return the HTTP status."""
        request = urllib.request.Request(
            f"{self.otlp_url}/v1/traces", data=body, headers={"Content-Type": content_type}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it ended just now
        return []


def runs(process: psutil.Process) -> bool:
    """Return whether a process runs; one that only waits for its parent to look does not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def command(name: str) -> list[str]:
    return [sys.executable, "-m", "spanledger_server", name]


def environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("SPANLEDGER_", "OTEL_"))}


def run(name: str, *args: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*command(name), *args],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**environment(), **variables},
    )


def typed(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end in this process: in a tenth of the time that a process of its own
    takes to import what is imported here. Not for what starts, or for how a process ends.
    """
    from spanledger_server import cli

    told = io.BytesIO(), io.BytesIO()
    out, err = (io.TextIOWrapper(said, "utf-8", write_through=True) for said in told)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with (
        patch.dict(os.environ, environment() | variables, clear=True),
        patch.object(sys, "argv", ["spanledger", *words]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
    assert isinstance(code, int), code
    return subprocess.CompletedProcess(words, code, *(said.getvalue().decode() for said in told))


def wait_until(check: Any, timeout_s: float = 60, every_s: float = 0.1) -> Any:
    """Return the first true result of ``check``; fail after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while not (result := check()):
        assert time.monotonic() < deadline, f"still {result!r} after {timeout_s} s"
        time.sleep(every_s)
    return result
