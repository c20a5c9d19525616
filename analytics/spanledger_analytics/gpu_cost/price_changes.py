"""GPU prices as people write them: checked, and put beside those that are stored."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from spanledger_analytics.errors import PriceError
from spanledger_analytics.gpu_cost.arithmetic import PICO
from spanledger_analytics.gpu_cost.prices import rate_of
from spanledger_analytics.price_book.input import Period, time_text
from spanledger_analytics.price_book.store import end_row
from spanledger_storage.gpu_price_state import MIG_SLICES, OWNED, TERMS, GpuPriceRow
from spanledger_storage.price_state import PriceChange

_LIMITS = {"project": 128, "gpu_model": 128, "host": 256, "gpu": 128, "note": 2000}
_MOST_PER_HOUR = Decimal(10) ** 6
_MOST_YEARS = 100
_MOST_PUE = 10
_PLACES = 12


def set_gpu_price(change: PriceChange, given: GpuPriceRow) -> tuple[str, GpuPriceRow]:
    """Store a price; return what became of it (added, follows, replaces, unchanged), and the row.

    An open price of the same scope that began earlier ends where the new one begins; one of the
    same time is withdrawn.

    Raises:
        PriceError: it cannot be, or another price of the scope overlaps it otherwise.
    """
    new = checked(given)
    period = Period(new.effective_from_ns, new.effective_to_ns)
    for old in change.rows(GpuPriceRow):
        if old.scope != new.scope or not _period(old).overlaps(period):
            continue
        if _period(old) == period:
            if _terms(old) == _terms(new):
                return "unchanged", old
            change.withdraw(old)
            return "replaces", change.add(new)
        is_later = old.effective_from_ns < new.effective_from_ns
        if is_later and old.effective_to_ns is None and new.effective_to_ns is None:
            change.close(old, new.effective_from_ns)
            return "follows", change.add(new)
        raise PriceError(
            f"GPU price {old.id} holds for the same GPUs {_span(old)}; let the new one start or "
            f"end elsewhere, or end that one: `spanledger gpu-prices remove {old.id} --from "
            f"{time_text(new.effective_from_ns)}`."
        )
    return "added", change.add(new)


def end_gpu_price(change: PriceChange, price_id: int, at_ns: int | None) -> GpuPriceRow:
    """Let a price hold until ``at_ns``, or withdraw it (None); return what it was.

    Raises:
        PriceError: there is no such price, or it already ended by then.
    """
    return end_row(
        change, change.rows(GpuPriceRow, withdrawn=True), price_id, at_ns, "gpu-prices list"
    )


def checked(row: GpuPriceRow) -> GpuPriceRow:
    """Return the price with its names tidied.

    Raises:
        PriceError: a part of it cannot be; the message names the part.
    """
    names = {name: _name(getattr(row, name), name) for name in _LIMITS}
    if row.terms not in TERMS or row.mig_slices not in MIG_SLICES:
        raise PriceError(f"{row.terms!r} with MIG by {row.mig_slices!r} is no price of a GPU.")
    if "*" in names["gpu_model"][:-1]:
        raise PriceError("A * can stand only at the end of a GPU's model.")
    model = "" if names["gpu_model"] == "*" else names["gpu_model"]
    Period(row.effective_from_ns, row.effective_to_ns)
    _check_owned(row)
    _check("The price per hour", row.usd_per_hour, _MOST_PER_HOUR)
    _check("The price of a kWh", row.usd_per_kwh, _MOST_PER_HOUR)
    if row.pue is not None and not 1 <= row.pue <= _MOST_PUE:
        raise PriceError(f"PUE is facility energy over GPU energy, from 1 to {_MOST_PUE}.")
    if row.pue is not None and row.usd_per_kwh is None:
        raise PriceError("PUE needs the price of energy: give --kwh.")
    return replace(
        row,
        project=names["project"],
        gpu_model=model,
        host=names["host"],
        gpu=names["gpu"],
        note=names["note"],
    )


def per_hour(row: GpuPriceRow) -> Decimal:
    """Return what an hour costs without energy, rounded to ten decimal places for people."""
    hour = rate_of(row).pico_per_hour / PICO
    return round(Decimal(hour.numerator) / Decimal(hour.denominator), 10)


def _check_owned(row: GpuPriceRow) -> None:
    is_bought = row.purchase_usd is not None
    if (row.terms == OWNED) != is_bought or is_bought != (row.amortization_years is not None):
        raise PriceError("An owned GPU has --purchase and --years; a rented one has neither.")
    if row.amortization_years is not None and not 0 < row.amortization_years <= _MOST_YEARS:
        raise PriceError(f"A GPU is written off over more than 0 and at most {_MOST_YEARS} years.")
    _check("The purchase", row.purchase_usd, Decimal(10) ** 9)


def _check(what: str, amount: Decimal | None, most: Decimal) -> None:
    if amount is None:
        return
    exponent = amount.as_tuple().exponent
    if not 0 <= amount <= most or (isinstance(exponent, int) and -exponent > _PLACES):
        raise PriceError(
            f"{what} must be from 0 to {most:,f} with at most {_PLACES} decimal places."
        )


def _name(text: str, what: str) -> str:
    name = text.strip()
    if len(name) > _LIMITS[what] or not name.isprintable():
        raise PriceError(
            f"The {what.replace('_', ' ')} must be at most {_LIMITS[what]} printable characters."
        )
    return name


def _terms(row: GpuPriceRow) -> tuple[object, ...]:
    return (
        row.terms, row.usd_per_hour, row.purchase_usd, row.amortization_years, row.usd_per_kwh,
        row.pue, row.mig_slices,
    )  # fmt: skip


def _period(row: GpuPriceRow) -> Period:
    return Period(row.effective_from_ns, row.effective_to_ns)


def _span(row: GpuPriceRow) -> str:
    end = "on" if row.effective_to_ns is None else f"to {time_text(row.effective_to_ns)}"
    return f"from {time_text(row.effective_from_ns)} {end}"
