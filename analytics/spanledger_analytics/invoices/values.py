"""Values of a record, read exactly, or refused with the place where they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from spanledger_analytics.invoices.errors import InvoiceError
from spanledger_analytics.invoices.rows import MOST_MONEY, MOST_QUANTITY

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_NO_NUMBER = (
    "is no plain number such as 1234.5: decimals take a point, without thousands marks, currency "
    "signs or brackets"
)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_US_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)
_SHOWN = 60
_FIRST, _LAST = date(2015, 1, 1), date(2099, 12, 31)


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a report and where it stands.

    Attributes:
        file: its name.
        number: line of a CSV file, else number of the record, from 1.
        values: by the names of the report.
        path: of a part of a record, as in ``results.``.
    """

    file: str
    number: int
    values: Mapping[str, Any]
    path: str = ""

    def text(self, name: str) -> str:
        """Return a field as text without spaces around it; "" where there is none."""
        return self.told(name) or ""

    def told(self, name: str) -> str | None:
        """Return a field as text; None where it is absent, null or empty."""
        value = self.values.get(name)
        if value is None:
            return None
        return (value if isinstance(value, str) else _plain(value)).strip() or None

    def number_of(self, name: str, most: Decimal = MOST_QUANTITY) -> Decimal | None:
        """Return a field as an exact number; None where it is absent, null or empty.

        Raises:
            InvoiceError: it is no number, or larger than any can be.
        """
        value = self.values.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
            raise self.wrong(name, "is no number")
        if isinstance(value, str):
            if not _NUMBER.fullmatch(value.strip()):
                raise self.wrong(name, _NO_NUMBER)
            value = value.strip()
        number = Decimal(value)
        if not number.is_finite() or abs(number) >= most:
            raise self.wrong(name, "is larger than any amount can be")
        return number

    def quantity(self, name: str) -> Decimal:
        """Return a number that must not be missing; see :meth:`number_of`."""
        found = self.number_of(name)
        if found is None:
            raise self.wrong(name, "is missing; it must be a number")
        return found

    def money(self, name: str) -> Decimal | None:
        """Return an amount of money; None where there is none; see :meth:`number_of`."""
        return self.number_of(name, MOST_MONEY)

    def currency(self, name: str, default: str = "") -> str:
        """Return a currency in upper case.

        Raises:
            InvoiceError: it is not three letters; nothing is guessed.
        """
        value = (self.told(name) or default).upper()
        if not _CURRENCY.fullmatch(value):
            raise self.wrong(name, "is no currency such as USD")
        return value

    def moment(self, name: str) -> datetime:
        """Return a time in UTC; one without zone is UTC, a whole number unix seconds.

        Raises:
            InvoiceError: it is no time of this age.
        """
        value = self.values.get(name)
        try:
            found = _of_text(value) if isinstance(value, str) else _moment(value)
        except (ValueError, OverflowError):
            raise self.wrong(name, "is no time such as 2026-11-18T08:00:00Z") from None
        if not _FIRST <= found.date() <= _LAST:
            raise self.wrong(name, f"lies outside of {_FIRST.year} to {_LAST.year}")
        return found

    def day(self, name: str) -> date:
        """Return the UTC day of a time or date; see :meth:`moment`."""
        return self.moment(name).date()

    def days(self, start: str, end: str) -> tuple[date, date]:
        """Return the first and the last UTC day from one time up to, not including, another."""
        first = self.moment(start)
        if self.told(end) is None:
            return first.date(), first.date()
        last = self.moment(end)
        if last < first:
            raise self.wrong(end, f"lies before {start}")
        return first.date(), max(first, last - timedelta(microseconds=1)).date()

    def part(self, name: str) -> Record:
        """Return an object within the record; an empty one where there is none."""
        value = self.values.get(name)
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise self.wrong(name, "is no object")
        return Record(self.file, self.number, value, f"{self.path}{name}.")

    def parts(self, name: str) -> Iterator[Record]:
        """Return the objects of a list within the record; none where there is no list."""
        value = self.values.get(name)
        if value is None:
            return
        if not isinstance(value, list):
            raise self.wrong(name, "is no list")
        for one in value:
            if not isinstance(one, dict):
                raise self.wrong(name, "holds something that is no object")
            yield Record(self.file, self.number, one, f"{self.path}{name}.")

    def numbered(self, number: int) -> Record:
        """Return the same with another number: of a record within a page."""
        return Record(self.file, number, self.values, self.path)

    def wrong(self, name: str, what: str) -> InvoiceError:
        """Return the error that a field is not what it must be."""
        value = self.values.get(name)
        shown = "" if value is None else f" {str(value)[:_SHOWN]!r}"
        return InvoiceError(
            f"{self.file}, line {self.number}, field {self.path}{name}:{shown} {what}. Nothing was "
            "imported; export the file again, or say with --format what it is."
        )


def _moment(value: object) -> datetime:
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    text = str(value).strip()
    if value is None or not text or isinstance(value, bool):
        raise ValueError("missing")
    if text.replace(".0", "").isdecimal() and len(text) >= 9:
        return datetime.fromtimestamp(int(Decimal(text)), UTC)
    us_date = _US_DATE.fullmatch(text)
    if us_date:
        return datetime(int(us_date[3]), int(us_date[1]), int(us_date[2]), tzinfo=UTC)
    found = datetime.fromisoformat(text.removesuffix(" UTC").removesuffix(" Z"))
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


@lru_cache(4_096)
def _of_text(text: str) -> datetime:
    return _moment(text)


def _plain(value: object) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
