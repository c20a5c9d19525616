"""``spanledger invoices``: what providers billed, read and kept with history. Thin."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spanledger_server.options import DEFAULT_DATA, By, Data, Note, Output, StateUrl, StoreUrl
from spanledger_server.output import Format

app = typer.Typer(
    name="invoices",
    help="Invoices: import what providers billed, from files, addresses and their APIs.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
mappings = typer.Typer(
    name="mappings",
    help="Mappings: what texts, meters, scopes and keys of providers stand for.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(mappings)

Project = Annotated[str, typer.Option(help="Whose invoices.")]
Import = Annotated[
    str, typer.Argument(metavar="ID", help="As `invoices list` shows it, or how it begins.")
]
Provider = Annotated[str, typer.Option(help="As the lines name it, as in azure.ai.openai.")]
_EMPTY = typer.Option(show_default=False)


@app.command(name="import")
def import_files(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH…", help="Files, folders, or https:// addresses.")
    ],
    project: Project = "default",
    file_format: Annotated[
        str,
        typer.Option(
            "--format", metavar="F", show_default=False, help="Default: by what is in the file."
        ),
    ] = "",
    mapping: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="YAML that says what the columns of a table are."),
    ] = None,
    account: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            show_default=False,
            help="Which account at the provider, where you have several; default: as in the file.",
        ),
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and check everything, write nothing.")
    ] = False,
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
    store_url: StoreUrl = "",
) -> None:
    """Import reports of providers; days that were imported before are replaced as a whole."""
    from spanledger_server.invoice_changes import Given, import_paths, open_place

    given = Given(project, file_format, mapping, account, is_dry_run=dry_run)
    with open_place(data, state_url, store_url) as place:
        import_paths(place, paths, given, by)


@app.command(name="pull")
def pull(
    provider: Annotated[
        str,
        typer.Argument(
            metavar="PROVIDER", help="openai, anthropic, openrouter, fireworks or mistral."
        ),
    ],
    since: Annotated[
        str,
        typer.Option(
            metavar="DAY",
            show_default=False,
            help="First day, as in 2026-11-01; default: the open month, and the one before in its "
            "first 14 days.",
        ),
    ] = "",
    project: Project = "default",
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
    store_url: StoreUrl = "",
) -> None:
    """Fetch a provider's reports from its API; the key comes from the environment."""
    from spanledger_server.invoice_changes import open_place, pull_reports

    with open_place(data, state_url, store_url) as place:
        pull_reports(place, provider, since, project, by)


@app.command(name="total")
def enter_total(
    provider: Annotated[str, typer.Argument(metavar="PROVIDER", help="As the ledger names it.")],
    month: Annotated[str, typer.Argument(metavar="MONTH", help="As in 2026-11.")],
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="As in 1234.56, tax included.")],
    currency: Annotated[str, typer.Argument(metavar="CURRENCY", help="As in USD.")],
    account: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            show_default=False,
            help="Which account at the provider; default: all of them.",
        ),
    ] = "",
    invoice_id: Annotated[
        str, typer.Option(metavar="ID", show_default=False, help="The invoice's number.")
    ] = "",
    project: Project = "default",
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
    store_url: StoreUrl = "",
) -> None:
    """Say what a month's invoice comes to: it is compared with the sum of its lines.

    Of several invoices of a month give their sum. Said again, the newer one counts.
    """
    from spanledger_server.invoice_changes import Given, open_place, state_total

    row = {
        "provider": provider, "month": month, "amount": amount, "currency": currency,
        "account": account, "invoice_id": invoice_id,
    }  # fmt: skip
    with open_place(data, state_url, store_url) as place:
        state_total(place, row, Given(project), by)


