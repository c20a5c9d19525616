"""Numbers as people read them. Exact types in, text out; unknown (None) is shown as a dash."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

UNKNOWN = "—"

_NS_PER_S = 1_000_000_000
_SIGNIFICANT_DIGITS = 3
_STORED_PLACES = 12


def usd(amount: Decimal | None) -> str:
    """Return dollars with the digits that matter: ``$0.000420``, ``$12.34``, ``$1,234``.

    Cents from one dollar up, none from a thousand up, three significant digits below one.
    """
    if amount is None:
        return UNKNOWN
    sign = "-" if amount < 0 else ""
    size = abs(amount)
    if size == 0:
        return "$0.00"
    if size >= 1000 - Decimal("0.005"):
        return f"{sign}${_rounded(size, 0):,}"
    if size >= 1 - Decimal("0.0005"):
        return f"{sign}${_rounded(size, 2)}"
    return f"{sign}${_significant(size)}"


def usd_exact(amount: Decimal | None) -> str:
    """Return dollars with every digit stored, at least two after the point."""
    if amount is None:
        return UNKNOWN
    sign = "-" if amount < 0 else ""
    return f"{sign}${_trimmed(f'{abs(amount):,f}')}"


def count(number: int | None) -> str:
    """Return a whole number with thousands separators: ``1,234,567``."""
    return UNKNOWN if number is None else f"{number:,}"


def calls(number: int) -> str:
    """Return how many calls, in words: ``1 call``, ``1,234 calls``."""
    return f"{count(number)} call{'' if number == 1 else 's'}"


def short_count(number: int | None) -> str:
    """Return a whole number in at most five characters: ``9,999``, ``12.3k``, ``4.56M``."""
    if number is None:
        return UNKNOWN
    if abs(number) < 10_000:
        return f"{number:,}"
    value = Decimal(number)
    for unit in ("k", "M", "B"):
        value /= 1000
        size = abs(value)
        places = 2 if size < Decimal("9.995") else 1 if size < Decimal("99.95") else 0
        rounded = _rounded(value, places)
        if abs(rounded) < 1000 or unit == "B":
            return f"{rounded:,}{unit}"
    raise AssertionError("the last unit always returns")


def duration(ns: int | None) -> str:
    """Return a duration given in nanoseconds: ``850ns``, ``345ms``, ``2.49s``, ``34m 36s``."""
    if ns is None:
        return UNKNOWN
    if ns < 1_000:
        return f"{ns}ns"
    if ns < 999_500:
        return f"{_three_digits(Decimal(ns) / 1_000)}µs"
    if ns < 999_500_000:
        return f"{_three_digits(Decimal(ns) / 1_000_000)}ms"
    if ns < 59_995_000_000:
        return f"{_rounded(Decimal(ns) / _NS_PER_S, 2 if ns < 9_995_000_000 else 1)}s"
    return _long_duration(int(_rounded(Decimal(ns) / _NS_PER_S, 0)))


def ago(seconds: float) -> str:
    """Return how long ago: ``3 s ago``, ``5 min ago``, ``2 h ago``, ``3 d ago``."""
    whole = int(seconds)
    if whole < 1:
        return "just now"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if whole >= size:
            return f"{whole // size} {unit} ago"
    return f"{whole} s ago"


def percent(part: int | Decimal | None, whole: int | Decimal | None) -> str:
    """Return ``part`` of ``whole`` in percent: ``12.3%``; a dash when there is no whole."""
    if part is None or not whole:
        return UNKNOWN
    return f"{_rounded(Decimal(part) * 100 / Decimal(whole), 1)}%"


def change(now: int | Decimal, before: int | Decimal) -> str | None:
    """Return the change against an earlier figure: ``+8.0%``, ``-50%``; None without one."""
    if not before:
        return None
    ratio = (Decimal(now) - Decimal(before)) * 100 / Decimal(before)
    if ratio > 999:
        return ">+999%"
    return f"{_signed(ratio, 0 if abs(ratio) >= 10 else 1)}%"


def points(now: Decimal, before: Decimal) -> str:
    """Return the change between two rates in percentage points: ``+1.2 pp``."""
    return f"{_signed((now - before) * 100, 1)} pp"


def _signed(value: Decimal, places: int) -> str:
    """Return a number with its sign; nothing has none."""
    rounded = _rounded(value, places)
    return f"{rounded:+}" if rounded else f"{abs(rounded)}"


def _rounded(value: Decimal, places: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def _significant(value: Decimal) -> str:
    # Zeros at the end stay: figures below one another keep their width.
    places = max(2, _SIGNIFICANT_DIGITS - 1 - value.adjusted())
    return f"{_rounded(value, min(places, _STORED_PLACES)):f}"


def _trimmed(digits: str) -> str:
    """Drop zeros at the end, keeping two places after the point."""
    whole, _, places = digits.partition(".")
    return f"{whole}.{places.rstrip('0').ljust(2, '0')}"


def _three_digits(value: Decimal) -> str:
    """Return 1.23, 12.3 or 123."""
    places = 2 if value < Decimal("9.995") else 1 if value < Decimal("99.95") else 0
    return f"{_rounded(value, places).normalize():f}"


def _long_duration(seconds: int) -> str:
    for size, unit, part_size, part_unit in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "m"),
        (60, "m", 1, "s"),
    ):
        if seconds >= size:
            rest = seconds % size // part_size
            return (
                f"{seconds // size}{unit} {rest}{part_unit}" if rest else f"{seconds // size}{unit}"
            )
    return f"{seconds}s"
