"""An engine and a sender in a process that is there to be killed: ``FILE LOG STEPS``.

Time is the state database's: each step is ten seconds after the last evaluation that was stored.
What the channel takes is a line of LOG, written before the sender knows.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from spanledger_alerts.notification import Notification
from spanledger_storage.alert_tables import rule_states
from tests.alerts.stage import T0, Recorder, S, Stage, rule


class Log(Recorder):
    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def send(self, notification: Notification) -> str:
        told = [[o.labels["agent"], o.key, o.ended_ns is None] for o in notification.incidents]
        with self._file.open("a") as log:
            log.write(json.dumps([notification.id, told]) + "\n")
        return super().send(notification)


def main(file: Path, log: Path, steps: int) -> None:
    stage = Stage(file, rule(group_interval="10s"), channels={"ops": Log(log)})
    stage.engine = stage.new_engine(str(os.getpid()))
    slots = [row["slot_ns"] for row in stage.rows(rule_states)]
    stage.now_ns = max(slots, default=T0)
    for _ in range(steps):
        stage.now_ns += 10 * S
        passed_s = (stage.now_ns - T0) // S
        stage.say(a=12, b=12 if 60 <= passed_s < 400 else 1, c=12 if passed_s >= 500 else 1)
        stage.evaluate()
        stage.send()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
