"""Prices over HTTP: what is in force, what is one's own, what a call would be priced with."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field, create_model

from spanledger_analytics.price_book.book import BookSource, PriceBook, PriceKey
from spanledger_analytics.price_book.rates import FlatRate
from spanledger_analytics.price_book.store import load_overrides, overrides_revision
from spanledger_server.api.access import ProjectName
from spanledger_server.api.formats import CONTENT_TYPES, MEDIA_TYPES, Format
from spanledger_server.api.listings import make_router
from spanledger_server.api.price_rows import InfraPrice, Rate, Record, ToolPrice, written
from spanledger_server.api.questions import AskedFormat, Text
from spanledger_server.api.row_types import Moment, Row
from spanledger_server.api.rows import moment_text
from spanledger_server.periods import parse_moment
from spanledger_server.prices.views import RateFilter, rates_in_force
from spanledger_storage.price_state import PriceState, RateRow, StateEngine
from spanledger_storage.service_price_rows import InfraPriceRow, ToolPriceRow

_NS_PER_S = 1_000_000_000
At = Annotated[str, Query(max_length=64, description="RFC 3339 time or date; default: now.")]
Narrowed = Annotated[Text, Query(description="As in the price data or on the wire; empty: any.")]


class Contract(Row):
    """A contract that changes the list price."""

    id: str
    multiplier: str = Field(examples=["0.85"], description="Of the list price, as a fraction.")


class Resolved(Row):
    """What a call is priced with."""

    project: str
    provider: str
    model: str
    at: Moment
    absence: str = Field(description="Why there is none: unknown_model missing_rate self_hosted.")
    price_id: str | None = Field(
        description="As the ledger would have it; null: none, or the size of the request decides."
    )
    contract: Contract | None
    nearest_model: str = Field(description="A known name like one that is not known.")
    rates: list[Rate]


@dataclass
class _Call:
    """What a price depends on."""

    provider: Annotated[Text, Query(min_length=1, description="As in the spans.")]
    model: Annotated[Text, Query(min_length=1, description="As in the spans.")]
    tier: Annotated[Text, Query(description="Service tier; empty: standard.")] = ""
    region: Text = ""
    input_tokens: Annotated[
        int | None, Query(ge=0, le=10**15, description="Where prices depend on the size.")
    ] = None


class _Book:
    """The price book for several threads: it is not made for more than one at once."""

    def __init__(self, state: StateEngine) -> None:
        self._source = BookSource(
            partial(load_overrides, state), partial(overrides_revision, state)
        )
        self._lock = threading.Lock()

    def rates(self, at_ns: int, narrowed: RateFilter) -> list[FlatRate]:
        with self._lock:
            return list(rates_in_force(self._source(), at_ns, narrowed))

    def resolved(self, project: str, call: _Call, at_ns: int) -> Resolved:
        with self._lock:
            return _resolved(self._source(), project, call, at_ns)


def prices_router(state: StateEngine) -> APIRouter:
    """Return the routes; ``state`` holds what a user added to the price data."""
    router = make_router("prices")
    book = _Book(state)

    @router.get("/prices", **_described(Rate))
    def prices(
        project: ProjectName,
        fmt: AskedFormat,
        provider: Narrowed = "",
        model: Annotated[Text, Query(description="A name, or a prefix with *.")] = "",
        tier: Annotated[Text, Query(description="standard, batch, priority …; empty: any.")] = "",
        at: At = "",
    ) -> Response:
        """Every rate in force at a moment: the price data, with own rates in their place."""
        at_ns = _ns(at)
        rates = book.rates(at_ns, RateFilter(provider, model, tier))
        return _answer(project, at_ns, [_flat(rate) for rate in rates], Rate, fmt)

    @router.get("/prices/resolve")
    def resolve(project: ProjectName, call: Annotated[_Call, Depends()], at: At = "") -> Resolved:
        """What a call of a model at a moment is priced with, own rates and contracts applied."""
        return book.resolved(project, call, _ns(at))

    _add_own(router, PriceState(state))
    return router


def _add_own(router: APIRouter, state: PriceState) -> None:
    @router.get("/prices/own", **_described(Rate))
    def own(
        project: ProjectName,
        fmt: AskedFormat,
        withdrawn: Annotated[bool, Query(description="With those that price nothing.")] = False,
    ) -> Response:
        """Own rates, whenever they hold. They are for every project."""
        rows = [_own(row) for row in state.rates(withdrawn=withdrawn)]
        return _answer(project, _ns(""), rows, Rate, fmt)

    @router.get("/prices/tools", **_described(ToolPrice))
    def tools(project: ProjectName, fmt: AskedFormat) -> Response:
        """The price list of tools, as far as it is for the project."""
        return _answer(project, _ns(""), _scoped(state.tool_prices(), project), ToolPrice, fmt)

    @router.get("/prices/infrastructure", **_described(InfraPrice))
    def infrastructure(project: ProjectName, fmt: AskedFormat) -> Response:
        """What the infrastructure of the project's services costs per hour."""
        return _answer(project, _ns(""), _scoped(state.infra_prices(), project), InfraPrice, fmt)


