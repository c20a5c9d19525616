"""What people save in the dashboard: filters, charts, queries, golden trajectories."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, cast

import sqlalchemy as sa

from spanledger_storage.state import metadata, upsert
from spanledger_storage.state_access import explained

_explained = partial(explained, "The saved views")

Kind = Literal["traces", "cost", "sql", "golden"]
NAME_LIMIT = 128
_CONTENT_LIMIT_BYTES = 1_000_000

saved_views = sa.Table(
    "saved_views",
    metadata,
    sa.Column("kind", sa.String(16), primary_key=True, comment="traces cost sql golden"),
    sa.Column("project", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(NAME_LIMIT), primary_key=True),
    sa.Column("content", sa.Text, nullable=False, comment="JSON object; its kind knows it"),
    sa.Column("saved_by", sa.String(128), nullable=False),
    sa.Column("saved_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
)


@dataclass(frozen=True, slots=True)
class SavedView:
    """One saved thing; ``content`` is what its kind needs to show it again."""

    kind: Kind
    project: str
    name: str
    content: Mapping[str, object]
    saved_by: str
    saved_at_ns: int


class SavedViews:
    """Reads and writes them. Everybody who may see a project sees what is saved in it.

    Methods raise StateError when the database does not answer, is read-only or lacks the table.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def of(self, kind: Kind, project: str) -> list[SavedView]:
        """Return what is saved of a kind in a project, by name."""
        statement = (
            sa.select(saved_views)
            .where(saved_views.c.kind == kind, saved_views.c.project == project)
            .order_by(saved_views.c.name)
        )
        with _explained(), self._engine.connect() as connection:
            return [_view(row) for row in connection.execute(statement).mappings()]

    def save(
        self, kind: Kind, project: str, name: str, content: Mapping[str, object], *, who: str
    ) -> None:
        """Save under a name; what had this name before is replaced.

        Raises:
            ValueError: the name is empty or too long, or the content too large; says the limit.
        """
        name = " ".join(name.split())
        if not 0 < len(name) <= NAME_LIMIT:
            raise ValueError(f"A name has 1 to {NAME_LIMIT} characters, not {len(name)}.")
        text = json.dumps(content, separators=(",", ":"), sort_keys=True)
        if len(text) > _CONTENT_LIMIT_BYTES:
            raise ValueError(f"This is too large to save: more than {_CONTENT_LIMIT_BYTES} bytes.")
        with _explained(), self._engine.begin() as connection:
            upsert(
                connection,
                saved_views,
                {"kind": kind, "project": project, "name": name},
                {
                    "content": text,
                    "saved_by": who[:128],
                    "saved_at_ns": time.time_ns(),
                },
            )

    def remove(self, kind: Kind, project: str, name: str) -> bool:
        """Remove what is saved under a name; return False when there was nothing."""
        statement = sa.delete(saved_views).where(
            saved_views.c.kind == kind,
            saved_views.c.project == project,
            saved_views.c.name == name,
        )
        with _explained(), self._engine.begin() as connection:
            return bool(connection.execute(statement).rowcount)


def _view(row: sa.RowMapping) -> SavedView:
    return SavedView(
        kind=cast("Kind", row["kind"]),
        project=str(row["project"]),
        name=str(row["name"]),
        content=cast("dict[str, object]", json.loads(str(row["content"]))),
        saved_by=str(row["saved_by"]),
        saved_at_ns=int(row["saved_at_ns"]),
    )
