"""``spanledger dead-letter``: requests that could not be stored, shown, retried, dropped."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spanledger_server.errors import UsageError
from spanledger_server.options import DEFAULT_DATA, Data, Output, StoreUrl
from spanledger_server.output import Format

if TYPE_CHECKING:
    from spanledger_collector.spool.dead_letters import DeadLetter
    from spanledger_collector.store.letter_box import LetterBox, LetterFilter, RetryProcess

app = typer.Typer(
    name="dead-letter",
    help="Requests that were accepted and could not be stored.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class State(StrEnum):
    """Which letters to list."""

    open = "open"
    retried = "retried"
    dropped = "dropped"
    all = "all"


class SignalName(StrEnum):
    """Signals of OTLP."""

    traces = "traces"
    logs = "logs"
    metrics = "metrics"


ProjectName = Annotated[str, typer.Option("--project", help="Of this project.", show_default=False)]
SignalOf = Annotated[SignalName | None, typer.Option("--signal", help="Of this signal.")]
Ids = Annotated[
    list[str] | None, typer.Argument(metavar="ID...", help="Ids, or the digits they begin with.")
]
EveryOpen = Annotated[bool, typer.Option("--all", help="Every open letter that the filters name.")]

_COLUMNS = (
    "letter_id",
    "state",
    "received_at",
    "project",
    "signal",
    "items",
    "bytes",
    "reason",
)
_REASON_CHARACTERS = 100


@app.command(name="list")
def list_letters(
    project: ProjectName = "",
    signal: SignalOf = None,
    state: Annotated[State, typer.Option(help="What became of them.")] = State.open,
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    store_url: StoreUrl = "",
) -> None:
    """List them, the oldest first."""
    from spanledger_server.periods import rfc3339
    from spanledger_server.rows import print_rows

    with _letter_box(data, store_url) as (box, _):
        found = box.list(_narrowed(project, signal, state))
    rows = [
        {
            **row,
            "received_at": rfc3339(int(str(row["received_s"]))),
            "reason": _line(str(row["reason"])) if output is Format.table else row["reason"],
        }
        for row in found
    ]
    print_rows(_COLUMNS, rows, output, nothing="No dead letters.")


@app.command()
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="An id, or how it begins.")],
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Write the body there.")
    ] = None,
    data: Data = DEFAULT_DATA,
    store_url: StoreUrl = "",
) -> None:
    """Print why one could not be stored, and what is in it, as OTLP/JSON."""
    from spanledger_collector.store.letter_text import describe, printable
    from spanledger_server.periods import rfc3339

    with _letter_box(data, store_url) as (box, _):
        letter = box.find(letter_id)
    print(f"letter    {letter.letter_id} ({letter.state})")
    print(f"project   {letter.project}")
    print(f"signal    {letter.signal}: {letter.items:,} items, {letter.size_bytes:,} bytes")
    print(f"received  {rfc3339(letter.received_ns // 10**9)}")
    print(f"reason    {printable(letter.reason)}")
    if not letter.body:
        print(f"Its body is not kept any more: it was {letter.state}.")
        if save:
            raise UsageError(f"The letter has no body that could be written to {save}.")
        return
    if save:
        _save(save, letter.body)
    else:
        print(describe(letter.body, letter.signal))


@app.command()
def retry(
    ids: Ids = None,
    every: EveryOpen = False,
    project: ProjectName = "",
    signal: SignalOf = None,
    data: Data = DEFAULT_DATA,
    store_url: StoreUrl = "",
) -> None:
    """Decode and store them again, for example after an upgrade; exit with 1 if one cannot be."""
    stored = kept = 0
    with _letter_box(data, store_url) as (box, child):
        for letter in _letters(box, ids, every, _narrowed(project, signal, State.open)):
            outcome = box.retry(letter, child)
            stored += outcome.error is None
            kept += outcome.error is not None
            print(f"{letter.letter_id}  {_result(outcome.error, letter.items)}")
    print(f"{stored} stored, {kept} still open.")
    if kept:
        raise typer.Exit(1)


@app.command()
def drop(
    ids: Ids = None,
    every: EveryOpen = False,
    project: ProjectName = "",
    signal: SignalOf = None,
    data: Data = DEFAULT_DATA,
    store_url: StoreUrl = "",
) -> None:
    """Give them up: their bodies are deleted, the note that there was one stays."""
    dropped = 0
    with _letter_box(data, store_url) as (box, _):
        for letter in _letters(box, ids, every, _narrowed(project, signal, State.open)):
            box.drop(letter)
            dropped += 1
    print(f"{dropped} dropped.")


@contextmanager
def _letter_box(
    data: Path, store_url: str
) -> Generator[tuple[LetterBox, RetryProcess], None, None]:
    """Open the store's dead letters, and a process to retry them with, started when needed."""
    from spanledger_collector.store.letter_box import LetterBox, RetryProcess
    from spanledger_server.stores import writer_of
    from spanledger_storage.store import Store

    settings = writer_of(data.expanduser(), store_url)
    store, child = Store.connect(settings), RetryProcess(settings)
    try:
        yield LetterBox(store, time.time_ns), child
    finally:
        child.close()
        store.close()


def _narrowed(project: str, signal: SignalName | None, state: State) -> LetterFilter:
    from spanledger_collector.store.letter_box import LetterFilter

    return LetterFilter(project, signal or "", "" if state is State.all else state)


def _letters(
    box: LetterBox, ids: list[str] | None, every: bool, narrowed: LetterFilter
) -> Iterator[DeadLetter]:
    """Yield the letters that a command is about; of all open ones, those that are still open.

    Raises:
        LetterError: one that was named is not there or not open.
    """
    from spanledger_collector.store.letter_box import LetterError

    for letter_id in _chosen(box, ids, every, narrowed):
        try:
            letter = box.find_open(letter_id)
        except LetterError as error:
            if not every:
                raise
            print(f"Skipped. {error}")
        else:
            yield letter


def _chosen(
    box: LetterBox, ids: list[str] | None, every: bool, narrowed: LetterFilter
) -> list[str]:
    """Return the ids that a command is about.

    Raises:
        UsageError: neither ids nor --all, or both, or filters beside ids.
    """
    if bool(ids) == every:
        raise UsageError("Name letters by their ids, or say --all.")
    if ids and (narrowed.project or narrowed.signal):
        raise UsageError("--project and --signal go with --all, not with ids.")
    return ids or [str(row["letter_id"]) for row in box.list(narrowed)]


def _result(error: str | None, items: int) -> str:
    return f"stored, {items:,} items" if error is None else f"still open: {_line(error)}"


def _line(reason: str) -> str:
    """Return a reason on one line, shortened."""
    line = " ".join("".join(c if c.isprintable() else " " for c in reason).split())
    return line if len(line) <= _REASON_CHARACTERS else f"{line[:_REASON_CHARACTERS]}…"


def _save(file: Path, body: bytes) -> None:
    try:
        file.write_bytes(body)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}.") from None
    print(f"wrote {len(body):,} bytes to {file}")
