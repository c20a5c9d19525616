"""What GPUs cost, in the state database: effective-dated, closed but never deleted.

Changes go into the log of the price book (``price_log``) and raise its revision.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any

import sqlalchemy as sa

from spanledger_storage.price_state import log, revisions
from spanledger_storage.state import metadata
from spanledger_storage.state_access import explained

_explained = partial(explained, "The GPU prices")

RENTED, SPOT, OWNED = "rented", "spot", "owned"
TERMS = (RENTED, SPOT, OWNED)
COMPUTE, MEMORY = "compute", "memory"
MIG_SLICES = (COMPUTE, MEMORY)
_OBJECT = "GPU price "
_AMOUNTS = ("usd_per_hour", "purchase_usd", "amortization_years", "usd_per_kwh", "pue")

gpu_prices = sa.Table(
    "gpu_prices",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("project", sa.String(128), nullable=False, comment="empty: every project"),
    sa.Column("gpu_model", sa.String(128), nullable=False, comment="or a prefix with *"),
    sa.Column("host", sa.String(256), nullable=False, comment="empty: any"),
    sa.Column("gpu", sa.String(128), nullable=False, comment="UUID; empty: any"),
    sa.Column("terms", sa.String(16), nullable=False, comment="rented spot owned"),
    sa.Column("usd_per_hour", sa.String(40), nullable=False, comment="decimal text"),
    sa.Column("purchase_usd", sa.String(40), comment="decimal text; of an owned GPU"),
    sa.Column("amortization_years", sa.String(40), comment="decimal text"),
    sa.Column("usd_per_kwh", sa.String(40), comment="decimal text; NULL: energy is included"),
    sa.Column("pue", sa.String(40), comment="decimal text; facility energy per GPU energy"),
    sa.Column("mig_slices", sa.String(16), nullable=False, comment="compute memory"),
    sa.Column("effective_from_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("effective_to_ns", sa.BigInteger, comment="first instant it no longer holds"),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("created_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("withdrawn_at_ns", sa.BigInteger, comment="since then it prices nothing"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class GpuPriceRow:
    """A row of ``gpu_prices``; ``id`` and ``created_at_ns`` are 0 before it is stored.

    ``usd_per_hour`` is what an hour of one whole GPU costs; of an owned one, what it costs besides
    its purchase and its energy (space, service). Empty scope fields mean any.
    """

    terms: str
    usd_per_hour: Decimal
    effective_from_ns: int
    effective_to_ns: int | None = None
    project: str = ""
    gpu_model: str = ""
    host: str = ""
    gpu: str = ""
    purchase_usd: Decimal | None = None
    amortization_years: Decimal | None = None
    usd_per_kwh: Decimal | None = None
    pue: Decimal | None = None
    mig_slices: str = COMPUTE
    note: str = ""
    id: int = 0
    created_at_ns: int = 0
    withdrawn_at_ns: int | None = None

    @property
    def scope(self) -> tuple[str, str, str, str]:
        """What it is a price of: for one scope, one price at a time."""
        return self.project, self.gpu_model.lower(), self.host.lower(), self.gpu.lower()

    @property
    def changed_at_ns(self) -> int:
        """When it was last written, as far as the row tells."""
        return max(self.created_at_ns, self.withdrawn_at_ns or 0)


class GpuPrices:
    """Reads and changes what GPUs cost.

    Methods raise StateError when the database does not answer or lacks the tables.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def rows(self, *, withdrawn: bool = False) -> list[GpuPriceRow]:
        """Return prices by id; with ``withdrawn`` also those that price nothing any more."""
        with _explained(), self._engine.connect() as connection:
            return _rows(connection, withdrawn)

    def changed_since(self, revision: int) -> tuple[int, int | None]:
        """Return the revision now, and the first instant (UTC nanoseconds) that costs otherwise.

        The instant is None where no GPU price changed after ``revision``.
        """
        statement = (
            sa.select(log.c.action, log.c.after)
            .where(log.c.revision > revision)
            .where(log.c.object.startswith(_OBJECT))
        )
        with _explained(), self._engine.connect() as connection:
            newest = int(connection.scalar(sa.select(revisions.c.revision)) or 0)
            changes = [(row.action, json.loads(row.after)) for row in connection.execute(statement)]
        starts = [
            after["effective_to_ns" if action == "close" else "effective_from_ns"]
            for action, after in changes
        ]
        return newest, min(starts, default=None)

    @contextmanager
    def change(self, who: str, now_ns: int) -> Generator[GpuPriceChange]:
        """Open one change; it is stored as a whole when the block ends, or not at all."""
        with _explained(), self._engine.begin() as connection:
            # First, because this update is also the lock.
            connection.execute(sa.update(revisions).values(revision=revisions.c.revision + 1))
            revision = int(connection.scalar(sa.select(revisions.c.revision)) or 0)
            yield GpuPriceChange(connection, who, now_ns, revision)


