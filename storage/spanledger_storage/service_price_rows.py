"""Rows of the price list of tools, and of what infrastructure costs per hour."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

import sqlalchemy as sa

from spanledger_storage.decimal_text import DecimalText
from spanledger_storage.state import metadata


def _period() -> list[sa.Column[object]]:
    return [
        sa.Column("effective_from_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("effective_to_ns", sa.BigInteger, comment="first instant it no longer holds"),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("created_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
        sa.Column("withdrawn_at_ns", sa.BigInteger, comment="since then it prices nothing"),
    ]


tool_prices = sa.Table(
    "tool_prices",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("project", sa.String(64), nullable=False, comment="empty: any"),
    sa.Column("server", sa.String(128), nullable=False, comment="of MCP; empty: any"),
    sa.Column("tool", sa.String(256), nullable=False, comment="a name, or a prefix with *"),
    sa.Column("price_usd", DecimalText, nullable=False, comment="decimal text"),
    sa.Column("basis", sa.String(16), nullable=False, comment="call unit second"),
    sa.Column("unit_attribute", sa.String(128), nullable=False, comment="holds the quantity"),
    sa.Column("per", sa.BigInteger, nullable=False, comment="units or seconds"),
    sa.Column("bills_errors", sa.Boolean, nullable=False, comment="failed calls cost, too"),
    *_period(),
)

infra_prices = sa.Table(
    "infra_prices",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("project", sa.String(64), nullable=False),
    sa.Column("service_name", sa.String(256), nullable=False),
    sa.Column("usd_per_hour", DecimalText, nullable=False, comment="decimal text"),
    *_period(),
)


@dataclass(frozen=True, slots=True)
class ToolPriceRow:
    """A row of ``tool_prices``; ``id`` and ``created_at_ns`` are 0 before it is stored."""

    kind: ClassVar[str] = "tool price"
    project: str
    server: str
    tool: str
    price_usd: Decimal
    basis: str
    unit_attribute: str
    per: int
    bills_errors: bool
    effective_from_ns: int
    effective_to_ns: int | None
    note: str = ""
    id: int = 0
    created_at_ns: int = 0
    withdrawn_at_ns: int | None = None


@dataclass(frozen=True, slots=True)
class InfraPriceRow:
    """A row of ``infra_prices``; ``id`` and ``created_at_ns`` are 0 before it is stored."""

    kind: ClassVar[str] = "infra price"
    project: str
    service_name: str
    usd_per_hour: Decimal
    effective_from_ns: int
    effective_to_ns: int | None
    note: str = ""
    id: int = 0
    created_at_ns: int = 0
    withdrawn_at_ns: int | None = None
