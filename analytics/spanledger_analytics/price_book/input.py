"""What people write as prices, read exactly and checked before it is stored."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from spanledger_analytics.errors import PriceError
from spanledger_analytics.price_book.overrides import FEES, TOKEN_CLASSES
from spanledger_storage.price_state import ContractRow, ExchangeRateRow, RateRow

PER_TOKENS = 1_000_000
NS_PER_S = 10**9
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_CONTRACT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOMENT = re.compile(
    r"(\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|z|[+-]\d{2}:\d{2})", re.ASCII
)
# Wider than any price, narrow enough that sums stay exact in the ledger's Decimal(38, 12).
_MAX_AMOUNT = Decimal(10) ** 12
_MIN_EXPONENT = -18
_MAX_COUNT = 10**15
_MAX_MULTIPLIER = 10**6
_MAX_NS = 2**63 - 1
_LIMITS = {
    "provider": 128,
    "model": 256,
    "service_tier": 64,
    "region": 64,
    "note": 2000,
    "project": 64,
    "server": 128,
    "tool": 256,
    "service": 256,
    "attribute": 128,
}


@dataclass(frozen=True, slots=True)
class Period:
    """When something holds, half open, UTC nanoseconds; ``to_ns`` None: open."""

    from_ns: int
    to_ns: int | None

    def __post_init__(self) -> None:
        if self.to_ns is not None and self.from_ns >= self.to_ns:
            raise PriceError(
                f"It would hold from {time_text(self.from_ns)} to {time_text(self.to_ns)}, which "
                "is no time at all; the end must be later than the start."
            )

    def overlaps(self, other: Period) -> bool:
        """Return whether some instant lies in both."""
        ends_before = self.to_ns is not None and self.to_ns <= other.from_ns
        starts_after = other.to_ns is not None and other.to_ns <= self.from_ns
        return not (ends_before or starts_after)


def parse_amount(text: str, what: str) -> Decimal:
    """Return a number of zero or more, exactly as written.

    Raises:
        PriceError: it is no decimal number, negative, or beyond 10^12 or 18 decimal places.
    """
    if not _NUMBER.fullmatch(text.strip()):
        hint = " Write a point, not a comma." if "," in text else ""
        raise PriceError(f"{what} must be a decimal number such as 2.50, not {text!r}.{hint}")
    amount = Decimal(text.strip())
    if amount < 0:
        raise PriceError(f"{what} must not be negative; it is {text}.")
    if amount >= _MAX_AMOUNT or _places(amount) > -_MIN_EXPONENT:
        raise PriceError(
            f"{what} must be below 10^12 and have at most 18 decimal places; it is {text}."
        )
    return amount


def parse_count(text: str, what: str, minimum: int) -> int:
    """Return a whole number from ``minimum`` to 10^15; ``1_000`` and ``1000`` are the same."""
    digits = text.strip().replace("_", "")
    if not re.fullmatch(r"\d{1,16}", digits, re.ASCII) or not minimum <= int(digits) <= _MAX_COUNT:
        raise PriceError(f"{what} must be a whole number from {minimum} up, not {text!r}.")
    return int(digits)


def parse_multiplier(text: str, what: str) -> Decimal:
    """Return a multiplier greater than zero and below a million."""
    multiplier = parse_amount(text, what)
    if not multiplier:
        raise PriceError(f"{what} must be greater than 0; with 0 everything would be free.")
    if multiplier >= _MAX_MULTIPLIER:
        raise PriceError(f"{what} must be below {_MAX_MULTIPLIER:,}; it is {text}.")
    return multiplier


def parse_percent(text: str, what: str) -> Decimal:
    """Return ``15%`` or ``15`` as 0.15."""
    return parse_amount(text.strip().removesuffix("%"), what).scaleb(-2)


def parse_currency(text: str) -> str:
    """Return an ISO 4217 code; only its form is checked."""
    code = text.strip().upper()
    if not _CURRENCY.fullmatch(code):
        raise PriceError(f"The currency must be three letters (ISO 4217: USD, EUR), not {text!r}.")
    return code


def parse_time(text: str, what: str) -> int:
    """Return UTC nanoseconds of a date (its first instant in UTC) or an RFC 3339 time.

    Raises:
        PriceError: neither, or before 1970 or after 2262.
    """
    try:
        if _DAY.fullmatch(text.strip()):
            return _nanoseconds(datetime.fromisoformat(text.strip()).replace(tzinfo=UTC), "")
        if found := _MOMENT.fullmatch(text.strip()):
            seconds, fraction, zone = found.groups()
            moment = datetime.fromisoformat(seconds + zone.upper().replace("Z", "+00:00"))
            return _nanoseconds(moment, fraction or "")
    except (ValueError, OverflowError):
        pass
    raise PriceError(
        f"{what} must be a date (2026-01-31, its start in UTC) or a time with its offset "
        f"(2026-01-31T09:00:00Z) from 1970 to 2262, not {text!r}."
    )


def time_text(ns: int) -> str:
    """Return a moment as :func:`parse_time` reads it: a date when it is a UTC midnight."""
    seconds, fraction = divmod(ns, NS_PER_S)
    moment = datetime.fromtimestamp(seconds, UTC)
    if not fraction and not seconds % 86_400:
        return f"{moment:%Y-%m-%d}"
    digits = f".{fraction:09d}".rstrip("0") if fraction else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{digits}Z"


def checked_rate(row: RateRow) -> RateRow:
    """Return the rate with its names tidied.

    Raises:
        PriceError: a part of it cannot be; the message names the part.
    """
    if row.token_class not in TOKEN_CLASSES + FEES:
        known = ", ".join(TOKEN_CLASSES + FEES)
        raise PriceError(f"{row.token_class!r} is no token class; use one of {known}.")
    if not 1 <= row.per <= _MAX_COUNT:
        raise PriceError(f"The price must be for 1 to 10^15 tokens or pieces, not per {row.per}.")
    if not 0 <= row.above_tokens <= _MAX_COUNT:
        raise PriceError(f"The size of a request is 0 to 10^15 tokens, not {row.above_tokens}.")
    Period(row.effective_from_ns, row.effective_to_ns)
    tier = checked_name(row.service_tier, "service_tier").lower()
    return RateRow(
        provider=_provider(row.provider),
        model=_model(row.model),
        token_class=row.token_class,
        price=parse_amount(f"{row.price:f}", "The price"),
        per=row.per,
        currency=parse_currency(row.currency),
        service_tier="" if tier == "standard" else tier,
        region=checked_name(row.region, "region"),
        above_tokens=row.above_tokens,
        effective_from_ns=row.effective_from_ns,
        effective_to_ns=row.effective_to_ns,
        note=checked_name(row.note, "note"),
    )


def checked_contract(row: ContractRow) -> ContractRow:
    """Return the contract with its names tidied.

    Raises:
        PriceError: a part of it cannot be; the message names the part.
    """
    if not _CONTRACT_ID.fullmatch(row.id):
        raise PriceError(
            f"A contract's id is 1 to 64 letters, digits, '.', '_' and '-', not {row.id!r}."
        )
    Period(row.effective_from_ns, row.effective_to_ns)
    if row.commitment_usd is not None and row.effective_to_ns is None:
        raise PriceError("A commitment is for a period: give the end of the contract with --to.")
    provider = _provider(row.provider)
    if not provider:
        raise PriceError("A contract is with one provider; name it as the price data do (openai).")
    return ContractRow(
        id=row.id,
        provider=provider,
        model=_model(row.model) if row.model else "",
        multiplier=parse_multiplier(f"{row.multiplier.normalize():f}", "The multiplier"),
        commitment_usd=row.commitment_usd,
        effective_from_ns=row.effective_from_ns,
        effective_to_ns=row.effective_to_ns,
        note=checked_name(row.note, "note"),
    )


def checked_exchange_rate(row: ExchangeRateRow) -> ExchangeRateRow:
    """Return the exchange rate with its names tidied.

    Raises:
        PriceError: a part of it cannot be; the message names the part.
    """
    currency = parse_currency(row.currency)
    if currency == "USD":
        raise PriceError("The US dollar is worth one US dollar; give the rate of another currency.")
    usd = parse_multiplier(f"{row.usd:f}", "The exchange rate")
    return ExchangeRateRow(currency, usd, row.effective_from_ns, checked_name(row.note, "note"))


def _provider(text: str) -> str:
    name = checked_name(text, "provider").lower()
    return "" if name == "*" else name


def _model(text: str) -> str:
    name = checked_name(text, "model")
    if not name:
        raise PriceError("The model is missing; give its name, or a prefix with * at its end.")
    if "*" in name[:-1]:
        raise PriceError(f"A * can stand only at the end of the model's name, not as in {name!r}.")
    return name


def checked_name(text: str, what: str) -> str:
    """Return a name without spaces around it; ``what`` it names decides how long it may be.

    Raises:
        PriceError: it is too long, or cannot be printed.
    """
    name = text.strip()
    if len(name) > _LIMITS[what]:
        raise PriceError(f"The {what} has {len(name)} characters; at most {_LIMITS[what]} can be.")
    if not name.isprintable():
        raise PriceError(f"The {what} {name!r} holds characters that cannot be printed.")
    return name


def _places(amount: Decimal) -> int:
    exponent = amount.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


def _nanoseconds(moment: datetime, fraction: str) -> int:
    seconds = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    ns = seconds * NS_PER_S + int(fraction.ljust(9, "0") or 0)
    if not 0 <= ns <= _MAX_NS:
        raise ValueError("out of range")
    return ns
