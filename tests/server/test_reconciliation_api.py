"""Reconciliations over HTTP: the report, coverage, cells page by page and as files."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import date
from decimal import Decimal

import pytest
import sqlalchemy as sa

from spanledger_analytics.reconciliation.report.model import Report
from spanledger_server.api.app import create_app
from spanledger_storage.store import Store, StoreSettings
from tests.api_asking import Asker
from tests.reconciled import DAY, cell, put, share

CELLS = "/api/v1/reconciliation-cells"
PERIOD = {"from": "2026-11-01", "to": "2026-12-01"}


@pytest.fixture
def api(store: Store, store_settings: StoreSettings, state: sa.Engine) -> Asker:
    put(
        store,
        cell("1", "2.5", share("price_book", "1", said="=1+1"), share("unexplained", "0.5", "low")),
        cell("1", "1", provider="anthropic", day=date(2026, 11, 2)),
        *(cell("0", "1", share("tax", "1"), scope=f"s{n}") for n in range(5)),
        cell("0", "0", token_class="requests", quantities=("90", "100", None)),
    )
    put(store, cell("0", "9"), project="another")
    return Asker(create_app(store_settings, state=state))


def test_the_report_is_answered_with_and_without_cells(api: Asker) -> None:
    answer = api.get("/api/v1/reconciliation", {"days": "2026-11", "cells": "true"})
    report = Report.model_validate_json(answer.text)
    assert report.totals.variance_usd == Decimal("6.5")
    assert (report.causes[0].cause, len(report.cells)) == ("unexplained", 8)
    bare = api.get("/api/v1/reconciliation", {"days": "2026-11", "provider": "anthropic"}).json()
    assert (bare["totals"]["variance_usd"], bare["cells"]) == ("0", [])
    nothing = api.get("/api/v1/reconciliation", {"days": "2026-10"}).json()
    assert nothing["totals"]["matched_share"] is None
    refused = api.get("/api/v1/reconciliation", {"days": "May"})
    assert (refused.status_code, "is no month" in refused.json()["detail"]) == (422, True)


def test_coverage_counts_requests(api: Asker) -> None:
    params = {"days": "2026-11-18", "provider": "openai", "by_day": "true"}
    [row] = api.get("/api/v1/reconciliation/coverage", params).json()["rows"]
    assert (row["measure"], row["share"], row["day"]) == ("requests", "0.9", DAY.isoformat())


def test_cells_come_page_by_page_and_filtered(api: Asker) -> None:
    pages = list(api.pages(CELLS, **PERIOD, limit=3))
    assert [len(page) for page in pages] == [3, 3, 2]
    ids = [row["cell_id"] for page in pages for row in page]
    assert len(set(ids)) == 8
    [one] = api.rows(CELLS, **PERIOD, cause="price_book")
    assert one["variance_usd"] == "1.500000000000"
    assert [c["usd"] for c in one["causes"]] == ["1.000000000000", "0.500000000000"]
    assert len(api.rows(CELLS, **PERIOD, beyond_tolerance="true")) == 6
    assert len(api.rows(CELLS, **PERIOD, scope="s3")) == 1
    assert len(api.rows(CELLS, **PERIOD, provider="anthropic")) == 1
    assert api.get(CELLS, {**PERIOD, "cause": "magic"}).status_code == 422


@pytest.mark.parametrize("fmt", ["csv", "jsonl", "parquet"])
def test_all_cells_are_exported(api: Asker, fmt: str) -> None:
    answer = api.get(f"/api/v1/export{CELLS.removeprefix('/api/v1')}", {**PERIOD, "format": fmt})
    assert answer.status_code == 200
    if fmt == "csv":
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert sum(Decimal(row["variance_usd"]) for row in rows) == Decimal("6.5")
    elif fmt == "jsonl":
        assert len(answer.text.splitlines()) == 8


DISPUTE = "/api/v1/reconciliation/dispute"


def test_a_dispute_pack_is_answered_in_every_format(api: Asker) -> None:
    asked = {"days": "2026-11", "provider": "openai"}
    told = api.get(DISPUTE, asked)
    assert 'filename="dispute-openai-2026-11.json"' in told.headers["content-disposition"]
    pack = told.json()
    assert (pack["schema"], pack["provider"], pack["calls"]) == (
        "spanledger.dispute/1", "openai", [],
    )  # fmt: skip
    total = sum(Decimal(row["difference_usd"]) for row in pack["differences"])
    assert total == Decimal("6.5")
    rows = list(csv.DictReader(io.StringIO(api.get(DISPUTE, {**asked, "format": "csv"}).text)))
    assert sum(Decimal(row["difference_usd"]) for row in rows) == total
    assert any("=1+1" in row["description"] for row in rows)
    page = api.get(DISPUTE, {**asked, "format": "html"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    with zipfile.ZipFile(
        io.BytesIO(api.get(DISPUTE, {**asked, "format": "zip"}).content)
    ) as packed:
        assert packed.testzip() is None
        assert packed.namelist() == [f"dispute-openai-2026-11.{e}" for e in ("csv", "html", "json")]
        inside = json.loads(packed.read("dispute-openai-2026-11.json"))
    assert inside["differences"] == pack["differences"]


def test_a_dispute_names_one_cell_or_is_refused(api: Asker) -> None:
    [one] = api.rows(CELLS, **PERIOD, cause="price_book")
    pack = api.get(DISPUTE, {"days": "2026-11", "cell": one["cell_id"][:10]}).json()
    assert (pack["cell_id"], len(pack["differences"])) == (one["cell_id"], 1)
    missing = api.get(DISPUTE, {"days": "2026-11", "cell": "zz"})
    assert missing.status_code == 404
    assert missing.json()["detail"] == (
        "No cell of 2026-11-01 to 2026-11-30 begins with 'zz'; `spanledger reconcile show` and"
        " /api/v1/reconciliation-cells list them."
    )
    assert api.get(DISPUTE, {"days": "2026-11", "provider": "nobody"}).status_code == 404
    every = api.get(DISPUTE, {"days": "2026-11"}).json()
    assert (len(every["differences"]), every["provider"], every["project"]) == (8, "", "default")
    assert api.get(DISPUTE, {"days": "2026-10"}).json()["differences"] == []
    assert (
        api.get(DISPUTE, {"days": "2026-11", "provider": "x", "format": "exe"}).status_code == 422
    )
