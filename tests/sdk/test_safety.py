"""Whatever becomes of the collector, the program does not notice; each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.instance import environment, wait_until
from tests.ports import free_port
from tests.sdk.receiver import Receiver, receiving
from tests.variants import first

_SENDS = {"SPANLEDGER_SEND_UNDER_PYTEST": "true"}
_AGENT = """
import spanledger, time, sys, os
spanledger.init(instrument=False)
@spanledger.tool
def search(n):
    return n
"""


def run(
    code: str, endpoint: str, **variables: str
) -> tuple[subprocess.CompletedProcess[str], float]:
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", _AGENT + code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**environment(), **_SENDS, "SPANLEDGER_ENDPOINT": endpoint, **variables},
    )
    return done, time.monotonic() - started


def test_spans_arrive_when_a_program_ends() -> None:
    with receiving() as receiver:
        done, _ = run("for n in range(700): search(n)", receiver.url, SPANLEDGER_API_KEY="sl_key")
        assert (done.returncode, done.stderr) == (0, "")
        assert len(receiver.spans) == 700
        assert receiver.headers[0]["authorization"] == "Bearer sl_key"


@pytest.mark.parametrize("trouble", first(["slow", "down", "failing"]))
def test_a_program_neither_waits_nor_fails(trouble: str) -> None:
    with receiving() as receiver:
        url = f"http://127.0.0.1:{free_port()}" if trouble == "down" else receiver.url
        receiver.delay_s = 5.0 if trouble == "slow" else 0.0
        receiver.status = 503 if trouble == "failing" else 200
        code = "\n".join(
            [
                "slowest = 0.0",
                "for n in range(3000):",
                "    started = time.thread_time()",
                "    search(n)",
                "    slowest = max(slowest, time.thread_time() - started)",
                "print(slowest)",
                "import spanledger._init as i, atexit",
                "ending = time.monotonic()",
                "i.running().queue.shutdown(2000)",
                "print(time.monotonic() - ending)",
            ]
        )
        done, _ = run(code, url)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    slowest_s, ending_s = map(float, done.stdout.split())
    assert slowest_s < 0.2
    assert ending_s < 3


def test_a_full_queue_drops_and_counts() -> None:
    code = "\n".join(
        [
            "for n in range(9000): search(n)",
            "import spanledger._init as i",
            "print(i.running().figures.dropped > 0)",
        ]
    )
    with receiving() as receiver:
        receiver.delay_s = 20.0
        done, _ = run(code, receiver.url)
    assert (done.returncode, done.stdout.strip()) == (0, "True"), done.stderr
    assert done.stderr.count("said once") <= 3


def test_forks_send_their_own_spans_and_nobody_elses() -> None:
    code = "\n".join(
        [
            "search(0)",
            "children = []",
            "for n in range(1, 4):",
            "    pid = os.fork()",
            "    if pid == 0:",
            "        with spanledger.agent(f'child {n}'): pass",
            "        sys.exit(0)",
            "    children.append(pid)",
            "for pid in children: os.waitpid(pid, 0)",
        ]
    )
    with receiving() as receiver:
        done, _ = run(code, receiver.url)
        assert done.returncode == 0, done.stderr
        wait_until(lambda: len(receiver.spans) >= 4)
    assert sorted(receiver.names) == [
        "execute_tool search",
        *(f"invoke_agent child {n}" for n in (1, 2, 3)),
    ]


_CHILDREN = """
import multiprocessing, sys
import spanledger
{before}
def ask(n):
    {inside}
    with spanledger.agent(f"child {{n}}"): pass
if __name__ == "__main__":
    chosen = multiprocessing.get_context(sys.argv[1])
    if sys.argv[2] == "processes":
        children = [chosen.Process(target=ask, args=(n,)) for n in range(3)]
        for child in children: child.start()
        for child in children: child.join()
    elif sys.argv[2] == "pool":
        pool = chosen.Pool(2)
        pool.map(ask, range(3))
        pool.close()
        pool.join()
    else:
        from concurrent.futures import ProcessPoolExecutor
        with ProcessPoolExecutor(2, mp_context=chosen) as pool: list(pool.map(ask, range(3)))
