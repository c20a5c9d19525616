"""Data quality over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query

from spanledger_analytics.data_quality import CHECKS, report
from spanledger_server.api.access import DESCRIBED_KEYS, ProjectName
from spanledger_server.api.models import CheckReport, Problem, Report
from spanledger_server.api.questions import demand_known
from spanledger_server.periods import parse_period
from spanledger_storage.store import Store

_GROUPS = 20

From = Annotated[
    str,
    Query(
        alias="from",
        description="RFC 3339 time or date; default: one day before the end.",
        examples=["2026-11-20T00:00:00Z"],
    ),
]
To = Annotated[
    str,
    Query(
        alias="to",
        description="RFC 3339 time or date, not part of the period; default: now.",
        examples=["2026-11-21T00:00:00Z"],
    ),
]


def quality_router(store: Callable[[], Store]) -> APIRouter:
    """Return the routes; ``store`` returns the open store, or raises StoreError."""
    router = APIRouter(
        prefix="/api/v1",
        tags=["data quality"],
        responses={code: {"model": Problem} for code in (401, 403, 404, 422, 500, 503)},
        dependencies=[*DESCRIBED_KEYS, Depends(demand_known)],
    )

    @router.get("/data-quality")
    def data_quality(project: ProjectName, start: From = "", end: To = "") -> Report:
        """What keeps the numbers of a period from being complete, the worst first."""
        period = parse_period(start, end, int(time.time()))
        return Report.of(report(store(), project, period), _GROUPS)

    @router.get("/data-quality/{check}")
    def data_quality_check(
        check: str, project: ProjectName, start: From = "", end: To = ""
    ) -> CheckReport:
        """What one check found, with every group."""
        if check not in CHECKS:
            raise HTTPException(404, f"There is no such check; there are {', '.join(CHECKS)}.")
        period = parse_period(start, end, int(time.time()))
        return CheckReport.of(report(store(), project, period), check)

    return router
