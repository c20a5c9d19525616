"""The telemetry store: ClickHouse over HTTP, whatever runs behind it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self, cast
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from clickhouse_connect.driver import create_client
from clickhouse_connect.driver.exceptions import ClickHouseError
from clickhouse_connect.driver.httputil import get_pool_manager

from spanledger_storage.errors import ConfigError, StoreError
from spanledger_storage.sent_tables import sent
from spanledger_storage.statements import bare, load

if TYPE_CHECKING:
    import pyarrow as pa
    from clickhouse_connect.driver.client import Client

Params = Mapping[str, object]

# Two lines of theirs for every attempt, while the store is away: whoever asked says it, and once.
for _name in ("urllib3", "clickhouse_connect"):
    logging.getLogger(_name).setLevel(logging.ERROR)

# ClickHouse error codes that blame the rows of an insert: values that do not fit a type, a value
# that a constraint or a default refuses, more than a limit on one insert. Whatever else an insert
# meets may pass while the rows wait: a file system without inodes says 1001 (STD_EXCEPTION), others
# 586, 172, 1000 or a code of the next version, and a list of all that may pass is never complete.
# What is listed here wrongly makes dead letters of good rows for as long as the trouble lasts; what
# is missing lets one request wait for an hour beside others that are stored (flush.py).
_ROW_CODES = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        19,  # SIZE_OF_FIXED_STRING_DOESNT_MATCH
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        38,  # CANNOT_PARSE_DATE
        41,  # CANNOT_PARSE_DATETIME
        69,  # ARGUMENT_OUT_OF_BOUND
        70,  # CANNOT_CONVERT_TYPE
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        128,  # TOO_LARGE_ARRAY_SIZE
        131,  # TOO_LARGE_STRING_SIZE
        153,  # ILLEGAL_DIVISION
        158,  # TOO_MANY_ROWS
        190,  # SIZES_OF_ARRAYS_DONT_MATCH
        248,  # INVALID_PARTITION_VALUE
        307,  # TOO_MANY_BYTES
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        376,  # CANNOT_PARSE_UUID
        395,  # FUNCTION_THROW_IF_VALUE_IS_NON_ZERO
        396,  # TOO_MANY_ROWS_OR_BYTES
        407,  # DECIMAL_OVERFLOW
        467,  # CANNOT_PARSE_BOOL
        469,  # VIOLATED_CONSTRAINT
        490,  # CANNOT_FORMAT_DATETIME
        565,  # TOO_MANY_PARTITIONS
        632,  # UNEXPECTED_DATA_AFTER_PARSED_VALUE
        675,  # CANNOT_PARSE_IPV4
        676,  # CANNOT_PARSE_IPV6
        691,  # UNKNOWN_ELEMENT_OF_ENUM
        760,  # UNICODE_ERROR
    }
)

# ClickHouse error codes after which any other statement may succeed later: timeouts, network,
# overload, memory, disk full, read-only replica, server shutting down; and what an operator puts
# right while the rows wait: users and grants, and a schema whose migration is still on its way.
# https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
_TRANSIENT_CODES = frozenset(
    {
        3,
        8,
        10,
        16,
        47,
        60,
        74,
        75,
        76,
        81,
        115,
        159,
        160,
        164,
        173,
        192,
        193,
        194,
        198,
        201,
        202,
        203,
        209,
        210,
        225,
    }
    | {236, 241, 242, 243, 252, 279, 285, 298, 319, 394, 425, 439, 473, 497, 499, 516, 999}
)
# Of those, what fewer rows may not meet: TIMEOUT_EXCEEDED, MEMORY_LIMIT_EXCEEDED.
_TOO_MUCH_CODES = frozenset({159, 241})
_HEADED = ("ArrowStream", "CSVWithNames")
"""Formats whose answer without rows is not empty either."""
_IN_A_PART = "(while reading from part "
"""Said of files that are damaged or gone, with many codes. An operator puts them right, too."""
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_DEFAULT_PORTS = {"clickhouse": 8123, "clickhouses": 8443}


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where the store is and who asks.

    ``url`` forms: ``clickhouse://user:password@host:8123/database`` (HTTP) and
    ``clickhouses://…`` (HTTPS). Query parameters of the URL become session settings.
    """

    host: str
    port: int
    database: str
    username: str
    password: str = field(repr=False)
    secure: bool = False
    settings: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def from_url(cls, url: str) -> StoreSettings:
        """Return the settings a URL describes.

        Raises:
            ConfigError: the URL has another form; the message never holds the password.
        """
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ConfigError(
                "The store URL must look like clickhouse://user:password@host:8123/database "
                f"(or clickhouses:// for TLS); its scheme is {parts.scheme or 'missing'!r}."
            )
        try:
            port = parts.port or _DEFAULT_PORTS[parts.scheme]
        except ValueError as error:
            raise ConfigError(f"The store URL has a bad port: {error}.") from None
        return cls(
            host=parts.hostname,
            port=port,
            database=unquote(parts.path.lstrip("/")) or "spanledger",
            username=unquote(parts.username or "default"),
            password=unquote(parts.password or ""),
            secure=parts.scheme == "clickhouses",
            settings=dict(parse_qsl(parts.query)),
        )

    def with_database(self, database: str) -> StoreSettings:
        """Return the same place with another database."""
        return replace(self, database=database)

    @property
    def url(self) -> str:
        """The URL form, password included: for the environment of our own processes only."""
        scheme = "clickhouses" if self.secure else "clickhouse"
        user = f"{quote(self.username, safe='')}:{quote(self.password, safe='')}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        query = f"?{urlencode(self.settings)}" if self.settings else ""
        return f"{scheme}://{user}@{host}:{self.port}/{quote(self.database, safe='')}{query}"

    @property
    def address(self) -> str:
        """Host, port and database, without secrets: for messages."""
        return f"{self.host}:{self.port}/{self.database}"


