"""Several processes that migrate at once, as replicas of a deployment do when they start."""

from concurrent.futures import ThreadPoolExecutor

from spanledger_server.schema import migrate_all
from spanledger_storage.engine import Engine
from spanledger_storage.migrations import all_migrations
from spanledger_storage.store import Store
from tests.postgres import postgres_server


def test_of_several_that_migrate_at_once_one_does_and_the_others_wait(engine: Engine) -> None:
    settings = engine.writer.with_database("migrated_together")
    with postgres_server() as url, ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(migrate_all, settings, url) for _ in range(3)]:
            done.result()
    store = Store.connect(settings)
    [row] = store.sql_rows("SELECT count() AS n, uniqExact(number) AS numbers FROM migrations")
    known = len(all_migrations())
    # Two notes on each: merged or not, those of one run alone.
    assert row["numbers"] == known
    assert store.sql_rows("SELECT count() AS n FROM migrations FINAL") == [{"n": known}]
    store.execute("DROP DATABASE migrated_together")
    store.close()
