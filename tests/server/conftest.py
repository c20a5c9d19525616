"""A running instance for tests of the whole product."""

import signal
from collections.abc import Iterator

import pytest

from tests.instance import Instance


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """One instance for the tests of a file that leave it as they found it."""
    instance = Instance(tmp_path_factory.mktemp("up") / "data").start()
    yield instance
    assert instance.stop(signal.SIGINT) == 0
