"""``spanledger prices contracts`` and ``spanledger prices exchange-rates``. Thin: options only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
    StoreUrl,
    To,
)
from spanledger_server.output import Format

contracts = typer.Typer(
    name="contracts",
    help="Discounts and markups on list prices, and commitments.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
exchange_rates = typer.Typer(
    name="exchange-rates",
    help="US dollars for one unit of a currency.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@contracts.command(name="list")
def list_contracts(
    withdrawn: All = False,
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    store_url: StoreUrl = "",
    state_url: StateUrl = "",
) -> None:
    """List contracts, and how far their commitments are used up at the pace of the last 30 days."""
    from spanledger_server.prices.contract_changes import print_contracts
    from spanledger_server.prices.session import open_reader, store_if_any
    from spanledger_storage.price_state import PriceState

    state = PriceState(open_reader(data, state_url))
    with store_if_any(data, store_url) as store:
        print_contracts(state, store, output, withdrawn=withdrawn)


@contracts.command(name="add")
def add_contract(
    contract_id: Annotated[str, typer.Argument(metavar="ID", help="A short name of your own.")],
    provider: Annotated[str, typer.Argument(help="As in the price data or on the wire.")],
    discount: Annotated[str, typer.Option(metavar="PERCENT", help="15% off list prices.")] = "",
    markup: Annotated[str, typer.Option(metavar="PERCENT", help="10% on top of them.")] = "",
    multiplier: Annotated[str, typer.Option(metavar="FACTOR", help="0.85 times them.")] = "",
    model: Annotated[str, typer.Option(help="A name or prefix with *; default: every model.")] = "",
    commitment: Annotated[
        str, typer.Option(metavar="USD", help="Spend promised for the period; needs --to.")
    ] = "",
    start: From = "",
    end: To = "",
    note: Note = "",
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Add a contract."""
    from spanledger_server.prices.contract_changes import ContractTerms, add
    from spanledger_server.prices.session import open_writer

    terms = ContractTerms(discount, markup, multiplier, model, commitment, start, end, note)
    add(open_writer(data, state_url), contract_id, provider, terms, by)


@contracts.command(name="remove")
def remove_contract(
    contract_id: Annotated[str, typer.Argument(metavar="ID")],
    start: From = "",
    entirely: Entirely = False,
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Let a contract end, now or on a date. It stays to be shown; earlier calls keep it."""
    from spanledger_server.prices.contract_changes import remove
    from spanledger_server.prices.session import open_writer

    remove(open_writer(data, state_url), contract_id, start, entirely, by)


@exchange_rates.command(name="list")
def list_exchange_rates(
    withdrawn: All = False,
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """List exchange rates by currency and date."""
    from spanledger_server.prices.contract_changes import print_exchange_rates
    from spanledger_server.prices.session import open_reader
    from spanledger_storage.price_state import PriceState

    print_exchange_rates(PriceState(open_reader(data, state_url)), output, withdrawn=withdrawn)


@exchange_rates.command(name="add")
def add_exchange_rate(
    currency: Annotated[str, typer.Argument(help="ISO 4217, such as EUR.")],
    usd: Annotated[str, typer.Argument(metavar="USD", help="US dollars for one unit.")],
    start: From = "",
    note: Note = "",
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Add an exchange rate; it holds until a later one."""
    from spanledger_server.prices.contract_changes import add_exchange_rate
    from spanledger_server.prices.session import open_writer

    add_exchange_rate(open_writer(data, state_url), currency, usd, start, note, by)


@exchange_rates.command(name="remove")
def remove_exchange_rate(
    rate_id: Annotated[int, typer.Argument(metavar="ID")],
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Withdraw an exchange rate, as if it had never been."""
    from spanledger_server.prices.contract_changes import drop_exchange_rate
    from spanledger_server.prices.session import open_writer

    drop_exchange_rate(open_writer(data, state_url), rate_id, by)


@exchange_rates.command(name="import")
def import_exchange_rates(
    file: Annotated[
        Path, typer.Argument(help="CSV or JSON: currency, usd, effective_from and note.")
    ],
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Add the exchange rates of a file, all or none."""
    from spanledger_server.prices.contract_changes import import_exchange_rates
    from spanledger_server.prices.session import open_writer

    import_exchange_rates(open_writer(data, state_url), file, by)