@app.command(name="list")
def list_imports(
    project: Project = "default",
    history: Annotated[bool, typer.Option("--history", help="With those deleted.")] = False,
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """List what was imported, the latest first, and how pulls went."""
    from spanledger_server.invoice_shown import print_imports
    from spanledger_server.state_database import state_reader_of

    print_imports(state_reader_of(data, state_url), project, output, history=history)


@app.command(name="show")
def show_import(
    import_id: Import,
    project: Project = "default",
    history: Annotated[
        bool, typer.Option("--history", help="Instead of lines: every import of its days.")
    ] = False,
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
    store_url: StoreUrl = "",
) -> None:
    """Show the lines of an import, or what else was imported for its days."""
    from spanledger_server.invoice_shown import print_history, print_lines
    from spanledger_server.prices.session import open_store
    from spanledger_server.state_database import state_reader_of

    state = state_reader_of(data, state_url)
    with open_store(data, store_url) as store:
        if history:
            print_history(store, state, project, import_id, output)
        else:
            print_lines(store, state, project, import_id, output)


@app.command(name="delete")
def delete_import(
    import_id: Import,
    project: Project = "default",
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
    store_url: StoreUrl = "",
) -> None:
    """Take an import back: its days fall back to the import before; its lines stay as history."""
    from spanledger_server.invoice_changes import open_place, take_back

    with open_place(data, state_url, store_url) as place:
        take_back(place, project, import_id, by)


@mappings.command(name="list")
def list_mappings(
    project: Project = "default",
    history: Annotated[bool, typer.Option("--history", help="With those removed.")] = False,
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """List mappings, who made them and when."""
    from spanledger_server.invoice_shown import print_mappings
    from spanledger_server.state_database import state_reader_of

    print_mappings(state_reader_of(data, state_url), project, output, history=history)


@mappings.command(name="add")
def add_mapping(
    provider: Annotated[str, typer.Argument(metavar="PROVIDER", help="As the lines name it.")],
    text: Annotated[
        str,
        typer.Argument(
            metavar="TEXT",
            help="Text of a line (an ending * stands for any end) or its meter id; with --project "
            "of a scope or key, that.",
        ),
    ],
    token_class: Annotated[
        str, typer.Option("--class", help="As in output.", show_default=False)
    ] = "",
    model: Annotated[str, typer.Option(help="As the ledger names it.", show_default=False)] = "",
    processing: Annotated[str, typer.Option(help="sync or batch.", show_default=False)] = "",
    service_tier: Annotated[
        str, typer.Option("--tier", help="As in flex; standard.", show_default=False)
    ] = "",
    unit: Annotated[str, typer.Option(help="As in tokens.", show_default=False)] = "",
    factor: Annotated[
        str, typer.Option(help="What quantities are multiplied by, as in 1000.", show_default=False)
    ] = "",
    scope: Annotated[
        bool, typer.Option("--scope", help="TEXT is a project, workspace or account there.")
    ] = False,
    api_key: Annotated[bool, typer.Option("--api-key", help="TEXT is the id of a key.")] = False,
    to_project: Annotated[
        str, typer.Option(help="Of a scope or key: the project here.", show_default=False)
    ] = "",
    to_dimension: Annotated[
        str, typer.Option(metavar="NAME=VALUE", help="Of a scope or key.", show_default=False)
    ] = "",
    project: Project = "default",
    note: Note = "",
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Say what a text, meter, scope or key stands for; lines imported before follow at once."""
    from spanledger_server.invoice_changes import Mapped, map_text
    from spanledger_server.state_database import state_writer_of

    target = {
        "token_class": token_class, "model": model, "processing": processing,
        "service_tier": service_tier, "unit": unit, "factor": factor, "project": to_project,
        "dimension": to_dimension,
    }  # fmt: skip
    mapped = Mapped(provider, text, target, is_scope=scope, is_key=api_key, note=note)
    map_text(state_writer_of(data, state_url), project, mapped, by)


@mappings.command(name="remove")
def remove_mapping(
    mapping_id: Annotated[
        int, typer.Argument(metavar="ID", help="As `invoices mappings list` shows it.")
    ],
    project: Project = "default",
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Take a mapping back: lines are again what the importer read."""
    from spanledger_server.invoice_changes import unmap
    from spanledger_server.state_database import state_writer_of

    unmap(state_writer_of(data, state_url), project, mapping_id, by)


@mappings.command(name="unmapped")
def unmapped(
    project: Project = "default",
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
    store_url: StoreUrl = "",
) -> None:
    """List the texts no rule and no mapping understands, the dearest first."""
    from spanledger_server.invoice_shown import print_unmapped
    from spanledger_server.prices.session import open_store
    from spanledger_server.state_database import state_reader_of

    with open_store(data, store_url) as store:
        print_unmapped(store, state_reader_of(data, state_url), project, output)
