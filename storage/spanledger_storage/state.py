"""The state database: small, transactional, never telemetry. SQLite or PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from importlib.resources import as_file, files
from pathlib import Path
from urllib.parse import quote, unquote

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DatabaseError, SQLAlchemyError

from spanledger_storage.errors import ConfigError, MigrationError, StateError

metadata = sa.MetaData()
_MIGRATING = 0x7370616E6C656467  # names the lock: "spanledg"
_DAMAGED = (
    ". It has to be writable; if it is damaged, put a copy of it back: keys, own prices, budgets"
    " and positions of the jobs are in it."
)

watermarks = sa.Table(
    "watermarks",
    metadata,
    sa.Column("job", sa.String(64), primary_key=True, comment="name of the job"),
    sa.Column("position", sa.BigInteger, nullable=False, comment="how far it got; its own unit"),
)

heartbeats = sa.Table(
    "heartbeats",
    metadata,
    sa.Column("role", sa.String(32), primary_key=True, comment="collector, worker"),
    sa.Column("instance", sa.String(64), primary_key=True, comment="host and process id"),
    sa.Column("beat_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
)


def sqlite_url(file: Path) -> str:
    """Return the URL of a state database in a file, whatever its folders are called."""
    return "sqlite:///" + str(file).replace("%", "%25").replace("?", "%3F")


def open_state(url: str) -> sa.Engine:
    """Return an engine on the state database; ``sqlite:///path`` or ``postgresql+psycopg://…``.

    Raises:
        ConfigError: the URL names another database or cannot be read.
    """
    try:
        parsed = sa.make_url(url)
    except SQLAlchemyError:
        raise ConfigError("The state URL cannot be read; use sqlite:///FILE.") from None
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise ConfigError(
            f"The state database must be SQLite or PostgreSQL, not {parsed.get_backend_name()}."
        )
    path = url.partition(":///")[2].partition("?")[0]
    if path and parsed.get_backend_name() == "sqlite":
        parsed = parsed.set(database=unquote(path))  # SQLAlchemy 2.0 does not decode it, 2.1 does
    engine = sa.create_engine(parsed, pool_pre_ping=parsed.get_backend_name() == "postgresql")
    if parsed.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
    return engine


def open_state_reader(url: str) -> sa.Engine:
    """Return an engine that can only read; a SQLite file that does not exist is not made.

    Raises:
        ConfigError: the URL names another database or cannot be read.
    """
    engine = open_state(url)
    if engine.dialect.name == "postgresql":
        return engine.execution_options(postgresql_readonly=True)
    path = quote(str(Path(engine.url.database or "").absolute()))
    query = {"mode": "ro", "uri": "true"}
    return sa.create_engine(sa.URL.create("sqlite", database=f"file:{path}", query=query))


def open_state_writer(url: str) -> sa.Engine:
    """Return an engine that writes, also for a role whose transactions read unless told otherwise.

    Raises:
        ConfigError: the URL names another database or cannot be read.
    """
    engine = open_state(url)
    if engine.dialect.name == "postgresql":
        return engine.execution_options(postgresql_readonly=False)
    return engine


def _configure_sqlite(connection: sa.engine.interfaces.DBAPIConnection, _: object) -> None:
    # Several processes share the file: readers must not block the one writer.
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA busy_timeout=10000")
    connection.execute("PRAGMA foreign_keys=ON")


def migrate_state(engine: sa.Engine) -> None:
    """Bring the state database's schema up to date. Running twice changes nothing.

    Raises:
        MigrationError: the database was written by a newer version, or a step failed.
        StateError: it does not answer, or its file is damaged or cannot be written.
    """
    _keep_private(engine)
    try:
        revision = _revision(engine)
        if is_newest := revision == _newest_revision():
            _try_to_write(engine)
    except SQLAlchemyError as error:
        raise _unusable(engine, error) from error
    if is_newest:
        return  # the usual case, without the half second that Alembic takes to import
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    with as_file(files("spanledger_storage") / "state_migrations") as directory:
        config = Config()
        config.set_main_option("script_location", str(directory))
        try:
            with engine.begin() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except (CommandError, SQLAlchemyError) as error:
            raise MigrationError(f"The state database cannot be brought up to date: {error}") from (
                error
            )


@contextmanager
def migrating(engine: sa.Engine) -> Generator[None]:
    """Let others on the same PostgreSQL wait with their migrations, of the store too, for ours.

    Each replica of a deployment may run them when it starts.

    Raises:
        StateError: the database does not answer.
    """
    if engine.dialect.name != "postgresql":  # its file is of one machine, its directory locked
        yield
        return
    try:
        connection = engine.connect()
        # Of a transaction, not of a session: poolers of connections keep that apart.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATING)))
    except SQLAlchemyError as error:
        raise _unusable(engine, error) from error
    try:
        yield
    finally:
        connection.close()


def _unusable(engine: sa.Engine, error: SQLAlchemyError) -> StateError:
    said = " ".join(str(getattr(error, "orig", error)).split())
    told = f"The state database {engine.url.render_as_string()} cannot be used: {said}"
    if isinstance(error, DatabaseError) and engine.dialect.name == "sqlite":
        told += _DAMAGED
    return StateError(told)


def _keep_private(engine: sa.Engine) -> None:
    """Make the file readable by its owner alone: hashes of passwords and keys are in it."""
    if engine.dialect.name != "sqlite" or engine.url.database in (None, "", ":memory:"):
        return
    file = Path(str(engine.url.database))
    with suppress(OSError):  # a disk or a file that is not ours: opening it says what is wrong
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        file.chmod(0o600)


def _revision(engine: sa.Engine) -> str | None:
    """Return the schema revision the database is at, None when it is empty."""
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        revision: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        return revision


def _try_to_write(engine: sa.Engine) -> None:
    """Write nothing new to a file: jobs that cannot write would only fail, each in its own log."""
    if engine.dialect.name != "sqlite":
        return
    with engine.connect() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = version_num"))
        connection.rollback()


def _newest_revision() -> str:
    with as_file(files("spanledger_storage") / "state_migrations" / "versions") as directory:
        return max(path.name[:4] for path in Path(directory).glob("[0-9]*.py"))


class Watermarks:
    """How far each job got, kept in the state database."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def get(self, job: str) -> int | None:
        """Return the stored position, None when the job never ran."""
        with self._engine.connect() as connection:
            position: int | None = connection.scalar(
                sa.select(watermarks.c.position).where(watermarks.c.job == job)
            )
            return position

    def set(self, job: str, position: int) -> None:
        """Store the position."""
        with self._engine.begin() as connection:
            upsert(connection, watermarks, {"job": job}, {"position": position})


class Heartbeats:
    """Which processes are alive, kept in the state database."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def beat(self, role: str, instance: str, now_ns: int) -> None:
        """Record that a process lives, and forget those silent for a day."""
        with self._engine.begin() as connection:
            key = {"role": role, "instance": instance}
            upsert(connection, heartbeats, key, {"beat_at_ns": now_ns})
            stale = now_ns - 86_400 * 10**9
            connection.execute(sa.delete(heartbeats).where(heartbeats.c.beat_at_ns < stale))

    def newest(self, role: str) -> int | None:
        """Return the newest beat of a role in UTC nanoseconds, None when it never beat."""
        with self._engine.connect() as connection:
            beat_at_ns: int | None = connection.scalar(
                sa.select(sa.func.max(heartbeats.c.beat_at_ns)).where(heartbeats.c.role == role)
            )
            return beat_at_ns


def upsert(
    connection: sa.Connection,
    table: sa.Table,
    key: Mapping[str, object],
    values: Mapping[str, object],
) -> None:
    """Set ``values`` in the row of a key, making the row where there is none."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    connection.execute(
        dialect.insert(table)
        .values(**key, **values)
        .on_conflict_do_update(index_elements=list(key), set_=values)
    )
