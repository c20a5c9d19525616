"""Rates as files: CSV and JSON, written so that they can be read back exactly."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import NoReturn, TypeVar, cast

from spanledger_analytics.errors import PriceError
from spanledger_analytics.price_book.input import (
    PER_TOKENS,
    Period,
    checked_exchange_rate,
    checked_rate,
    parse_amount,
    parse_count,
    parse_currency,
    parse_time,
    time_text,
)
from spanledger_analytics.price_book.overrides import FEES
from spanledger_analytics.price_book.store import RateKey, rate_key
from spanledger_storage.price_state import ExchangeRateRow, RateRow

RATE_COLUMNS = (
    "provider",
    "model",
    "token_class",
    "price",
    "per",
    "currency",
    "service_tier",
    "region",
    "above_tokens",
    "effective_from",
    "effective_to",
    "note",
)
EXCHANGE_COLUMNS = ("currency", "usd", "effective_from", "note")
_REQUIRED_OF_RATE = ("provider", "model", "token_class", "price", "effective_from")
_REQUIRED_OF_EXCHANGE = ("currency", "usd", "effective_from")
# Written by an export for people to read; an import gives its own ids.
_IGNORED = ("id", "source", "price_id")
# https://owasp.org/www-community/attacks/CSV_Injection; the apostrophe that disarms is one of
# them, so that reading can take exactly one away again.
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "'")
_MAX_ERRORS = 20

Fields = Mapping[str, str]
RowT = TypeVar("RowT")


def read_rates(text: str) -> list[tuple[str, RateRow]]:
    """Return the rates of a CSV or JSON file, each with where it stands ("line 3").

    CSV has a header with columns of ``RATE_COLUMNS``; JSON is a list of objects with the same
    names. Rates of one key that start one after the other end where the next one starts, unless
    an end is given, so that a file reads as a price list with dates.

    Raises:
        PriceError: naming every line that cannot be taken (the first 20).
    """
    return _successive(_each(_records(text, RATE_COLUMNS, _REQUIRED_OF_RATE), _rate_row))


def read_exchange_rates(text: str) -> list[tuple[str, ExchangeRateRow]]:
    """Return the exchange rates of a CSV or JSON file with columns of ``EXCHANGE_COLUMNS``.

    Raises:
        PriceError: naming every line that cannot be taken (the first 20).
    """
    return _each(_records(text, EXCHANGE_COLUMNS, _REQUIRED_OF_EXCHANGE), _exchange_row)


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Return rows as CSV; unknown is empty, and no text is a spreadsheet's formula."""
    lines = [_csv_line(columns)]
    lines += [_csv_line([_csv_cell(row.get(name)) for name in columns]) for row in rows]
    return "".join(lines)


