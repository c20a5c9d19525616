"""Who may sign in to the dashboard: accounts with a role and projects, in the state database.

Every change is put on record in the projects' log, without anything of a password.
"""

from __future__ import annotations

import json
import re
import secrets
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from spanledger_storage.account_roles import Role
from spanledger_storage.errors import ConfigError
from spanledger_storage.project_tables import explained, open_change, projects
from spanledger_storage.state import metadata

_NAME = re.compile(r"[^\s\x00-\x1f\x7f/\\\"'<>,;:$]{1,80}")

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("name", sa.String(80), primary_key=True, comment="lower case; or an e-mail address"),
    sa.Column("role", sa.String(16), nullable=False, comment="viewer editor admin"),
    sa.Column("projects", sa.Text, comment="JSON list of names; NULL: every project"),
    sa.Column("password", sa.String(256), comment="scrypt, parameters and salt; NULL: none"),
    sa.Column("stamp", sa.String(32), nullable=False, comment="its sessions carry it"),
    sa.Column("created_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("created_by", sa.String(128), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may sign in.

    Attributes:
        name: as :func:`account_name` makes it.
        projects: None: every project, also those to come.
        password: as ``passwords.hashed`` made it; None: signs in through an identity provider.
        stamp: sessions carry it; another one ends them.
    """

    name: str
    role: Role
    projects: frozenset[str] | None
    created_at_ns: int
    created_by: str
    password: str | None = field(default=None, repr=False)
    stamp: str = field(default="", repr=False)


def account_name(text: str) -> str:
    """Return a name as it is stored and compared: lower case, one form for the same characters.

    Raises:
        ConfigError: it cannot be one.
    """
    name = unicodedata.normalize("NFKC", text).strip().lower()
    if not _NAME.fullmatch(name):
        raise ConfigError(
            "An account's name is a word of 1 to 80 characters, or an e-mail address, "
            f"not {text[:80]!r}."
        )
    return name


class Accounts:
    """Reads and changes accounts.

    Methods raise StateError when the database does not answer or lacks the tables.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def all(self) -> list[Account]:
        """Return the accounts by name."""
        with explained(), self._engine.connect() as connection:
            found = connection.execute(sa.select(accounts).order_by(accounts.c.name)).mappings()
            return [_account(row) for row in found]

    def add(
        self,
        name: str,
        role: Role,
        in_projects: Iterable[str] | None,
        password: str | None,
        who: str,
        now_ns: int,
    ) -> Account:
        """Make an account; ``password`` is hashed already, ``in_projects`` None: every project.

        Raises:
            ConfigError: the name cannot be one or is taken, or a project does not exist.
        """
        account = Account(
            name=account_name(name),
            role=role,
            projects=None if in_projects is None else frozenset(in_projects),
            created_at_ns=now_ns,
            created_by=who[:128],
            password=password,
            stamp=_new_stamp(),
        )
        with open_change(self._engine, who, now_ns) as change:
            if _find(change.connection, account.name) is not None:
                raise ConfigError(f"There is an account {account.name} already.")
            _demand_projects(change.connection, account.projects)
            change.connection.execute(sa.insert(accounts).values(_values(account)))
            change.note("create", f"account {account.name}", None, _said(account))
        return account

    def set_role(
        self, name: str, role: Role, in_projects: Iterable[str] | None, who: str, now_ns: int
    ) -> Account:
        """Replace role and projects; sessions go on with them at once.

        Raises:
            ConfigError: there is no such account or project.
        """
        given = None if in_projects is None else frozenset(in_projects)
        with open_change(self._engine, who, now_ns) as change:
            _demand_projects(change.connection, given)
            before = _get(change.connection, name)
            after = replace(before, role=role, projects=given)
            if after != before:
                _update(change.connection, after)
                change.note("set", f"account {after.name}", _said(before), _said(after))
        return after

    def set_password(self, name: str, password: str, who: str, now_ns: int) -> Account:
        """Replace the password, hashed already; every session of the account ends.

        Raises:
            ConfigError: there is no such account.
        """
        with open_change(self._engine, who, now_ns) as change:
            before = _get(change.connection, name)
            after = replace(before, password=password, stamp=_new_stamp())
            _update(change.connection, after)
            change.note("password", f"account {after.name}", _said(before), _said(after))
        return after

    def end_sessions(self, name: str, who: str, now_ns: int) -> Account:
        """Sign an account out everywhere.

        Raises:
            ConfigError: there is no such account.
        """
        with open_change(self._engine, who, now_ns) as change:
            before = _get(change.connection, name)
            after = replace(before, stamp=_new_stamp())
            _update(change.connection, after)
            change.note("sign-out", f"account {after.name}", _said(before), _said(after))
        return after

    def remove(self, name: str, who: str, now_ns: int) -> Account:
        """Remove an account; its sessions end.

        Raises:
            ConfigError: there is no such account.
        """
        with open_change(self._engine, who, now_ns) as change:
            gone = _get(change.connection, name)
            change.connection.execute(sa.delete(accounts).where(accounts.c.name == gone.name))
            change.note("remove", f"account {gone.name}", _said(gone), "{}")
        return gone


def _new_stamp() -> str:
    return secrets.token_hex(16)


def _demand_projects(connection: sa.Connection, wanted: frozenset[str] | None) -> None:
    names = set(connection.scalars(sa.select(projects.c.name)))
    missing = sorted((wanted or frozenset()) - names)
    if missing:
        raise ConfigError(
            f"There is no project {missing[0][:80]!r}; there are {', '.join(sorted(names))}. "
            "`spanledger projects create NAME` makes one."
        )


def _find(connection: sa.Connection, name: str) -> Account | None:
    statement = sa.select(accounts).where(accounts.c.name == name)
    found = connection.execute(statement).mappings().first()
    return None if found is None else _account(found)


def _get(connection: sa.Connection, name: str) -> Account:
    found = _find(connection, account_name(name))
    if found is None:
        raise ConfigError(
            f"There is no account {name[:80]!r}; `spanledger accounts list` shows them."
        )
    return found


def _update(connection: sa.Connection, account: Account) -> None:
    statement = sa.update(accounts).where(accounts.c.name == account.name)
    connection.execute(statement.values(_values(account)))


def _account(row: sa.RowMapping) -> Account:
    # A role of a newer version may do the least here.
    role = Role(row["role"]) if row["role"] in list(Role) else Role.VIEWER
    names = row["projects"]
    found = None if names is None else _names(names)
    values: dict[str, Any] = {**row, "role": role, "projects": found}
    return Account(**values)


def _names(text: str) -> frozenset[str]:
    return frozenset(str(name) for name in json.loads(text))


def _values(account: Account) -> dict[str, object]:
    return {
        "name": account.name,
        "role": account.role.value,
        "projects": _projects_text(account),
        "password": account.password,
        "stamp": account.stamp,
        "created_at_ns": account.created_at_ns,
        "created_by": account.created_by,
    }


def _projects_text(account: Account) -> str | None:
    return None if account.projects is None else json.dumps(sorted(account.projects))


def _said(account: Account) -> str:
    """Return what the log says of an account: nothing of its password or sessions."""
    names = None if account.projects is None else sorted(account.projects)
    return json.dumps({"role": account.role, "projects": names})
