"""A child process that decodes batches and inserts them, so that receiving never waits for it.

It ends when its pipe closes, that is also when the collector was killed; a batch it was working
on is sent again under the same token after the restart.
"""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from logging import StreamHandler
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from spanledger_collector import memory
from spanledger_collector.decode.columns import with_dictionaries, without_defaults
from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.decode_batch import decode_batch
from spanledger_collector.decode.messages import MessageStore
from spanledger_collector.decode.recent_messages import RecentMessages
from spanledger_collector.errors import CollectorError
from spanledger_collector.spool.dead_letters import TABLE, DeadLetter, rows_of, token_of
from spanledger_storage.errors import StoreError
from spanledger_storage.store import Store, StoreSettings

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, SpawnContext

_DAY_NS = 86_400 * 10**9
_MOST_DAYS = 500
_MOST_ROWS = 100_000
_PIPE_BYTES = 4 << 20
_IDLE_S = 5.0
_TIMES = {
    "spans": "start_time",
    "logs": "time",
    "metric_points": "time",
    "gpu_samples": "time",
    "gpu_processes": "time",
    "inference_samples": "time",
}
"""Tables partitioned by day, and the column of the day."""


Tables = Sequence[tuple[str, pa.Table]]


@dataclass(frozen=True, slots=True)
class StoreJob:
    """One frozen batch to store."""

    flush_id: str
    ingested_at_ns: int
    bodies: Sequence[Body]

    def tables(self, messages: MessageStore) -> Tables:
        """Return the rows of the batch in the order to insert them; raises what decoding does."""
        return decode_batch(self.bodies, self.flush_id, self.ingested_at_ns, messages)


@dataclass(frozen=True, slots=True)
class LetterJob:
    """Dead letters to put into the store's table of them."""

    letters: Sequence[DeadLetter]
    ingested_at_ns: int

    @property
    def flush_id(self) -> str:
        """Equal for equal letters."""
        return token_of(self.letters)

    def tables(self, _: MessageStore) -> Tables:
        """Return the rows of the letters."""
        return [(TABLE, rows_of(self.letters))]


@dataclass(frozen=True, slots=True)
class StoreOutcome:
    """What became of a job; ``error`` is None when its rows are in the store.

    ``permanent`` and ``may_be_rows`` as of a ``StoreError``.
    """

    error: str | None = None
    permanent: bool = False
    may_be_rows: bool = False


class StoreProcessDied(CollectorError):
    """The child process ended by itself, for example for lack of memory.

    Attributes:
        had_begun: whether it had the job in hand; else it ended before, and not over the job.
    """

    def __init__(self, message: str, *, had_begun: bool = True) -> None:
        super().__init__(message)
        self.had_begun = had_begun


class StoreProcess:
    """Handle of one child; use from one thread.

    Args:
        settings: where rows go.
        scratch: directory for temporary files, on a disk that is looked after.
    """

    def __init__(self, settings: StoreSettings, scratch: Path | None = None) -> None:
        context = _context()
        self._pipe, far_end = context.Pipe()
        _widen(self._pipe)
        self._process = context.Process(
            target=_serve,
            args=(far_end, settings, scratch, *_logging()),
            name="spanledger-store",
            daemon=True,
        )
        self._process.start()
        far_end.close()  # or the child's end of the pipe would never see ours close

    def run(self, job: StoreJob | LetterJob) -> StoreOutcome:
        """Store a batch, or letters, and return what became of it.

        Raises:
            StoreProcessDied: the child ended; make a new one.
        """
        had_begun = False
        try:
            _send_head(self._pipe, job)
            self._pipe.recv()  # that it has the job: it lives, and what comes now is over the job
            had_begun = True
            _send_payloads(self._pipe, job)
            outcome = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise StoreProcessDied(
                f"The storing process ended: {error!r}", had_begun=had_begun
            ) from error
        assert isinstance(outcome, StoreOutcome)
        return outcome

    def close(self, timeout_s: float = 5) -> None:
        """End the child after the batch it works on."""
        self._pipe.close()
        self._process.join(timeout_s)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _context() -> ForkServerContext | SpawnContext:
    """Return how children are started: not as forks of this process, which has threads."""
    if sys.platform == "linux":
        from multiprocessing import forkserver  # not everywhere there is one

        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["spanledger_collector.store.preload"])
        with suppress(OSError):  # nowhere to put its socket
            forkserver.ensure_running()
            return context
    return multiprocessing.get_context("spawn")


def _widen(pipe: Connection) -> None:
    """Let the pipe hold whole bodies: else both ends are woken for every piece of one."""
    with socket.socket(fileno=os.dup(pipe.fileno())) as end, suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _PIPE_BYTES)


