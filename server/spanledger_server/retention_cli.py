"""``spanledger retention``: how large everything is, what is past its days, and removing it."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from spanledger_server.options import DEFAULT_DATA, Data, Output, StateUrl, StoreUrl
from spanledger_server.output import Format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spanledger_analytics.retention.expiry import Removed
    from spanledger_analytics.retention.sizes import Sizes
    from spanledger_storage.project_settings import Project

app = typer.Typer(
    name="retention",
    help="Retention: how large tables are, what is past its days, and removing it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_TABLES = ("table", "rows", "bytes", "share", "old_bytes", "detached_parts")
_PROJECTS = ("project", "content_days", "spans_days", "metrics_days", "ledger_days")
_REMOVED = ("kind", "table", "action", "partitions", "rows")


@app.command(name="show")
def show(
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    store_url: StoreUrl = "",
    state_url: StateUrl = "",
) -> None:
    """Show bytes per table, the days of each project, and what would be removed next."""
    from spanledger_analytics.retention.expiry import RetentionJob
    from spanledger_analytics.retention.sizes import read_sizes
    from spanledger_server.prices.session import open_store
    from spanledger_server.state_database import state_reader_of
    from spanledger_storage.projects import Projects
    from spanledger_storage.retention_state import RetentionState

    state = state_reader_of(data, state_url)
    projects = [row.project for row in Projects(state).all()]
    with open_store(data, store_url) as store:
        sizes = read_sizes(store)
        job = RetentionJob(store, RetentionState(state), lambda: projects, time.time_ns)
        _print_sizes(sizes, output)
        if output is Format.table:
            _print_projects(projects)
            _print_removed(job.run_once(is_dry=True), output, "Nothing is past its days.")


@app.command(name="run")
def run(
    is_dry: Annotated[bool, typer.Option("--dry-run", help="Say what, remove nothing.")] = False,
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    store_url: StoreUrl = "",
    state_url: StateUrl = "",
) -> None:
    """Remove what is past its days now, as a worker does by itself once a day."""
    from spanledger_analytics.retention.expiry import RetentionJob
    from spanledger_server.state_database import state_writer_of
    from spanledger_server.stores import writer_of
    from spanledger_storage.projects import Projects
    from spanledger_storage.retention_state import RetentionState
    from spanledger_storage.store import Store

    state = state_writer_of(data, state_url)
    with closing(Store.connect(writer_of(data.expanduser(), store_url), timeout_s=3_600)) as store:
        projects = [row.project for row in Projects(state).all()]
        job = RetentionJob(store, RetentionState(state), lambda: projects, time.time_ns)
        removed = job.run_once(is_dry=is_dry)
        _print_removed(removed, output, "Nothing is past its days.")
        if is_dry and output is Format.table:
            print("\nNothing was removed.")


def _print_sizes(sizes: Sizes, output: Format) -> None:
    from spanledger_server.rows import print_rows

    rows = [
        {
            "table": size.table if size.is_ours else f"system.{size.table}",
            "rows": size.rows,
            "bytes": size.bytes,
            "share": f"{100 * size.bytes / max(1, sizes.bytes):.1f} %",
            "old_bytes": size.old_bytes,
            "detached_parts": size.detached_parts or None,
        }
        for size in sizes.tables
    ]
    print_rows(_TABLES, rows, output)
    if output is Format.table:
        share = 100 * sizes.system_bytes / max(1, sizes.bytes)
        print(
            f"\n{sizes.bytes:,} bytes in use, {sizes.system_bytes:,} of them ({share:.1f} %) in "
            "tables that the store keeps about itself."
        )
        if any(size.detached_parts for size in sizes.tables):
            print(
                "Detached parts hold rows that nothing reads and nothing removes: see "
                "system.detached_parts."
            )


def _print_projects(projects: Sequence[Project]) -> None:
    from spanledger_server.rows import table_text

    def days(number: int | None) -> object:
        return "for ever" if number is None else number

    rows = [
        {
            "project": project.name,
            **{name: days(getattr(project.settings.retention, name)) for name in _PROJECTS[1:]},
        }
        for project in projects
    ]
    print(f"\n{table_text(_PROJECTS, rows)}\n")


def _print_removed(removed: list[Removed], output: Format, nothing: str) -> None:
    from spanledger_server.rows import print_rows

    rows = [
        {
            "kind": str(one.kind),
            "table": one.table,
            "action": one.action,
            "partitions": one.partitions,
            "rows": one.rows,
        }
        for one in removed
    ]
    print_rows(_REMOVED, rows, output, nothing)
    if output is Format.table and not all(one.is_done for one in removed):
        print("More is left than one run removes; the next one goes on.")
