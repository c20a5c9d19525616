"""What is known of invoices beside their lines, as far as it is open to the reader."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace

from spanledger_analytics.invoices.rules import Rules, checked_mapping, rules_of
from spanledger_dashboard.access import Denied, viewer
from spanledger_dashboard.connection import state_to_save
from spanledger_storage.invoice_state import (
    ImportRow,
    InvoiceState,
    MappingRow,
    PullRow,
    UploadRow,
)
from spanledger_storage.price_state import StateEngine
from spanledger_storage.reconciliation_state import ActionRow, ReconciliationState


def invoices() -> OpenInvoices | None:
    """Return what is known of invoices; None where the dashboard is not told of a state database.

    Raises:
        ConfigError: its address cannot be read.
        SettingsError: no store is set.
    """
    engine = state_to_save()
    return OpenInvoices(engine) if engine else None


class OpenInvoices:
    """Imports, mappings, pulls and uploads; who asks is looked at in every call.

    Methods raise Denied for a project that is not open to the reader, and for changes by readers
    who may only look; SignedOut once the session has ended; StateError when the database does not
    answer.
    """

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine
        self._state = InvoiceState(engine)
        self._actions = ReconciliationState(engine)

    def imports(self, project: str) -> list[ImportRow]:
        """Return the imports of a project, the newest first, deleted ones among them."""
        _demand(project)
        return self._state.imports(project, deleted=True)

    def pulls(self, project: str) -> list[PullRow]:
        """Return how the last pull of each report went."""
        _demand(project)
        return self._state.pulls(project)

    def uploads(self, project: str) -> list[UploadRow]:
        """Return the files handed in, the newest first."""
        _demand(project)
        return self._state.uploads(project)

    def mappings(self, project: str) -> list[MappingRow]:
        """Return the mappings, removed ones among them."""
        _demand(project)
        return self._state.mappings(project, removed=True)

    def rules(self, project: str) -> Rules:
        """Return what is applied to lines when they are read."""
        _demand(project)
        return rules_of(self._engine, project)

    def hand_in(
        self, project: str, name: str, content: bytes, options: Mapping[str, str]
    ) -> UploadRow:
        """Store a file for the worker to import; raises ConfigError where it is too large."""
        who = _demand_to_save(project)
        row = UploadRow("", project, name, options, 0, who, time.time_ns())
        return self._state.hand_in(row, content)

    def delete(self, project: str, row: ImportRow) -> None:
        """Ask for an import to be deleted; the worker does it, and it stays on record."""
        who = _demand_to_save(project)
        title = f"import {row.import_id[:12]}, {row.name[:200]}"
        asked = ActionRow(
            project, "delete", row.first_day, row.last_day, row.provider[:128], title, who,
            time.time_ns(), what=json.dumps({"import": row.import_id}),
        )  # fmt: skip
        self._actions.ask(asked)

    def deletions(self, project: str) -> list[ActionRow]:
        """Return what became of deletions that were asked for, the latest first."""
        _demand(project)
        return [row for row in self._actions.log(project) if row.kind == "delete"]

    def map(self, row: MappingRow) -> MappingRow:
        """Store a mapping; raises InvoiceError or ConfigError where it cannot be."""
        who = _demand_to_save(row.project)
        target = row.target.get("project", "")
        if target:  # lines may not be sent where whoever sends them may not look
            _demand(target)
        named = replace(row, created_by=who[:128], created_at_ns=time.time_ns())
        return self._state.add_mapping(checked_mapping(named))

    def unmap(self, project: str, mapping_id: int) -> MappingRow:
        """Take a mapping back; raises ConfigError when it is gone."""
        who = _demand_to_save(project)
        return self._state.remove_mapping(project, mapping_id, who, time.time_ns())


def _demand(project: str) -> str:
    person = viewer()
    if not person.may_see(project):
        raise Denied(f"Project {project} is not open to you, or it does not exist.")
    return person.name


def _demand_to_save(project: str) -> str:
    name = _demand(project)
    if not viewer().may_save:
        raise Denied("Your account may look, not save. An editor or admin can save this.")
    return name
