"""Where this month's spending leads, over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import BaseModel, Field

from spanledger_analytics.forecasting.month_end import MonthEnd, month_end
from spanledger_server.api.access import DESCRIBED_KEYS, ProjectName
from spanledger_server.api.models import Problem, Usd
from spanledger_server.api.questions import demand_known
from spanledger_server.periods import rfc3339
from spanledger_storage.errors import ConfigError
from spanledger_storage.store import Store

Zone = Annotated[str, Query(description="Time zone of the month.", examples=["Europe/Berlin"])]


class SpendForecast(BaseModel):
    """What one agent, or the project, will have spent at the end of the month."""

    agent: str | None = Field(description="None: the whole project. Empty: calls of no agent.")
    spent_usd: Usd
    burn_usd_per_hour: Usd = Field(description="Since the hour before this one began.")
    low_usd: Usd | None = Field(description="One future in ten ends below. None: not known.")
    mid_usd: Usd | None = Field(description="The median future. None: nothing is known.")
    high_usd: Usd | None = Field(description="One future in ten ends above. None: not known.")
    method: str = Field(
        description="weekday and day: drawn from past days; burn: the last hour goes on, fewer "
        "than three days are known; empty: nothing is known, as of calls of no agent with fewer "
        "than three days: most get their agent when their trace is whole."
    )

    @classmethod
    def of(cls, one: MonthEnd) -> SpendForecast:
        """Return it as answered."""
        told = one.forecast
        return cls(
            agent=one.agent,
            spent_usd=one.spent_usd,
            burn_usd_per_hour=told.burn_per_hour,
            low_usd=told.low,
            mid_usd=told.mid,
            high_usd=told.high,
            method=told.method,
        )


class MonthForecast(BaseModel):
    """The month, the project first and then its agents, those that spent most first."""

    project: str
    month_from: str
    month_to: str
    forecasts: list[SpendForecast]


def forecast_router(store: Callable[[], Store]) -> APIRouter:
    """Return the route; ``store`` returns the open store, or raises StoreError."""
    router = APIRouter(
        prefix="/api/v1",
        tags=["money"],
        responses={code: {"model": Problem} for code in (401, 403, 422, 500, 503)},
        dependencies=[*DESCRIBED_KEYS, Depends(demand_known)],
    )

    @router.get("/usage/forecast")
    def usage_forecast(project: ProjectName, timezone: Zone = "UTC") -> MonthForecast:
        """What a project and its agents will have spent at the end of this month."""
        try:
            found = month_end(store(), project, int(time.time()), timezone)
        except ConfigError as error:
            raise HTTPException(422, str(error)) from error
        window = found[0].window
        return MonthForecast(
            project=project,
            month_from=rfc3339(window.start_s),
            month_to=rfc3339(window.end_s),
            forecasts=[SpendForecast.of(one) for one in found],
        )

    return router
