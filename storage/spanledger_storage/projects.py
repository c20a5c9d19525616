"""Projects, their keys, and the log of their changes, in the state database.

A key is kept as the SHA-256 of its secret and is never deleted: it is revoked, and stays to be
shown. One change is one transaction: the row, its log entry and the next revision, or nothing.
The log holds no secret, no digest of one, and no salt.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError

from spanledger_storage.api_keys import ApiKey, Scope, digest, scopes_text
from spanledger_storage.errors import ConfigError, StateError
from spanledger_storage.project_settings import NAME, NAME_RULE, Project, ProjectSettings
from spanledger_storage.project_tables import (
    api_keys,
    explained,
    log,
    open_change,
    projects,
    revisions,
)

StateEngine = sa.Engine


@dataclass(frozen=True, slots=True)
class ProjectRow:
    """A row of ``projects``."""

    project: Project
    created_at_ns: int
    created_by: str


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A row of ``api_keys``; ``secret_sha256`` is hex."""

    id: str
    project: str
    label: str
    scopes: frozenset[Scope]
    secret_sha256: str = field(repr=False)
    created_at_ns: int
    created_by: str
    expires_at_ns: int | None = None
    revoked_at_ns: int | None = None

    def is_live(self, now_ns: int) -> bool:
        """Return whether the key opens anything at an instant."""
        return self.revoked_at_ns is None and not self.is_expired(now_ns)

    def is_expired(self, now_ns: int) -> bool:
        """Return whether its time is over at an instant."""
        return self.expires_at_ns is not None and self.expires_at_ns <= now_ns


@dataclass(frozen=True, slots=True)
class ProjectLogRow:
    """One object changed: ``before`` (None: it was made) and ``after`` are JSON objects."""

    id: int
    revision: int
    at_ns: int
    who: str
    action: str
    object: str
    before: str | None
    after: str


class Projects:
    """Reads and changes projects.

    Methods raise StateError when the database does not answer or lacks the tables.
    """

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine

    def revision(self) -> int:
        """Return a number that grows with every change of a project or key."""
        with explained(), self._engine.connect() as connection:
            return int(connection.scalar(sa.select(revisions.c.revision)) or 0)

    def all(self) -> list[ProjectRow]:
        """Return the projects by name."""
        with explained(), self._engine.connect() as connection:
            found = connection.execute(sa.select(projects).order_by(projects.c.name)).mappings()
            return [_project_row(row) for row in found]

    def get(self, name: str) -> ProjectRow:
        """Return a project.

        Raises:
            ConfigError: there is none of this name; the message names those there are.
        """
        with explained(), self._engine.connect() as connection:
            return _find(connection, name)

    def create(self, name: str, who: str, now_ns: int) -> ProjectRow:
        """Make a project with default settings.

        Raises:
            ConfigError: the name cannot be one, or is taken.
        """
        if not NAME.fullmatch(name):
            raise ConfigError(f"A project's name {NAME_RULE} {name[:80]!r}.")
        with open_change(self._engine, who, now_ns) as change:
            if _exists(change.connection, name):
                raise ConfigError(f"There is a project {name} already.")
            values = {
                "name": name,
                "created_at_ns": now_ns,
                "created_by": who[:128],
                "settings": "{}",
                "salt": secrets.token_hex(32),
            }
            change.connection.execute(sa.insert(projects).values(values))
            change.note("create", f"project {name}", None, "{}")
            return _find(change.connection, name)

    def set(self, name: str, settings: ProjectSettings, who: str, now_ns: int) -> ProjectRow:
        """Replace the settings of a project; the same ones leave no trace.

        Raises:
            ConfigError: there is none of this name; the message names those there are.
        """
        with open_change(self._engine, who, now_ns) as change:
            row = _find(change.connection, name)
            if row.project.settings != settings:
                text = settings_text(settings)
                statement = sa.update(projects).where(projects.c.name == name)
                change.connection.execute(statement.values(settings=text))
                before = settings_text(row.project.settings)
                change.note("set", f"project {name}", before, text)
            return replace(row, project=replace(row.project, settings=settings))

    def log(self, limit: int = 100) -> list[ProjectLogRow]:
        """Return the newest entries of the log, newest first."""
        statement = sa.select(log).order_by(log.c.id.desc()).limit(limit)
        with explained(), self._engine.connect() as connection:
            return [ProjectLogRow(**row) for row in connection.execute(statement).mappings()]


