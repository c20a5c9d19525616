"""What ``spanledger delete`` does around the deletion: spool, question, log, report."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path

import typer
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from spanledger_analytics.deletion.remove import Deletion, Result
from spanledger_analytics.deletion.rows import TABLES
from spanledger_analytics.deletion.subject import (
    Kind,
    Subject,
    Targets,
    is_trace_id,
    naming,
    needles,
)
from spanledger_analytics.job import LEDGER
from spanledger_analytics.metric_usage import recompute_metric_usage
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.price_book.input import time_text
from spanledger_analytics.price_book.store import load_overrides
from spanledger_analytics.retention.expiry import metric_floors
from spanledger_collector.privacy.hashing import hashed
from spanledger_server.errors import UsageError
from spanledger_server.jobs_lease import JobsFence
from spanledger_server.other_spools import OtherSpools
from spanledger_server.output import Format
from spanledger_server.prices.session import open_store, user
from spanledger_server.rows import print_rows, table_text
from spanledger_server.spool_cleaning import SpoolCleaning
from spanledger_server.state_database import state_reader_of, state_writer_of
from spanledger_server.stores import writer_of
from spanledger_storage.alert_deletion import AlertDeletion
from spanledger_storage.collector_spools import CollectorSpools
from spanledger_storage.errors import ConfigError
from spanledger_storage.price_state import StateEngine
from spanledger_storage.project_settings import DEFAULT_PROJECT, NAME, NAME_RULE, Project
from spanledger_storage.projects import Projects
from spanledger_storage.retention_state import Deletion as Entry
from spanledger_storage.retention_state import RetentionState
from spanledger_storage.state import Heartbeats, Watermarks
from spanledger_storage.store import Store

_COLUMNS = ("table", "found", "left")
_LOG = ("at", "who", "project", "kind", "subject", "action", "said")
_LETTERS = "dead letters of the spool"
_ALERTS = "incidents and messages of alerts"
_WAIT_S = 3_600
_NUMBER = re.compile(r"-?[1-9][0-9]{0,18}|0", re.ASCII)
_ALIVE_S = 30
_JOB_WITHIN_S = 120


@dataclass(frozen=True, slots=True)
class Options:
    """How to delete, as typed."""

    is_dry: bool
    is_agreed: bool
    keep_cost: bool
    is_waiting: bool
    by: str


def delete(
    kind: str, id_: str, project: str, options: Options, data: Path, store_url: str, state_url: str
) -> None:
    """Delete a subject and print the proof; with ``is_dry`` only say what would go.

    Raises:
        UsageError: the id is none, nobody said yes, requests wait in the spool, or the worker is
            far behind.
        ConfigError: there is no such project, and nothing is stored of one.
        StorageError: the store or the state database refused; running it again goes on.
    """
    if not id_.strip():
        raise UsageError("The id is empty: everything that names nobody would match.")
    data = data.expanduser()
    if options.is_dry:
        state = state_reader_of(data, state_url)
        subject = _subject(state, project, kind, id_)
        with open_store(data, store_url) as store:
            _, planned = _planned(_deletion(store, state, subject, options), state, subject)
            if not any(planned.found.values()):
                _demand_project(store, state, project)
        _print_plan(subject, planned, options)
        return
    state = state_writer_of(data, state_url)
    subject = _subject(state, project, kind, id_)
    spool = SpoolCleaning(data)
    spool.await_empty()
    others = OtherSpools(CollectorSpools(state), data / "spool" / "spool.db")
    others.await_empty()
    with closing(Store.connect(writer_of(data, store_url), timeout_s=_WAIT_S)) as store:
        try:
            _run(store, state, spool, subject, options)
        finally:
            others.say_silent()


def _run(
    store: Store, engine: StateEngine, spool: SpoolCleaning, subject: Subject, options: Options
) -> None:
    state = RetentionState(engine)
    deletion = _deletion(store, engine, subject, options)
    targets, planned = _planned(deletion, engine, subject)
    before = state.unfinished(subject.project.name, subject.kind, subject.digest)
    letters = spool.count_letters(subject.project.name, needles(subject, targets.traces))
    is_nothing = not any(planned.found.values()) and not letters and before is None
    if is_nothing:
        _demand_project(store, engine, subject.project.name)
    _print_plan(subject, planned, options, letters)
    if is_nothing:
        spool.say_set_aside()
        return
    if not options.is_agreed and not _is_agreed():
        raise UsageError("Nothing was deleted: nobody said yes. With --yes nobody is asked.")
    if before is None:
        state.note_deletion(_entry(subject, options, "begin", _said(planned, options)))
    targets, result = deletion.run()
    spool.remove_letters(subject.project.name, needles(subject, targets.traces))
    is_clean = spool.clean()  # before what takes minutes: the texts can be read until then
    files = deletion.await_files(_say) if options.is_waiting else None
    result = _without_alerts(engine, subject, targets, planned, result)
    is_done = is_clean and not files and not any(result.left.values())
    if is_done:  # else a later run needs the ids that were found
        deletion.forget()
        said = {
            **(before or _said(planned, options)),
            "left": result.left,
            "spool_letters": letters,
            "usd_recounted": f"{result.recounted_usd:f}",
        }
        state.note_deletion(_entry(subject, options, "finish", said))
    _print_result(planned, result, files, letters)
    spool.say_set_aside()
    if not is_done:
        raise typer.Exit(1)


def _planned(deletion: Deletion, engine: StateEngine, subject: Subject) -> tuple[Targets, Result]:
    """Return what would go, of alerts too."""
    targets, planned = deletion.plan()
    names = naming(subject, targets.traces)
    named = AlertDeletion(engine).find(subject.project.name, names).total
    return targets, planned._replace(found={**planned.found, _ALERTS: named})


def _without_alerts(
    engine: StateEngine, subject: Subject, targets: Targets, planned: Result, result: Result
) -> Result:
    """Remove what alerts remember; last, because what fires ends when the data is gone."""
    names = naming(subject, targets.traces)
    left = AlertDeletion(engine).remove(subject.project.name, names)
    return result._replace(
        found={**result.found, _ALERTS: planned.found[_ALERTS]},
        left={**result.left, _ALERTS: left},
    )


def _await_job(state: StateEngine, fence: JobsFence, touched_us: int) -> None:
    """Wait until no job may write what it derived before a touch.

    The ledger job has handled everything up to it, or no worker gives a sign of life. One may be
    stopped and go on later: what it has under way then is refused by the fence.

    Raises:
        UsageError: the job is too far behind, or somebody silent still holds the lease.
        StateError: the state database does not answer.
    """
    heartbeats, watermarks = Heartbeats(state), Watermarks(state)
    deadline = time.monotonic() + _JOB_WITHIN_S
    while True:
        is_alive = time.time_ns() - (heartbeats.newest("worker") or 0) < _ALIVE_S * 10**9
        if (watermarks.get(LEDGER) or 0) >= touched_us if is_alive else fence.put_up():
            return
        if time.monotonic() > deadline:
            raise UsageError(
                "The worker is still counting what came before and may write entries of what was "
                "deleted; run this again when it has caught up."
            )
        time.sleep(0.2)


def _is_agreed() -> bool:
    try:
        return bool(typer.confirm("Delete all of it for good?"))
    except typer.Abort:  # nobody is there to ask
        return False


def _deletion(store: Store, state: StateEngine, subject: Subject, options: Options) -> Deletion:
    return Deletion(
        store,
        subject,
        keep_cost=options.keep_cost,
        now_ns=time.time_ns,
        sleep=time.sleep,
        await_job=partial(_await_job, state, JobsFence(state)),
        recount=partial(_recount, store, state, subject.project.name),
    )


def _recount(
    store: Store, state: StateEngine, project: str, hours: Collection[int]
) -> Collection[int]:
    """Count usage that only metrics tell of as the worker would, where their points are whole."""
    return recompute_metric_usage(
        store,
        project,
        hours,
        version=time.time_ns(),
        book=PriceBook.bundled(load_overrides(state)),
        not_before=metric_floors(RetentionState(state)).get(project, 0),
    )


def _subject(state: StateEngine, project: str, kind: str, id_: str) -> Subject:
    if not NAME.fullmatch(project):
        raise UsageError(f"--project {NAME_RULE} {project[:80]!r}.")
    projects = Projects(state)
    try:
        found = projects.get(project).project
    except ConfigError:  # data may have come under a name that no project was made for
        found = Project(project, salt=projects.get(DEFAULT_PROJECT).project.salt)
    if kind != Kind.TRACE:
        return Subject(found, Kind(kind), id_, _hashes(id_, found.salt))
    trace_id = id_.strip().lower()
    if not is_trace_id(trace_id):
        raise UsageError(f"The id of a trace has 32 hex digits, unlike {id_[:80]!r}.")
    return Subject(found, Kind.TRACE, trace_id)


def _demand_project(store: Store, state: StateEngine, name: str) -> None:
    """Return if there is a project of the name, or something is stored under it.

    Raises:
        ConfigError: neither; the message names those there are.
    """
    try:
        Projects(state).get(name)
    except ConfigError:
        sql = "SELECT 1 FROM {} WHERE project = {{project:String}} LIMIT 1"
        if not any(store.sql_rows(sql.format(table), {"project": name}) for table in TABLES):
            raise


def _hashes(id_: str, salt: bytes) -> tuple[str, ...]:
    """Return what stands for an id, sent as text or as a number, where its keys are hashed."""
    if not salt:
        return ()
    values = [AnyValue(string_value=id_)]
    if _NUMBER.fullmatch(id_) and -(2**63) <= int(id_) < 2**63:
        values.append(AnyValue(int_value=int(id_)))
    return tuple(hashed(value, salt) for value in values)


def _said(result: Result, options: Options) -> dict[str, object]:
    return {
        "rows": result.found,
        "traces": result.traces,
        "usd_gone": f"{result.gone_usd:f}",
        "usd_kept": f"{result.kept_usd:f}",
        "keep_cost": options.keep_cost,
    }


def _entry(subject: Subject, options: Options, action: str, said: dict[str, object]) -> Entry:
    return Entry(
        at_ns=time.time_ns(),
        who=user(options.by),
        project=subject.project.name,
        kind=subject.kind,
        subject=subject.digest,
        action=action,
        said=json.dumps(said),
    )


def _print_plan(subject: Subject, planned: Result, options: Options, letters: int = 0) -> None:
    rows = [{"table": table, "found": n} for table, n in sorted(planned.found.items()) if n]
    if letters:
        rows.append({"table": _LETTERS, "found": letters})
    project = subject.project.name
    if not rows:
        print(f"Nothing is stored of this {subject.kind} in project {project}.")
        return
    print(f"{subject.kind.capitalize()} in project {project}: {planned.traces} traces.")
    print(table_text(_COLUMNS[:2], rows))
    print(_money(planned, "would leave", "would stay") if options.is_dry else "")


def _money(result: Result, leave: str, stay: str) -> str:
    kept = f", {result.kept_usd:,f} USD {stay} under pseudonyms" if result.kept_usd else ""
    return f"{result.gone_usd:,f} USD {leave} the ledger{kept}."


def _print_result(planned: Result, result: Result, files: int | None, letters: int) -> None:
    found = {table: max(n, result.found[table]) for table, n in planned.found.items()}
    rows = [{"table": t, "found": n, "left": result.left[t]} for t, n in sorted(found.items())]
    if letters:
        rows.append({"table": _LETTERS, "found": letters, "left": 0})
    print(table_text(_COLUMNS, rows))
    largest = max(planned, result, key=lambda one: one.gone_usd + one.kept_usd)
    print(f"\n{_money(largest, 'left', 'stay')}")
    if any(n for table, n in result.left.items() if table != _ALERTS):
        print("Something is left: does a collector still store it? Run this again in some minutes.")
    elif result.left[_ALERTS]:
        print(f"{result.left[_ALERTS]} {_ALERTS} are not over yet: run this again when they are.")
    if files is None:
        print("The store removes the replaced files within 20 minutes; nothing waited for that.")
    elif files:
        print(
            f"{files} replaced parts are still on the disk: see system.parts, then run this again."
        )
    else:
        print("No file that held any of it is left on the disk.")
    if result.recounted_usd:
        print(
            f"{result.recounted_usd:,f} USD left besides: usage that only metrics tell of, of "
            "several users together, was counted anew."
        )
    elif largest.gone_usd == Decimal(0) and not largest.kept_usd:
        print("No total changes.")


def print_log(data: Path, state_url: str) -> None:
    """Print the log of deletions, newest first."""
    rows = [
        {
            "at": time_text(entry.at_ns),
            "who": entry.who,
            "project": entry.project,
            "kind": entry.kind,
            "subject": entry.subject,
            "action": entry.action,
            "said": entry.said,
        }
        for entry in RetentionState(state_reader_of(data, state_url)).deletions()
    ]
    print_rows(_LOG, rows, Format.table, "Nothing was deleted on request.")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
