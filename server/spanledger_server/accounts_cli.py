"""``spanledger accounts``: who may sign in to the dashboard. Thin: options only."""

from __future__ import annotations

from typing import Annotated

import typer

from spanledger_server.options import DEFAULT_DATA, By, Data, Output, StateUrl
from spanledger_server.output import Format
from spanledger_storage.account_roles import Role

app = typer.Typer(
    name="accounts",
    help="Accounts of the dashboard: who may sign in, to which projects.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A word, or an e-mail address.")]
InProjects = Annotated[
    list[str] | None,
    typer.Option("--project", metavar="PROJECT", help="Open to them; several: repeat it."),
]
AllProjects = Annotated[
    bool, typer.Option("--all-projects", help="Every project, also those to come.")
]
ROLE_HELP = "viewer: look; editor: also save views; admin: everything, in every project."


@app.command(name="add")
def add_account(
    name: Name,
    role: Annotated[Role, typer.Option(help=ROLE_HELP)] = Role.VIEWER,
    project: InProjects = None,
    all_projects: AllProjects = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="They sign in by OIDC; NAME is their e-mail.")
    ] = False,
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Make an account; asks for its password, or reads it from standard input."""
    from spanledger_server.account_changes import add
    from spanledger_server.state_database import state_maker_of

    state = state_maker_of(data, state_url)
    add(state, name, role, project, by, everywhere=all_projects, with_password=not no_password)


@app.command(name="list")
def list_accounts(
    output: Output = Format.table, data: Data = DEFAULT_DATA, state_url: StateUrl = ""
) -> None:
    """List accounts, without their passwords."""
    from spanledger_server.account_changes import print_accounts
    from spanledger_server.guard import placed
    from spanledger_server.state_database import state_reader_of

    add_one = placed("spanledger accounts add NAME", data, state_url)
    print_accounts(state_reader_of(data, state_url), output, add_one)


@app.command(name="set-role")
def set_role(
    name: Name,
    role: Annotated[Role, typer.Option(help=ROLE_HELP)],
    project: InProjects = None,
    all_projects: AllProjects = False,
    by: By = "",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Replace role and projects of an account; holds at once, also for open sessions."""
    from spanledger_server.account_changes import set_role as change
    from spanledger_server.state_database import state_writer_of

    change(state_writer_of(data, state_url), name, role, project, by, everywhere=all_projects)


@app.command(name="set-password")
def set_password(
    name: Name, by: By = "", data: Data = DEFAULT_DATA, state_url: StateUrl = ""
) -> None:
    """Replace a password; asks for it, or reads it from standard input. Ends every session."""
    from spanledger_server.account_changes import set_password as change
    from spanledger_server.state_database import state_writer_of

    change(state_writer_of(data, state_url), name, by)


@app.command(name="sign-out")
def sign_out(name: Name, by: By = "", data: Data = DEFAULT_DATA, state_url: StateUrl = "") -> None:
    """End every session of an account; it may sign in again."""
    from spanledger_server.account_changes import sign_out as change
    from spanledger_server.state_database import state_writer_of

    change(state_writer_of(data, state_url), name, by)


@app.command(name="remove")
def remove_account(
    name: Name, by: By = "", data: Data = DEFAULT_DATA, state_url: StateUrl = ""
) -> None:
    """Remove an account; its sessions end."""
    from spanledger_server.account_changes import remove
    from spanledger_server.state_database import state_writer_of

    remove(state_writer_of(data, state_url), name, by)
