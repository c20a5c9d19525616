"""Any table (CSV, Parquet, JSON records) with a mapping file that says what its columns are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from spanledger_analytics.invoices.documents import Head, Records
from spanledger_analytics.invoices.errors import InvoiceError
from spanledger_analytics.invoices.formats.form import About, tier_of
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass
from spanledger_analytics.invoices.reports import INVOICE_TOTAL, REPORTS, Source, month_of
from spanledger_analytics.invoices.values import Record

FIELDS = (
    "day", "last_day", "provider", "model", "token_class", "quantity", "unit", "amount",
    "currency", "list_amount", "scope", "api_key", "user", "processing", "service_tier", "context",
    "geo", "description", "invoice_id", "account",
)  # fmt: skip
_KEYS = (
    "columns", "constants", "values", "dataset", "quantity_factor", "amount_factor",
    "date_format", "timezone", "skip",
)  # fmt: skip
_TOLD = ("scope", "api_key", "user", "model", "context", "geo", "processing")
_TIME = re.compile(r"%[HIMSfpXc]")
_ZONE_NAME = re.compile(r"%Z|(Z|UTC|GMT|[+-]\d\d:?\d\d)$", re.IGNORECASE)
_CLASSES = {one.value: one for one in TokenClass}


class Generic:
    """Reads a table as a mapping says.

    Args:
        text: the mapping, YAML; what may stand in it: docs/invoices.md.

    Raises:
        InvoiceError: it cannot be used; says what is wrong and what is allowed.
    """

    name = "generic"

    def __init__(self, text: str) -> None:
        said = _loaded(text)
        self._columns = _texts(said, "columns")
        self._constants = _texts(said, "constants")
        for name in (*self._columns, *self._constants):
            if name not in FIELDS:
                raise InvoiceError(
                    f"The mapping names a field {name[:40]!r}; there are {', '.join(FIELDS)}."
                )
        self._values = {
            name: {str(k).casefold(): str(v) for k, v in _object(found, name).items()}
            for name, found in _object(said.get("values") or {}, "values").items()
        }
        self._skip = {
            str(name): {str(one).casefold() for one in (v if isinstance(v, list) else [v])}
            for name, v in _object(said.get("skip") or {}, "skip").items()
        }
        self._quantity_factor = _factor(said, "quantity_factor")
        self._amount_factor = _factor(said, "amount_factor")
        self._date_format = str(said.get("date_format") or "")
        self._has_local_times = bool(_TIME.search(self._date_format)) and not _ZONE_NAME.search(
            self._date_format
        )
        self._zone = _zone(said)
        self._check(said)

    def matches(self, head: Head) -> bool:
        """Return whether the columns the mapping names are there."""
        return head.columns.issuperset(self._columns.values())

    def source(self, line: InvoiceLine) -> Source:
        """Return the source: provider, dataset and account."""
        account = line.extra.get("account", "")
        if line.token_class is TokenClass.INVOICE_TOTAL:
            return Source(REPORTS[INVOICE_TOTAL], line.provider, Dataset.INVOICE, account)
        return Source(REPORTS["generic"], line.provider, line.dataset, account)

    def lines(self, records: Records) -> Iterator[InvoiceLine]:
        """Return one line of each row that is not skipped."""
        missing = sorted(set(self._columns.values()) - records.head.columns)
        if missing:
            raise InvoiceError(
                f"The mapping names the column {missing[0][:80]!r}, which the file lacks. It has "
                f"{', '.join(sorted(records.head.columns))[:600]}."
            )
        for row in records:
            if any(row.text(name).casefold() in values for name, values in self._skip.items()):
                records.skip()
            else:
                yield self._line(row)

    def _check(self, said: Mapping[str, Any]) -> None:
        given = {*self._columns, *self._constants}
        for needed in ("day", "provider"):
            if needed not in given:
                raise InvoiceError(f"The mapping must say which column, or constant, is {needed}.")
        if not {"amount", "quantity"} & set(self._columns):
            raise InvoiceError("The mapping must name a column of amounts or of quantities.")
        if "amount" in self._columns and "currency" not in given:
            raise InvoiceError(
                "The mapping names amounts, so it must say their currency: under constants, as in "
                "currency: USD, or as a column."
            )
        wanted = str(said.get("dataset") or ("cost" if "amount" in given else "usage"))
        if wanted not in {one.value for one in Dataset}:
            raise InvoiceError(f"dataset is usage, cost or invoice, not {wanted[:40]!r}.")
        self._dataset = Dataset(wanted)

    def _line(self, row: Record) -> InvoiceLine:
        first = self._day(row, "day")
        last = self._day(row, "last_day") if "last_day" in self._columns else first
        if last < first:
            raise row.wrong(self._columns["last_day"], "lies before the first day")
        provider = (self._text(row, "provider") or "").lower()
        if not provider:
            raise row.wrong(self._of("provider") or "provider", "names no provider")
        token_class = self._token_class(row)
        if token_class is TokenClass.INVOICE_TOTAL:
            first, last = month_of(first)
        told = {name: self._text(row, name) for name in _TOLD}
        processing, tier = tier_of(self._text(row, "service_tier"))
        told["processing"] = (told["processing"] or processing or "").lower() or None
        amount, quantity = row.money(self._of("amount")), row.number_of(self._of("quantity"))
        listed = row.money(self._of("list_amount"))
        account = self._text(row, "account")
        about = About(
            day=first, last_day=last, dataset=self._dataset,
            provider=provider, line_number=row.number,
            reported_model=told["model"] or "", service_tier=tier,
            description=self._text(row, "description") or "",
            invoice_id=self._text(row, "invoice_id") or "",
            extra={"account": account} if account else {}, **told,
        )  # fmt: skip
        return about.line(
            token_class,
            quantity=None if quantity is None else quantity * self._quantity_factor,
            unit=self._text(row, "unit") or "",
            amount=None if amount is None else amount * self._amount_factor,
            currency=self._currency(row) if amount is not None else "",
            list_amount=None if listed is None else listed * self._amount_factor,
        )

    def _of(self, name: str) -> str:
        return self._columns.get(name, "")

    def _text(self, row: Record, name: str) -> str | None:
        """Return a field: of its column, as ``values`` says, else its constant."""
        found = row.told(self._columns[name]) if name in self._columns else None
        if found is not None:
            return self._values.get(name, {}).get(found.casefold(), found)
        return self._constants.get(name)

    def _currency(self, row: Record) -> str:
        values = {"currency": self._text(row, "currency") or ""}
        return Record(row.file, row.number, values).currency("currency")

    def _token_class(self, row: Record) -> TokenClass:
        text = self._text(row, "token_class")
        if text is None:
            has_model = "model" in self._columns or "model" in self._constants
            return TokenClass.MODEL if has_model else TokenClass.UNMAPPED
        return _CLASSES.get(text.lower(), TokenClass.UNMAPPED)

    def _day(self, row: Record, name: str) -> date:
        if name not in self._columns:
            return Record(row.file, row.number, {name: self._constants[name]}).day(name)
        column = self._columns[name]
        text = row.text(column)
        if not self._date_format:
            is_local, found = _is_time_without_zone(text), row.moment(column)
        else:
            try:
                found = datetime.strptime(text, self._date_format)  # noqa: DTZ007 - UTC below
            except ValueError:
                raise row.wrong(column, f"is no date of the form {self._date_format}") from None
            is_local, found = self._has_local_times and found.tzinfo is None, _in(found, UTC)
        # A time without a zone is of the table's; a day alone stays the day it is.
        return (found.replace(tzinfo=self._zone) if is_local else found).astimezone(UTC).date()


def _loaded(text: str) -> Mapping[str, Any]:
    try:
        said = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvoiceError(f"The mapping is no YAML: {error}") from error
    found = _object(said, "the mapping")
    unknown = sorted(set(map(str, found)) - set(_KEYS))
    if unknown:
        raise InvoiceError(f"The mapping has no key {unknown[0][:40]!r}: {', '.join(_KEYS)}.")
    return found


def _object(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvoiceError(f"In the mapping, {name} must be an object of names and values.")
    return cast("dict[str, Any]", value)


def _texts(said: Mapping[str, Any], name: str) -> dict[str, str]:
    return {str(k): str(v) for k, v in _object(said.get(name) or {}, name).items()}


def _in(moment: datetime, zone: tzinfo) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


@lru_cache(4_096)
def _is_time_without_zone(text: str) -> bool:
    """Return whether an ISO text tells more than a day, and no zone."""
    try:
        date.fromisoformat(text)
    except ValueError:
        pass
    else:
        return False
    try:
        return datetime.fromisoformat(text).tzinfo is None
    except ValueError:  # unix seconds, 11/18/2026, or "UTC" after the time
        return False


def _zone(said: Mapping[str, Any]) -> tzinfo:
    name = str(said.get("timezone") or "UTC")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # the last: a folder of zones
        raise InvoiceError(
            f"In the mapping, timezone is a name such as America/Los_Angeles, not {name[:40]!r}."
        ) from None


def _factor(said: Mapping[str, Any], name: str) -> Decimal:
    try:
        # A float of YAML is written out again as the shortest decimal that means it.
        factor = Decimal(str(said.get(name, 1)))
    except InvalidOperation:
        factor = Decimal(0)
    if not factor.is_finite() or factor == 0:
        raise InvoiceError(f"In the mapping, {name} must be a number, as in 1000 or 0.01.")
    return factor
