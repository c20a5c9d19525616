"""The ledger's side: what the calls of some days used and cost, by what reports tell apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from operator import add
from typing import NamedTuple, cast

import pyarrow as pa

from spanledger_analytics._rows import columns_of
from spanledger_analytics.invoices.line import TokenClass
from spanledger_analytics.price_book.own import plain_tier
from spanledger_analytics.providers import price_book_id
from spanledger_analytics.reconciliation.contexts import BOUNDARIES
from spanledger_analytics.reconciliation.models import plain_name
from spanledger_analytics.reconciliation.pico import ONE, picos_of, to_pico
from spanledger_storage.store import Store

DAY_S = 86_400
TOKEN_CLASSES = (
    TokenClass.UNCACHED,
    TokenClass.CACHE_READ,
    TokenClass.CACHE_WRITE,
    TokenClass.OUTPUT,
)
"""Classes of tokens the ledger knows the cost of."""
_NAMES = (
    "kind", "provider", "model", "service_tier", "region", "scope", "api_key", "day", "bucket",
)  # fmt: skip
_TOKENS = ("write_5m", "write_1h", "media")
_KINDS = {"tool": TokenClass.TOOL, "gpu": TokenClass.GPU, "infra": TokenClass.INFRA}


class Sum(NamedTuple):
    """One class of some calls; all in units of 10^-12.

    Attributes:
        quantity: tokens, searches, calls.
        usd: what the ledger says they cost.
        list_usd: before contracts.
        unpriced: quantity of which no price is known.
        retried: quantity of calls with several attempts, once for each attempt but one.
        crossing: quantity of calls that ended on a later day than they began.
        retried_usd: what the ledger says the attempts of ``retried`` would cost.
        crossing_usd: what it says of ``crossing``.
    """

    quantity: int = 0
    usd: int = 0
    list_usd: int = 0
    unpriced: int = 0
    retried: int = 0
    crossing: int = 0
    retried_usd: int = 0
    crossing_usd: int = 0

    def plus(self, other: Sum) -> Sum:
        """Return both together."""
        return Sum._make(map(add, self, other)) if any(self) else other


class Telemetry(NamedTuple):
    """How well some calls are known.

    Attributes:
        calls: how many.
        without_input: of which the input tokens are not known.
        without_output: of which the output tokens are not known, or estimated.
        cut: streams that failed after the answer had begun.
        extra_attempts: attempts beyond the first.
        crossing: calls that ended on a later day than they began.
        unpriced: calls without a known price.
    """

    calls: int = 0
    without_input: int = 0
    without_output: int = 0
    cut: int = 0
    extra_attempts: int = 0
    crossing: int = 0
    unpriced: int = 0

    def plus(self, other: Telemetry) -> Telemetry:
        """Return both together."""
        return Telemetry._make(map(add, self, other)) if any(self) else other


class DimensionRule(NamedTuple):
    """Entries with this dimension are of a provider's scope or key; empty: not said."""

    dimension: str
    value: str
    scope: str = ""
    api_key: str = ""


class Group(NamedTuple):
    """Columns of the ledger by which calls are looked up again, as they stand there."""

    provider: str
    model: str
    service_tier: str
    region: str
    scope: str
    api_key: str


class Names(NamedTuple):
    """What an entry of the ledger is compared by, as ``names_of`` finds it."""

    provider_id: str
    model: str
    processing: str
    service_tier: str
    geo: str


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """Calls that are equal in everything a report may tell apart.

    Attributes:
        day: since 1970.
        names: provider, model (plain), processing, tier and geography.
        provider: as in the ledger.
        model: as in the ledger.
        scope: of the provider; empty: not known.
        api_key: id; empty: not known.
        service_tier: as in the ledger.
        region: as in the ledger.
        bucket: how many of ``contexts.BOUNDARIES`` their input exceeds.
        telemetry: how well they are known.
        write_5m: cache writes said to last five minutes; units of 10^-12.
        write_1h: the same of an hour.
        media: tokens of audio and images among the others; units of 10^-12.
        sums: by token class.
    """

    day: int
    names: Names
    provider: str
    model: str
    scope: str
    api_key: str
    service_tier: str
    region: str
    bucket: int
    telemetry: Telemetry
    write_5m: int
    write_1h: int
    media: int
    sums: Mapping[TokenClass, Sum] = field(default_factory=dict[TokenClass, Sum])

    @property
    def group(self) -> Group:
        """What its calls have in common in the ledger."""
        return Group(
            self.provider, self.model, self.service_tier, self.region, self.scope, self.api_key
        )


def provider_id(provider: str) -> str:
    """Return by which name a provider is compared: two spellings of one are equal."""
    return price_book_id(provider) or provider.strip().lower()


@lru_cache(maxsize=8192)
def names_of(provider: str, model: str, service_tier: str, region: str) -> Names:
    """Return what a ledger entry of these columns is compared by."""
    tier = plain_tier(service_tier)
    processing = "batch" if tier == "batch" else "sync"
    return Names(
        provider_id(provider),
        plain_name(model),
        processing,
        "" if tier == "batch" else tier,
        region.strip().lower(),
    )


