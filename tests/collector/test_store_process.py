"""Storing processes are forked from one with everything loaded, and end with the collector."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from spanledger_collector.store.store_process import StoreJob, StoreProcess, StoreProcessDied
from spanledger_storage.store import StoreSettings
from tests.ports import free_port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forked on Linux only")

_KILLED = """
import os, signal, sys
import psutil
from spanledger_collector.store.store_process import StoreJob, StoreProcess
from spanledger_storage.store import StoreSettings

if __name__ == "__main__":
    store = StoreSettings("127.0.0.1", int(sys.argv[1]), "nothing", "nobody", "")
    processes = [StoreProcess(store), StoreProcess(store)]
    for process in processes:
        process.run(StoreJob("flush", 1, []))
    print(*(child.pid for child in psutil.Process().children(recursive=True)), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


_LOGGING = """
import logging, sys
from spanledger_collector.decode.decode import Body
from spanledger_collector.store.store_process import StoreJob, StoreProcess
from spanledger_storage.store import StoreSettings

if __name__ == "__main__":
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("<%(levelname)s> %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    process = StoreProcess(StoreSettings("127.0.0.1", int(sys.argv[1]), "nothing", "nobody", ""))
    process.run(StoreJob("flush", 1, [Body("default", b"no request", 1)]))
    process.close()
"""


@pytest.fixture
def nowhere() -> StoreSettings:
    return StoreSettings("127.0.0.1", free_port(), "nothing", "nobody", "")


@pytest.fixture
def forked(nowhere: StoreSettings) -> Iterator[list[psutil.Process]]:
    """Two storing processes, and first what they were forked from."""
    with closing(StoreProcess(nowhere)) as one, closing(StoreProcess(nowhere)) as two:
        for process in (one, two):
            assert process.run(StoreJob("flush", 1, [])).permanent is False
        children = psutil.Process().children(recursive=True)
        ours = [child for child in children if "forkserver" in " ".join(child.cmdline())]
        yield sorted(ours, key=lambda child: child.ppid() != os.getpid())


def test_processes_are_forked_from_one_that_has_no_threads(forked: list[psutil.Process]) -> None:
    parent, *others = forked
    assert parent.num_threads() == 1
    assert [child.ppid() for child in others] == [parent.pid, parent.pid]


def test_a_storing_process_does_not_load_data_frames(forked: list[psutil.Process]) -> None:
    for process in forked:
        assert not any("pandas" in mapped.path for mapped in process.memory_maps())


def test_nothing_outlives_a_collector_that_was_killed(tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(_KILLED)
    done = subprocess.run(
        [sys.executable, str(script), str(free_port())], capture_output=True, text=True, timeout=60
    )
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) >= 3, done.stderr
    left = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    _, alive = psutil.wait_procs(left, timeout=10)
    assert alive == []


def test_a_storing_process_logs_as_the_collector_does(tmp_path: Path) -> None:
    script = tmp_path / "logging_.py"
    script.write_text(_LOGGING)
    done = subprocess.run(
        [sys.executable, str(script), str(free_port())], capture_output=True, text=True, timeout=60
    )
    lines = done.stderr.splitlines()
    assert lines
    assert all(line.startswith("<WARNING> ") for line in lines), done.stderr


def test_a_process_that_ended_before_its_job_did_not_end_over_it(nowhere: StoreSettings) -> None:
    with closing(StoreProcess(nowhere)) as process:
        process.run(StoreJob("flush", 1, []))
        process._process.kill()
        process._process.join()
        with pytest.raises(StoreProcessDied) as died:
            process.run(StoreJob("flush", 1, []))
    assert not died.value.had_begun


def test_a_process_that_ends_with_its_job_in_hand_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        settings = StoreSettings("127.0.0.1", port, "nothing", "nobody", "")
        with closing(StoreProcess(settings)) as process:

            def kill() -> None:
                with silent.accept()[0]:
                    process._process.kill()
                    process._process.join()

            killer = threading.Thread(target=kill)
            killer.start()
            with pytest.raises(StoreProcessDied) as died:
                process.run(StoreJob("flush", 1, []))
            killer.join(5)
    assert died.value.had_begun


def test_without_a_place_for_a_socket_processes_start_all_the_same(
    nowhere: StoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise FileNotFoundError("No usable temporary directory")

    monkeypatch.setattr("multiprocessing.forkserver.ensure_running", refuse)
    with closing(StoreProcess(nowhere)) as process:
        assert process.run(StoreJob("flush", 1, [])).error is not None
