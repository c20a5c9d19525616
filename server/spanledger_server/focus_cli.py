"""``spanledger focus``: the ledger as FOCUS 1.4, for tools of others. Thin: options only."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from spanledger_server.options import DEFAULT_DATA, Data, StoreUrl

FOLDER = "SPANLEDGER_FOCUS_FOLDER"
"""Environment variable: where the worker keeps a file of every day; unset: nowhere."""

app = typer.Typer(
    name="focus",
    help="The ledger in the shape of FOCUS 1.4 (focus.finops.org).",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def about() -> None:
    """The ledger in the shape of FOCUS 1.4 (focus.finops.org)."""


class Dataset(StrEnum):
    """Datasets of FOCUS that can be written."""

    cost_and_usage = "cost-and-usage"
    invoice_detail = "invoice-detail"


@app.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Ends in .csv or .parquet.")],
    month: Annotated[
        str, typer.Option(metavar="YYYY-MM", help="Default: the running one.", show_default=False)
    ] = "",
    day: Annotated[
        str, typer.Option(metavar="YYYY-MM-DD", help="One day of UTC alone.", show_default=False)
    ] = "",
    dataset: Annotated[Dataset, typer.Option(help="Which rows.")] = Dataset.cost_and_usage,
    project: Annotated[str, typer.Option(help="Whose ledger.")] = "default",
    data: Data = DEFAULT_DATA,
    store_url: StoreUrl = "",
) -> None:
    """Write a month or a day: calls of APIs, paid tools, own GPUs and infrastructure alike."""
    from spanledger_server.focus_export import asked_days, write
    from spanledger_server.prices.session import open_store

    days = asked_days(month, day, is_whole_month=dataset is Dataset.invoice_detail)
    with open_store(data, store_url) as store:
        rows = write(store, project, days, file, is_detail=dataset is Dataset.invoice_detail)
    print(f"{rows:,} rows of {_period(days.first, days.last)} in {file}.")


def _period(first: date, last: date) -> str:
    return f"{first}" if first == last else f"{first} to {last}"
