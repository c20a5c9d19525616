"""Amounts of invoices in US dollars, by the exchange rates of the price book."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal

from spanledger_storage.price_state import ExchangeRateRow

_STEP = Decimal("1e-12")
_DIGITS = Context(prec=38, rounding=ROUND_HALF_EVEN)
_NS_PER_S = 10**9


class ExchangeRates:
    """US dollars for one unit of a currency, by day."""

    def __init__(self, rows: Iterable[ExchangeRateRow] = ()) -> None:
        self._rows: dict[str, list[tuple[int, Decimal]]] = {}
        for row in sorted(rows, key=lambda row: (row.effective_from_ns, row.id)):
            self._rows.setdefault(row.currency.upper(), []).append((row.effective_from_ns, row.usd))
        self._known: dict[tuple[str, date], Decimal | None] = {}

    def usd(self, amount: Decimal | None, currency: str, day: date) -> Decimal | None:
        """Return an amount in US dollars to twelve places; None where the rate is not known.

        The rate is the one in force when the day begins, in UTC.
        """
        if amount is None:
            return None
        rate = self._rate(currency, day)
        return None if rate is None else _DIGITS.multiply(amount, rate).quantize(
            _STEP, context=_DIGITS
        )  # fmt: skip

    def _rate(self, currency: str, day: date) -> Decimal | None:
        if currency == "USD":
            return Decimal(1)
        key = currency, day
        if key not in self._known:
            at_ns = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * _NS_PER_S
            past = [usd for since_ns, usd in self._rows.get(currency, ()) if since_ns <= at_ns]
            self._known[key] = past[-1] if past else None
        return self._known[key]
