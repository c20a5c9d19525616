"""Lines as rows of ``invoice_lines``, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

import pyarrow as pa

from spanledger_analytics._rows import values_of
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
_DATASETS = {one.value: one for one in Dataset}
_CLASSES = {one.value: one for one in TokenClass}


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
    rows = [_row(place, line) for place, line in lines]
    columns = zip(*rows, strict=True) if rows else ([] for _ in SCHEMA)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _row(place: Place, line: InvoiceLine) -> tuple[object, ...]:
    """Return the values of a row, in the order of the schema."""
    return (
        place.project, line.day, line.last_day, place.import_id, place.source, line.line_number,
        place.part, line.dataset.value, line.provider, line.token_class.value,
        _stepped(line.quantity, _QUANTITY_STEP), line.unit, _stepped(line.amount, _MONEY_STEP),
        line.currency, _stepped(line.list_amount, _MONEY_STEP),
        _stepped(line.amount_usd, _USD_STEP), _told(line.scope), _told(line.api_key),
        _told(line.user), _told(line.model), _text(line.reported_model), _told(line.processing),
        _told(line.service_tier), _told(line.context), _told(line.geo), _text(line.description),
        _text(line.invoice_id),
        [(name, _text(value)) for name, value in line.extra.items() if value],
    )  # fmt: skip


def lines_of(
    table: pa.Table, finals: Mapping[tuple[date, str], bool] = MappingProxyType({})
) -> Iterator[tuple[str, str, InvoiceLine]]:
    """Return stored rows: source, import and line.

    Args:
        table: as stored.
        finals: by day and source, whether the provider will not change the lines.
    """
    columns: dict[str, list[Any]] = {
        name: values_of(table.column(name)) for name in table.column_names
    }
    days = {value: _day(value) for name in ("day", "last_day") for value in set(columns[name])}
    for i in range(table.num_rows):
        source, day = str(columns["source"][i]), days[columns["day"][i]]
        extra = columns["extra"][i]
        yield (
            source,
            str(columns["import_id"][i]),
            InvoiceLine(
                day=day,
                last_day=days[columns["last_day"][i]],
                dataset=_DATASETS[columns["dataset"][i]],
                provider=columns["provider"][i],
                token_class=_CLASSES[columns["token_class"][i]],
                quantity=columns["quantity"][i],
                unit=columns["unit"][i],
                amount=columns["amount"][i],
                currency=columns["currency"][i],
                list_amount=columns["list_amount"][i],
                scope=columns["scope"][i],
                api_key=columns["api_key"][i],
                user=columns["user"][i],
                model=columns["model"][i],
                processing=columns["processing"][i],
                service_tier=columns["service_tier"][i],
                context=columns["context"][i],
                geo=columns["geo"][i],
                reported_model=columns["reported_model"][i],
                description=columns["description"][i],
                invoice_id=columns["invoice_id"][i],
                line_number=columns["line_number"][i],
                is_final=finals.get((day, source), False),
                extra=dict(extra) if extra else {},
                amount_usd=columns["amount_usd"][i],
            ),
        )


def _stepped(value: Decimal | None, step: Decimal) -> Decimal | None:
    return None if value is None else value.quantize(step, context=_DIGITS)


def _told(value: str | None) -> str | None:
    return None if value is None else _text(value)


def _text(value: str) -> str:
    """Return a text that every database takes: no zero bytes, no halves of characters."""
    if value.isascii() and len(value) <= _TEXT_LIMIT and "\0" not in value:
        return value
    return value[:_TEXT_LIMIT].replace("\0", "").encode(errors="replace").decode()


def _day(value: object) -> date:
    # ClickHouse's Date comes as whole days where Arrow is told nothing else.
    return value if isinstance(value, date) else date.fromordinal(719_163 + int(str(value)))
