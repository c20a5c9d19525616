"""What ``spanledger invoices`` changes: imports, pulls, mappings."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from spanledger_analytics.invoices.deleting import delete_import
from spanledger_analytics.invoices.deliveries import (
    Delivery,
    Found,
    fetched,
    find,
    in_memory,
    is_address,
    shown_address,
)
from spanledger_analytics.invoices.errors import InvoiceError
from spanledger_analytics.invoices.formats.invoice_totals import checked_text
from spanledger_analytics.invoices.import_run import Asked, import_delivery
from spanledger_analytics.invoices.pulling import PULLERS, access_of
from spanledger_analytics.invoices.pulling.run import Pull, pull
from spanledger_analytics.invoices.rules import checked_mapping
from spanledger_analytics.invoices.shown import deleted_text, outcome_text
from spanledger_analytics.invoices.totals import total_notes
from spanledger_server.errors import UsageError
from spanledger_server.prices.session import now_ns, user
from spanledger_server.state_database import state_writer_of
from spanledger_server.stores import writer_of
from spanledger_storage.invoice_state import InvoiceState, MappingRow
from spanledger_storage.price_state import StateEngine
from spanledger_storage.projects import Projects
from spanledger_storage.store import Store


@dataclass(frozen=True, slots=True)
class Place:
    """Where lines and what is known of them are kept, to write."""

    store: Store
    state: StateEngine


@dataclass(frozen=True, slots=True)
class Given:
    """The options of ``invoices import``, as they were typed; empty: not given."""

    project: str
    format: str = ""
    mapping: Path | None = None
    account: str = ""
    is_dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Mapped:
    """The arguments of ``invoices mappings add``, as they were typed; empty: not given."""

    provider: str
    text: str
    target: Mapping[str, str] = field(default_factory=dict[str, str])
    is_scope: bool = False
    is_key: bool = False
    note: str = ""


@contextmanager
def open_place(data: Path, state_url: str, store_url: str) -> Generator[Place]:
    """Open store and state database to write, while the block lasts.

    Raises:
        UsageError: one of them is not there.
    """
    data = data.expanduser()
    state = state_writer_of(data, state_url)
    with closing(Store.connect(writer_of(data, store_url))) as store:
        yield Place(store, state)


def import_paths(place: Place, paths: Sequence[str], given: Given, by: str) -> None:
    """Import files, folders and addresses one after the other, and say what became of each.

    Raises:
        ConfigError: there is no such project.
        InvoiceError: one cannot be imported; those before it stay imported.
    """
    Projects(place.state).get(given.project)
    mapping = _read_mapping(given.mapping)
    for path in paths:
        if is_address(path):
            with fetched(path) as file:
                found = find(file, given.format, mapping)
                _import(place, found, given, mapping, by, shown_address(path))
        else:
            _import(place, find(Path(path), given.format, mapping), given, mapping, by, "")


def _import(place: Place, found: Found, given: Given, mapping: str, by: str, address: str) -> None:
    asked = Asked(given.project, user(by), given.account, mapping, is_dry_run=given.is_dry_run)
    for one in found.deliveries:
        named = Delivery(address, one.format, one.documents) if address else one
        print(outcome_text(import_delivery(place.store, place.state, named, asked, _now_ns())))
    for reason in found.left_out:
        print(f"Left out: {reason}")


def state_total(place: Place, row: Mapping[str, str], given: Given, by: str) -> None:
    """Import what a month's invoice comes to, and say what to do next.

    Raises:
        ConfigError: there is no such project.
        InvoiceError: the provider, month, amount or currency is none.
    """
    Projects(place.state).get(given.project)
    name, content = checked_text(row)
    [delivery] = in_memory(content, name, "invoice-totals").deliveries
    asked = Asked(given.project, user(by))
    outcome = import_delivery(place.store, place.state, delivery, asked, _now_ns())
    print(outcome_text(outcome))
    if outcome.state == "imported":
        for note in total_notes(place.store, place.state, outcome.row):
            print(note)
        print(f"Compare it: spanledger reconcile run {row['month'].strip()}")


def pull_reports(place: Place, provider: str, since: str, project: str, by: str) -> None:
    """Pull every report of a provider, and say what became of each.

    Raises:
        InvoiceError: no report could be pulled, or the key is not set.
        UsageError: the day is none.
    """
    Projects(place.state).get(project)
    access = access_of(provider, os.environ)
    first = _day(since) if since else None
    failed: list[InvoiceError] = []
    reports = PULLERS[provider].reports()
    for report in reports:
        asked = Pull(project, provider, report, access, user(by), first)
        try:
            for outcome in pull(place.store, place.state, asked, _now_ns()):
                print(outcome_text(outcome))
        except InvoiceError as error:
            failed.append(error)
            print(f"{report}: {error}")
    if len(failed) == len(reports):
        raise InvoiceError(f"Nothing was pulled from {provider}.")


def take_back(place: Place, project: str, import_id: str, by: str) -> None:
    """Delete an import, and say what counts instead.

    Raises:
        InvoiceError: there is no such import.
    """
    deleted = delete_import(place.store, place.state, project, import_id, user(by), _now_ns())
    print(deleted_text(*deleted))


def map_text(state: StateEngine, project: str, mapped: Mapped, by: str) -> None:
    """Store a mapping, and say so.

    Raises:
        InvoiceError: it cannot be.
        ConfigError: there is no such project, or it says the same already.
    """
    projects = Projects(state)
    projects.get(project)
    if mapped.is_scope and mapped.is_key:
        raise UsageError("--scope and --api-key exclude each other.")
    target = {name: value for name, value in mapped.target.items() if value}
    if "project" in target:
        projects.get(target["project"])
    kind = "scope" if mapped.is_scope else "api_key" if mapped.is_key else "line"
    row = checked_mapping(
        MappingRow(
            project,
            kind,  # type: ignore[arg-type]  # one of the three
            mapped.provider,
            mapped.text,
            target,
            note=mapped.note,
            created_by=user(by)[:128],
            created_at_ns=now_ns(),
        )
    )
    stored = InvoiceState(state).add_mapping(row)
    said = ", ".join(f"{name} {value}" for name, value in stored.target.items())
    print(f"Mapping {stored.id}: {stored.kind} {stored.pattern!r} of {stored.provider} is {said}.")


def unmap(state: StateEngine, project: str, mapping_id: int, by: str) -> None:
    """Take a mapping back, and say so.

    Raises:
        ConfigError: there is none of that number.
    """
    row = InvoiceState(state).remove_mapping(project, mapping_id, user(by), now_ns())
    print(f"Mapping {row.id} of {row.pattern!r} is removed.")


def _read_mapping(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--mapping {path} cannot be read: {error}.") from error


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--since is a day such as 2026-11-01, not {text[:40]!r}.") from None


def _now_ns() -> int:
    return time.time_ns()
