"""Fixtures shared by all tests: a real engine, and a fresh migrated database for each test."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import settings
from typer.main import get_command

from spanledger_storage.engine import Engine, EngineSettings
from spanledger_storage.state import migrate_state, open_state
from spanledger_storage.store import Store, StoreSettings
from tests.databases import Databases
from tests.ports import free_port
from tests.state_template import use_template

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("spanledger", deadline=None)
settings.load_profile("spanledger")


# Folders whose files take longest come first: no worker is left with a long file at the end.
LONGEST_FIRST = ("dashboard", "server", "analytics", "collector", "storage", "sdk", "alerts")

# Many times what all workers have in files at once; half of the memory of a small machine.
MEMORY_BYTES = 3 << 30


def pytest_configure(config: pytest.Config) -> None:
    config.option.loadscopereorder = False  # xdist would begin with the files of most tests
    if folder := _folder_in_memory():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", folder)


def _folder_in_memory() -> str | None:
    """Return where files may lie in memory, None where there is no room for all that tests write.

    ext4 does not use again what was deleted in the last five seconds, and searches past it for each
    new file: a fifth of what the engine took, which makes and deletes files with every insert.
    """
    folder = "/dev/shm"  # pytest makes one below it that is the user's alone
    if not os.access(folder, os.W_OK):
        return None
    told = os.statvfs(folder)
    can_run = not told.f_flag & os.ST_NOEXEC  # some tests make commands
    return folder if can_run and told.f_bavail * told.f_frsize >= MEMORY_BYTES else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for garbage neither while tests are found nor, afterwards, among what stays to the end.

    Each worker imports all tests, a third of which went to the collector of garbage; and Streamlit
    has it look at everything after each run of a page.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tests = Path(__file__).parent
    rank = {folder: number for number, folder in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.path.relative_to(tests).parts[0], 0))


@pytest.fixture(scope="session", autouse=True)
def _state_template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        use_template(tmp_path_factory.mktemp("state"), patch)
        yield


@pytest.fixture(scope="session", autouse=True)
def _one_command() -> Iterator[None]:
    """Typer's runner makes all commands anew for each that it runs: a quarter of a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", functools.cache(get_command))
        yield


# Machine code pays off over millions of rows. Here making it was a sixteenth of all processor time;
# engines of instances, and those that tests start by themselves, make it as ever.
UNCOMPILED = """<clickhouse><profiles><default>
<compile_expressions>0</compile_expressions>
<compile_aggregate_expressions>0</compile_aggregate_expressions>
<compile_sort_description>0</compile_sort_description>
</default></profiles></clickhouse>"""


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("engine")
    (folder / "config" / "users.d").mkdir(parents=True)
    (folder / "config" / "users.d" / "tests.xml").write_text(UNCOMPILED)
    engine = Engine(EngineSettings(folder, free_port()))
    engine.start()
    yield engine
    if databases := _databases.pop(engine.writer.url, None):
        databases.close()
    engine.stop()


@contextlib.contextmanager
def fresh_store(engine: Engine) -> Iterator[Store]:
    """An empty, migrated database that nobody else uses, made as it was afterwards."""
    databases = _databases.setdefault(engine.writer.url, Databases(engine.writer))
    store = databases.take()
    try:
        yield store
    finally:
        databases.give_back(store)


_databases: dict[str, Databases] = {}  # of each engine


@pytest.fixture
def store(engine: Engine) -> Iterator[Store]:
    with fresh_store(engine) as store:
        yield store


@pytest.fixture
def store_settings(store: Store) -> StoreSettings:
    """Settings of the same database that `store` is connected to."""
    return store.settings


@pytest.fixture
def state(tmp_path: Path) -> Iterator[sa.Engine]:
    """An empty, migrated state database, where a data directory in the test's folder has it."""
    engine = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(engine)
    yield engine
    engine.dispose()
