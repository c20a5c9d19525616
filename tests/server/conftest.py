"""A running instance for tests of the whole product."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.instance import Instance, runs, wait_until


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """One instance for the tests of a file that leave it as they found it.

    At the end it stops cleanly and leaves nothing running; unless the last test ended it otherwise,
    which then has no process any more.
    """
    instance = Instance(tmp_path_factory.mktemp("up") / "data").start()
    yield instance
    if instance.process is None:
        return
    tree = instance.tree()
    assert instance.stop(signal.SIGINT) == 0
    wait_until(lambda: not any(runs(process) for process in tree), timeout_s=1)
    assert not (instance.data / "run.json").exists()


@pytest.fixture
def data(state: sa.Engine, tmp_path: Path) -> Path:
    """A data directory on which an instance has run."""
    assert state
    return tmp_path