def json_text(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Return rows as a JSON list, one object a line; decimals are strings."""
    lines = [
        json.dumps({c: _plain(row.get(c)) for c in columns}, ensure_ascii=False) for row in rows
    ]
    return "[\n" + ",\n".join(lines) + "\n]\n" if lines else "[]\n"


def rate_fields(row: RateRow) -> dict[str, object]:
    """Return a rate as a file holds it: columns of ``RATE_COLUMNS`` and its id."""
    end = row.effective_to_ns
    return {
        **{name: getattr(row, name) for name in ("id", *RATE_COLUMNS) if hasattr(row, name)},
        "effective_from": time_text(row.effective_from_ns),
        "effective_to": None if end is None else time_text(end),
    }


def _records(
    text: str, columns: Sequence[str], required: Sequence[str]
) -> list[tuple[str, Fields]]:
    body = text.removeprefix("\ufeff").lstrip()
    found = list(_json_records(body) if body.startswith(("[", "{")) else _csv_records(body))
    names = {name for _, fields in found for name in fields}
    if unknown := sorted(names - {*columns, *_IGNORED}):
        raise PriceError(
            f"There is no column {', '.join(map(repr, unknown))}; the columns are "
            f"{', '.join(columns)}, separated by commas."
        )
    errors = [
        f"{where}: {', '.join(missing)} missing."
        for where, fields in found
        if (missing := [name for name in required if name not in fields])
    ]
    _raise(errors)
    return found


def _csv_records(text: str) -> Iterator[tuple[str, Fields]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if len(set(header)) != len(header):
            raise PriceError("A column is named twice in the first line.")
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            where = f"line {reader.line_num}"
            if len(cells) != len(header):
                raise PriceError(f"{where}: {len(cells)} cells, but {len(header)} columns.")
            yield where, dict(zip(header, map(_without_guard, cells), strict=True))
    except csv.Error as error:
        raise PriceError(f"line {reader.line_num}: this is no CSV: {error}.") from None


def _json_records(text: str) -> Iterator[tuple[str, Fields]]:
    try:
        # Numbers stay the digits they are written with.
        items = json.loads(text, parse_float=str, parse_int=str, parse_constant=_no_number)
    except (json.JSONDecodeError, RecursionError) as error:
        raise PriceError(f"This is no JSON: {error}.") from None
    if not isinstance(items, list):
        raise PriceError("The JSON must be a list of objects, one for each rate.")
    for number, item in enumerate(cast("list[object]", items), 1):
        where = f"item {number}"
        if not isinstance(item, dict):
            raise PriceError(f"{where}: an object is expected.")
        fields = {k: v for k, v in cast("dict[str, object]", item).items() if v is not None}
        if bad := [k for k, v in fields.items() if not isinstance(v, str)]:
            raise PriceError(f"{where}: {bad[0]} must be a text or a number.")
        yield where, cast("Fields", fields)


def _no_number(name: str) -> NoReturn:
    raise PriceError(f"{name} is no number that something can cost.")


def _each(
    records: Iterable[tuple[str, Fields]], read: Callable[[Fields], RowT]
) -> list[tuple[str, RowT]]:
    rows: list[tuple[str, RowT]] = []
    errors: list[str] = []
    for where, fields in records:
        filled = {name: value.strip() for name, value in fields.items() if value.strip()}
        try:
            rows.append((where, read(filled)))
        except PriceError as error:
            errors.append(f"{where}: {error}")
    _raise(errors)
    return rows


def _raise(errors: Sequence[str]) -> None:
    if errors:
        more = len(errors) - _MAX_ERRORS
        rest = [f"and {more} more."] if more > 0 else []
        raise PriceError("\n".join(["nothing was taken.", *errors[:_MAX_ERRORS], *rest]))


def _rate_row(fields: Fields) -> RateRow:
    token_class = fields.get("token_class", "")
    per = fields.get("per") or str(1 if token_class in FEES else PER_TOKENS)
    end = fields.get("effective_to")
    return checked_rate(
        RateRow(
            provider=fields.get("provider", ""),
            model=fields.get("model", ""),
            token_class=token_class,
            price=parse_amount(fields.get("price", ""), "price"),
            per=parse_count(per, "per", 1),
            currency=parse_currency(fields.get("currency", "USD")),
            service_tier=fields.get("service_tier", ""),
            region=fields.get("region", ""),
            above_tokens=parse_count(fields.get("above_tokens", "0"), "above_tokens", 0),
            effective_from_ns=parse_time(fields.get("effective_from", ""), "effective_from"),
            effective_to_ns=parse_time(end, "effective_to") if end else None,
            note=fields.get("note", ""),
        )
    )


def _exchange_row(fields: Fields) -> ExchangeRateRow:
    return checked_exchange_rate(
        ExchangeRateRow(
            currency=fields.get("currency", ""),
            usd=parse_amount(fields.get("usd", ""), "usd"),
            effective_from_ns=parse_time(fields.get("effective_from", ""), "effective_from"),
            note=fields.get("note", ""),
        )
    )


def _successive(rows: list[tuple[str, RateRow]]) -> list[tuple[str, RateRow]]:
    """Let each open rate end where the next of its key starts; refuse what then overlaps."""
    by_key: dict[RateKey, list[tuple[str, RateRow]]] = {}
    for where, row in rows:
        by_key.setdefault(rate_key(row), []).append((where, row))
    found: list[tuple[str, RateRow]] = []
    errors: list[str] = []
    for alternatives in by_key.values():
        alternatives.sort(key=lambda item: item[1].effective_from_ns)
        following = [*(row for _, row in alternatives[1:]), None]
        for (where, row), later in zip(alternatives, following, strict=True):
            if later is not None and row.effective_from_ns == later.effective_from_ns:
                errors.append(f"{where}: another line has a price of the same key and time.")
            elif later is not None and row.effective_to_ns is None:
                found.append((where, replace(row, effective_to_ns=later.effective_from_ns)))
            elif later is not None and _period(row).overlaps(_period(later)):
                errors.append(f"{where}: it overlaps another line of the same key.")
            else:
                found.append((where, row))
    _raise(errors)
    return found


def _period(row: RateRow) -> Period:
    return Period(row.effective_from_ns, row.effective_to_ns)


def _csv_line(cells: Sequence[str]) -> str:
    out = io.StringIO()
    # A writer quotes what its own line ending is made of: a lone CR, too, would end a row.
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue().removesuffix("\r\n") + "\n"


def _csv_cell(value: object) -> str:
    if isinstance(value, str) and value.startswith(_FORMULA_SIGNS):
        return f"'{value}"
    text = _plain(value)
    return "" if text is None else str(text)


def _without_guard(cell: str) -> str:
    return cell.removeprefix("'")


def _plain(value: object) -> str | int | None:
    if value is None or isinstance(value, int):
        return value
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
