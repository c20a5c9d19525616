"""Prices over the API: what the price book says, and what is one's own."""

from __future__ import annotations

import io
from collections.abc import Iterator
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spanledger_analytics.price_book.book import PriceBook, PriceKey
from spanledger_server.api.app import create_app
from spanledger_storage.api_keys import Scope
from spanledger_storage.price_state import ContractRow, PriceState, RateRow
from spanledger_storage.service_price_rows import InfraPriceRow, ToolPriceRow
from spanledger_storage.store import StoreSettings
from tests.api_asking import Asker
from tests.keys import State, key_state

NOWHERE = StoreSettings.from_url("clickhouse://127.0.0.1:1/x")  # prices are not in the store
START_NS = 1_760_000_000 * 10**9
PRICE = Decimal("0.123456789012345678")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    with key_state(tmp_path_factory.mktemp("state")) as state:
        with PriceState(state.engine).change("ann", 1) as change:
            change.add(
                RateRow(
                    "vllm", 'own,"model', "input", PRICE, 10**6, "USD", "", "", 0, START_NS, None
                )
            )
            change.add(ContractRow("c1", "anthropic", "", Decimal("0.85"), None, START_NS, None))
            for project in ("", "default", "shop"):
                change.add(
                    ToolPriceRow(
                        project,
                        "",
                        f"tool-{project}",
                        Decimal("0.005"),
                        "call",
                        "",
                        1,
                        True,
                        START_NS,
                        None,
                    )
                )
            change.add(InfraPriceRow("shop", "hidden", Decimal(1), START_NS, None))
        yield state


@pytest.fixture(scope="module")
def asker(state: State) -> Asker:
    return Asker(create_app(NOWHERE, state.ring, state=state.engine), state.key(Scope.READ))


def test_a_model_resolves_to_what_the_ledger_would_price_it_with(asker: Asker) -> None:
    asked = {"provider": "anthropic", "model": "claude-sonnet-4-5-20250929", "at": "2026-11-01"}
    body = asker.get("/api/v1/prices/resolve", asked).json()
    book = PriceBook.bundled()
    at_ns = 1_793_491_200 * 10**9
    prices = book.resolve(PriceKey("anthropic", "claude-sonnet-4-5-20250929"), at_ns)
    price = prices.for_input(1_000)
    assert price is not None
    small = asker.get("/api/v1/prices/resolve", {**asked, "input_tokens": 1_000}).json()
    assert small["price_id"].startswith(price.price_id)
    assert body["contract"] == {"id": "c1", "multiplier": "0.85"}
    rates = {(r["token_class"], r["above_tokens"]): Decimal(r["price"]) for r in body["rates"]}
    assert rates["input", 0] * 10**12 / 10**6 * price.scale == price.input
    unknown = asker.get("/api/v1/prices/resolve", {"provider": "openai", "model": "gpt-5x"}).json()
    assert (unknown["absence"], unknown["rates"]) == ("unknown_model", [])
    assert unknown["nearest_model"].startswith("gpt-5")
    assert asker.get("/api/v1/prices/resolve", {"model": "x"}).status_code == 422


def test_own_rates_are_exact_in_every_format(asker: Asker) -> None:
    [row] = asker.rows("/api/v1/prices/own")
    assert (row["model"], row["price"]) == ('own,"model', f"{PRICE:f}")
    csv = asker.get("/api/v1/prices/own", {"format": "csv"}).text
    assert '"own,""model"' in csv
    assert f"{PRICE:f}" in csv
    stream = asker.get("/api/v1/prices/own", {"format": "arrow"}).content
    file = asker.get("/api/v1/prices/own", {"format": "parquet"}).content
    for table in (pa.ipc.open_stream(stream).read_all(), pq.read_table(io.BytesIO(file))):
        assert table.column("price").to_pylist() == [PRICE]
    [same] = asker.rows("/api/v1/prices", provider="vllm")
    assert (same["price"], same["source"]) == (row["price"], f"own:{row['id']}")


def test_the_rates_in_force_are_those_of_the_moment(asker: Asker) -> None:
    rows = asker.rows("/api/v1/prices", provider="openai", model="gpt-5*")
    assert {row["provider"] for row in rows} == {"openai"}
    assert all(row["model"].startswith("gpt-5") for row in rows)
    assert asker.rows("/api/v1/prices", provider="vllm", at="2025-01-01") == []
    assert asker.get("/api/v1/prices", {"at": "yesterday"}).status_code == 422


def test_price_lists_of_other_projects_are_not_told(asker: Asker) -> None:
    tools = {row["tool"] for row in asker.rows("/api/v1/prices/tools")}
    assert tools == {"tool-", "tool-default"}
    assert asker.rows("/api/v1/prices/infrastructure") == []
