"""Adjustments in the ledger, so that what is shown internally equals what was billed.

One entry of kind ``adjustment`` for each cell and cause. Its id is a function of both, so posting
again replaces, and what a newer reconciliation no longer says is removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa

from spanledger_analytics import _rows
from spanledger_analytics.entries import Entry, empty_entry, entry_id
from spanledger_analytics.ledger import read_entries, write_entries
from spanledger_analytics.reconciliation.days import DAY_NS, Days, start_ns
from spanledger_analytics.reconciliation.result import Cause, Cell, Reconciliation
from spanledger_analytics.spans import Dimensions
from spanledger_analytics.touches import REPRICING
from spanledger_storage.store import Store

KIND = "adjustment"
PREFIX = "reconciliation:"
"""Before the id of a cell in ``ledger.price_id``."""
CAUSE, SCOPE, KEY = "reconciliation_cause", "provider_scope", "provider_key"
"""Dimensions of an adjustment: why, and for which project and key of the provider."""
_NOON_NS = DAY_NS // 2  # on the same day on nearly every calendar


@dataclass(frozen=True, slots=True)
class Posted:
    """What a posting did.

    Attributes:
        entries: adjustments that the ledger holds now.
        written: how many of them are new or changed.
        removed: how many were taken out.
        usd: what they add up to.
    """

    entries: int
    written: int
    removed: int
    usd: Decimal


def post(store: Store, result: Reconciliation, provider: str, version: int) -> Posted:
    """Make the ledger of some days equal what was billed; the hours are summed again.

    Args:
        store: The telemetry store, to write to.
        result: The days, reconciled; with a provider, cells of others are left alone.
        provider: Whose; empty: all.
        version: UTC nanoseconds.

    Raises:
        StoreError: the store refused or did not answer; running again is safe.
    """
    cells = [cell for cell in result.cells if provider in ("", cell.key.provider)]
    days = Days(result.first_day, result.last_day)
    return _write(store, result.project, days, provider, cells, version)


def unpost(store: Store, project: str, days: Days, provider: str, version: int) -> Posted:
    """Take the adjustments of some days out of the ledger; see :func:`post`."""
    return _write(store, project, days, provider, (), version)


def adjustments(project: str, cells: Iterable[Cell], known: Mapping[str, Entry]) -> Iterator[Entry]:
    """Return the entries of cells; ``known`` are those stored, by id: first amounts are kept."""
    for cell in cells:
        for cause, usd in _amounts(cell).items():
            entry = _entry(project, cell, cause, usd)
            before = known.get(entry.entry_id)
            yield entry._replace(
                billed_price_id=before.billed_price_id if before else entry.price_id,
                billed_cost_usd=before.billed_cost_usd if before else usd,
            )


def _amounts(cell: Cell) -> dict[Cause, Decimal]:
    """Return dollars by cause; they add up to the difference, whatever the causes say."""
    found: dict[Cause, Decimal] = {}
    for share in cell.causes:
        found[share.cause] = found.get(share.cause, Decimal(0)) + share.usd
    rest = cell.variance_usd - sum(found.values(), Decimal(0))
    if rest:
        found[Cause.UNEXPLAINED] = found.get(Cause.UNEXPLAINED, Decimal(0)) + rest
    return {cause: usd for cause, usd in found.items() if usd}


def _entry(project: str, cell: Cell, cause: Cause, usd: Decimal) -> Entry:
    key = cell.key
    price_id = f"{PREFIX}{cell.cell_id}"
    time_ns = start_ns(key.day) + _NOON_NS
    return empty_entry(project, entry_id(project, price_id, cause), KIND, time_ns)._replace(
        dimensions=_dimensions(cell, cause),
        provider=key.provider,
        model=key.model or "",
        service_tier=key.service_tier or "",
        region=key.geo or "",
        status="ok",
        usage_source="none",
        price_status="priced",
        price_id=price_id,
        total_cost_usd=usd,
        list_cost_usd=usd,
    )


def _dimensions(cell: Cell, cause: Cause) -> Dimensions:
    told = {CAUSE: str(cause), SCOPE: cell.key.scope or "", KEY: cell.key.api_key or ""}
    return tuple(sorted((name, value) for name, value in told.items() if value))


def _write(
    store: Store, project: str, days: Days, provider: str, cells: Sequence[Cell], version: int
) -> Posted:
    from_ns, to_ns = days.bounds_ns
    asked = {
        "project": project, "from_s": from_ns // 10**9, "to_s": to_ns // 10**9,
        "provider": provider,
    }  # fmt: skip
    stored = read_entries([store.arrow("adjustments_stored", asked)])
    known = {entry.entry_id: entry for entry in stored.rows}
    entries = list(adjustments(project, cells, known))
    version = stored.newer(version)
    written, removed = write_entries(store, stored, entries, version)
    # Of all of them, because one that died may have written and not told.
    hours = {entry.time_ns // _rows.HOUR_NS * 3_600 for entry in (*entries, *removed)}
    if hours:
        _announce(store, project, sorted(hours), version)
    total = sum((entry.total_cost_usd or Decimal(0) for entry in entries), Decimal(0))
    return Posted(len(entries), len(written), len(removed), total)


def _announce(store: Store, project: str, hours: Sequence[int], version: int) -> None:
    """Have hours summed again, as a repricing does."""
    count = len(hours)
    rows = pa.table(
        {
            "project": pa.array([project] * count, pa.string()),
            "trace_id": pa.array([""] * count, pa.string()),
            "hour": pa.array(hours, pa.timestamp("s", "UTC")),
            "flush_id": pa.array([f"{REPRICING}{version}-adjustments"] * count, pa.string()),
            "spans": pa.array([0] * count, pa.uint32()),
        }
    )
    store.insert("touches", rows, token=_rows.insert_token("touches", rows, version))
