"""A child process of ``up``: how it is started, when it is again, and what it said at its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from spanledger_storage.child_log import open_log

_RESTART_AFTER_S, _LONGEST_PAUSE_S = 1.0, 30.0
_LASTING_S = 300.0
_LAST_BYTES = 1 << 16


@dataclass(slots=True)
class Child:
    """One child process and how to tell that it works."""

    name: str
    command: list[str]
    is_up: Callable[[], bool]
    logs: Path
    process: subprocess.Popen[bytes] | None = None
    began_at_s: float = 0.0
    ended_at_s: float | None = None
    short_lives: int = 0

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.logs / f"{self.name}.log"

    @property
    def has_ended(self) -> bool:
        """Whether it was started and runs no longer."""
        return self.process is not None and self.process.poll() is not None

    def start(self, environment: Mapping[str, str]) -> None:
        """Start it, for the first time or again."""
        with open_log(self.log, is_new=self.process is None) as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "spanledger_server", *self.command],
                stdin=subprocess.PIPE,  # its end of file tells the child that we are gone
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,  # Ctrl-C is for the supervisor alone
            )
        self.began_at_s, self.ended_at_s = time.monotonic(), None

    def note_end(self, now_s: float) -> None:
        """Take down that the process ended; ``now_s`` is of the monotonic clock."""
        self.ended_at_s = now_s
        is_lasting = now_s - self.began_at_s >= _LASTING_S
        self.short_lives = 0 if is_lasting else self.short_lives + 1

    def is_due(self, now_s: float) -> bool:
        """Return whether it is to be started again: at once, and later the more often it ended."""
        assert self.ended_at_s is not None
        pause_s = _RESTART_AFTER_S * max(0, self.short_lives - 1)
        return now_s - self.ended_at_s >= min(_LONGEST_PAUSE_S, pause_s)

    def last_words(self) -> str:
        """Return which signal ended it, if one did, and the last line of its log."""
        code = self.process.poll() if self.process else None
        by = f"{_signal_name(-code)} ended it. " if code and code < 0 else ""
        with self.log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _LAST_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
        said = next((line for line in reversed(lines) if line.strip()), None)
        told = "is empty." if said is None else f"ends: {said[:500]}"
        return f"{by}Its log ({self.log}) {told}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most of the real-time signals have none
        return f"Signal {number}"
