"""Routes and tokens read from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from math import isnan
from typing import cast

from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.routing.cascades import on_stronger
from spanledger_analytics.routing.counterfactual import Model, UsageSum, is_dearer
from spanledger_analytics.routing.routes import Attempts, Calls, Retry, Route, routes_of
from spanledger_analytics.tokens import Tokens
from spanledger_storage.store import Store

Row = Mapping[str, object]

_MOST_ROWS = 100_000  # bounds memory; far more than anybody has classes of tasks and models
_TOKENS = ("uncached_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
_ENDS = ("attempts", "completed", "failed", "escalated", "abandoned", "unended", "unpriced_calls")


def load_routes(store: Store, project: str, from_s: int, to_s: int) -> list[Route]:
    """Return the routes of a period, UTC seconds, half open: all of them.

    A part of the attempts and a part of the calls would not be of the same routes. ``on_stronger``
    is not told yet: it needs prices, and ``with_retries`` fills it in.

    Raises:
        StoreError: the store does not answer.
    """
    params: dict[str, object] = {
        "project": project, "from_s": from_s, "to_s": to_s, "page_size": _MOST_ROWS,
    }  # fmt: skip
    attempts = [_attempts(row) for row in store.rows("routing_attempts", params)]
    calls = [_calls(row) for row in store.rows("routing_calls", params)]
    return routes_of(attempts, calls)


def with_retries(
    routes: Sequence[Route], book: PriceBook, at_ns: int, most: int | None = None
) -> list[Route]:
    """Return the first routes, as many as ``most``, with the retries that went to dearer models.

    Args:
        routes: all of a period: retries lead to any of them.
        book: has the prices that decide which model is dearer.
        at_ns: when they are in force, UTC.
        most: None: all.
    """
    dearer = Dearer(book, at_ns)
    of_class: dict[str, list[Route]] = {}
    for one in routes:
        of_class.setdefault(one.task_class, []).append(one)
    return [
        replace(one, on_stronger=on_stronger(one, of_class[one.task_class], dearer))
        for one in routes[:most]
    ]


class Dearer:
    """Tells whether the tokens of a route cost more at another model, at prices of one instant."""

    def __init__(self, book: PriceBook, at_ns: int) -> None:
        self._book = book
        self._at_ns = at_ns

    def __call__(self, route: Route, provider: str, model: str) -> bool | None:
        """Return it; None: not known."""
        mix = {name: sum(c.tokens.get(name, 0) for c in route.calls) for name in _TOKENS}
        own, other = Model(route.provider, route.model), Model(provider, model)
        return is_dearer(self._book, mix, other, own, self._at_ns) if any(mix.values()) else None


def load_usage(
    store: Store, project: str, from_s: int, to_s: int, task_class: str, sizes: Sequence[int]
) -> list[UsageSum]:
    """Return the tokens of a class of task, by what prices depend on.

    Raises:
        StoreError: the store does not answer.
    """
    params: dict[str, object] = {
        "project": project,
        "from_s": from_s,
        "to_s": to_s,
        "task_class": task_class,
        "sizes": list(sizes),
    }
    return [_usage(row) for row in store.rows("routing_usage", params)]


def _attempts(row: Row) -> Attempts:
    retries = zip(
        cast("Sequence[str]", row["retry_models"]),
        cast("Sequence[int]", row["retry_counts"]),
        cast("Sequence[int]", row["retry_completed"]),
        strict=True,
    )
    counts = {name: cast("int", row[name]) for name in _ENDS}
    return Attempts(
        task_class=str(row["task_class"]),
        model=str(row["model"]),
        agent_name=str(row["agent_name"]),
        **counts,
        cost_usd=cast("Decimal", row["cost_usd"]),
        p50_ns=cast("float | None", row["p50_ns"]),
        p95_ns=cast("float | None", row["p95_ns"]),
        retries=tuple(Retry(*retry) for retry in retries),
    )


def _calls(row: Row) -> Calls:
    counts = ("calls", "errors", "priced_calls", "unpriced_calls", "calls_without_usage")
    return Calls(
        task_class=str(row["task_class"]),
        provider=str(row["provider"]),
        model=str(row["model"]),
        **{name: cast("int", row[name]) for name in counts},
        tokens={name: cast("int", row[name]) for name in _TOKENS},
        total_cost_usd=cast("Decimal", row["total_cost_usd"]),
        p50_ns=_known(row["p50_ns"]),
        p95_ns=_known(row["p95_ns"]),
    )


def _known(value: object) -> float | None:
    """Return a quantile; of no values the store gives not-a-number."""
    number = cast("float | None", value)
    return None if number is None or isnan(number) else number


def _usage(row: Row) -> UsageSum:
    return UsageSum(
        provider=str(row["provider"]),
        model=str(row["model"]),
        size_from=cast("int", row["size_from"]),
        calls=cast("int", row["calls"]),
        tokens={name: cast("int", row[name]) for name in Tokens._fields},
        paid_usd=cast("Decimal", row["total_cost_usd"]),
        service_tier=str(row["service_tier"]),
        region=str(row["region"]),
    )
