"""Kills an engine and a sender with SIGKILL at one step after the other: ``FOLDER EVERY``.

This process alone has what takes long to import; each life is a fork of it. A first life is killed
before or after a call that writes, a second one goes on with what is stored. What the channel took
is in ``FOLDER/STEP-before.log`` and ``FOLDER/STEP-after.log``: a line for each notification.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

from spanledger_storage.alert_outbox import AlertOutbox
from spanledger_storage.alert_state import AlertState
from spanledger_storage.alert_tables import rule_states
from tests.alerts.fuses import Fuse, Fused
from tests.alerts.killed import Log
from tests.alerts.stage import T0, S, Stage, migrated, rule

SECONDS = 120


def live(file: Path, log: Path, holder: str, fuse: Fuse) -> None:
    """Go on where the state database is: b fires from 20 to 60 s, c from 80 s on, a always."""
    stage = Stage(file, rule(group_interval="10s"), channels={"ops": Log(log)})
    stage.state = cast("AlertState", Fused(stage.state, fuse))
    stage.outbox = cast("AlertOutbox", Fused(stage.outbox, fuse))
    stage.engine, stage.sender = stage.new_engine(holder), stage.new_sender()
    stage.now_ns = max([row["slot_ns"] for row in stage.rows(rule_states)], default=T0)
    if holder == "second":
        stage.now_ns += 20 * S  # until the lease of the dead is free
    # What a dead sender held comes back after two minutes.
    until_ns = T0 + (SECONDS if holder == "first" else SECONDS + 160) * S
    while stage.now_ns < until_ns:
        stage.now_ns += 10 * S
        passed_s = (stage.now_ns - T0) // S
        stage.say(a=12, b=12 if 20 <= passed_s < 60 else 1, c=12 if passed_s >= 80 else 1)
        stage.evaluate()
        stage.send()


def die() -> None:
    """End as by the power switch: nothing is closed, nothing is said."""
    os.kill(os.getpid(), signal.SIGKILL)


def forked(life: Callable[[], None]) -> int:
    """Run a life in a process of its own; return how it ended, as ``os.waitpid`` says."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            life()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1]


def main(folder: Path, every: int) -> None:
    """Count the steps of a whole life, then end one at each of them."""
    migrated()
    whole = Fuse(0, is_after=False)
    live(folder / "whole.db", folder / "whole.txt", "first", whole)
    for at in range(1, whole.calls + 1, every):
        for word in ("before", "after"):
            file, log = folder / f"{at}-{word}.db", folder / f"{at}-{word}.log"
            fuse = Fuse(at, is_after=word == "after", die=die)
            ended = forked(lambda: live(file, log, "first", fuse))  # noqa: B023  # run at once
            if not os.WIFSIGNALED(ended) or os.WTERMSIG(ended) != signal.SIGKILL:
                raise SystemExit(f"the life of step {at} was not killed: {ended}")
            if forked(lambda: live(file, log, "second", Fuse(0, is_after=False))):  # noqa: B023
                raise SystemExit(f"nobody could go on after step {at}")
            print(log.name)  # noqa: T201  # the test reads which there are


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
