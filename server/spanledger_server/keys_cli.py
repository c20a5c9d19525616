"""``spanledger keys``: who may send and read. Thin: options only."""

from __future__ import annotations

from typing import Annotated

import typer

from spanledger_server.options import DEFAULT_DATA, By, Data, Output, StateUrl
from spanledger_server.output import Format
from spanledger_storage.api_keys import Scope

app = typer.Typer(
    name="keys",
    help="Keys: made, listed, revoked. A key is stored hashed and shown once.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command(name="create")
def create_key(
    project: Annotated[str, typer.Option(help="Whose data it is for.")] = "default",
    scope: Annotated[
        list[Scope] | None,
        typer.Option(
            help="ingest: send; read: read the project; admin: read every project. Several: "
            "repeat it; default: ingest."
        ),
    ] = None,
    label: Annotated[str, typer.Option(help="What it is for, in your words.")] = "",
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="90d, 12h, 4w, or a date; default: never.")
    ] = None,
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Make a key and print it, this once."""
    from spanledger_server.key_changes import create
    from spanledger_server.state_database import state_maker_of

    create(state_maker_of(data, state_url), project, scope or [Scope.INGEST], label, expires, by)


@app.command(name="list")
def list_keys(
    project: Annotated[str, typer.Option(help="Of this project; default: of all.")] = "",
    with_dead: Annotated[
        bool, typer.Option("--all", help="With those that were revoked or have expired.")
    ] = False,
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """List keys, without their secrets."""
    from spanledger_server.guard import MAKE_KEY, placed
    from spanledger_server.key_changes import print_keys
    from spanledger_server.state_database import state_reader_of

    make_key = placed(MAKE_KEY, data, state_url)
    print_keys(state_reader_of(data, state_url), project, output, make_key, with_dead=with_dead)


@app.command(name="revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `keys list` shows it.")],
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Let a key open nothing any more, for good."""
    from spanledger_server.key_changes import revoke
    from spanledger_server.state_database import state_writer_of

    revoke(state_writer_of(data, state_url), key_id, by)
