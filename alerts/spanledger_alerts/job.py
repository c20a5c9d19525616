"""The job that evaluates rules and decides who is told; the sender delivers in one of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable

import httpx

from spanledger_alerts.engine import Engine, Run
from spanledger_storage.alert_figures import AlertFigures
from spanledger_storage.alert_state import AlertState

log = logging.getLogger(__name__)

_NS_PER_S = 10**9
_HEARTBEAT_NS = 60 * _NS_PER_S
_FORGET_NS = 3_600 * _NS_PER_S
_TIMEOUT_S = 5


class AlertsJob:
    """Evaluates what is due; tells a dead man's switch that it did.

    Args:
        engine: evaluates.
        state: what it remembers.
        now_ns: the clock, UTC nanoseconds.
        heartbeat_url: fetched once a minute after a run without a failure; empty: none.
        figures: where it is noted how that went; None: nowhere.
        client: fetches it; None: one made for it.
    """

    def __init__(
        self,
        engine: Engine,
        state: AlertState,
        now_ns: Callable[[], int],
        heartbeat_url: str = "",
        figures: AlertFigures | None = None,
        client: httpx.Client | None = None,
    ) -> None:
        self._engine = engine
        self._state = state
        self._now_ns = now_ns
        self._heartbeat_url = heartbeat_url
        self._figures = figures
        self._client = client
        self._beat_ns = 0
        self._forgot_ns = 0
        self._is_heard = True

    def run_once(self) -> Run:
        """Evaluate what is due.

        Raises:
            StorageError: the store or the state database does not answer.
        """
        run = self._engine.run_once()
        now_ns = self._now_ns()
        if run.is_active and now_ns - self._forgot_ns >= _FORGET_NS:
            self._forgot_ns = now_ns
            self._state.forget(now_ns)
        if run.is_active and self._heartbeat_url and now_ns - self._beat_ns >= _HEARTBEAT_NS:
            self._beat_ns = now_ns
            self._beat()
        return run

    def _beat(self) -> None:
        """Fetch the address; that nobody answers is said once, and without it: it is a secret."""
        try:
            # Not before: of a proxy of the environment that it cannot use, httpx makes no client.
            self._client = self._client or httpx.Client(timeout=_TIMEOUT_S)
            self._client.get(self._heartbeat_url).raise_for_status()
            is_heard = True
        except (httpx.HTTPError, httpx.InvalidURL, ImportError, ValueError) as error:
            is_heard = False
            if self._is_heard:
                log.warning("the heartbeat of alerts is not heard: %s", type(error).__name__)
        self._is_heard = is_heard
        if self._figures is not None:
            self._figures.note_heartbeat(is_heard=is_heard, now_ns=self._now_ns())
