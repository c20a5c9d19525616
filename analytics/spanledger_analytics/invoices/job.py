"""What the worker does for invoices: pulls that are due, and files handed in on the dashboard."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from spanledger_analytics.invoices.deliveries import in_memory
from spanledger_analytics.invoices.errors import InvoiceError
from spanledger_analytics.invoices.import_run import Asked, Outcome, import_delivery
from spanledger_analytics.invoices.pull_settings import PROJECT
from spanledger_analytics.invoices.pulling import PULLERS, configured
from spanledger_analytics.invoices.pulling.run import MakeClient, Pull, make_client, pull
from spanledger_analytics.invoices.shown import outcome_text
from spanledger_storage.errors import StoreError
from spanledger_storage.invoice_state import InvoiceState, UploadRow
from spanledger_storage.price_state import StateEngine
from spanledger_storage.store import Store

_log = logging.getLogger(__name__)

WHO = "schedule"
_ERROR_LIMIT = 500


class InvoicePullJob:
    """Pulls reports whose time has come, where a key is set; one report a run.

    Args:
        store: where lines go.
        state: the state database.
        environment: where keys are.
        now_ns: the clock.
        make: returns a client; for tests.
    """

    def __init__(
        self,
        store: Store,
        state: StateEngine,
        environment: Mapping[str, str],
        now_ns: Callable[[], int],
        make: MakeClient = make_client,
    ) -> None:
        self._store, self._state, self._now_ns, self._make = store, state, now_ns, make
        self._access = configured(environment)
        self._project = environment.get(PROJECT, "").strip() or "default"

    def run_once(self) -> str:
        """Pull the report that waits longest; return its name, "" where none is due."""
        if not self._access:
            return ""
        now_ns = self._now_ns()
        kept = {row.report: row for row in InvoiceState(self._state).pulls(self._project)}
        due = [
            (kept[report].next_try_ns if report in kept else 0, provider, report)
            for provider in self._access
            for report in PULLERS[provider].reports()
            if report not in kept or kept[report].next_try_ns <= now_ns
        ]
        if not due:
            return ""
        _, provider, report = min(due)
        asked = Pull(self._project, provider, report, self._access[provider], WHO)
        try:
            pull(self._store, self._state, asked, now_ns, self._make)
        except InvoiceError as error:
            _log.warning("invoices: %s was not pulled: %s", report, error)
        return report


class InvoiceUploadJob:
    """Imports files that people handed in on the dashboard, by the run everything else goes by."""

    def __init__(self, store: Store, state: StateEngine, now_ns: Callable[[], int]) -> None:
        self._store, self._state, self._now_ns = store, state, now_ns

    def run_once(self) -> bool:
        """Import the file that waits longest; return whether there was one."""
        states = InvoiceState(self._state)
        waiting = states.next_upload()
        if waiting is None:
            return False
        row, content = waiting
        try:
            outcomes, left_out = self._import(row, content)
        except InvoiceError as error:
            states.settle_upload(row.id, "failed", str(error))
            return True
        except StoreError as error:
            if error.permanent:
                states.settle_upload(row.id, "failed", str(error)[:_ERROR_LIMIT])
            raise
        said = [outcome_text(one) for one in outcomes] + list(left_out)
        states.settle_upload(row.id, "done", "\n".join(said))
        return True

    def _import(self, row: UploadRow, content: bytes) -> tuple[list[Outcome], list[str]]:
        mapping = row.options.get("mapping", "")
        found = in_memory(content, row.name, row.options.get("format", ""), mapping)
        outcomes: list[Outcome] = []
        for one in found.deliveries:
            asked = Asked(row.project, row.who, row.options.get("account", ""),
                          mapping if one.format.name == "generic" else "")  # fmt: skip
            outcomes.append(import_delivery(self._store, self._state, one, asked, self._now_ns()))
        return outcomes, list(found.left_out)
