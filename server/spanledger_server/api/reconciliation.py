"""The ledger against what providers billed, over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import chain
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from spanledger_analytics.reconciliation.coverage import (
    Coverage,
    Measure,
    coverage_by_day,
    coverage_by_key,
)
from spanledger_analytics.reconciliation.days import Days, DaysError, day_at, days_of, month_before
from spanledger_analytics.reconciliation.dispute import DisputeError, open_dispute
from spanledger_analytics.reconciliation.dispute_files import (
    MEDIA_TYPES,
    dispute_parts,
    file_name,
)
from spanledger_analytics.reconciliation.reading import read
from spanledger_analytics.reconciliation.report.build import read_report, rfc3339
from spanledger_analytics.reconciliation.report.model import Amount, Report
from spanledger_analytics.reconciliation.result import Cause, Reconciliation
from spanledger_server.api.access import ProjectName
from spanledger_server.api.listings import Filters, add_listing, make_router
from spanledger_server.api.questions import Text
from spanledger_server.api.reconciliation_rows import ReconciliationCell
from spanledger_server.api.resources import Resource
from spanledger_server.errors import UsageError
from spanledger_storage.price_state import StateEngine
from spanledger_storage.store import Store

CELLS = Resource(
    "reconciliation-cells",
    "api_reconciliation_cells",
    ReconciliationCell,
    "time",
    ("cell_id",),
    splits="hash",
)
AskedDays = Annotated[
    str,
    Query(
        alias="days",
        max_length=32,
        description="A month, a day, or two days with .. between them, UTC; default: the month "
        "before the running one.",
        examples=["2026-11", "2026-11-18", "2026-11-01..2026-11-18"],
    ),
]
AskedCell = Annotated[
    str,
    Query(
        max_length=32,
        description="Id of a cell, or how it begins; without one all days of the provider, or of "
        "all providers.",
    ),
]


@dataclass
class CellFilters(Filters):
    """Filters of cells."""

    provider: Text = ""
    model: Text = ""
    scope: Text = ""
    token_class: Text = ""
    cause: Annotated[Cause | None, Query(description="Cells that have it.")] = None
    beyond_tolerance: Annotated[bool, Query(description="Only cells beyond tolerance.")] = False

    def params(self) -> dict[str, object]:
        """Return the filters as the statement takes them."""
        told = Filters.params(self)
        beyond = int(bool(told.pop("beyond_tolerance")))
        return {**told, "cause": str(self.cause or ""), "beyond": beyond}


class CoverageRow(BaseModel):
    """What of a key's usage the ledger holds."""

    provider: str
    scope: str | None = Field(description="Project of the provider; null: not told apart.")
    api_key: str | None
    day: date | None = Field(description="null: all days.")
    measure: Measure
    observed: Amount
    reported: Amount
    beyond: Amount = Field(description="In the ledger, and not reported by the provider.")
    share: Amount | None = Field(description="0 to 1; null: nothing is reported.")

    @classmethod
    def of(cls, row: Coverage) -> CoverageRow:
        """Return it as answered."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class CoverageAnswer(BaseModel):
    """Coverage by provider and key; by day where that is asked for."""

    project: str
    first_day: date
    last_day: date
    rows: list[CoverageRow]


class DisputeFormat(StrEnum):
    """How a dispute pack is written."""

    csv = "csv"
    html = "html"
    json = "json"
    zip = "zip"


_PACKS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The pack, as an attachment.",
        "content": {kind.partition(";")[0]: {} for kind in MEDIA_TYPES.values()},
    }
}


def reconciliation_router(store: Callable[[], Store], state: StateEngine) -> APIRouter:
    """Return the routes; ``store`` returns the open store, or raises StoreError."""
    router = make_router("reconciliation")
    add_listing(router, store, CELLS, CellFilters)

    @router.get("/reconciliation")
    def report(
        project: ProjectName,
        days: AskedDays = "",
        provider: Text = "",
        cells: Annotated[bool, Query(description="With every cell and its causes.")] = False,
    ) -> Report:
        """The report of some days: answer, causes, coverage, inputs. Zeros where nothing was."""
        found = _read(store(), project, days, provider)
        made = read_report(store(), state, found, time.time_ns())
        return made if cells else made.model_copy(update={"cells": []})

    @router.get("/reconciliation/coverage")
    def coverage(
        project: ProjectName,
        days: AskedDays = "",
        provider: Text = "",
        by_day: Annotated[bool, Query(description="One row per key and day.")] = False,
    ) -> CoverageAnswer:
        """How much of what each key used is in the ledger."""
        found = _read(store(), project, days, provider)
        rows = coverage_by_day(found.cells) if by_day else coverage_by_key(found.cells)
        return CoverageAnswer(
            project=project,
            first_day=found.first_day,
            last_day=found.last_day,
            rows=[CoverageRow.of(row) for row in rows],
        )

    @router.get("/reconciliation/dispute", response_class=StreamingResponse, responses=_PACKS)
    def dispute(
        project: ProjectName,
        days: AskedDays = "",
        provider: Text = "",
        cell: AskedCell = "",
        form: Annotated[DisputeFormat, Query(alias="format")] = DisputeFormat.json,
    ) -> StreamingResponse:
        """Evidence for a provider: its lines, our calls with ids and arithmetic; no contents."""
        found = _read(store(), project, days, provider)
        try:
            opened = open_dispute(store(), state, found, provider, cell)
        except DisputeError as error:
            raise HTTPException(404, str(error)) from error
        parts = dispute_parts(opened, form.value, rfc3339(time.time_ns()))
        name = file_name(opened, form.value)
        return StreamingResponse(
            # The first piece before the answer begins: so that what fails is told as an error.
            chain([next(parts, b"")], parts),
            media_type=MEDIA_TYPES[form.value],
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    return router


def _read(store: Store, project: str, text: str, provider: str) -> Reconciliation:
    days = _days(text)
    return read(store, project, days.first, days.last, provider or None)


def _days(text: str) -> Days:
    try:
        return days_of(text) if text else month_before(day_at(time.time_ns()))
    except DaysError as error:
        raise UsageError(str(error)) from error