class Keys:
    """Reads, makes and revokes keys.

    Methods raise StateError when the database does not answer or lacks the tables.
    """

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine

    def all(self) -> list[KeyRow]:
        """Return every key there ever was, by project and age."""
        order = (api_keys.c.project, api_keys.c.created_at_ns, api_keys.c.id)
        with explained(), self._engine.connect() as connection:
            found = connection.execute(sa.select(api_keys).order_by(*order)).mappings()
            return [_key_row(row) for row in found]

    def create(
        self,
        project: str,
        scopes: Iterable[Scope],
        who: str,
        now_ns: int,
        *,
        label: str = "",
        expires_at_ns: int | None = None,
    ) -> tuple[KeyRow, ApiKey]:
        """Make a key; return its row, and the key itself, which cannot be had again.

        Raises:
            ConfigError: there is no such project, or no scope was given.
        """
        key, chosen = ApiKey.new(), frozenset(scopes)
        if not chosen:
            raise ConfigError(f"A key needs a scope: {', '.join(Scope)}.")
        row = KeyRow(
            id=key.id,
            project=project,
            label=label[:128],
            scopes=chosen,
            secret_sha256=digest(key.secret),
            created_at_ns=now_ns,
            created_by=who[:128],
            expires_at_ns=expires_at_ns,
        )
        with open_change(self._engine, who, now_ns) as change:
            _find(change.connection, project)
            change.connection.execute(sa.insert(api_keys).values(_key_values(row)))
            change.note("create", f"key {row.id}", None, _key_text(row))
        return row, key

    def revoke(self, key_id: str, who: str, now_ns: int) -> KeyRow:
        """Let a key open nothing any more, for good; once revoked, it stays as it is.

        Raises:
            ConfigError: there is no such key.
        """
        with open_change(self._engine, who, now_ns) as change:
            statement = sa.select(api_keys).where(api_keys.c.id == key_id)
            found = change.connection.execute(statement).mappings().first()
            if found is None:
                raise ConfigError(
                    f"There is no key {key_id[:40]!r}; `spanledger keys list` shows their ids."
                )
            before = _key_row(found)
            if before.revoked_at_ns is not None:
                return before
            after = replace(before, revoked_at_ns=now_ns)
            update = sa.update(api_keys).where(api_keys.c.id == key_id)
            change.connection.execute(update.values(revoked_at_ns=now_ns))
            change.note("revoke", f"key {key_id}", _key_text(before), _key_text(after))
            return after


def settings_text(settings: ProjectSettings) -> str:
    """Return settings as JSON, without those that are the default."""
    return settings.model_dump_json(exclude_defaults=True)


def _exists(connection: sa.Connection, name: str) -> bool:
    statement = sa.select(sa.literal(1)).where(projects.c.name == name)
    return connection.scalar(statement) is not None


def _find(connection: sa.Connection, name: str) -> ProjectRow:
    statement = sa.select(projects).where(projects.c.name == name)
    found = connection.execute(statement).mappings().first()
    if found is None:
        names = connection.scalars(sa.select(projects.c.name).order_by(projects.c.name))
        raise ConfigError(
            f"There is no project {name[:80]!r}; there are {', '.join(names)}. `spanledger "
            "projects create NAME` makes one."
        )
    return _project_row(found)


def _project_row(row: sa.RowMapping) -> ProjectRow:
    name: str = row["name"]
    try:
        settings = ProjectSettings.model_validate_json(row["settings"])
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, e["loc"])) for e in error.errors())
        raise StateError(
            f"The settings of project {name} cannot be read ({fields}): were they written by a "
            "newer version of Spanledger?"
        ) from None
    project = Project(name, settings, bytes.fromhex(row["salt"]))
    return ProjectRow(project, row["created_at_ns"], row["created_by"])


def _key_row(row: sa.RowMapping) -> KeyRow:
    # A scope of a newer version opens nothing here.
    known = frozenset(Scope(word) for word in row["scopes"].split() if word in list(Scope))
    values: dict[str, Any] = {**row, "scopes": known}
    return KeyRow(**values)


def _key_values(row: KeyRow) -> dict[str, object]:
    return {
        "id": row.id,
        "project": row.project,
        "label": row.label,
        "scopes": scopes_text(row.scopes),
        "secret_sha256": row.secret_sha256,
        "created_at_ns": row.created_at_ns,
        "created_by": row.created_by,
        "expires_at_ns": row.expires_at_ns,
        "revoked_at_ns": row.revoked_at_ns,
    }


def _key_text(row: KeyRow) -> str:
    """Return what the log says of a key: no digest of the secret."""
    values = _key_values(row)
    del values["secret_sha256"]
    return json.dumps(values, ensure_ascii=False)