class GpuPriceChange:
    """One open change; see :meth:`GpuPrices.change`."""

    def __init__(self, connection: sa.Connection, who: str, now_ns: int, revision: int) -> None:
        self._connection = connection
        self._who = who
        self._now_ns = now_ns
        self._revision = revision

    def rows(self, *, withdrawn: bool = False) -> list[GpuPriceRow]:
        """Return the prices as this change sees them, by id."""
        return _rows(self._connection, withdrawn)

    def add(self, row: GpuPriceRow) -> GpuPriceRow:
        """Store a new price; return it with its id."""
        stored = replace(row, created_at_ns=self._now_ns, withdrawn_at_ns=None)
        values = _values(stored)
        del values["id"]
        key = self._connection.execute(sa.insert(gpu_prices).values(values)).inserted_primary_key
        stored = replace(stored, id=key[0] if key else 0)
        self._log("add", None, stored)
        return stored

    def close(self, row: GpuPriceRow, to_ns: int) -> GpuPriceRow:
        """Let a price hold no longer than ``to_ns``."""
        return self._update("close", row, replace(row, effective_to_ns=to_ns))

    def withdraw(self, row: GpuPriceRow) -> GpuPriceRow:
        """Let a price hold at no time, as if it had never been there."""
        return self._update("withdraw", row, replace(row, withdrawn_at_ns=self._now_ns))

    def _update(self, action: str, before: GpuPriceRow, after: GpuPriceRow) -> GpuPriceRow:
        table = gpu_prices
        changed = {
            "effective_to_ns": after.effective_to_ns,
            "withdrawn_at_ns": after.withdrawn_at_ns,
        }
        self._connection.execute(sa.update(table).where(table.c.id == before.id).values(changed))
        self._log(action, before, after)
        return after

    def _log(self, action: str, before: GpuPriceRow | None, after: GpuPriceRow) -> None:
        entry = {
            "revision": self._revision,
            "at_ns": self._now_ns,
            "who": self._who[:128],
            "action": action,
            "object": f"{_OBJECT}{after.id}",
            "before": None if before is None else json.dumps(_values(before), ensure_ascii=False),
            "after": json.dumps(_values(after), ensure_ascii=False),
        }
        self._connection.execute(sa.insert(log).values(entry))


def _rows(connection: sa.Connection, withdrawn: bool) -> list[GpuPriceRow]:
    statement = sa.select(gpu_prices).order_by(gpu_prices.c.id)
    if not withdrawn:
        statement = statement.where(gpu_prices.c.withdrawn_at_ns.is_(None))
    return [_row(dict(found)) for found in connection.execute(statement).mappings()]


def _row(found: dict[str, Any]) -> GpuPriceRow:
    values = dict(found)
    for name in _AMOUNTS:
        values[name] = None if found[name] is None else Decimal(found[name])
    return GpuPriceRow(**values)


def _values(row: GpuPriceRow) -> dict[str, Any]:
    """Return the columns; decimals as text, because SQLite would make floats of them."""
    return {
        name: f"{value:f}" if isinstance(value, Decimal) else value
        for name, value in asdict(row).items()
    }
