"""``spanledger prices reprice``: what a period costs at the present prices, shown or written."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spanledger_server.options import DEFAULT_DATA, By, Data, Output, StateUrl, StoreUrl, To
from spanledger_server.output import Format

if TYPE_CHECKING:
    from spanledger_analytics.price_book.book import PriceBook
    from spanledger_analytics.repricing import Scope
    from spanledger_analytics.repricing_report import Report

_COLUMNS = (
    "project",
    "month",
    "provider",
    "model",
    "entries",
    "changed",
    "newly_priced",
    "billed_usd",
    "before_usd",
    "after_usd",
    "difference_usd",
)


def reprice(
    start: Annotated[
        str,
        typer.Option("--from", metavar="TIME", show_default=False, help="Date or RFC 3339."),
    ],
    end: To = "",
    provider: Annotated[
        str, typer.Option(help="As in the price data (openai) or on the wire.", show_default=False)
    ] = "",
    model: Annotated[str, typer.Option(help="A name, or a prefix with *.")] = "",
    is_applied: Annotated[
        bool, typer.Option("--apply", help="Write it; without, nothing changes.")
    ] = False,
    by: By = "",
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    store_url: StoreUrl = "",
    state_url: StateUrl = "",
) -> None:
    """Tell what a period costs at the present prices, and with --apply write that.

    What calls were first priced with stays beside it (billed_price_id, billed_cost_usd).
    """
    from spanledger_analytics.repricing import Scope, plan
    from spanledger_server.errors import UsageError
    from spanledger_server.prices.session import moment, open_store, user

    scope = Scope(moment(start, "--from"), moment(end, "--to"), provider, model)
    if scope.from_ns >= scope.to_ns:
        raise UsageError("The period is empty: --to must be later than --from.")
    if is_applied:
        report = _apply(scope, user(by), data, store_url, state_url)
    else:
        with open_store(data, store_url) as store:
            report = plan(store, _book(data, state_url), scope)
    _print(report, output, is_applied=is_applied)


def _book(data: Path, state_url: str) -> PriceBook:
    from spanledger_analytics.price_book.book import PriceBook
    from spanledger_analytics.price_book.store import load_overrides
    from spanledger_server.prices.session import open_reader

    return PriceBook.bundled(load_overrides(open_reader(data, state_url)))


def _apply(scope: Scope, who: str, data: Path, store_url: str, state_url: str) -> Report:
    import time

    from spanledger_analytics.job import LEDGER
    from spanledger_analytics.repricing import apply
    from spanledger_server.prices.session import now_ns, open_reader, open_writer
    from spanledger_server.stores import writer_of
    from spanledger_storage.state import Watermarks
    from spanledger_storage.store import Store

    state = open_writer(data, state_url)
    position_us = Watermarks(open_reader(data, state_url)).get(LEDGER)
    book = _book(data, state_url)
    store = Store.connect(writer_of(data.expanduser(), store_url))
    noted: dict[str, object] = {"outcome": "interrupted, some entries may be written"}
    try:
        report = apply(store, book, scope, now_ns=time.time_ns, position_us=position_us)
        noted = _noted(report) if report.written else {}
    finally:
        store.close()
        if noted:
            with state.change(who, now_ns()) as change:
                change.note_repricing({**_scope_noted(scope), **noted})
    return report


def _scope_noted(scope: Scope) -> dict[str, object]:
    return {
        "effective_from_ns": scope.from_ns,
        "effective_to_ns": scope.to_ns,
        "provider": scope.provider,
        "model": scope.model,
    }


def _noted(report: Report) -> dict[str, object]:
    """Return what the log of changes says of a repricing."""
    return {
        "entries": report.written,
        "usd_before": sum((change.before_usd for change in report.changes), Decimal(0)),
        "usd_after": sum((change.after_usd for change in report.changes), Decimal(0)),
    }


def _print(report: Report, output: Format, *, is_applied: bool) -> None:
    from spanledger_server.rows import print_rows

    changes = report.changes
    projects = {change.project for change in changes}
    if output is Format.table:
        changes = tuple(change for change in changes if change.changed or change.relabelled)
    columns = _COLUMNS if len(projects) > 1 else _COLUMNS[1:]
    rows = [{name: getattr(change, name) for name in columns} for change in changes]
    print_rows(columns, rows, output, "Every entry has the present price already.")
    if output is not Format.table or not report.written:
        return
    before = sum(change.before_usd for change in report.changes)
    after = sum(change.after_usd for change in report.changes)
    print(
        f"\n{report.changed:,} of {report.entries:,} entries cost something else: "
        f"{before:,f} USD before, {after:,f} after, {report.difference_usd:+,f}."
    )
    relabelled = report.written - report.changed
    if relabelled:
        print(f"{relabelled:,} cost the same, by a price of another name.")
    if is_applied:
        print("Written. A running worker sums the hours they lie in again.")
    else:
        print(
            f"Nothing was changed. With --apply, {report.written:,} entries get a new version, and "
            "the traces, trajectories and hours they lie in are summed again."
        )
