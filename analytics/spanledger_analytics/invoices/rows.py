"""Lines as rows of ``invoice_lines``, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, NamedTuple

import pyarrow as pa

from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass

_DIGITS = Context(prec=76, rounding=ROUND_HALF_EVEN)
_QUANTITY_STEP, _MONEY_STEP, _USD_STEP = Decimal("1e-12"), Decimal("1e-18"), Decimal("1e-12")
MOST_QUANTITY = Decimal(10) ** 26
MOST_MONEY = Decimal(10) ** 20
_TEXT_LIMIT = 4_000

_STRING = pa.string()
_COLUMNS: list[tuple[str, pa.DataType]] = [
    ("project", _STRING),
    ("day", pa.date32()),
    ("last_day", pa.date32()),
    ("import_id", _STRING),
    ("source", _STRING),
    ("line_number", pa.uint32()),
    ("part", pa.uint16()),
    ("dataset", _STRING),
    ("provider", _STRING),
    ("token_class", _STRING),
    ("quantity", pa.decimal128(38, 12)),
    ("unit", _STRING),
    ("amount", pa.decimal128(38, 18)),
    ("currency", _STRING),
    ("list_amount", pa.decimal128(38, 18)),
    ("amount_usd", pa.decimal128(38, 12)),
    *((name, _STRING) for name in ("scope", "api_key", "user", "model")),
    ("reported_model", _STRING),
    *((name, _STRING) for name in ("processing", "service_tier", "context", "geo")),
    ("description", _STRING),
    ("invoice_id", _STRING),
    ("extra", pa.map_(_STRING, _STRING)),
]
SCHEMA = pa.schema(_COLUMNS)
_DAY_COLUMNS: list[tuple[str, pa.DataType]] = [
    ("project", _STRING),
    ("day", pa.date32()),
    ("source", _STRING),
    ("import_id", _STRING),
    ("is_final", pa.uint8()),
    ("version", pa.uint64()),
]
DAY_SCHEMA = pa.schema(_DAY_COLUMNS)
_TOLD = ("scope", "api_key", "user", "model", "processing", "service_tier", "context", "geo")


class Place(NamedTuple):
    """Where a line is kept."""

    project: str
    import_id: str
    source: str
    part: int


def table_of(lines: Sequence[tuple[Place, InvoiceLine]]) -> pa.Table:
    """Return lines as rows; amounts beyond what a column holds are rounded half to even.

    Columns hold 18 places of amounts, and 12 of quantities and dollars.
    """
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    for place, line in lines:
        row = _row(place, line)
        for name, column in columns.items():
            column.append(row[name])
    arrays = [pa.array(columns[field.name], field.type) for field in SCHEMA]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _row(place: Place, line: InvoiceLine) -> dict[str, Any]:
    told = {name: _told(getattr(line, name)) for name in _TOLD}
    return {
        "project": place.project,
        "day": line.day,
        "last_day": line.last_day,
        "import_id": place.import_id,
        "source": place.source,
        "line_number": line.line_number,
        "part": place.part,
        "dataset": line.dataset.value,
        "provider": line.provider,
        "token_class": line.token_class.value,
        "quantity": _stepped(line.quantity, _QUANTITY_STEP),
        "unit": line.unit,
        "amount": _stepped(line.amount, _MONEY_STEP),
        "currency": line.currency,
        "list_amount": _stepped(line.list_amount, _MONEY_STEP),
        "amount_usd": _stepped(line.amount_usd, _USD_STEP),
        **told,
        "reported_model": _text(line.reported_model),
        "description": _text(line.description),
        "invoice_id": _text(line.invoice_id),
        "extra": [(name, _text(value)) for name, value in line.extra.items() if value],
    }


def lines_of(table: pa.Table) -> Iterator[tuple[str, str, InvoiceLine]]:
    """Return stored rows: source, import and line."""
    columns: dict[str, list[Any]] = {
        name: table.column(name).to_pylist() for name in table.column_names
    }
    for i in range(table.num_rows):
        told = {name: columns[name][i] for name in _TOLD}
        yield (
            str(columns["source"][i]),
            str(columns["import_id"][i]),
            InvoiceLine(
                day=_day(columns["day"][i]),
                last_day=_day(columns["last_day"][i]),
                dataset=Dataset(columns["dataset"][i]),
                provider=columns["provider"][i],
                token_class=TokenClass(columns["token_class"][i]),
                quantity=columns["quantity"][i],
                unit=columns["unit"][i],
                amount=columns["amount"][i],
                currency=columns["currency"][i],
                list_amount=columns["list_amount"][i],
                **told,
                reported_model=columns["reported_model"][i],
                description=columns["description"][i],
                invoice_id=columns["invoice_id"][i],
                line_number=columns["line_number"][i],
                extra=dict(columns["extra"][i]),
                amount_usd=columns["amount_usd"][i],
            ),
        )


def _stepped(value: Decimal | None, step: Decimal) -> Decimal | None:
    return None if value is None else value.quantize(step, context=_DIGITS)


def _told(value: str | None) -> str | None:
    return None if value is None else _text(value)


def _text(value: str) -> str:
    """Return a text that every database takes: no zero bytes, no halves of characters."""
    return value[:_TEXT_LIMIT].replace("\0", "").encode(errors="replace").decode()


def _day(value: object) -> date:
    # ClickHouse's Date comes as whole days where Arrow is told nothing else.
    return value if isinstance(value, date) else date.fromordinal(719_163 + int(str(value)))
