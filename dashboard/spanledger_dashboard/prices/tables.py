"""The tables of the prices page, as frames whose numbers still sort."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pandas as pd

from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.price_book.check import SeenModel
from spanledger_analytics.price_book.commitments import Drawdown
from spanledger_analytics.price_book.log import change_text
from spanledger_analytics.price_book.overrides import FEES
from spanledger_analytics.price_book.rates import FlatRate
from spanledger_dashboard import format as fmt
from spanledger_dashboard import tables
from spanledger_storage.price_state import ContractRow, ExchangeRateRow, LogRow, RateRow

_PER = 1_000_000
CLASS_LABELS = {
    "input": "Input",
    "output": "Output",
    "cache_read": "Cache read",
    "cache_write": "Cache write",
    "cache_write_5m": "Write 5 min",
    "cache_write_1h": "Write 1 h",
    "audio_input": "Audio in",
    "image_input": "Image in",
    "cache_read_audio": "Audio read",
    "reasoning": "Reasoning",
    "audio_output": "Audio out",
    "image_output": "Image out",
    "request": "Request",
    "web_search": "Search",
}

Text = Callable[[object], str]


@dataclass(frozen=True, slots=True)
class RateFilter:
    """What the rates are narrowed to; empty narrows nothing."""

    provider: str = ""
    text: str = ""
    tier: str = ""
    is_own: bool = False

    def takes(self, flat: FlatRate) -> bool:
        """Return whether a rate is shown."""
        return (
            self.provider in ("", flat.provider)
            and self.text.lower() in flat.model.lower()
            and self.tier in ("", flat.service_tier or "standard")
            and (not self.is_own or flat.source.startswith("own:"))
        )


def rate_frame(rates: Iterable[FlatRate]) -> pd.DataFrame:
    """Return one row per model, tier, region, size of request and currency.

    Prices are per million tokens; of requests and searches, each. Classes that no row has are
    left out.
    """
    rows: dict[tuple[str, ...], dict[str, object]] = {}
    for flat in rates:
        key = (
            flat.provider,
            flat.model,
            flat.service_tier,
            flat.region,
            str(flat.above_tokens),
            flat.currency,
        )
        row = rows.setdefault(key, _first_cells(flat))
        label = CLASS_LABELS[flat.token_class]
        row[label] = _price(flat)
        if flat.source.startswith("own:"):
            ids = [str(row["Own"])] if row["Own"] else []
            row["Own"] = ", ".join([*ids, flat.source.removeprefix("own:")])
    frame = pd.DataFrame(list(rows.values()), columns=_RATE_COLUMNS)
    frame["Above"] = frame["Above"].astype("Int64")
    return _without_empty(frame, ("Provider", "Model"))


def rate_formats(frame: pd.DataFrame) -> dict[str, Text]:
    """Return how the cells of :func:`rate_frame` are written."""
    formats: dict[str, Text] = {
        label: price for label in CLASS_LABELS.values() if label in frame.columns
    }
    return formats | ({"Above": tables.count} if "Above" in frame.columns else {})


def own_frame(rows: Sequence[RateRow], now_ns: int) -> pd.DataFrame:
    """Return own rates, those in force first."""
    ranked = sorted(rows, key=lambda r: (_ORDER.index(status(r, now_ns)), r.provider, r.model))
    return _without_empty(
        pd.DataFrame(
            {
                "Id": [r.id for r in ranked],
                "Status": [status(r, now_ns) for r in ranked],
                "Provider": [r.provider or "any" for r in ranked],
                "Model": [r.model for r in ranked],
                "Class": [CLASS_LABELS[r.token_class] for r in ranked],
                "Price": [float(r.price) for r in ranked],
                "Currency": [r.currency for r in ranked],
                "Per": [r.per for r in ranked],
                "Tier": [r.service_tier for r in ranked],
                "Region": [r.region for r in ranked],
                "Above": pd.array([r.above_tokens or None for r in ranked], dtype="Int64"),
                "From": [day(r.effective_from_ns) for r in ranked],
                "To": [day(r.effective_to_ns) for r in ranked],
                "Note": [r.note for r in ranked],
            }
        ),
        ("Id", "Price"),
    )


def contract_frame(drawn: Mapping[str, Drawdown], rows: Sequence[ContractRow]) -> pd.DataFrame:
    """Return contracts with the drawdown of their commitments; ``drawn`` is by contract id."""
    found = [(row, drawn[row.id]) for row in rows]
    return _without_empty(
        pd.DataFrame(
            {
                "Contract": [c.id for c, _ in found],
                "Provider": [c.provider for c, _ in found],
                "Model": [c.model or "every" for c, _ in found],
                "Price": [_factor(c.multiplier) for c, _ in found],
                "From": [day(c.effective_from_ns) for c, _ in found],
                "To": [day(c.effective_to_ns) for c, _ in found],
                "Calls": [d.use.calls for _, d in found],
                "Spent": [float(d.use.consumed_usd) for _, d in found],
                "Committed": [_float(c.commitment_usd) for c, _ in found],
                "Used": [_share(c, d) for c, d in found],
                "Remaining": [_float(d.remaining_usd) for _, d in found],
                "Per day": [_float(d.per_day_usd) for _, d in found],
                "At the end": [_float(d.expected_usd) for _, d in found],
                "Used up": [day(d.used_up_ns, coarse=True) for _, d in found],
                "Note": [c.note for c, _ in found],
            }
        ),
        ("Contract",),
    )


def exchange_frame(rows: Sequence[ExchangeRateRow]) -> pd.DataFrame:
    """Return exchange rates by currency, the newest first."""
    ranked = sorted(rows, key=lambda r: (r.currency, -r.effective_from_ns))
    return pd.DataFrame(
        {
            "Currency": [r.currency for r in ranked],
            "US dollars": [float(r.usd) for r in ranked],
            "From": [day(r.effective_from_ns) for r in ranked],
            "Note": [r.note for r in ranked],
        }
    )


def unpriced_frame(seen: Sequence[SeenModel], book: PriceBook) -> pd.DataFrame:
    """Return the models without a price, and the known name most like theirs."""
    return pd.DataFrame(
        {
            "Provider": [s.provider for s in seen],
            "Model": [s.model for s in seen],
            "Calls": [s.unpriced_calls for s in seen],
            "Tokens": [s.unpriced_tokens for s in seen],
            "Why": [", ".join(r.replace("_", " ") for r in s.reasons) for s in seen],
            "Nearest name": [book.nearest(s.provider, s.model) for s in seen],
        }
    )


def log_frame(rows: Sequence[LogRow]) -> pd.DataFrame:
    """Return the log of changes, newest first; times are UTC."""
    return pd.DataFrame(
        {
            "When (UTC)": [day(r.at_ns) for r in rows],
            "Who": [r.who for r in rows],
            "Action": [r.action for r in rows],
            "Object": [r.object for r in rows],
            "What": [change_text(r) for r in rows],
        }
    )


def price(value: object) -> str:
    """Format a price: at least two places, no zeros behind them; a dash when there is none."""
    if value is None or value != value:  # NaN is not equal to itself
        return fmt.UNKNOWN
    whole, _, places = f"{Decimal(repr(value)):f}".partition(".")
    return f"{int(whole):,}.{places.rstrip('0').ljust(2, '0')}"


def percent(value: object) -> str:
    """Format a share of one; a dash when there is none."""
    return fmt.UNKNOWN if value is None or value != value else f"{float(str(value)):.1%}"


def day(ns: int | None, *, coarse: bool = False) -> str:
    """Return a moment in UTC, without its time when it is midnight or ``coarse``."""
    if ns is None:
        return ""
    moment = datetime.fromtimestamp(ns // 10**9, UTC)
    is_midnight = ns % (86_400 * 10**9) == 0
    return f"{moment:%Y-%m-%d}" if coarse or is_midnight else f"{moment:%Y-%m-%d %H:%M:%S}"


def status(row: RateRow, now_ns: int) -> str:
    """Return whether an own rate is in force, to come or over."""
    if row.effective_from_ns > now_ns:
        return "to come"
    is_over = row.effective_to_ns is not None and row.effective_to_ns <= now_ns
    return "over" if is_over else "in force"


_ORDER = ("in force", "to come", "over")
_MAIN = ("input", "output", "cache_read", "cache_write", "cache_write_5m", "cache_write_1h")
_RATE_COLUMNS = (
    *("Provider", "Model", "Tier", "Region", "Above"),
    *(CLASS_LABELS[name] for name in _MAIN),
    *("Currency", "From", "To", "Own"),
    *(label for name, label in CLASS_LABELS.items() if name not in _MAIN),
)


def _first_cells(flat: FlatRate) -> dict[str, object]:
    return {
        "Provider": flat.provider or "any",
        "Model": flat.model,
        "Tier": flat.service_tier or "standard",
        "Region": flat.region,
        "Above": flat.above_tokens or None,
        "Currency": flat.currency,
        "From": day(flat.effective_from_ns),
        "To": day(flat.effective_to_ns),
        "Own": "",
    }


def _price(flat: FlatRate) -> float:
    per = 1 if flat.token_class in FEES else _PER
    return float(Fraction(flat.price) * per / flat.per)


def _without_empty(frame: pd.DataFrame, kept: Sequence[str]) -> pd.DataFrame:
    """Return the frame without columns that say nothing in any row."""
    empty = frame.columns[frame.replace("", None).isna().all()]
    return frame.drop(columns=[c for c in empty if c not in kept])


def _float(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


def _factor(multiplier: Decimal) -> str:
    change = (multiplier - 1) * 100
    return f"{change.normalize():+f}%" if change else "list price"


def _share(contract: ContractRow, drawn: Drawdown) -> float | None:
    promised = contract.commitment_usd
    return float(drawn.use.consumed_usd / promised) if promised else None
