"""``spanledger tool-prices`` and ``spanledger infra-prices``. Thin: options only."""

from __future__ import annotations

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
    To,
)
from spanledger_server.output import Format

tools = typer.Typer(
    name="tool-prices",
    help="What calls of tools cost: per call, per unit, per second.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
infra = typer.Typer(
    name="infra-prices",
    help="What services cost per hour: databases, browsers, sandboxes.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

ToolProject = Annotated[
    str, typer.Option("--project", show_default=False, help="Of this project alone; default: any.")
]
Service = Annotated[str, typer.Argument(metavar="SERVICE", help="As spans say it: service.name.")]
PriceId = Annotated[int, typer.Argument(metavar="ID", help="As `list` shows it.")]


@tools.command(name="list")
def list_tool_prices(
    withdrawn: All = False,
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """List the prices of tools."""
    from spanledger_server.prices.service_price_changes import print_tool_prices
    from spanledger_server.prices.session import open_reader
    from spanledger_storage.price_state import PriceState

    print_tool_prices(PriceState(open_reader(data, state_url)), output, withdrawn=withdrawn)


@tools.command(name="set")
def set_tool_price(
    tool: Annotated[str, typer.Argument(help="A name, a prefix with *, or * for every tool.")],
    price: Annotated[str, typer.Argument(metavar="USD", help="For one call, or as below.")],
    server: Annotated[
        str, typer.Option(show_default=False, help="Of this MCP server alone; default: any.")
    ] = "",
    project: ToolProject = "",
    per_unit: Annotated[
        str,
        typer.Option(
            metavar="ATTRIBUTE",
            show_default=False,
            help="For units; this attribute of the span says how many.",
        ),
    ] = "",
    per_second: Annotated[
        bool, typer.Option("--per-second", help="For seconds that the call takes.")
    ] = False,
    per: Annotated[int, typer.Option(min=1, help="Units or seconds that the price is for.")] = 1,
    errors_free: Annotated[
        bool, typer.Option("--errors-free", help="Calls that fail cost nothing.")
    ] = False,
    start: From = "",
    end: To = "",
    note: Note = "",
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Set what a call of a tool costs, where its span does not say so itself."""
    from spanledger_server.prices.service_price_changes import ToolTerms, set_tool
    from spanledger_server.prices.session import open_writer

    terms = ToolTerms(
        tool, price, server, project, per_unit, per_second, per, errors_free, start, end, note
    )
    set_tool(open_writer(data, state_url), terms, by)


@tools.command(name="remove")
def remove_tool_price(
    price_id: PriceId,
    start: From = "",
    entirely: Entirely = False,
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Let a price end, now or on a date. It stays to be shown; earlier calls keep it."""
    from spanledger_server.prices.service_price_changes import remove_tool
    from spanledger_server.prices.session import open_writer

    remove_tool(open_writer(data, state_url), price_id, start, entirely, by)


@infra.command(name="list")
def list_infra_prices(
    withdrawn: All = False,
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """List what services cost per hour."""
    from spanledger_server.prices.service_price_changes import print_infra_prices
    from spanledger_server.prices.session import open_reader
    from spanledger_storage.price_state import PriceState

    print_infra_prices(PriceState(open_reader(data, state_url)), output, withdrawn=withdrawn)


@infra.command(name="set")
def set_infra_price(
    service: Service,
    price: Annotated[str, typer.Argument(metavar="USD", help="For one hour.")],
    project: Annotated[
        str, typer.Option("--project", help="Whose trajectories share it.")
    ] = "default",
    start: From = "",
    end: To = "",
    note: Note = "",
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Set what a service costs per hour; trajectories share it by the time they used it."""
    from spanledger_server.prices.service_price_changes import InfraTerms, set_infra
    from spanledger_server.prices.session import open_writer

    terms = InfraTerms(service, price, project, start, end, note)
    set_infra(open_writer(data, state_url), terms, by)


@infra.command(name="remove")
def remove_infra_price(
    price_id: PriceId,
    start: From = "",
    entirely: Entirely = False,
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Let a price end, now or on a date; hours from then on cost nothing by it."""
    from spanledger_server.prices.service_price_changes import remove_infra
    from spanledger_server.prices.session import open_writer

    remove_infra(open_writer(data, state_url), price_id, start, entirely, by)
