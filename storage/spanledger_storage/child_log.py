"""Logs that child processes write to a descriptor of ours, for as long as they live."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_MOST_BYTES = 50 << 20


def open_log(log: Path, *, is_new: bool) -> BinaryIO:
    """Return a log to append to; a new one keeps what was said before as its predecessor."""
    log.parent.mkdir(exist_ok=True)
    if is_new and log.exists():
        log.replace(_predecessor(log))
    return log.open("ab")


def bound_log(log: Path) -> None:
    """Move what a child wrote to the predecessor once it is 50 MiB; cheap, to be called often.

    The child goes on appending to the file, so it is copied and emptied; a line that is written in
    between is lost.
    """
    with suppress(OSError):  # a full disk, for example: the next call may find room
        if log.stat().st_size > _MOST_BYTES:
            shutil.copyfile(log, _predecessor(log))
            os.truncate(log, 0)


def _predecessor(log: Path) -> Path:
    return log.with_suffix(".previous.log")
