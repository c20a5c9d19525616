"""What ``spanledger accounts`` shows and changes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from spanledger_analytics.price_book.input import time_text
from spanledger_server.errors import UsageError
from spanledger_server.output import Format
from spanledger_server.prices.session import now_ns, user
from spanledger_server.rows import print_rows
from spanledger_storage.account_roles import Role
from spanledger_storage.accounts import Account, Accounts
from spanledger_storage.passwords import hashed
from spanledger_storage.price_state import StateEngine

_COLUMNS = ("name", "role", "projects", "signs_in_by", "created", "created_by")
_SOON = "A dashboard that runs knows it within 2 seconds."


def print_accounts(state: StateEngine, output: Format, add_one: str) -> None:
    """Print every account, never anything of a password; ``add_one``: the command, for none."""
    rows = [_fields(account) for account in Accounts(state).all()]
    print_rows(_COLUMNS, rows, output, f"No accounts. Make one: {add_one}")


def add(
    state: StateEngine,
    name: str,
    role: Role,
    projects: Sequence[str] | None,
    by: str,
    *,
    everywhere: bool,
    with_password: bool,
) -> None:
    """Make an account.

    Raises:
        UsageError: it is not said which projects are open to it.
        ConfigError: the name is taken or cannot be one, the password is too short, or a project
            does not exist.
    """
    open_to_it = _projects(role, projects, everywhere=everywhere)
    password = hashed(_password(name)) if with_password else None
    made = Accounts(state).add(name, role, open_to_it, password, user(by), now_ns())
    print(f"{made.name} may sign in as {made.role}, {_projects_text(made)}. {_SOON}")


def set_role(
    state: StateEngine,
    name: str,
    role: Role,
    projects: Sequence[str] | None,
    by: str,
    *,
    everywhere: bool,
) -> None:
    """Replace role and projects; raises as :func:`add` does."""
    open_to_it = _projects(role, projects, everywhere=everywhere)
    changed = Accounts(state).set_role(name, role, open_to_it, user(by), now_ns())
    print(f"{changed.name} is {changed.role}, {_projects_text(changed)}. {_SOON}")


def set_password(state: StateEngine, name: str, by: str) -> None:
    """Replace a password; raises ConfigError for no such account or a password too short."""
    changed = Accounts(state).set_password(name, hashed(_password(name)), user(by), now_ns())
    print(f"{changed.name} has another password; every session of it has ended. {_SOON}")


def sign_out(state: StateEngine, name: str, by: str) -> None:
    """End every session of an account; raises ConfigError when there is none of the name."""
    changed = Accounts(state).end_sessions(name, user(by), now_ns())
    print(f"Every session of {changed.name} has ended. {_SOON}")


def remove(state: StateEngine, name: str, by: str) -> None:
    """Remove an account; raises ConfigError when there is none of the name."""
    gone = Accounts(state).remove(name, user(by), now_ns())
    print(f"{gone.name} has no account any more, and its sessions have ended. {_SOON}")


def _projects(
    role: Role, projects: Sequence[str] | None, *, everywhere: bool
) -> frozenset[str] | None:
    if role is Role.ADMIN:
        if projects:
            raise UsageError("An admin sees every project: leave --project out.")
        return None
    if everywhere == bool(projects):
        raise UsageError(
            "Say which projects are open to the account: --project PROJECT, or --all-projects."
        )
    return None if everywhere else frozenset(projects or ())


def _password(name: str) -> str:
    if sys.stdin.isatty():
        asked = f"Password of {name}"
        return str(typer.prompt(asked, hide_input=True, confirmation_prompt=True, err=True))
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise UsageError("Give the password as one line on standard input.")
    return line


def _fields(account: Account) -> dict[str, object]:
    return {
        "name": account.name,
        "role": str(account.role),
        "projects": _projects_text(account),
        "signs_in_by": "password" if account.password else "OIDC",
        "created": time_text(account.created_at_ns),
        "created_by": account.created_by,
    }


def _projects_text(account: Account) -> str:
    if account.projects is None:
        return "every project"
    return ", ".join(sorted(account.projects)) or "no project"
