"""Rows about prices. They are few and not in the store, so they are written here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import orjson
import pyarrow as pa
from pydantic import Field

from spanledger_server.api.formats import Format
from spanledger_server.api.row_types import Moment, Row
from spanledger_server.api.rows import CsvRows, JsonRows, Rows, TableRows, moment_text

_PRICE = pa.decimal128(38, 18)
_TIME = pa.timestamp("ns", "UTC")
_TYPES: Mapping[str, pa.DataType] = {
    "id": pa.int64(),
    "above_tokens": pa.int64(),
    "per": pa.int64(),
    "price": _PRICE,
    "price_usd": _PRICE,
    "usd_per_hour": _PRICE,
    "bills_errors": pa.bool_(),
    "effective_from": _TIME,
    "effective_to": _TIME,
    "withdrawn_at": _TIME,
}
Record = Mapping[str, object]
"""A row: times are UTC nanoseconds, amounts Decimal."""


class Rate(Row):
    """What a token or piece of a class costs."""

    id: int | None = Field(description="Of an own rate; null: of the price data.")
    provider: str
    model: str = Field(description="A name, or of an own rate a prefix with *.")
    region: str = Field(description="Empty: any.")
    service_tier: str = Field(description="Empty: the standard tier.")
    above_tokens: int = Field(description="For requests of more input tokens; 0: all.")
    token_class: str
    price: str = Field(examples=["2.5"], description="In `currency` for `per`, exact.")
    per: int = Field(description="Tokens or pieces.")
    currency: str
    effective_from: Moment | None
    effective_to: Moment | None = Field(description="Null: open.")
    source: str = Field(description="Name of the price data, or `own:` and the id.")
    price_id: str = Field(description="As in the ledger; empty: of an own rate by itself.")
    note: str
    withdrawn_at: Moment | None = Field(description="Since then it prices nothing.")


class ToolPrice(Row):
    """What an execution of a tool costs."""

    id: int
    server: str = Field(description="Of MCP; empty: any.")
    tool: str = Field(description="A name, or a prefix with *.")
    price_usd: str = Field(examples=["0.005"])
    basis: str = Field(description="call unit second.")
    unit_attribute: str = Field(description="Attribute that holds the quantity.")
    per: int = Field(description="Units or seconds.")
    bills_errors: bool
    effective_from: Moment
    effective_to: Moment | None
    note: str


class InfraPrice(Row):
    """What the infrastructure of a service costs."""

    id: int
    service_name: str
    usd_per_hour: str = Field(examples=["0.42"])
    effective_from: Moment
    effective_to: Moment | None
    note: str


def written(records: Sequence[Record], row: type[Row], fmt: Format) -> Rows:
    """Return rows in a format; their columns are the fields of ``row``."""
    names = tuple(row.model_fields)
    if fmt in (Format.ARROW, Format.PARQUET):
        columns = {n: pa.array([r[n] for r in records], _type_of(n)) for n in names}
        return TableRows(pa.table(columns), fmt)
    texts = [{name: _plain(name, record[name]) for name in names} for record in records]
    if fmt is Format.CSV:
        return CsvRows(_line(names), [_line(list(one.values())) for one in texts])
    return JsonRows([orjson.dumps(one) for one in texts], b",\n" if fmt is Format.JSON else b"\n")


def _type_of(name: str) -> pa.DataType:
    return _TYPES.get(name, pa.string())


def _plain(name: str, value: object) -> object:
    """Return a value as JSON and CSV have it: amounts and times as text."""
    if isinstance(value, Decimal):
        return f"{value:f}"  # without an exponent
    if isinstance(value, int) and _type_of(name) == _TIME:
        return moment_text(value)
    return value


def _line(values: Sequence[object]) -> bytes:
    """Return a line of CSV as the store writes it: text in quotes, nothing for unknown."""
    return (",".join(_cell(value) for value in values) + "\n").encode()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace('"', '""') + '"'
    return str(value)
