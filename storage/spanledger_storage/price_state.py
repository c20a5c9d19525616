"""What a user prices with, in the state database, and the log of its changes.

Nothing is ever deleted or overwritten: a row gets an end, or is withdrawn, and stays to be shown.
One change is one transaction: rows, their log entries and the next revision, or nothing.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar, Protocol, TypeVar

import sqlalchemy as sa

from spanledger_storage.decimal_text import DecimalText
from spanledger_storage.gpu_price_state import GpuPriceRow, gpu_prices
from spanledger_storage.service_price_rows import (
    InfraPriceRow,
    ToolPriceRow,
    infra_prices,
    tool_prices,
)
from spanledger_storage.state import metadata
from spanledger_storage.state_access import explained

_explained = partial(explained, "The price tables")

StateEngine = sa.Engine


rates = sa.Table(
    "price_rates",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("provider", sa.String(128), nullable=False, comment="empty: any"),
    sa.Column("model", sa.String(256), nullable=False, comment="a name, or a prefix with *"),
    sa.Column("token_class", sa.String(32), nullable=False),
    sa.Column("price", DecimalText, nullable=False, comment="decimal text, never rounded"),
    sa.Column("per", sa.BigInteger, nullable=False, comment="tokens or pieces"),
    sa.Column("currency", sa.String(3), nullable=False, comment="ISO 4217"),
    sa.Column("service_tier", sa.String(64), nullable=False),
    sa.Column("region", sa.String(64), nullable=False, comment="empty: any"),
    sa.Column("above_tokens", sa.BigInteger, nullable=False, comment="0: all requests"),
    sa.Column("effective_from_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("effective_to_ns", sa.BigInteger, comment="first instant it no longer holds"),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("created_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("withdrawn_at_ns", sa.BigInteger, comment="since then it prices nothing"),
    sqlite_autoincrement=True,
)

contracts = sa.Table(
    "price_contracts",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True, comment="as in ledger.contract_id"),
    sa.Column("provider", sa.String(128), nullable=False),
    sa.Column("model", sa.String(256), nullable=False, comment="empty: every model"),
    sa.Column("multiplier", DecimalText, nullable=False, comment="decimal text"),
    sa.Column("commitment_usd", DecimalText, comment="decimal text; NULL: none"),
    sa.Column("effective_from_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("effective_to_ns", sa.BigInteger, comment="first instant it no longer holds"),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("created_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("withdrawn_at_ns", sa.BigInteger, comment="since then it prices nothing"),
)

exchange_rates = sa.Table(
    "price_exchange_rates",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("currency", sa.String(3), nullable=False, comment="ISO 4217"),
    sa.Column("usd", DecimalText, nullable=False, comment="decimal text; for one unit"),
    sa.Column("effective_from_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("note", sa.Text, nullable=False, comment="where the rate is from"),
    sa.Column("created_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("withdrawn_at_ns", sa.BigInteger, comment="since then it prices nothing"),
    sqlite_autoincrement=True,
)

log = sa.Table(
    "price_log",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("revision", sa.BigInteger, nullable=False, comment="of the change it is part of"),
    sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("who", sa.String(128), nullable=False),
    sa.Column("action", sa.String(32), nullable=False, comment="add close withdraw"),
    sa.Column("object", sa.String(96), nullable=False, comment="kind and id"),
    sa.Column("before", sa.Text, comment="JSON; NULL: it did not exist"),
    sa.Column("after", sa.Text, nullable=False, comment="JSON"),
    sqlite_autoincrement=True,
)

revisions = sa.Table(
    "price_revision",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, comment="always 1"),
    sa.Column("revision", sa.BigInteger, nullable=False, comment="grows with every change"),
)


class _Record(Protocol):
    """A row of one of the tables."""

    kind: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def id(self) -> int | str: ...


@dataclass(frozen=True, slots=True)
class RateRow:
    """A row of ``price_rates``; ``id`` and ``created_at_ns`` are 0 before it is stored."""

    kind: ClassVar[str] = "rate"
    provider: str
    model: str
    token_class: str
    price: Decimal
    per: int
    currency: str
    service_tier: str
    region: str
    above_tokens: int
    effective_from_ns: int
    effective_to_ns: int | None
    note: str = ""
    id: int = 0
    created_at_ns: int = 0
    withdrawn_at_ns: int | None = None


@dataclass(frozen=True, slots=True)
class ContractRow:
    """A row of ``price_contracts``."""

    kind: ClassVar[str] = "contract"
    id: str
    provider: str
    model: str
    multiplier: Decimal
    commitment_usd: Decimal | None
    effective_from_ns: int
    effective_to_ns: int | None
    note: str = ""
    created_at_ns: int = 0
    withdrawn_at_ns: int | None = None


@dataclass(frozen=True, slots=True)
class ExchangeRateRow:
    """A row of ``price_exchange_rates``; ``id`` is 0 before it is stored."""

    kind: ClassVar[str] = "exchange rate"
    currency: str
    usd: Decimal
    effective_from_ns: int
    note: str = ""
    id: int = 0
    created_at_ns: int = 0
    withdrawn_at_ns: int | None = None


@dataclass(frozen=True, slots=True)
class LogRow:
    """One object changed: ``before`` (None: it was added) and ``after`` are JSON objects."""

    id: int
    revision: int
    at_ns: int
    who: str
    action: str
    object: str
    before: str | None
    after: str


_TABLES: dict[str, sa.Table] = {
    RateRow.kind: rates,
    ContractRow.kind: contracts,
    ExchangeRateRow.kind: exchange_rates,
    ToolPriceRow.kind: tool_prices,
    InfraPriceRow.kind: infra_prices,
    GpuPriceRow.kind: gpu_prices,
}
EndingRow = RateRow | ContractRow | ToolPriceRow | InfraPriceRow | GpuPriceRow
"""A row that holds from one instant to another."""
EndingT = TypeVar("EndingT", RateRow, ContractRow, ToolPriceRow, InfraPriceRow, GpuPriceRow)
RowT = TypeVar(
    "RowT", RateRow, ContractRow, ExchangeRateRow, ToolPriceRow, InfraPriceRow, GpuPriceRow
)


class PriceState:
    """Reads and changes the price tables.

    Methods raise StateError when the database does not answer or lacks the tables.
    """

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine

    def revision(self) -> int:
        """Return a number that grows with every change."""
        with _explained(), self._engine.connect() as connection:
            return int(connection.scalar(sa.select(revisions.c.revision)) or 0)

    def rates(self, *, withdrawn: bool = False) -> list[RateRow]:
        """Return own rates by id; with ``withdrawn`` also those that price nothing any more."""
        return self._read(RateRow, withdrawn)

    def contracts(self, *, withdrawn: bool = False) -> list[ContractRow]:
        """Return contracts by id; with ``withdrawn`` also those that price nothing any more."""
        return self._read(ContractRow, withdrawn)

    def exchange_rates(self, *, withdrawn: bool = False) -> list[ExchangeRateRow]:
        """Return exchange rates by id; with ``withdrawn`` also those that were replaced."""
        return self._read(ExchangeRateRow, withdrawn)

    def tool_prices(self, *, withdrawn: bool = False) -> list[ToolPriceRow]:
        """Return the prices of tools by id; with ``withdrawn`` also those that price nothing."""
        return self._read(ToolPriceRow, withdrawn)

    def infra_prices(self, *, withdrawn: bool = False) -> list[InfraPriceRow]:
        """Return the prices of services by id; with ``withdrawn`` also those that price nothing."""
        return self._read(InfraPriceRow, withdrawn)

    def gpu_prices(self, *, withdrawn: bool = False) -> list[GpuPriceRow]:
        """Return the prices of GPUs by id; with ``withdrawn`` also those that price nothing."""
        return self._read(GpuPriceRow, withdrawn)

    def gpu_prices_changed_since(self, revision: int) -> tuple[int, int | None]:
        """Return the revision now, and the first instant (UTC nanoseconds) that costs otherwise.

        The instant is None where no GPU price changed after ``revision``.
        """
        statement = (
            sa.select(log.c.action, log.c.after)
            .where(log.c.revision > revision)
            .where(log.c.object.startswith(f"{GpuPriceRow.kind} "))
        )
        with _explained(), self._engine.connect() as connection:
            newest = int(connection.scalar(sa.select(revisions.c.revision)) or 0)
            changes = [(row.action, json.loads(row.after)) for row in connection.execute(statement)]
        starts = [
            after["effective_to_ns" if action == "close" else "effective_from_ns"]
            for action, after in changes
        ]
        return newest, min(starts, default=None)

    def log(self, limit: int | None = 100, after_revision: int = -1) -> list[LogRow]:
        """Return the newest entries of the log (None: all) after a revision, newest first."""
        newer = sa.select(log).where(log.c.revision > after_revision)
        statement = newer.order_by(log.c.id.desc()).limit(limit)
        with _explained(), self._engine.connect() as connection:
            return [LogRow(**row) for row in connection.execute(statement).mappings()]

    @contextmanager
    def change(self, who: str, now_ns: int) -> Generator[PriceChange]:
        """Open one change; it is stored as a whole when the block ends, or not at all.

        A change that wrote nothing leaves no trace. Changes of other processes wait meanwhile, so
        what the block reads still holds when it writes.
        """
        with _explained(), self._engine.connect() as connection:
            # First, because this update is also the lock.
            bump = sa.update(revisions).values(revision=revisions.c.revision + 1)
            connection.execute(bump)
            revision = int(connection.scalar(sa.select(revisions.c.revision)) or 0)
            change = PriceChange(connection, who, now_ns, revision)
            yield change
            if change.is_empty:
                connection.rollback()
            else:
                connection.commit()

    def _read(self, row: type[RowT], withdrawn: bool) -> list[RowT]:
        with _explained(), self._engine.connect() as connection:
            return _rows(connection, row, withdrawn)


class PriceChange:
    """One open change; see :meth:`PriceState.change`."""

    def __init__(self, connection: sa.Connection, who: str, now_ns: int, revision: int) -> None:
        self._connection = connection
        self._who = who
        self._now_ns = now_ns
        self.revision = revision
        self.is_empty = True

    def rows(self, row: type[RowT], *, withdrawn: bool = False) -> list[RowT]:
        """Return the rows of a table as this change sees them, by id."""
        return _rows(self._connection, row, withdrawn)

    def add(self, row: RowT) -> RowT:
        """Store a new row; return it with its id."""
        table = _TABLES[row.kind]
        stored = replace(row, created_at_ns=self._now_ns, withdrawn_at_ns=None)
        values = _values(stored)
        if row.kind != ContractRow.kind:
            del values["id"]
        result = self._connection.execute(sa.insert(table).values(values))
        key = result.inserted_primary_key
        if key is not None and row.kind != ContractRow.kind:
            stored = replace(stored, id=key[0])
        self._log("add", None, stored)
        return stored

    def close(self, row: EndingRow, to_ns: int) -> None:
        """Let a row hold no longer than ``to_ns``."""
        self._update("close", row, replace(row, effective_to_ns=to_ns))

    def withdraw(self, row: EndingRow | ExchangeRateRow) -> None:
        """Let a row price nothing any more, as if it had never been there."""
        self._update("withdraw", row, replace(row, withdrawn_at_ns=self._now_ns))

    def note_repricing(self, what: Mapping[str, object]) -> None:
        """Put on record that stored entries were priced again; ``what`` becomes JSON."""
        self._write("reprice", "ledger", None, _dumped(what))

    def _update(self, action: str, before: _Record, after: _Record) -> None:
        table = _TABLES[before.kind]
        values = _values(after)
        changed = {name: v for name, v in values.items() if v != getattr(before, name)}
        self._connection.execute(sa.update(table).where(table.c.id == before.id).values(changed))
        self._log(action, before, after)

    def _log(self, action: str, before: _Record | None, after: _Record) -> None:
        said = None if before is None else _dumped(_values(before))
        self._write(action, f"{after.kind} {after.id}", said, _dumped(_values(after)))

    def _write(self, action: str, what: str, before: str | None, after: str) -> None:
        entry = {
            "revision": self.revision,
            "at_ns": self._now_ns,
            "who": self._who[:128],
            "action": action,
            "object": what,
            "before": before,
            "after": after,
        }
        self._connection.execute(sa.insert(log).values(entry))
        self.is_empty = False


def _rows(connection: sa.Connection, row: type[RowT], withdrawn: bool) -> list[RowT]:
    table = _TABLES[row.kind]
    statement = sa.select(table).order_by(table.c.id)
    if not withdrawn:
        statement = statement.where(table.c.withdrawn_at_ns.is_(None))
    return [row(**found) for found in connection.execute(statement).mappings()]


def _values(row: _Record) -> dict[str, Any]:
    return {f.name: getattr(row, f.name) for f in fields(row)}


def _dumped(values: Mapping[str, object]) -> str:
    return json.dumps(dict(values), default=lambda value: f"{value:f}", ensure_ascii=False)
