"""How alerts forget somebody of whom they know very much."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from spanledger_storage import alert_tables as tables
from spanledger_storage.alert_deletion import AlertDeletion
from spanledger_storage.errors import StateError
from spanledger_storage.state import migrate_state, open_state


def remember(engine: sa.Engine, project: str, user: str, ids: list[str]) -> None:
    """Write what is over: an incident, its group and message, and two lines of its timeline."""
    labels = json.dumps({"user": user})
    with engine.begin() as connection:
        for one in ids:
            key = f"{project}/{one}/1"
            rows: list[tuple[sa.Table, dict[str, object]]] = [
                (tables.instances, {"instance_id": one, "labels": labels, "state": "inactive",
                    "severity": "warning", "generation": 1, "active_at_ns": 1, "sample": ""}),
                (tables.groups, {"group_id": one, "channel": "ops", "run": 1, "told": "{}",
                    "labels": labels}),
                (tables.outbox, {"channel": "ops", "group_id": one, "group_key": key,
                    "transition": "trigger", "payload": json.dumps({"key": key}),
                    "status": "sent", "created_at_ns": 1, "not_before_ns": 1,
                    "claimed_until_ns": 0, "attempts": 1, "is_doubtful": False, "receipt": "",
                    "last_error": "", "ended_at_ns": 2}),
                (tables.timeline, {"incident": key, "at_ns": 1, "action": "fired", "who": "",
                    "note": ""}),
                (tables.timeline, {"incident": key, "at_ns": 2, "action": "ended", "who": "",
                    "note": ""}),
            ]  # fmt: skip
            for table, row in rows:
                connection.execute(sa.insert(table).values(project=project, rule="r", **row))


def is_anna(name: str, value: str) -> bool:
    return (name, value) == ("user", "anna")


def test_many_incidents_leave_in_as_few_statements_as_one(tmp_path: Path) -> None:
    engine = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(engine)
    said: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *call: said.append(call[2]))
    remember(engine, "default", "annabel", ["a", "a0f"])
    remember(engine, "other", "anna", ["a1"])
    counts: list[int] = []
    for ids in (["a1"], [f"{number:x}" for number in range(0x100, 0x120)]):
        remember(engine, "default", "anna", ids)
        said.clear()
        assert AlertDeletion(engine).remove("default", is_anna) == 0
        counts.append(len(said))
    assert counts[0] == counts[1]
    with engine.connect() as connection:
        kept = connection.scalars(sa.select(tables.timeline.c.incident).distinct()).all()
        assert set(kept) == {"default/a/1", "default/a0f/1", "other/a1/1"}
        for column in (tables.instances.c.instance_id, tables.groups.c.group_id):
            assert sorted(connection.scalars(sa.select(column))) == ["a", "a0f", "a1"]
        assert len(connection.scalars(sa.select(tables.outbox.c.id)).all()) == 3


def test_pages_that_could_not_be_emptied_are_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_state(f"sqlite:///{tmp_path / 'state.db'}")

    @sa.event.listens_for(engine, "connect")
    def _(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(
            "PRAGMA secure_delete=OFF"
        )  # as SQLite is where nobody built it otherwise

    migrate_state(engine)
    remember(engine, "default", "anna", [f"{number:x}" for number in range(0x100, 0x120)])
    deletion = AlertDeletion(engine)
    with monkeypatch.context() as patch:
        patch.setattr(deletion, "_compact", refuse)
        with pytest.raises(StateError):
            deletion.remove("default", is_anna)
    assert deletion.remove("default", is_anna) == 0
    engine.dispose()
    for path in tmp_path.glob("state.db*"):
        assert b'"user": "anna"' not in path.read_bytes()


def refuse() -> None:
    raise StateError("database or disk is full")
