"""A PostgreSQL server of the tests' own, where one is installed."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from spanledger_storage.state import migrate_state, open_state
from tests.ports import free_port


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """Its URL; the server refuses to run as root, so another user runs it then."""
    server, initdb = shutil.which("postgres"), shutil.which("initdb")
    if initdb is None and server is not None:
        initdb = shutil.which("initdb", path=str(Path(server).resolve().parent))
    if server is None or initdb is None or find_spec("psycopg") is None:
        pytest.skip("PostgreSQL or psycopg is not installed")
    if os.getuid() == 0 and "postgres" not in {entry.pw_name for entry in pwd.getpwall()}:
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
    memory = os.environ.get("PYTEST_DEBUG_TEMPROOT")  # pytest's own folder is closed to other users
    folder = Path(tempfile.mkdtemp(prefix="spanledger-pg-", dir=memory))
    user = "postgres" if os.getuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    data, port = folder / "data", free_port()
    process = None
    try:
        subprocess.run(
            [initdb, "-D", data, "-U", "test", "-A", "trust", "--no-sync"],
            check=True, capture_output=True, user=user, cwd=folder,
        )  # fmt: skip
        process = subprocess.Popen(
            [server, "-D", data, "-p", str(port), "-k", folder, "-c", "fsync=off"],
            user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        url = f"postgresql+psycopg://test@127.0.0.1:{port}/postgres"
        _await_server(url)
        yield url
    finally:
        if process is not None:
            process.send_signal(signal.SIGINT)  # does not wait for clients to leave
            process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def migrated_database(server: str) -> Iterator[str]:
    """The URL of a state database on the server that nobody else uses.

    The first one is migrated as an installation's is, and all are copies of it: migrating takes
    longer than most tests.
    """
    name = f"state_{next(_numbers)}"
    with _owner(server) as owner:
        template = "SELECT 1 FROM pg_database WHERE datname = 'migrated'"
        if not owner.scalar(sa.text(template)):
            owner.exec_driver_sql("CREATE DATABASE migrated")
            engine = open_state(_named(server, "migrated"))
            migrate_state(engine)
            engine.dispose()  # nobody may be connected to what is copied
        owner.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE migrated")
    yield _named(server, name)
    with _owner(server) as owner:
        owner.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


_numbers = itertools.count(1)


@contextlib.contextmanager
def _owner(server: str) -> Iterator[sa.Connection]:
    engine = open_state(server).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def _named(server: str, database: str) -> str:
    return server.rpartition("/")[0] + f"/{database}"


def _await_server(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        engine = open_state(url)
        try:
            with engine.connect():
                return
        except OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        finally:
            engine.dispose()
