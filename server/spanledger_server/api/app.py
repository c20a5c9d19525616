"""The API as an application, and as a process."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import APIRouter, FastAPI

from spanledger import __version__
from spanledger_collector.access.keys import KeyRing
from spanledger_collector.edge.hosts import OnlyLocalNames
from spanledger_collector.edge.http_answer import Answer
from spanledger_collector.edge.http_protocol import Connection
from spanledger_collector.edge.tls import TlsFiles, UvicornTls
from spanledger_collector.errors import IntakeError
from spanledger_server.api.access import (
    DOCS_PATH,
    HEALTH_PATH,
    OPENAPI_PATH,
    KeyGuard,
)
from spanledger_server.api.alert_metrics import alert_metrics_router
from spanledger_server.api.autoscaling import autoscaling_router
from spanledger_server.api.budgets import budgets_router
from spanledger_server.api.description import description_page
from spanledger_server.api.findings import findings_router
from spanledger_server.api.forecast import forecast_router
from spanledger_server.api.gpus import gpus_router
from spanledger_server.api.models import Health
from spanledger_server.api.money import money_router
from spanledger_server.api.prices import prices_router
from spanledger_server.api.problems import MEDIA_TYPE, explain_errors, refused
from spanledger_server.api.quality import quality_router
from spanledger_server.api.reconciliation import reconciliation_router
from spanledger_server.api.slack import slack_router
from spanledger_server.api.traces import traces_router
from spanledger_storage.alert_state import AlertState
from spanledger_storage.price_state import StateEngine
from spanledger_storage.store import Store, StoreSettings

_TIMEOUT_S = 30


class _LazyStore:
    """One connection, opened by the first request: the store may come up after us."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._store: Store | None = None

    def __call__(self) -> Store:
        with self._lock:
            if self._store is None:
                self._store = Store.connect(self._settings, timeout_s=_TIMEOUT_S)
            return self._store

    def close(self) -> None:
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None


class _Connection(Connection):
    def refusal(self, error: IntakeError) -> Answer:
        said = refused(error)
        kept = (pair for pair in said.raw_headers if pair[0] == b"retry-after")
        headers = (*kept, (b"connection", b"close"))
        return Answer(said.status_code, MEDIA_TYPE, bytes(said.body), headers)


def create_app(
    settings: StoreSettings,
    ring: KeyRing | None = None,
    host: str = "127.0.0.1",
    state: StateEngine | None = None,
    slack_secret: str = "",
    open_to: str | None = None,
) -> FastAPI:
    """Return the application.

    Args:
        settings: the store to read, best as a read-only user.
        ring: the keys; None: nobody is asked for one.
        host: the address that is listened on.
        state: the state database, to write what budgets set aside and what is said of findings, and
            to read own prices and what waits in collectors; None: none of these.
        slack_secret: what Slack signs clicks on alerts with; empty: there are none.
        open_to: the project of whoever gives no key; None: one is demanded, where there are keys.
            Those that are given hold.
    """
    store = _LazyStore(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        yield
        store.close()

    app = FastAPI(
        title="Spanledger",
        version=__version__,
        summary="What LLM agents did and what it cost. Dollars are decimal strings.",
        docs_url=None,
        redoc_url=None,
        openapi_url=OPENAPI_PATH,
        lifespan=lifespan,
    )
    explain_errors(app)
    for router in _routers(store, state, slack_secret):
        # Not include_router: it makes every route once more, which takes as long as the first time.
        app.router.routes.extend(router.routes)
    app.add_middleware(KeyGuard, ring=ring, open_to=open_to)
    if ring is None or open_to is not None:
        app.add_middleware(OnlyLocalNames, host=host, refuse=refused)
    app.get(HEALTH_PATH, tags=["process"])(_healthz)
    app.get(DOCS_PATH, include_in_schema=False)(description_page(app, OPENAPI_PATH))
    return app


def _routers(
    store: Callable[[], Store], state: StateEngine | None, slack_secret: str
) -> Generator[APIRouter]:
    """Return what answers; what needs the state database only where there is one."""
    yield traces_router(store)
    yield money_router(store)
    yield forecast_router(store)
    yield gpus_router(store)
    yield autoscaling_router(store, state)
    yield quality_router(store)
    if state is not None:
        yield prices_router(state)
        yield budgets_router(state)
        yield findings_router(store, state)
        yield reconciliation_router(store, state)
        yield alert_metrics_router(state)
        if slack_secret:
            yield slack_router(AlertState(state), slack_secret)


async def _healthz() -> Health:  # needs no thread: others may hold them all
    """Tell that the process answers; the store is not asked."""
    return Health()


def serve(
    settings: StoreSettings,
    host: str,
    port: int,
    ring: KeyRing | None = None,
    tls: TlsFiles | None = None,
    state: StateEngine | None = None,
    slack_secret: str = "",
    open_to: str | None = None,
) -> None:
    """Answer until SIGTERM or SIGINT."""
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = uvicorn.Config(
        create_app(settings, ring, host, state, slack_secret, open_to),
        host=host,
        port=port,
        http=_Connection,
        ws="none",
        log_config=None,
        access_log=False,
        **(tls.uvicorn_options() if tls else UvicornTls()),
    )
    uvicorn.Server(config).run()
