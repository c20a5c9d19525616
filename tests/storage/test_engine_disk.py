"""Room that the local engine leaves on its disk, and merges that wait while others use it up."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pytest

from spanledger_storage.engine import Engine, EngineSettings
from spanledger_storage.engine_disk import kept_free_bytes
from spanledger_storage.errors import StoreError
from spanledger_storage.migrations import create_database
from spanledger_storage.store import Store
from tests.ports import free_port

MIB = 1 << 20
GIB = 1 << 30


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.mark.parametrize(
    ("volume", "kept"),
    [
        (200 * MIB, 40 * MIB),
        (1 * GIB, 64 * MIB),
        (4 * GIB, int(4 * GIB * 0.025)),
        (1 << 44, 512 * MIB),
    ],
)
def test_a_share_of_the_volume_stays_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, volume: int, kept: int
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(volume, 0, volume))
    assert kept_free_bytes(tmp_path) == kept


@pytest.fixture
def own_engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine of this test: pausing merges is for all tables of one."""
    engine = Engine(EngineSettings(tmp_path, free_port()))
    engine.start()
    create_database(engine.writer)
    yield engine
    engine.stop()


def test_merges_wait_while_others_use_the_room_up(
    own_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = kept_free_bytes(tmp_path)
    volume = shutil.disk_usage(tmp_path).total

    def leave(free: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(volume, volume - free, free))
        own_engine.look_after_disk()

    store = Store.connect(own_engine.writer)
    try:
        told = store.sql_rows("SELECT keep_free_space FROM system.disks WHERE name = 'default'")
        assert told == [{"keep_free_space": kept}]
        store.execute("CREATE TABLE t (n Int64) ENGINE = MergeTree ORDER BY n")
        for n in (1, 2):
            store.insert("t", pa.table({"n": [n]}), token=str(n))
        leave(kept - 1)
        with pytest.raises(StoreError, match="Cancelled merging parts"):
            store.execute("OPTIMIZE TABLE t FINAL")
        leave(kept)  # not yet: it would come and go
        with pytest.raises(StoreError, match="Cancelled merging parts"):
            store.execute("OPTIMIZE TABLE t FINAL")
        leave(kept * 2)
        store.execute("OPTIMIZE TABLE t FINAL")
        assert store.sql_rows("SELECT sum(n) AS s FROM t") == [{"s": 3}]
    finally:
        store.close()
