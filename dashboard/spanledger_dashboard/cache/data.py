"""What the Cache page reads: sums per bucket, causes, examples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeVar, cast

from spanledger_analytics.cache.rates import break_even
from spanledger_dashboard.time_range import Window
from spanledger_storage.store import Store

Row = Mapping[str, object]
Key = TypeVar("Key")
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Ask:
    """What is read. Hashable, so cached functions can take it."""

    project: str
    window: Window
    bucket_s: int

    def params(self, **more: object) -> dict[str, object]:
        """Return the parameters that all statements share, and more."""
        bounds = {"from_s": self.window.start_s, "to_s": self.window.end_s}
        return {"project": self.project, **bounds, **more}

    def days(self, now_s: int) -> Decimal:
        """Return how many days of the window are over, at least an hour's part of one."""
        over = min(self.window.end_s, now_s) - self.window.start_s
        return Decimal(max(3_600, over)) / _DAY_S


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over calls; dollars are None where nothing has a price.

    Names are those of the columns of dashboard_cache_usage.sql.
    """

    calls: int = 0
    unknown_calls: int = 0
    unpriced_calls: int = 0
    input_tokens: int = 0
    read_tokens: int = 0
    write_tokens: int = 0
    write_1h_tokens: int = 0
    eligible_tokens: int = 0
    losses: int = 0
    lost_tokens: int = 0
    shared_tokens: int = 0
    smaller_tokens: int = 0
    full_usd: Decimal | None = None
    read_saving_usd: Decimal | None = None
    write_extra_usd: Decimal | None = None
    lost_usd: Decimal | None = None
    read_factor: float | None = None
    write_5m_factor: float | None = None
    write_1h_factor: float | None = None

    @property
    def net_usd(self) -> Decimal | None:
        """What caching saved: (1 - r) R - (w - 1) W at the input rate; negative: it cost."""
        if self.read_saving_usd is None or self.write_extra_usd is None:
            return None
        return self.read_saving_usd - self.write_extra_usd

    @property
    def reads_per_write(self) -> Decimal | None:
        """R / W; None: nothing was written."""
        return Decimal(self.read_tokens) / self.write_tokens if self.write_tokens else None

    @property
    def break_even_reads(self) -> Decimal | None:
        """R / W at which caching starts to pay, for the lifetimes that were written."""
        r, w = self.read_factor, self._write_factor
        if r is None or w is None or not self.write_tokens:
            return None
        found = break_even(Fraction(r).limit_denominator(10_000), w)
        return None if found is None else Decimal(found.reads.numerator) / found.reads.denominator

    @property
    def _write_factor(self) -> Fraction | None:
        if self.write_5m_factor is None or not self.write_tokens:
            return None
        short = Fraction(self.write_5m_factor).limit_denominator(10_000)
        long = Fraction(self.write_1h_factor or self.write_5m_factor).limit_denominator(10_000)
        return short + (long - short) * Fraction(self.write_1h_tokens, self.write_tokens)


@dataclass(frozen=True, slots=True)
class UsageRow:
    """The sums of one bucket, provider, model and agent."""

    bucket_s: int
    provider: str
    model: str
    agent_name: str
    sums: Sums


_COUNTS = [f.name for f in fields(Sums) if f.type == "int"]
_MONEY = [f.name for f in fields(Sums) if f.type == "Decimal | None"]
_FACTORS = [f.name for f in fields(Sums) if f.type == "float | None"]


def load_usage(store: Store, ask: Ask) -> tuple[UsageRow, ...]:
    """Read the sums.

    Raises:
        StoreError: the store does not answer.
    """
    return tuple(
        UsageRow(
            int(str(row["bucket_s"])),
            str(row["provider"]),
            str(row["model"]),
            str(row["agent_name"]),
            _sums(row),
        )
        for row in store.rows("dashboard_cache_usage", ask.params(bucket_s=ask.bucket_s))
    )


def load_causes(store: Store, ask: Ask) -> tuple[Row, ...]:
    """Read why tokens were paid again, dearest first.

    Raises:
        StoreError: the store does not answer.
    """
    return tuple(store.rows("dashboard_cache_causes", ask.params()))


def load_examples(store: Store, ask: Ask, cause: Row, most: int) -> tuple[Row, ...]:
    """Read the calls that lost most for one cause of ``load_causes``.

    Raises:
        StoreError: the store does not answer.
    """
    return tuple(store.rows("dashboard_cache_examples", example_params(ask, cause, most)))


def example_params(ask: Ask, cause: Row, most: int) -> dict[str, object]:
    """Return the parameters that name the examples of a cause."""
    names = ("segment_kind", "cause", "detail")
    chosen = {name: str(cause[name]) for name in names}
    return ask.params(agent=str(cause["agent_name"]), most=most, **chosen)


def added(rows: Iterable[Sums]) -> Sums:
    """Return the sum of sums; of factors the largest."""
    kept = list(rows)
    counts = {name: sum(getattr(one, name) for one in kept) for name in _COUNTS}
    money = {name: _added([getattr(one, name) for one in kept]) for name in _MONEY}
    factors = {
        name: max((v for one in kept if (v := getattr(one, name)) is not None), default=None)
        for name in _FACTORS
    }
    values: dict[str, Any] = {**counts, **money, **factors}
    return Sums(**values)


def grouped(rows: Sequence[UsageRow], key: Callable[[UsageRow], Key]) -> dict[Key, Sums]:
    """Return sums by key, the largest input first."""
    found: dict[Key, list[Sums]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row.sums)
    made = {name: added(sums) for name, sums in found.items()}
    return dict(sorted(made.items(), key=lambda item: (-item[1].input_tokens, str(item[0]))))


def _sums(row: Row) -> Sums:
    counts = {name: int(str(row[name])) for name in _COUNTS}
    money = {name: None if row[name] is None else Decimal(str(row[name])) for name in _MONEY}
    factors = {name: cast("float | None", row[name]) for name in _FACTORS}
    values: dict[str, Any] = {**counts, **money, **factors}
    return Sums(**values)


def _added(values: Sequence[Decimal | None]) -> Decimal | None:
    known = [value for value in values if value is not None]
    return sum(known, Decimal(0)) if known else None