"""
_INIT = "spanledger.init(instrument=False)"


@pytest.mark.parametrize(
    "chosen",
    first(
        [
            ("fork", "processes", "before"),
            ("fork", "executor", "before"),
            ("fork", "pool", "before"),
            ("fork", "processes", "inside"),
            ("spawn", "processes", "before"),
            ("forkserver", "processes", "inside"),
        ],
        3,
    ),
)
def test_children_of_multiprocessing_send_what_is_left(
    tmp_path: Path, chosen: tuple[str, str, str]
) -> None:
    how, what, where = chosen
    program = tmp_path / "program.py"
    program.write_text(_CHILDREN.format(**{"before": "", "inside": "", where: _INIT}))
    with receiving() as receiver:
        done = subprocess.run(
            [sys.executable, str(program), how, what],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**environment(), **_SENDS, "SPANLEDGER_ENDPOINT": receiver.url},
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert sorted(receiver.names) == [f"invoke_agent child {n}" for n in range(3)]


def test_spooled_spans_arrive_once_after_an_outage(tmp_path: Path) -> None:
    code = "\n".join(
        [
            "for n in range(20): search(n)",
            "spanledger.flush()",
            "print('sent', flush=True)",
            "sys.stdin.readline()",
            "for n in range(20, 40): search(n)",
            "spanledger.flush()",
            "print('kept', flush=True)",
            "sys.stdin.readline()",
            "time.sleep(1.1)",
            "search(40)",
            "spanledger.flush()",
            "time.sleep(2.5)",
        ]
    )
    receiver = Receiver()
    receiver.start()
    variables = {"SPANLEDGER_ENDPOINT": receiver.url, "SPANLEDGER_SPOOL": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", _AGENT + code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**environment(), **_SENDS, **variables},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "sent\n"
        assert len(receiver.spans) == 20
        receiver.stop()
        print(file=process.stdin, flush=True)
        assert process.stdout.readline() == "kept\n"
        assert len(list(tmp_path.glob("*/*.otlp"))) == 1
        receiver.start()
        print(file=process.stdin, flush=True)
        process.wait(20)
    receiver.stop()
    assert len(receiver.spans) == 41
    assert len({span.span_id for span in receiver.spans}) == 41
    assert list(tmp_path.glob("*/*.otlp")) == []


def test_spooled_spans_survive_a_crash_of_the_program(tmp_path: Path) -> None:
    with receiving() as receiver:
        receiver.status = 503
        code = "for n in range(5): search(n)\nspanledger.flush()\nos._exit(9)"
        done, _ = run(code, receiver.url, SPANLEDGER_SPOOL=str(tmp_path))
        assert done.returncode == 9
        assert len(list(tmp_path.glob("*/*.otlp"))) == 1
        receiver.status = 200
        code = "search(5)\nspanledger.flush()\ntime.sleep(1.5)"
        done, _ = run(code, receiver.url, SPANLEDGER_SPOOL=str(tmp_path))
        assert done.returncode == 0, done.stderr
    assert len({span.span_id for span in receiver.spans}) == len(receiver.spans) == 6
    assert list(tmp_path.glob("*/*.otlp")) == []


def test_a_spool_keeps_to_its_size(tmp_path: Path) -> None:
    code = "\n".join(
        [
            "for n in range(30):",
            "    search('x' * 1000)",
            "    spanledger.flush()",
        ]
    )
    down = f"http://127.0.0.1:{free_port()}"
    variables = {"SPANLEDGER_SPOOL": str(tmp_path), "SPANLEDGER_SPOOL_MAX_BYTES": "10000"}
    done, _ = run(code, down, SPANLEDGER_CONTENT="full", **variables)
    assert done.returncode == 0, done.stderr
    assert sum(os.path.getsize(path) for path in tmp_path.glob("*/*.otlp")) <= 10_000
    assert "oldest spans are dropped" in done.stderr


def test_a_spool_that_cannot_be_written_does_not_matter() -> None:
    with receiving() as receiver:
        done, _ = run("search(1)", receiver.url, SPANLEDGER_SPOOL="/dev/null/spool")
        assert done.returncode == 0
        assert receiver.names == ["execute_tool search"]
