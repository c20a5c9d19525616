"""Imports of invoices, mappings, pulls and uploads in the state database.

Nothing is overwritten that people may ask about: imports are marked as deleted, mappings as
removed.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, replace
from decimal import Decimal
from functools import partial
from typing import Any

import sqlalchemy as sa

from spanledger_storage.errors import ConfigError
from spanledger_storage.invoice_tables import (
    ImportRow,
    MappingRow,
    PullRow,
    UploadRow,
    imports,
    mappings,
    pulls,
    uploads,
)
from spanledger_storage.state import upsert
from spanledger_storage.state_access import explained

_explained = partial(explained, "The invoices")

__all__ = ["ImportRow", "InvoiceState", "MappingRow", "PullRow", "UploadRow"]

MOST_UPLOAD_BYTES = 64 * 2**20
"""Of a file handed in on the dashboard, where it waits in the state database."""

_IMPORTED = [c for c in uploads.c if c.name != "content"]


class InvoiceState:
    """Reads and writes what is known of invoices beside their lines.

    Methods raise StateError when the database does not answer, is read-only or lacks the tables.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def imports(self, project: str, *, deleted: bool = False) -> list[ImportRow]:
        """Return the imports of a project, the newest first; with ``deleted`` also those."""
        statement = sa.select(imports).where(imports.c.project == project)
        if not deleted:
            statement = statement.where(imports.c.deleted_at_ns.is_(None))
        statement = statement.order_by(imports.c.at_ns.desc(), imports.c.import_id)
        with _explained(), self._engine.connect() as connection:
            return [_import(row) for row in connection.execute(statement).mappings()]

    def find_same(self, project: str, sha256: str) -> ImportRow | None:
        """Return the import of the same content that was not deleted, the newest, if any."""
        found = (row for row in self.imports(project) if row.sha256 == sha256)
        return next(found, None)

    def add_import(self, row: ImportRow) -> None:
        """Store an import that is done."""
        values = asdict(row) | {
            "amounts": _json({name: f"{amount:f}" for name, amount in row.amounts.items()}),
            "days": _json({s: {d: int(f) for d, f in ds.items()} for s, ds in row.days.items()}),
        }
        with _explained(), self._engine.begin() as connection:
            connection.execute(sa.insert(imports).values(values))

    def mark_deleted(self, project: str, import_id: str, who: str, now_ns: int) -> bool:
        """Mark an import as deleted; return whether there was one that was not."""
        statement = (
            sa.update(imports)
            .where(
                imports.c.project == project,
                imports.c.import_id == import_id,
                imports.c.deleted_at_ns.is_(None),
            )
            .values(deleted_at_ns=now_ns, deleted_by=who[:128])
        )
        with _explained(), self._engine.begin() as connection:
            return connection.execute(statement).rowcount == 1

    def mappings(self, project: str, *, removed: bool = False) -> list[MappingRow]:
        """Return the mappings of a project by id; with ``removed`` also those that hold no more."""
        statement = sa.select(mappings).where(mappings.c.project == project)
        return self._mappings(statement, removed=removed)

    def scopes_into(self, project: str) -> list[MappingRow]:
        """Return mappings of other projects that give a scope or key to this one."""
        statement = sa.select(mappings).where(
            mappings.c.project != project, mappings.c.kind.in_(("scope", "api_key"))
        )
        found = self._mappings(statement, removed=False)
        return [row for row in found if row.target.get("project") == project]

    def add_mapping(self, row: MappingRow) -> MappingRow:
        """Store a mapping in place of the one of the same text; return it with its id.

        Raises:
            ConfigError: the same mapping is there already.
        """
        with _explained(), self._engine.begin() as connection:
            same = sa.select(mappings).where(
                mappings.c.project == row.project,
                mappings.c.kind == row.kind,
                mappings.c.provider == row.provider,
                mappings.c.pattern == row.pattern,
                mappings.c.removed_at_ns.is_(None),
            )
            for old in [_mapping(found) for found in connection.execute(same).mappings()]:
                if old.target == row.target:
                    raise ConfigError(f"Mapping {old.id} says the same already.")
                _remove(connection, old.id, row.created_by, row.created_at_ns)
            values = asdict(row) | {"target": _json(dict(row.target))}
            values |= {"removed_by": "", "removed_at_ns": None}
            del values["id"]
            key = connection.execute(sa.insert(mappings).values(values)).inserted_primary_key
        return replace(row, id=key[0] if key else 0)

    def remove_mapping(self, project: str, mapping_id: int, who: str, now_ns: int) -> MappingRow:
        """Let a mapping hold no more; return it.

        Raises:
            ConfigError: there is none of that number.
        """
        found = next((row for row in self.mappings(project) if row.id == mapping_id), None)
        if found is None:
            raise ConfigError(
                f"There is no mapping {mapping_id} in project {project}; "
                "`spanledger invoices mappings list` shows them."
            )
        with _explained(), self._engine.begin() as connection:
            _remove(connection, mapping_id, who, now_ns)
        return replace(found, removed_by=who[:128], removed_at_ns=now_ns)

    def pulls(self, project: str) -> list[PullRow]:
        """Return how the last pull of each report went, by report."""
        statement = sa.select(pulls).where(pulls.c.project == project).order_by(pulls.c.report)
        with _explained(), self._engine.connect() as connection:
            return [PullRow(**dict(row)) for row in connection.execute(statement).mappings()]

    def keep_pull(self, row: PullRow) -> None:
        """Store how a pull went, in place of the one before."""
        values = asdict(row)
        key = {name: values.pop(name) for name in ("project", "report")}
        with _explained(), self._engine.begin() as connection:
            upsert(connection, pulls, key, values)

    def hand_in(self, row: UploadRow, content: bytes) -> UploadRow:
        """Store a file for the worker; return it with its id.

        Raises:
            ConfigError: it is empty or larger than ``MOST_UPLOAD_BYTES``.
        """
        if not content or len(content) > MOST_UPLOAD_BYTES:
            raise ConfigError(
                f"A file handed in here has 1 byte to {MOST_UPLOAD_BYTES // 2**20} MiB; this one "
                f"has {len(content):,} bytes. Import it where the product runs: "
                "spanledger invoices import FILE"
            )
        row = replace(row, id=uuid.uuid4().hex, size_bytes=len(content))
        values = asdict(row) | {"options": _json(dict(row.options)), "content": content}
        with _explained(), self._engine.begin() as connection:
            connection.execute(sa.insert(uploads).values(values))
        return row

    def uploads(self, project: str, limit: int = 50) -> list[UploadRow]:
        """Return the files handed in, the newest first."""
        statement = (
            sa.select(*_IMPORTED)
            .where(uploads.c.project == project)
            .order_by(uploads.c.at_ns.desc())
            .limit(limit)
        )
        with _explained(), self._engine.connect() as connection:
            return [_upload(row) for row in connection.execute(statement).mappings()]

    def next_upload(self) -> tuple[UploadRow, bytes] | None:
        """Return the file that waits longest, of any project, with its content."""
        statement = (
            sa.select(uploads)
            .where(uploads.c.state == "waiting")
            .order_by(uploads.c.at_ns, uploads.c.id)
            .limit(1)
        )
        with _explained(), self._engine.connect() as connection:
            found = connection.execute(statement).mappings().first()
        if found is None:
            return None
        values = dict(found)
        content = bytes(values.pop("content"))
        return _upload(values), content

    def settle_upload(self, upload_id: str, state: str, outcome: str) -> None:
        """Say what became of a file, and forget its content."""
        statement = (
            sa.update(uploads)
            .where(uploads.c.id == upload_id)
            .values(state=state, outcome=outcome, content=b"")
        )
        with _explained(), self._engine.begin() as connection:
            connection.execute(statement)

    def _mappings(self, statement: sa.Select[Any], *, removed: bool) -> list[MappingRow]:
        if not removed:
            statement = statement.where(mappings.c.removed_at_ns.is_(None))
        statement = statement.order_by(mappings.c.id)
        with _explained(), self._engine.connect() as connection:
            return [_mapping(row) for row in connection.execute(statement).mappings()]


def _remove(connection: sa.Connection, mapping_id: int, who: str, now_ns: int) -> None:
    connection.execute(
        sa.update(mappings)
        .where(mappings.c.id == mapping_id, mappings.c.removed_at_ns.is_(None))
        .values(removed_by=who[:128], removed_at_ns=now_ns)
    )


def _import(row: sa.RowMapping) -> ImportRow:
    values: dict[str, Any] = dict(row)
    amounts: dict[str, str] = json.loads(values["amounts"])
    days: dict[str, dict[str, int]] = json.loads(values["days"])
    values["amounts"] = {name: Decimal(text) for name, text in amounts.items()}
    values["days"] = {s: {d: bool(f) for d, f in found.items()} for s, found in days.items()}
    return ImportRow(**values)


def _mapping(row: sa.RowMapping) -> MappingRow:
    values: dict[str, Any] = dict(row)
    return MappingRow(**{**values, "target": json.loads(values["target"])})


def _upload(row: Mapping[Any, Any]) -> UploadRow:
    values: dict[str, Any] = dict(row)
    return UploadRow(**{**values, "options": json.loads(values["options"])})


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
