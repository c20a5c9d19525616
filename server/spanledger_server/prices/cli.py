"""``spanledger prices``: the price book shown, changed, imported, checked. Thin: options only."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from spanledger_analytics.price_book.overrides import FEES, TOKEN_CLASSES
from spanledger_server.options import (
    DEFAULT_DATA,
    All,
    At,
    By,
    Data,
    Entirely,
    From,
    Note,
    Output,
    StateUrl,
    StoreUrl,
    To,
)
from spanledger_server.output import Format
from spanledger_server.prices import contracts_cli as price_contracts_cli
from spanledger_server.prices import reprice_cli

app = typer.Typer(
    name="prices",
    help="Prices: what is in force, own rates, contracts, exchange rates, checks.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(price_contracts_cli.contracts)
app.add_typer(price_contracts_cli.exchange_rates)

Price = Annotated[str, typer.Option(metavar="PRICE", show_default=False, help="Per --per tokens.")]
Fee = Annotated[str, typer.Option(metavar="PRICE", show_default=False, help="For one.")]
Provider = Annotated[
    str, typer.Option(help="As in the price data (openai) or on the wire.", show_default=False)
]


class FileFormat(StrEnum):
    """How an export is written."""

    csv = "csv"
    json = "json"


class Table(StrEnum):
    """A table of prices to compare with."""

    litellm = "litellm"


@app.command(name="list")
def list_rates(
    provider: Provider = "",
    model: Annotated[str, typer.Option(help="A name, or a prefix with *.")] = "",
    tier: Annotated[str, typer.Option(help="standard, batch, priority, …")] = "",
    at: At = "",
    own: Annotated[bool, typer.Option("--own", help="Own rates alone, at any time.")] = False,
    withdrawn: All = False,
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """List the rates in force, one a line."""
    from spanledger_server.prices import views as price_views
    from spanledger_server.prices.session import moment, open_reader
    from spanledger_storage.price_state import PriceState

    state = open_reader(data, state_url)
    narrowed = price_views.RateFilter(provider, model, tier)
    if own:
        price_views.print_own(PriceState(state), narrowed, output, withdrawn=withdrawn)
    else:
        price_views.print_list(state, moment(at, "--at"), narrowed, output)


@app.command()
def show(
    model: Annotated[str, typer.Argument(help="A model's name, as calls have it.")] = "",
    provider: Provider = "",
    at: At = "",
    rate_id: Annotated[
        int, typer.Option("--id", min=0, show_default=False, help="One own rate, by its id.")
    ] = 0,
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Show everything about a model: tiers, sizes, dates, own rates, contracts, an example."""
    from spanledger_server.errors import UsageError
    from spanledger_server.prices import show as price_show
    from spanledger_server.prices import views as price_views
    from spanledger_server.prices.session import moment, open_reader
    from spanledger_storage.price_state import PriceState

    state = open_reader(data, state_url)
    if rate_id:
        price_views.print_rate(PriceState(state), rate_id, output)
    elif model:
        price_show.print_model(state, provider, model, moment(at, "--at"), output)
    else:
        raise UsageError("Name a model, or an own rate with --id.")


