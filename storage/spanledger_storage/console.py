"""One query that a person typed: with limits, and it can be given up while it runs.

The driver cannot give up a query that has not answered yet, so this speaks HTTP by itself. Who asks
must be the reading user: what a query may do is for the store's grants to say, not for this text.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import re
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from urllib.parse import urlencode

import pyarrow as pa

from spanledger_storage.errors import StoreError

if TYPE_CHECKING:
    from spanledger_storage.store import StoreSettings

_GRACE_S = 5
_CHUNK_BYTES = 1 << 20
_FORMAT = "ArrowStream"


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """What a query may take; whatever of its answer is beyond rows or bytes is left out."""

    seconds: int = 10
    rows: int = 10_000
    bytes: int = 64 << 20


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """What a query answered.

    Attributes:
        table: at most as many rows as were asked for; names of columns are unique.
        is_cut: whether there were more rows.
        read_rows: rows the store read.
        read_bytes: bytes the store read, uncompressed.
        elapsed_ns: time the store took.
    """

    table: pa.Table
    is_cut: bool
    read_rows: int
    read_bytes: int
    elapsed_ns: int


class ConsoleQuery:
    """A query on its own thread: ``start``, ``wait`` or ``cancel``, then ``answer``."""

    def __init__(
        self,
        settings: StoreSettings,
        sql: str,
        parameters: Mapping[str, str],
        limits: QueryLimits,
    ) -> None:
        self._settings = settings
        self._sql = sql
        self._parameters = parameters
        self._limits = limits
        self._connection = _connection(settings, limits.seconds + _GRACE_S)
        self._thread = threading.Thread(target=self._run, name="console-query", daemon=True)
        self._is_cancelled = False
        self._answer: QueryAnswer | None = None
        self._failure: StoreError | None = None

    def start(self) -> None:
        """Send the query."""
        self._thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Return whether it has ended, after at most this long."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def cancel(self) -> None:
        """Give it up: the store stops when its client is gone. Does nothing once it has ended."""
        self._is_cancelled = True
        # The socket, not the connection: the thread waits in it, and only this wakes it.
        if (waiting := self._connection.sock) is not None:
            with contextlib.suppress(OSError):
                waiting.shutdown(socket.SHUT_RDWR)

    def answer(self) -> QueryAnswer:
        """Return the answer of a query that has ended.

        Raises:
            StoreError: it was refused, ran out of time or was given up, or nobody answered.
        """
        if self._failure is not None:
            raise self._failure
        if self._answer is None:
            raise StoreError("The query has not ended.", permanent=False)
        return self._answer

    def _run(self) -> None:
        try:
            self._answer = self._ask()
        except StoreError as error:
            self._failure = error
        except (OSError, http.client.HTTPException) as error:
            what = "The query was cancelled" if self._is_cancelled else "The store did not answer"
            self._failure = StoreError(f"{what}: {type(error).__name__}", permanent=False)
        finally:
            self._connection.close()

    def _ask(self) -> QueryAnswer:
        self._connection.request(
            "POST",
            f"/?{urlencode(self._query())}",
            body=self._sql.encode(),
            headers={"Authorization": _authorization(self._settings)},
        )
        response = self._connection.getresponse()
        if response.status != 200:
            raise _refusal(response)
        said = response.getheader("X-ClickHouse-Format", _FORMAT)
        if said != _FORMAT:
            raise StoreError(f"Leave out FORMAT {said}: rows are read here.", permanent=True)
        body = self._read(response)
        summary = _summary(response)
        table = _table(body)
        return QueryAnswer(
            table=table.slice(0, self._limits.rows),
            is_cut=table.num_rows > self._limits.rows,
            read_rows=int(summary.get("read_rows", 0)),
            read_bytes=int(summary.get("read_bytes", 0)),
            elapsed_ns=int(summary.get("elapsed_ns", 0)),
        )

    def _query(self) -> dict[str, str]:
        limits = self._limits
        return {
            **self._settings.settings,
            "database": self._settings.database,
            "default_format": _FORMAT,
            # What is limited are the bytes to keep, not those on the way.
            "output_format_arrow_compression_method": "none",
            # A failure comes as a status then, and never after half of the rows.
            "wait_end_of_query": "1",
            "cancel_http_readonly_queries_on_client_close": "1",
            "max_execution_time": str(limits.seconds),
            # One more than is shown says whether there are more.
            "max_result_rows": str(limits.rows + 1),
            "max_result_bytes": str(limits.bytes),
            "result_overflow_mode": "break",
            **{f"param_{name}": _escaped(value) for name, value in self._parameters.items()},
        }

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        """Return the body; a query can lift the store's limits on it, but not this one."""
        body = bytearray()
        while chunk := response.read(_CHUNK_BYTES):
            body += chunk
            if len(body) > 2 * self._limits.bytes:
                raise StoreError(
                    f"The answer is larger than {self._limits.bytes >> 20} MiB: choose fewer "
                    "columns, or add a LIMIT.",
                    permanent=True,
                )
        return bytes(body)


def _connection(settings: StoreSettings, timeout_s: int) -> http.client.HTTPConnection:
    if settings.secure:
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(
            settings.host, settings.port, timeout=timeout_s, context=context
        )
    return http.client.HTTPConnection(settings.host, settings.port, timeout=timeout_s)


def _authorization(settings: StoreSettings) -> str:
    pair = f"{settings.username}:{settings.password}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"


def _escaped(value: str) -> str:
    # https://clickhouse.com/docs/interfaces/http#http-queries-with-parameters
    for character, written in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n")):
        value = value.replace(character, written)
    return value


def _refusal(response: http.client.HTTPResponse) -> StoreError:
    text = response.read(_CHUNK_BYTES).decode(errors="replace").strip()
    code = response.getheader("X-ClickHouse-Exception-Code") or ""
    return StoreError(
        text or f"The store answered {response.status}.",
        permanent=True,
        code=int(code) if re.fullmatch(r"\d{1,6}", code) else 0,
    )


def _summary(response: http.client.HTTPResponse) -> dict[str, str]:
    try:
        found = json.loads(response.getheader("X-ClickHouse-Summary") or "{}")
    except ValueError:
        return {}
    return cast("dict[str, str]", found) if isinstance(found, dict) else {}


def _table(body: bytes) -> pa.Table:
    """Return the rows; what has no columns, as some statements, is an empty table."""
    if not body:
        return pa.table({})
    table = pa.ipc.open_stream(body).read_all()
    return table.rename_columns(_unique(table.column_names))


def _unique(names: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    unique: list[str] = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return unique