def _send_head(pipe: Connection, job: StoreJob | LetterJob) -> None:
    """Send a job without its bodies: one message of all would be copied as a whole, often."""
    if isinstance(job, StoreJob):
        job = replace(job, bodies=[replace(body, payload=b"") for body in job.bodies])
    pipe.send(job)


def _send_payloads(pipe: Connection, job: StoreJob | LetterJob) -> None:
    for body in job.bodies if isinstance(job, StoreJob) else ():
        pipe.send_bytes(body.payload)


def _receive(pipe: Connection) -> StoreJob | LetterJob:
    """Return the next job, and say that it came; raises EOFError or OSError at the end of all."""
    job = pipe.recv()
    pipe.send(None)
    if isinstance(job, StoreJob):
        bodies = [replace(body, payload=pipe.recv_bytes()) for body in job.bodies]
        return replace(job, bodies=bodies)
    assert isinstance(job, LetterJob)
    return job


def _logging() -> tuple[int, logging.Formatter | None]:
    """Return the level of this process's log and the form of its lines, for a child to have."""
    root = logging.getLogger()
    plain = (handler.formatter for handler in root.handlers if type(handler) is StreamHandler)
    return root.level, next(plain, None)  # of other handlers a formatter may be no child's


def _serve(
    pipe: Connection,
    settings: StoreSettings,
    scratch: Path | None,
    level: int,
    formatter: logging.Formatter | None,
) -> None:
    logging.Formatter.converter = time.gmtime
    handler = StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler])
    # Ctrl-C reaches the whole group; the parent decides when we end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Rows in the making are many objects and no cycles: looking for some took a fifth of the time.
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    memory.keep()
    if scratch is not None:
        os.environ["TMPDIR"] = tempfile.tempdir = str(scratch)
    worker = _Worker(settings)
    try:
        while True:
            if not pipe.poll(_IDLE_S):
                memory.give_back()
            pipe.send(worker.store(_receive(pipe)))
    except (EOFError, OSError):
        return


class _Worker:
    """What a storing process knows from one job to the next."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._store: Store | None = None
        self._recent = RecentMessages()

    def store(self, job: StoreJob | LetterJob) -> StoreOutcome:
        self._recent.advance(job.ingested_at_ns)
        messages = MessageStore(self._recent)
        try:
            tables = job.tables(messages)
        except Exception as error:  # whatever it is, these bytes are at fault: the rest goes on
            return StoreOutcome(f"{type(error).__name__}: {error}", permanent=True)
        try:
            self._store = self._store or Store.connect(self._settings)
            store_rows(self._store, tables, job.flush_id)
        except StoreError as error:
            return StoreOutcome(str(error), error.permanent, error.may_be_rows)
        except Exception as error:  # the driver's trouble, not the data's
            return StoreOutcome(f"{type(error).__name__}: {error}", permanent=False)
        self._recent.add(messages.rows, messages.texts)
        return StoreOutcome()


def store_rows(store: Store, tables: Tables, flush_id: str) -> None:
    """Insert the rows of a batch, table by table in this order.

    Raises:
        StoreError: ``permanent`` tells whether the rows are at fault.
    """
    for table, rows in tables:
        time = _TIMES.get(table)
        if table == "messages":
            # Another attempt may bring more of them: what is in the store depends on when it is.
            for stored_at in rows["stored_at"].slice(0, 1).cast(pa.int64()).to_pylist():
                store.insert(table, rows, token=f"{flush_id}/{table}/{stored_at}")
        elif time is None:
            store.insert(table, rows, token=f"{flush_id}/{table}")
        else:
            for number, part in enumerate(parts_of(rows, time)):
                if table == "spans":
                    part = with_dictionaries(without_defaults(part))
                store.insert(table, part, token=f"{flush_id}/{table}/{number}")


def parts_of(rows: pa.Table, time: str) -> Iterator[pa.Table]:
    """Yield the rows in parts the engine can take; the same rows give the same parts.

    Ordinary batches come whole. A request of very many small rows is divided by rows, and one
    with times all over the calendar by days, because a day is a partition. ``time`` names the
    column that decides the partition.
    """
    for part in _by_days(rows, time):
        for first in range(0, part.num_rows, _MOST_ROWS):
            yield part.slice(first, _MOST_ROWS)


def _by_days(rows: pa.Table, time: str) -> Iterator[pa.Table]:
    ns = rows[time].cast(pa.timestamp("ns", "UTC")).cast(pa.int64())
    days = pc.divide(ns, _DAY_NS)
    distinct = pc.unique(days).sort()
    if len(distinct) <= _MOST_DAYS:
        yield rows
        return
    for first in range(0, len(distinct), _MOST_DAYS):
        part = distinct.slice(first, _MOST_DAYS)
        yield rows.filter(pc.is_in(days, value_set=part))