@app.command(name="set")
def set_rates(
    context: typer.Context,
    provider: Annotated[str, typer.Argument(help="As in the price data or on the wire; * is any.")],
    model: Annotated[str, typer.Argument(help="A name, or a prefix with * at its end.")],
    input: Price = "",
    cache_read: Price = "",
    cache_write: Price = "",
    cache_write_5m: Price = "",
    cache_write_1h: Price = "",
    audio_input: Price = "",
    image_input: Price = "",
    cache_read_audio: Price = "",
    output: Price = "",
    reasoning: Price = "",
    audio_output: Price = "",
    image_output: Price = "",
    request: Fee = "",
    web_search: Fee = "",
    per: Annotated[int, typer.Option(min=1, help="Tokens that a price is for.")] = 1_000_000,
    currency: Annotated[str, typer.Option(help="ISO 4217.")] = "USD",
    tier: Annotated[str, typer.Option(help="Service tier; default: standard.")] = "",
    region: Annotated[str, typer.Option(help="Region; default: any.")] = "",
    above_tokens: Annotated[
        int, typer.Option(min=0, help="For requests of more input tokens than this.")
    ] = 0,
    start: From = "",
    end: To = "",
    note: Note = "",
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Set own rates for a model; they take the place of the price data's."""
    from spanledger_server.prices.changes import Terms, set_prices
    from spanledger_server.prices.session import open_writer

    given = context.params  # one option for each class, named as the class is
    prices = {name: str(given[name]) for name in (*TOKEN_CLASSES, *FEES) if given[name]}
    terms = Terms(
        provider, model, per, currency, tier, region, above_tokens, start=start, end=end, note=note
    )
    set_prices(open_writer(data, state_url), terms, prices, by)


@app.command()
def remove(
    rate_id: Annotated[int, typer.Argument(metavar="ID", help="As `prices list --own` shows it.")],
    start: From = "",
    entirely: Entirely = False,
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Let an own rate end, now or on a date. It stays to be shown; earlier calls keep it."""
    from spanledger_server.prices.changes import remove_price
    from spanledger_server.prices.session import open_writer

    remove_price(open_writer(data, state_url), rate_id, start, entirely, by)


@app.command(name="import")
def import_rates(
    file: Annotated[Path, typer.Argument(help="CSV with a header, or a JSON list.")],
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Set the own rates of a file, all or none. Twice changes nothing the second time."""
    from spanledger_server.prices.changes import import_prices
    from spanledger_server.prices.session import open_writer

    import_prices(open_writer(data, state_url), file, by)


@app.command()
def export(
    own: Annotated[bool, typer.Option("--own", help="Own rates alone, at any time.")] = False,
    provider: Provider = "",
    model: Annotated[str, typer.Option(help="A name, or a prefix with *.")] = "",
    at: At = "",
    output: Annotated[FileFormat, typer.Option("--format")] = FileFormat.csv,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Print rates as a file that `prices import` reads."""
    from spanledger_server.prices import views as price_views
    from spanledger_server.prices.session import moment, open_reader
    from spanledger_storage.price_state import PriceState

    state, is_json = open_reader(data, state_url), output is FileFormat.json
    narrowed = price_views.RateFilter(provider, model)
    if own:
        price_views.export_own(PriceState(state), narrowed, is_json=is_json)
    else:
        price_views.export_all(state, moment(at, "--at"), narrowed, is_json=is_json)


@app.command()
def diff(
    file: Annotated[
        Path | None, typer.Argument(help="A file as `prices export` writes it.")
    ] = None,
    against: Annotated[Table | None, typer.Option(help="Compare with this instead.")] = None,
    litellm: Annotated[
        Path | None, typer.Option(help="Its JSON; default: of the installed package.")
    ] = None,
    provider: Provider = "",
    model: Annotated[str, typer.Option(help="A name, or a prefix with *.")] = "",
    same: Annotated[bool, typer.Option("--same", help="With what is the same.")] = False,
    at: At = "",
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Compare the rates in force with another table: only here, only there, different."""
    from spanledger_server.prices import diff as price_diff
    from spanledger_server.prices.session import moment, open_reader
    from spanledger_server.prices.views import RateFilter

    other = price_diff.other_table(file, against is Table.litellm, litellm, moment(at, "--at"))
    price_diff.print_difference(
        open_reader(data, state_url),
        other,
        moment(at, "--at"),
        RateFilter(provider, model),
        output,
        with_same=same,
    )


@app.command()
def check(
    litellm: Annotated[
        Path | None, typer.Option(help="litellm's JSON; default: of the installed package.")
    ] = None,
    days: Annotated[
        int, typer.Option(min=1, max=36_500, help="Days of the ledger to look at.")
    ] = 30,
    every_model: Annotated[
        bool, typer.Option("--all", help="Cross-check every model, not only those called.")
    ] = False,
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    store_url: StoreUrl = "",
    state_url: StateUrl = "",
) -> None:
    """Find what is missing or doubtful: overlaps, gaps, currencies, unpriced models, disagreement.

    Exits with 1 when something was found.
    """
    from spanledger_server.prices.diff import litellm_table
    from spanledger_server.prices.findings import print_findings
    from spanledger_server.prices.session import open_reader

    state = open_reader(data, state_url)
    other = litellm_table(litellm)
    found = print_findings(state, other, data, store_url, days, output, every_model=every_model)
    if found:
        raise typer.Exit(1)


@app.command()
def log(
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many changes.")] = 100,
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Show who changed what, newest first."""
    from spanledger_server.prices.session import open_reader
    from spanledger_server.prices.views import print_log
    from spanledger_storage.price_state import PriceState

    print_log(PriceState(open_reader(data, state_url)), limit, output)


app.command()(reprice_cli.reprice)