class Store:
    """A connection to the store. Safe to share between threads (no server session)."""

    def __init__(self, client: Client, settings: StoreSettings) -> None:
        self._client = client
        self.settings = settings

    @classmethod
    def connect(cls, settings: StoreSettings, *, timeout_s: int = 300) -> Self:
        """Open a connection.

        Raises:
            StoreError: nobody answers there, or the user or database is refused.
        """
        try:
            client = create_client(
                host=settings.host,
                port=settings.port,
                database=settings.database,
                username=settings.username,
                password=settings.password,
                secure=settings.secure,
                settings=dict(settings.settings),
                autogenerate_session_id=False,
                connect_timeout=5,
                send_receive_timeout=timeout_s,
                query_retries=0,
                # Compressing costs more than loopback gains.
                compress=settings.host not in _LOOPBACK,
                # A pool of our own keeps a proxy of the environment out of what is local.
                pool_mgr=get_pool_manager() if settings.host in _LOOPBACK else None,
            )
        except ClickHouseError as error:
            opened = _store_error(error, f"Cannot open the store at {settings.address}")
            opened.permanent = False  # whoever has rows keeps them until it can be opened
            raise opened from error
        return cls(client, settings)

    def close(self) -> None:
        """Close the connection; calling it again does nothing."""
        self._client.close()

    def rows(self, name: str, params: Params | None = None) -> list[dict[str, object]]:
        """Run the named statement; one dict per row, keys are the result columns."""
        return self.sql_rows(load(name), params)

    def sql_rows(self, sql: str, params: Params | None = None) -> list[dict[str, object]]:
        """Run SQL text; one dict per row. For text that is not ours use a read-only user."""
        try:
            result = self._client.query(sql, parameters=dict(params or {}), tz_mode="aware")
        except ClickHouseError as error:
            raise _store_error(error) from error
        if len(result.result_rows) < int(result.summary.get("result_rows", 0)):
            raise _cut_off()
        return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]

    def arrow(self, name: str, params: Params | None = None) -> pa.Table:
        """Run the named statement; an Arrow table with its result columns.

        A parameter that is an Arrow table is sent as one, and the statement reads it by that name.
        """
        from pyarrow import ArrowInvalid

        values, tables = sent(params or {})
        try:
            return self._client.query_arrow(
                bare(name), parameters=values, external_data=tables, use_strings=True
            )
        except ClickHouseError as error:
            raise _store_error(error, f"Statement {name} failed") from error
        except ArrowInvalid as error:
            raise _cut_off(f"Statement {name} failed") from error

    def raw(
        self,
        sql: str,
        fmt: str,
        params: Params | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> bytes:
        """Run SQL text and return the server's rendering in a ClickHouse output format."""
        try:
            answer = self._client.raw_query(
                sql, parameters=dict(params or {}), settings=dict(settings or {}), fmt=fmt
            )
        except ClickHouseError as error:
            raise _store_error(error) from error
        if not answer and fmt in _HEADED:
            raise _cut_off()
        return answer

    def command(self, name: str, params: Params | None = None) -> None:
        """Run the named statement for its effect."""
        try:
            self._client.command(load(name), parameters=dict(params or {}))
        except ClickHouseError as error:
            raise _store_error(error, f"Statement {name} failed") from error

    def execute(
        self,
        sql: str,
        settings: Mapping[str, object] | None = None,
        params: Params | None = None,
    ) -> None:
        """Run SQL text (schema changes, mutations) for its effect."""
        try:
            self._client.command(sql, dict(params or {}), settings=dict(settings or {}))
        except ClickHouseError as error:
            raise _store_error(error) from error

    def insert(self, table: str, rows: pa.Table, *, token: str) -> None:
        """Insert Arrow rows exactly once per token.

        Columns the table has and ``rows`` lacks take their defaults. A repeated token inserts
        nothing, also when the first attempt's answer was lost; never reuse one for other rows.
        https://clickhouse.com/docs/guides/developer/deduplicating-inserts-on-retries

        Raises:
            StoreError: ``permanent`` tells whether the rows themselves are refused; only what can
                be blamed on nothing else is. ``may_be_rows`` tells what could be.
        """
        if rows.num_rows == 0:
            return
        try:
            summary = self._client.raw_insert(
                table,
                rows.column_names,
                cast("bytes", _stream_of(rows)),
                fmt="ArrowStream",
                settings={
                    "async_insert": 0,
                    "insert_deduplication_token": token,
                    # One flush must stay one block, or a retry could be split differently.
                    "max_insert_block_size": 1_000_000,
                    "min_insert_block_size_rows": 0,
                    "min_insert_block_size_bytes": 0,
                    "max_partitions_per_insert_block": 0,
                    # Duplicates within a block wait for the merge that every reader must expect
                    # anyway: merging at insert goes row by row through a hundred columns.
                    "optimize_on_insert": 0,
                },
            )
        except ClickHouseError as error:
            failed = _store_error(error, f"Insert into {table} failed")
            failed.may_be_rows = failed.permanent or failed.code in _TOO_MUCH_CODES
            failed.permanent = failed.code in _ROW_CODES
            raise failed from error
        if not summary.query_id():  # a balancer's page, for example, which says 200 to everything
            told = "what answered is no ClickHouse server: it names no query"
            raise StoreError(f"Insert into {table} failed: {told}", permanent=False)


def _stream_of(rows: pa.Table) -> pa.Buffer:
    """Return rows as an Arrow stream; not as a file, of which a server first finds the end."""
    # Whoever has rows has loaded pyarrow; who only asks need not wait for it.
    from pyarrow import FixedSizeBufferWriter, MockOutputStream, allocate_buffer, ipc

    # Measured first, which copies nothing: a growing buffer is copied again and again.
    size = MockOutputStream()
    with ipc.new_stream(size, rows.schema) as stream:
        stream.write_table(rows)
    made = allocate_buffer(size.size())
    with FixedSizeBufferWriter(made) as sink, ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    return made


def _store_error(error: ClickHouseError, what: str = "") -> StoreError:
    """Return our error for the driver's, deciding whether a retry can help."""
    code = int(getattr(error, "code", 0) or 0)
    # Without a code it was not ClickHouse that answered: a proxy, or nobody.
    permanent = code != 0 and code not in _TRANSIENT_CODES and _IN_A_PART not in str(error)
    why = None if code else _lost(error)
    what = what or ("The store does not answer" if why else "The store refused")
    return StoreError(f"{what}: {why or error}", permanent=permanent, code=code)


def _cut_off(what: str = "The store does not answer") -> StoreError:
    """Return the error for an answer that says it is whole and is not: its disk may be full."""
    return StoreError(f"{what}: the answer is cut off", permanent=False)


def _lost(error: BaseException) -> str | None:
    """Return why nobody was reached, where that is so: the drivers tell of their inner life."""
    inner: BaseException | None = error
    while inner is not None and not isinstance(inner, OSError):
        inner = inner.__cause__ or inner.__context__
    if inner is None:
        return None
    is_late = isinstance(inner, TimeoutError)
    return "it takes too long" if is_late else (inner.strerror or str(inner)).lower()
