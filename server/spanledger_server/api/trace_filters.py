"""What traces, trajectories and sessions can be narrowed to."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Query

from spanledger_analytics.trajectory_status import VARIABLE, abandoned_after_s
from spanledger_server.api.listings import Filters
from spanledger_server.api.questions import DimensionPairs, Hex32, Text, dimension_filters

AnyAgent = Annotated[Text, Query(description="The outermost agent, or one of the others.")]


@dataclass
class TraceFilters(Filters):
    """Filters of traces."""

    trajectory: Hex32 = ""
    session: Text = ""
    user: Text = ""
    task: Text = ""
    agent: AnyAgent = ""
    model: Text = ""
    service: Text = ""
    environment: Text = ""
    workflow: Text = ""
    status: Annotated[Literal["", "open", "closed"], Query()] = ""
    outcome: Text = ""
    dimension: DimensionPairs = None

    def params(self) -> dict[str, object]:
        """Return the filters as the statement takes them."""
        return {
            **Filters.params(self),
            "trace": "",
            "trajectory": self.trajectory.lower(),
            **dimension_filters(self.dimension),
        }


@dataclass
class TrajectoryFilters(Filters):
    """Filters of trajectories."""

    trace: Annotated[Hex32, Query(description="One of its traces.")] = ""
    session: Text = ""
    user: Text = ""
    task: Text = ""
    agent: AnyAgent = ""
    model: Text = ""
    service: Text = ""
    environment: Text = ""
    status: Annotated[Literal["", "open", "waiting", "closed", "abandoned"], Query()] = ""
    outcome: Text = ""
    dimension: DimensionPairs = None

    def params(self) -> dict[str, object]:
        """Return the filters as the statement takes them."""
        return {
            **Filters.params(self),
            "trajectory": "",
            "trace": self.trace.lower(),
            **dimension_filters(self.dimension),
        }

    def moment(self) -> dict[str, object]:
        """Return what decides which trajectories are abandoned."""
        silent_s = abandoned_after_s(os.environ.get(VARIABLE, ""))
        return {"now_s": int(time.time()), "abandoned_after_s": silent_s}


@dataclass
class SessionFilters(Filters):
    """Filters of sessions, which are of their traces."""

    session: Text = ""
    user: Text = ""
    agent: AnyAgent = ""
    service: Text = ""
    environment: Text = ""
