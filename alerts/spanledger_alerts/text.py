"""Text from outside, made fit for one line of a message; times and figures as people read them."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

from spanledger_alerts.notification import Unit

_KEPT_FORMATS = "\u200c\u200d"  # joiners that scripts and emoji need
_RIGHT_TO_LEFT = ("R", "AL", "AN")
_ISOLATE, _END_ISOLATE, _WORD_JOINER = "\u2068", "\u2069", "\u2060"
# Names that call whole rooms in Slack, Discord, Teams and Mattermost.
_CALLS = re.compile(r"@(?=(?:channel|here|everyone|all|group|team)\b)", re.IGNORECASE)
_NOT_IN_ADDRESSES = frozenset(" <>\"'|\\^`{}")
_NS_PER_S = 1_000_000_000


def one_line(text: str, limit: int = 300) -> str:
    """Return text as one line of at most ``limit`` characters that calls nobody.

    Controls and marks that turn the direction of writing are taken out, white space becomes one
    blank, text written from right to left is kept from moving what stands beside it.
    """
    shown = "".join(map(_shown, text[: 4 * limit]))
    line = _CALLS.sub(f"@{_WORD_JOINER}", " ".join(shown.split()))
    is_cut = len(text) > 4 * limit
    if _turns(line):
        line = _shortened(line, limit - 2, is_cut=is_cut)
        # What turned it may be what was cut off.
        return f"{_ISOLATE}{line}{_END_ISOLATE}" if _turns(line) else line
    return _shortened(line, limit, is_cut=is_cut)


def _turns(line: str) -> bool:
    return any(unicodedata.bidirectional(c) in _RIGHT_TO_LEFT for c in line)


def _shortened(line: str, limit: int, *, is_cut: bool) -> str:
    return line[: limit - 1].rstrip() + "…" if is_cut or len(line) > limit else line


def _shown(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Cc", "Zl", "Zp"):
        return " "
    if category in ("Cf", "Cs", "Co", "Cn") and character not in _KEPT_FORMATS:
        return ""
    return character


def figure(value: Decimal, unit: Unit) -> str:
    """Return a value with its unit: ``$12.40``, ``4.2 %``, ``1.25 s``, ``1,234 tokens``."""
    if unit == "usd":
        return usd(value)
    if unit == "ratio":
        return f"{_digits(value * 100)} %"
    if unit == "seconds":
        return f"{_digits(value)} s" if abs(value) < 120 else duration(int(value))
    return f"{_digits(value)}{' tokens' if unit == 'tokens' else ''}"


def usd(amount: Decimal) -> str:
    """Return dollars: cents from one dollar up, three significant digits below."""
    sign, size = ("-" if amount < 0 else ""), abs(amount)
    if size == 0:
        return "$0.00"
    if size >= Decimal("0.9995"):
        return f"{sign}${_rounded(size, 2):,}"
    return f"{sign}${_rounded(size, min(12, max(2, 2 - size.adjusted()))):f}"


def duration(seconds: int) -> str:
    """Return a duration in its largest units: ``45 s``, ``12 min``, ``3 h 5 min``, ``2 d 4 h``."""
    for size, unit, part, part_unit in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min")):
        if seconds >= size:
            rest = seconds % size // part
            return f"{seconds // size} {unit}" + (f" {rest} {part_unit}" if rest else "")
    return f"{seconds // 60} min" if seconds >= 60 else f"{max(0, seconds)} s"


def moment(ns: int) -> str:
    """Return UTC nanoseconds to the minute: ``2026-11-21 14:03 UTC``."""
    return f"{datetime.fromtimestamp(ns // _NS_PER_S, UTC):%Y-%m-%d %H:%M} UTC"


def iso(ns: int) -> str:
    """Return UTC nanoseconds as RFC 3339 to the millisecond."""
    said = datetime.fromtimestamp(ns // _NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{said}.{ns % _NS_PER_S // 1_000_000:03d}Z"


def web_address(text: str) -> bool:
    """Return whether text is an address that may be offered as a link."""
    is_plain = text.isascii() and text.isprintable() and not set(text) & _NOT_IN_ADDRESSES
    return is_plain and text.startswith(("https://", "http://")) and len(text) <= 2_000


def _digits(value: Decimal) -> str:
    """Return three significant digits, and all digits of larger whole numbers."""
    if value == 0:
        return "0"
    places = max(0, min(12, 2 - value.adjusted()))
    said = f"{_rounded(value, places):,f}"
    return said.rstrip("0").rstrip(".") if "." in said else said


def _rounded(value: Decimal, places: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
