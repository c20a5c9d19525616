"""The worker's jobs, and when they do not run."""

import logging
from pathlib import Path

import pytest

from spanledger_server.worker import Worker
from spanledger_storage import migrations
from spanledger_storage.state import migrate_state, open_state
from spanledger_storage.store import Store


def test_jobs_wait_for_the_schema_of_this_version(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    state = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(state)
    known = migrations.all_migrations()
    later = migrations.Migration(
        len(known) + 1, "9999_create_t", "CREATE TABLE t (n Int8) ENGINE = Memory"
    )
    monkeypatch.setattr(migrations, "all_migrations", lambda: [*known, later])
    worker, ran = Worker(store.settings, state, "test"), list[object]()
    with caplog.at_level(logging.WARNING):
        worker._guard("ledger", ran.append)  # pyright: ignore[reportPrivateUsage]  # one tick
    assert ran == []
    assert "lacks 1 migrations; run `spanledger migrate`" in caplog.text
    migrations.migrate(store)
    worker._guard("ledger", ran.append)  # pyright: ignore[reportPrivateUsage]  # one tick
    assert len(ran) == 1
    state.dispose()
