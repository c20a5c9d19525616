import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from spanledger_storage.engine import Engine
from tests.conftest import fresh_store
from tests.instance import wait_until
from tests.running import RunningCollector, running_collector


@pytest.fixture(scope="module")
def shared_collector(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningCollector]:
    directory = tmp_path_factory.mktemp("collector")
    with (
        fresh_store(engine) as store,
        running_collector(store, directory, max_request_bytes=1 << 20) as running,
    ):
        yield running


@pytest.fixture
def collector(shared_collector: RunningCollector) -> RunningCollector:
    """A collector that takes requests of up to 1 MiB; its store is empty."""
    spool: Path = shared_collector.settings.spool

    def is_drained() -> bool:
        with sqlite3.connect(spool) as file:
            [waiting] = file.execute("SELECT count(*) FROM requests").fetchone()
        file.close()
        return int(waiting) == 0

    wait_until(is_drained, every_s=0.02)
    shared_collector.store.execute("TRUNCATE TABLE spans")
    return shared_collector
