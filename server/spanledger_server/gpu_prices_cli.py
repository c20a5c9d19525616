"""``spanledger gpu-prices``: what GPUs cost, listed, set, removed."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from spanledger_server.options import (
    DEFAULT_DATA,
    All,
    By,
    Data,
    Entirely,
    From,
    Note,
    Output,
    StateUrl,
    To,
)
from spanledger_server.output import Format

if TYPE_CHECKING:
    from spanledger_storage.gpu_price_state import GpuPriceRow

app = typer.Typer(
    name="gpu-prices",
    help="What GPUs cost: rented, spot or owned, by model, host, GPU and project.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_COLUMNS = (
    "id", "gpu_model", "host", "gpu", "project", "terms", "usd_per_hour", "purchase_usd", "years",
    "usd_per_kwh", "pue", "mig", "from", "to", "note", "status",
)  # fmt: skip
_RENT = "--rented", "--spot", "--purchase"


@app.command(name="list")
def list_prices(
    withdrawn: All = False,
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """List GPU prices, one a line; usd per hour is without energy."""
    from spanledger_analytics.gpu_cost.price_changes import per_hour
    from spanledger_analytics.price_book.input import time_text
    from spanledger_server.prices.session import now_ns, open_reader
    from spanledger_server.rows import print_rows
    from spanledger_storage.price_state import PriceState

    now = now_ns()
    rows = [
        {
            **{name: getattr(row, name) for name in ("id", "gpu_model", "host", "gpu", "project")},
            "terms": row.terms,
            "usd_per_hour": per_hour(row).normalize(),
            "purchase_usd": row.purchase_usd,
            "years": row.amortization_years,
            "usd_per_kwh": row.usd_per_kwh,
            "pue": row.pue,
            "mig": row.mig_slices,
            "from": time_text(row.effective_from_ns),
            "to": "" if row.effective_to_ns is None else time_text(row.effective_to_ns),
            "note": row.note,
            "status": _status(row, now),
        }
        for row in PriceState(open_reader(data, state_url)).gpu_prices(withdrawn=withdrawn)
    ]
    print_rows(
        _COLUMNS, rows, output, "No GPU prices. Set one: spanledger gpu-prices set --rented 2.49"
    )


@app.command(name="set")
def set_price(
    model: Annotated[
        str, typer.Option(help="As the driver names it, or a prefix with *.", show_default=False)
    ] = "",
    host: Annotated[str, typer.Option(help="host.name of the samples.", show_default=False)] = "",
    gpu: Annotated[str, typer.Option(help="UUID of one GPU.", show_default=False)] = "",
    project: Annotated[str, typer.Option(help="Default: every project.", show_default=False)] = "",
    rented: Annotated[
        str, typer.Option(metavar="USD", help="For an hour.", show_default=False)
    ] = "",
    spot: Annotated[
        str,
        typer.Option(
            metavar="USD", help="For an hour; set it anew when it changes.", show_default=False
        ),
    ] = "",
    purchase: Annotated[
        str, typer.Option(metavar="USD", help="Of an owned GPU; with --years.", show_default=False)
    ] = "",
    years: Annotated[
        str, typer.Option(help="Over which it is written off.", show_default=False)
    ] = "",
    per_hour: Annotated[
        str,
        typer.Option(metavar="USD", help="Of an owned GPU: space, service.", show_default=False),
    ] = "",
    kwh: Annotated[
        str,
        typer.Option(metavar="USD", help="Price of a kWh of measured energy.", show_default=False),
    ] = "",
    pue: Annotated[
        str, typer.Option(help="Facility energy over GPU energy.", show_default=False)
    ] = "",
    mig_by: Annotated[str, typer.Option(help="Slices of MIG: compute or memory.")] = "compute",
    start: From = "",
    end: To = "",
    note: Note = "",
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Set what an hour of a GPU costs, from now or a date on; the past is attributed anew."""
    from spanledger_analytics.gpu_cost.price_changes import per_hour as hour_of
    from spanledger_analytics.gpu_cost.price_changes import set_gpu_price
    from spanledger_analytics.price_book.input import parse_amount, parse_time, time_text
    from spanledger_server.errors import UsageError
    from spanledger_server.prices.session import moment, now_ns, open_writer, user
    from spanledger_storage.gpu_price_state import OWNED, RENTED, SPOT, GpuPriceRow

    given = [name for name, text in zip(_RENT, (rented, spot, purchase), strict=True) if text]
    if len(given) != 1:
        raise UsageError(f"Give exactly one of {', '.join(_RENT)}.")
    if per_hour and not purchase:
        raise UsageError("--per-hour goes with --purchase; a rented GPU has its price alone.")

    def amount(text: str, option: str) -> Decimal | None:
        return parse_amount(text, option) if text else None

    row = GpuPriceRow(
        terms=RENTED if rented else SPOT if spot else OWNED,
        usd_per_hour=parse_amount(rented or spot or per_hour or "0", "The price of an hour"),
        effective_from_ns=moment(start, "--from"),
        effective_to_ns=parse_time(end, "--to") if end else None,
        project=project,
        gpu_model=model,
        host=host,
        gpu=gpu,
        purchase_usd=amount(purchase, "--purchase"),
        amortization_years=amount(years, "--years"),
        usd_per_kwh=amount(kwh, "--kwh"),
        pue=amount(pue, "--pue"),
        mig_slices=mig_by,
        note=note,
    )
    with open_writer(data, state_url).change(user(by), now_ns()) as change:
        outcome, stored = set_gpu_price(change, row)
    hour = f"${hour_of(stored).normalize():f} an hour"
    energy = "" if stored.usd_per_kwh is None else f" and ${stored.usd_per_kwh:f} a kWh"
    since = time_text(stored.effective_from_ns)
    print(f"GPU price {stored.id} ({_scope(stored)}): {hour}{energy} from {since}, {outcome}.")


@app.command(name="remove")
def remove_price(
    price_id: Annotated[int, typer.Argument(metavar="ID")],
    start: From = "",
    entirely: Entirely = False,
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Let a GPU price end, now or on a date. It stays to be shown; earlier hours keep it."""
    from spanledger_analytics.gpu_cost.price_changes import end_gpu_price
    from spanledger_server.prices.changes import say_ended
    from spanledger_server.prices.session import moment, now_ns, open_writer, user

    at_ns = None if entirely else moment(start, "--from")
    with open_writer(data, state_url).change(user(by), now_ns()) as change:
        row = end_gpu_price(change, price_id, at_ns)
    say_ended(f"GPU price {row.id} ({_scope(row)})", row, at_ns)


def _scope(row: GpuPriceRow) -> str:
    parts = [row.gpu_model or "any model", row.host and f"on {row.host}", row.gpu]
    parts.append(row.project and f"of {row.project}")
    return " ".join(part for part in parts if part)


def _status(row: GpuPriceRow, now: int) -> str:
    if row.withdrawn_at_ns is not None:
        return "withdrawn"
    if row.effective_to_ns is not None and row.effective_to_ns <= now:
        return "ended"
    return "" if row.effective_from_ns <= now else "to come"
