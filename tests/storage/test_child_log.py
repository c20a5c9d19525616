"""Logs of child processes stay small while the children go on writing."""

import subprocess
import sys
from pathlib import Path

import pytest

from spanledger_storage.child_log import bound_log, open_log

WRITES = """
for line in open(0):
    print(line * 100, end="", flush=True)
    open(2, "w", closefd=False).write("done")
"""


def test_a_child_goes_on_in_the_emptied_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spanledger_storage.child_log._MOST_BYTES", 199)
    log, before = tmp_path / "logs" / "worker.log", tmp_path / "logs" / "worker.previous.log"
    with open_log(log, is_new=True) as output:
        child = subprocess.Popen(
            [sys.executable, "-c", WRITES],
            stdin=subprocess.PIPE, stdout=output, stderr=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip
    assert child.stdin is not None
    assert child.stderr is not None
    for sign in "abc":
        child.stdin.write(f"{sign}\n")
        assert child.stderr.read(4) == "done"
        bound_log(log)
        assert (log.read_text(), before.read_text()) == ("", f"{sign}\n" * 100)
    monkeypatch.undo()
    child.stdin.write("d\n")
    assert child.stderr.read(4) == "done"
    bound_log(log)
    assert (log.read_text(), before.read_text()) == ("d\n" * 100, "c\n" * 100)
    child.communicate()
