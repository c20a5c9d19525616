"""What is told of a child process of `up` that ended, or does not get ready."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spanledger import __version__
from spanledger_dashboard.access.settings import DashboardAuth
from spanledger_server.child import Child
from spanledger_server.dashboard_guard import DashboardGuard
from spanledger_server.errors import StartError
from spanledger_server.guard import Auth, Guard
from spanledger_server.run_file import RunInfo
from spanledger_server.supervisor import Supervisor
from spanledger_server.up_settings import UpSettings
from tests.instance import environment

INFO = RunInfo(pid=1, started_at_s=0, host="", http_port=1, grpc_port=1, dashboard_port=1,
               engine_port=0)  # fmt: skip


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    """One that runs, said nothing yet, and never gets ready."""
    child = Child("worker", [], lambda: False, tmp_path)
    child.log.touch()
    child.process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield child
    child.process.kill()
    child.process.communicate()


def test_a_start_keeps_what_the_last_one_said(tmp_path: Path) -> None:
    for start in range(3):
        child = Child("worker", ["version"], lambda: False, tmp_path / "logs")
        for _ in range(2):  # the second time it is started again, after it ended
            child.start(environment())
            assert child.process is not None
            child.process.communicate()
        said = f"{__version__}\n" * 2
        assert child.log.read_text() == said
        assert [path.name for path in sorted(child.logs.iterdir())] == (
            ["worker.log", "worker.previous.log"] if start else ["worker.log"]
        )
        child.log.write_text(f"start {start}")
    assert (child.logs / "worker.previous.log").read_text() == "start 1"


def awaiting(child: Child, data: Path) -> None:
    settings = UpSettings(data, "127.0.0.1", 0, 0, 0, 0, 0, Guard(Auth.NONE, data),
                          DashboardGuard(DashboardAuth.NONE, data))  # fmt: skip
    supervisor = Supervisor(settings, print)
    supervisor._roles = [child]
    supervisor._await_ready(INFO)


def test_the_log_of_what_does_not_get_ready_is_quoted(
    child: Child, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spanledger_server.supervisor._READY_TIMEOUT_S", 0)
    child.log.write_text(f"{'x' * 100_000}\nattempt to write a readonly database\n\n")
    with pytest.raises(StartError) as told:
        awaiting(child, tmp_path)
    assert str(told.value) == (
        f"The worker is not up after 0 s. Its log ({child.log}) ends: attempt to write a readonly"
        " database"
    )


@pytest.mark.parametrize(
    ("number", "name"),
    [(signal.SIGKILL, "SIGKILL"), (signal.SIGRTMIN + 1, f"Signal {signal.SIGRTMIN + 1}")],
)
def test_the_signal_that_ended_a_process_is_named(
    child: Child, tmp_path: Path, number: int, name: str
) -> None:
    assert child.process is not None
    os.kill(child.process.pid, number)
    child.process.wait()
    with pytest.raises(StartError) as told:
        awaiting(child, tmp_path)
    assert str(told.value) == (
        f"The worker did not start. {name} ended it. Its log ({child.log}) is empty."
    )