def _answer(
    project: str, at_ns: int, records: Sequence[Record], row: type[Row], fmt: Format
) -> Response:
    body = written(records, row, fmt).body()
    if fmt is Format.JSON:
        head = orjson.dumps({"project": project, "at": moment_text(at_ns)})
        body = head[:-1] + b',"rows":[\n' + body + b"\n]}\n"
    return Response(body, media_type=CONTENT_TYPES[fmt])


def _described(row: type[Row]) -> dict[str, Any]:
    fields: dict[str, Any] = {"project": (str, ...), "at": (Moment, ...), "rows": (list[row], ...)}  # type: ignore[valid-type]
    model: type[BaseModel] = create_model(f"{row.__name__}List", **fields)
    others: dict[str, Any] = {
        MEDIA_TYPES[fmt]: {"schema": {}} for fmt in Format if fmt is not Format.JSON
    }
    return {
        "response_class": Response,
        "responses": {200: {"model": model, "content": others}},
    }


def _resolved(book: PriceBook, project: str, call: _Call, at_ns: int) -> Resolved:
    key = PriceKey(call.provider, call.model, "", call.tier, call.region)
    prices = book.resolve(key, at_ns)
    price, discount = prices.for_input(call.input_tokens), prices.discount
    rates = written([_flat(rate) for rate in book.rates_of(key, at_ns)], Rate, Format.JSON).body()
    return Resolved(
        project=project,
        provider=call.provider,
        model=call.model,
        at=moment_text(at_ns),
        absence="" if prices.bands else prices.absence,
        price_id=None if price is None else price.price_id,
        contract=None if discount is None else Contract(
            id=discount.contract_id,
            multiplier=_fraction(discount.numerator, discount.denominator),
        ),
        nearest_model="" if prices.bands else book.nearest(call.provider, call.model),
        rates=[Rate.model_validate(one) for one in orjson.loads(b"[" + rates + b"]")],
    )  # fmt: skip


def _fraction(numerator: int, denominator: int) -> str:
    """Return a contract's factor as it was given, a decimal number."""
    return f"{(Decimal(numerator) / Decimal(denominator)).normalize():f}"


def _flat(rate: FlatRate) -> Record:
    is_own = rate.source.startswith("own:")
    fields = {name: getattr(rate, name, None) for name in Rate.model_fields}
    return {
        **fields,
        "id": int(rate.source.removeprefix("own:")) if is_own else None,
        "effective_from": rate.effective_from_ns,
        "effective_to": rate.effective_to_ns,
        "note": "",
        "withdrawn_at": None,
    }


def _own(row: RateRow) -> Record:
    fields = {name: getattr(row, name, "") for name in Rate.model_fields}
    return {
        **fields,
        "source": f"own:{row.id}",
        **_period(row),
        "withdrawn_at": row.withdrawn_at_ns,
    }


def _scoped(rows: Iterable[ToolPriceRow] | Iterable[InfraPriceRow], project: str) -> list[Record]:
    """Return the rows that are for the project, or for all; those of others are not told."""
    fields = {*ToolPrice.model_fields, *InfraPrice.model_fields}
    return [
        {**{name: getattr(row, name, None) for name in fields}, **_period(row)}
        for row in rows
        if row.project in ("", project)
    ]


def _period(row: RateRow | ToolPriceRow | InfraPriceRow) -> Record:
    return {"effective_from": row.effective_from_ns, "effective_to": row.effective_to_ns}


def _ns(at: str) -> int:
    return parse_moment("at", at, int(time.time())) * _NS_PER_S
