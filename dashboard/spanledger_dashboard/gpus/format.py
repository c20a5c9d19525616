"""Units of machines as people read them; unknown is a dash."""

from __future__ import annotations

from math import isnan

from spanledger_dashboard import format as fmt

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def ratio(value: object) -> str:
    """Return a share in percent: ``91.3%``."""
    number = _number(value)
    return fmt.UNKNOWN if number is None else f"{number * 100:.1f}%"


def size(value: object) -> str:
    """Return bytes: ``512 B``, ``94.5 GiB``."""
    number = _number(value)
    if number is None:
        return fmt.UNKNOWN
    step = 0
    while abs(number) >= 1024 and step < len(_UNITS) - 1:
        number, step = number / 1024, step + 1
    return f"{number:,.0f} B" if not step else f"{number:,.1f} {_UNITS[step]}"


def watts(value: object) -> str:
    """Return power: ``612 W``, ``12.3 kW``."""
    number = _number(value)
    if number is None:
        return fmt.UNKNOWN
    return f"{number / 1000:,.1f} kW" if number >= 10_000 else f"{number:,.0f} W"


def energy(value: object) -> str:
    """Return energy given in joules: ``0.42 Wh``, ``12.3 kWh``."""
    number = _number(value)
    if number is None:
        return fmt.UNKNOWN
    hours = number / 3_600
    for factor, unit in ((1e6, "MWh"), (1e3, "kWh")):
        if hours >= factor:
            return f"{hours / factor:,.2f} {unit}"
    return f"{hours:,.2f} Wh" if hours < 10 else f"{hours:,.0f} Wh"


def celsius(value: object) -> str:
    """Return a temperature: ``61 °C``."""
    number = _number(value)
    return fmt.UNKNOWN if number is None else f"{number:.0f} °C"


def decimal(value: object) -> str:
    """Return a number with at most two places: ``12``, ``3.5``, ``0.04``."""
    number = _number(value)
    if number is None:
        return fmt.UNKNOWN
    if abs(number) >= 100 or number == round(number):
        return f"{number:,.0f}"
    return f"{number:,.1f}" if abs(number) >= 10 else f"{number:,.2f}"


def seconds(value: object) -> str:
    """Return a duration given in seconds: ``345ms``, ``2.49s``."""
    number = _number(value)
    return fmt.UNKNOWN if number is None else fmt.duration(round(number * 1e9))


def _number(value: object) -> float | None:
    if not isinstance(value, (int, float)) or isnan(value):
        return None
    return float(value)
