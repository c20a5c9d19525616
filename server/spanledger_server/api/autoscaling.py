"""What autoscalers read: one JSON document, and the same as metrics."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from prometheus_client.exposition import choose_encoder

from spanledger_collector.access.keys import Grant
from spanledger_server.api.access import ProjectName
from spanledger_server.api.listings import make_router
from spanledger_server.api.load import MOST_NAMES, Load, SpoolLoad, read_load
from spanledger_server.api.load_metrics import registry_of
from spanledger_server.api.questions import Text
from spanledger_server.api.remembered import Remembered
from spanledger_storage.api_keys import Scope
from spanledger_storage.collector_spools import CollectorSpools
from spanledger_storage.errors import StateError
from spanledger_storage.price_state import StateEngine
from spanledger_storage.store import Store

_KEEP_S = 3.0
Window = Annotated[int, Query(ge=10, le=3_600, description="Seconds whose calls are counted.")]
Names = Annotated[
    list[Text] | None,
    Query(max_length=MOST_NAMES, description="May be repeated; default: the busiest fifty."),
]
METRICS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "text/plain": {"schema": {"type": "string"}},
            "application/openmetrics-text": {"schema": {"type": "string"}},
        }
    }
}
"""How an answer of metrics is described."""


def autoscaling_router(store: Callable[[], Store], state: StateEngine | None) -> APIRouter:
    """Return the routes.

    Args:
        store: returns the open store, or raises StoreError.
        state: the state database, where collectors tell what waits; None: there is none.
    """
    router = make_router("autoscaling")
    loads = Remembered[Load](_KEEP_S)
    spools = Remembered[tuple[SpoolLoad | None]](_KEEP_S)

    def read_waiting() -> tuple[SpoolLoad | None]:
        try:
            waiting = None if state is None else CollectorSpools(state).waiting(time.time_ns())
        except StateError:  # what is known of calls is told all the same
            waiting = None
        return (None if waiting is None else SpoolLoad(**asdict(waiting)),)

    def load(request: Request, project: str, window_s: int, agents: Names, models: Names) -> Load:
        asked = (project, window_s, tuple(agents or ()), tuple(models or ()))
        found = loads.get(asked, lambda: read_load(store(), *asked, now_s=int(time.time())))
        if not _sees_all(request):
            return found
        [waiting] = spools.get("", read_waiting)
        return found.model_copy(update={"spool": waiting})

    @router.get("/autoscaling")
    def autoscaling(
        request: Request,
        project: ProjectName,
        window_s: Window = 60,
        agent: Names = None,
        model: Names = None,
    ) -> Load:
        """How much work there is and how fast it is done. At most three seconds old."""
        return load(request, project, window_s, agent, model)

    @router.get("/autoscaling/metrics", response_class=Response, responses=METRICS)
    def metrics(
        request: Request,
        project: ProjectName,
        window_s: Window = 60,
        agent: Names = None,
        model: Names = None,
    ) -> Response:
        """The same as gauges, in the text format of Prometheus or, where accepted, OpenMetrics."""
        found = load(request, project, window_s, agent, model)
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry_of(found)), headers={"content-type": content_type})

    return router


def _sees_all(request: Request) -> bool:
    """Return whether figures of every project may be told: to an admin, and where all is open."""
    grant: Grant | None = request.state.grant
    return grant is None or Scope.ADMIN in grant.scopes