def read_ledger(
    store: Store,
    project: str,
    first: int,
    last: int,
    rules: Sequence[DimensionRule] = (),
) -> Iterator[LedgerRow]:
    """Return the ledger of some days, both inclusive, in days since 1970.

    Args:
        store: the telemetry store.
        project: whose ledger.
        first: first day.
        last: last day.
        rules: which dimension means which scope or key of the provider.

    Raises:
        StoreError: the store refused or did not answer.
    """
    params: dict[str, object] = {
        "project": project,
        "from_s": first * DAY_S,
        "to_s": (last + 1) * DAY_S,
        "boundaries": list(BOUNDARIES),
        "dimensions": [rule.dimension for rule in rules],
        "values": [rule.value for rule in rules],
        "scopes": [rule.scope for rule in rules],
        "keys": [rule.api_key for rule in rules],
    }
    yield from _rows_of(store.arrow("reconciliation_ledger", params))
    for row in store.rows("focus_gpu_unused", params):
        yield _unused_gpu(row)


def date_of(day: int) -> date:
    """Return the date of a day since 1970."""
    return datetime.fromtimestamp(day * DAY_S, UTC).date()


def day_of(day: date) -> int:
    """Return days since 1970."""
    return (day - date(1970, 1, 1)).days


def _rows_of(table: pa.Table) -> Iterator[LedgerRow]:
    """Return what the statement found, column by column: rows of sixty values are slow to make."""
    named = cast(
        "Iterator[tuple[str, str, str, str, str, str, str, int, int]]", columns_of(table, _NAMES)
    )
    known = cast("Iterator[tuple[int, ...]]", columns_of(table, Telemetry._fields))
    tokens = cast("Iterator[tuple[int, int, int]]", columns_of(table, _TOKENS))
    told = map(Telemetry._make, known)
    for names, telemetry, (write_5m, write_1h, media), sums in zip(
        named, told, tokens, _sums(table), strict=True
    ):
        kind, provider, model, service_tier, region, scope, api_key, day, bucket = names
        yield LedgerRow(
            day, names_of(provider, model, service_tier, region), provider, model, scope, api_key,
            service_tier, region, bucket, Telemetry() if kind in _KINDS else telemetry,
            write_5m * ONE, write_1h * ONE, media * ONE, sums,
        )  # fmt: skip


def _unused_gpu(row: dict[str, object]) -> LedgerRow:
    """Return time of GPUs that no call pays for: the ledger leaves it out, an export does not."""
    usd = to_pico(cast("Decimal", row["total_cost_usd"]))
    return LedgerRow(
        day=day_of(cast("date", row["day"])),
        names=names_of("", "", "", ""),
        provider="",
        model="",
        scope="",
        api_key="",
        service_tier="",
        region="",
        bucket=0,
        telemetry=Telemetry(),
        write_5m=0,
        write_1h=0,
        media=0,
        sums={TokenClass.GPU: Sum(ONE, usd, usd)},  # a line of an export is a day of one kind
    )


_WHOLE_USD = ("total_usd", "list_usd", "fees_usd", "request_fees_usd")


def _sums(table: pa.Table) -> Iterator[dict[TokenClass, Sum]]:
    """Return what each row comes to, by class."""
    usd = [picos_of(table.column(name)) for name in _WHOLE_USD]
    classes = [_class_sums(table, name) for name in TOKEN_CLASSES]
    whole = columns_of(table, ("kind", "calls", "web_searches", "fee_requests"))
    told = cast("Iterator[tuple[str, int, int, int]]", whole)
    for (kind, calls, searches, requests), total, listed, fees, request_fees, *sums in zip(
        told, *usd, *classes, strict=True
    ):
        other = _KINDS.get(kind)
        if other is not None:
            yield {other: Sum(calls * ONE, total, listed)}
            continue
        found = {
            name: one if listed == total else one._replace(list_usd=_listed(one.usd, listed, total))
            for name, one in zip(TOKEN_CLASSES, sums, strict=True)
            if one.quantity or one.usd
        }
        rest = total - fees - sum([one.usd for one in sums])
        for name, quantity, usd_fees in (
            (TokenClass.WEB_SEARCH, searches, fees - request_fees),
            (TokenClass.TOOL, requests, request_fees),
        ):
            if usd_fees or quantity:
                listed_fees = _listed(usd_fees, listed, total)
                found[name] = Sum(quantity * ONE, usd_fees, listed_fees)
        if rest:  # of calls whose cost was told as a whole
            found[TokenClass.MODEL] = Sum(0, rest, _listed(rest, listed, total))
        yield found


def _class_sums(table: pa.Table, name: str) -> Iterator[Sum]:
    """Return the sums of one class, row by row, as if no contract changed a price."""
    tokens = columns_of(table, (name, f"{name}_unpriced", f"{name}_retried", f"{name}_crossing"))
    dollars = [
        picos_of(table.column(f"{name}_{what}")) for what in ("usd", "retried_usd", "crossing_usd")
    ]
    for (quantity, unpriced, retried, crossing), usd, retried_usd, crossing_usd in zip(
        cast("Iterator[tuple[int, int, int, int]]", tokens), *dollars, strict=True
    ):
        yield Sum(
            quantity * ONE, usd, usd, unpriced * ONE, retried * ONE, crossing * ONE,
            retried_usd, crossing_usd,
        )  # fmt: skip


def _listed(usd: int, listed: int, total: int) -> int:
    return usd if listed == total or not total else usd * listed // total
