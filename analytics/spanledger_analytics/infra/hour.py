"""One hour of a project's infrastructure: shared, compared with what is stored, written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, cast

import pyarrow as pa

from spanledger_analytics import _rows
from spanledger_analytics.entries import Entry, empty_entry, entry_id
from spanledger_analytics.entry_prices import usd
from spanledger_analytics.infra.share import Stretch, Use, share, stretches
from spanledger_analytics.ledger import read_entries, write_entries
from spanledger_analytics.spans import Dimensions
from spanledger_analytics.touches import REPRICING
from spanledger_storage.service_price_rows import InfraPriceRow
from spanledger_storage.store import Store

KIND = "infra"
PREFIX = "infra:"
"""Before the id of a price in ``ledger.price_id``."""
UNUSED = "unused"
"""Flag of what nobody used."""
_NS = 10**9
_TRACES_PER_FLUSH = 2_000  # as many as the ledger job takes at a time


class _Owner(NamedTuple):
    """Whom a trace is for; field names are columns of ``infra_traces`` and of the ledger."""

    environment: str
    agent_name: str
    agent_version: str
    workflow_name: str
    session_id: str
    user_id: str
    task_id: str
    dimensions: Dimensions


_NOBODY = _Owner("", "", "", "", "", "", "", ())


def share_hour(
    store: Store,
    project: str,
    hour_s: int,
    prices: Sequence[InfraPriceRow],
    version: int,
    *,
    is_first: bool = False,
) -> int:
    """Write what the traces of an hour owe its services; return the number of changed entries.

    Running it again writes nothing. The job that sums traces and hours is told what changed; with
    ``is_first``, the first time a process handles the hour, it is told of all, because one that
    died may have written and not told.

    Raises:
        StoreError: the store refused or did not answer; running again is safe.
    """
    parts = stretches((p for p in prices if p.project == project), hour_s * _NS)
    shared = [(part, _use(store, project, part)) for part in parts]
    traces = sorted({trace for _, use in shared for trace in use.by_trace})
    owners = _owners(store, project, traces, hour_s)
    asked = {"project": project, "hour": hour_s}
    stored = read_entries([store.arrow("infra_stored", asked)])
    known = {entry.entry_id: entry for entry in stored.rows}
    entries = [e for part, use in shared for e in _entries(project, part, use, owners, known)]
    version = stored.newer(version)
    written, removed = write_entries(store, stored, entries, version)
    told = [*entries, *removed] if is_first else [*written, *removed]
    if told:
        _announce(store, project, hour_s, {e.trace_id for e in told} | {""}, version)
    return len(written) + len(removed)


def _use(store: Store, project: str, part: Stretch) -> Use:
    params: dict[str, object] = {
        "project": project,
        "service": part.price.service_name,
        "from_ns": part.start_ns,
        "to_ns": part.end_ns,
    }
    table = store.arrow("infra_activity", params)
    traces, active = _rows.strings(table, "trace_id"), _rows.integers(table, "active_ns")
    by_trace = dict(zip(traces, active, strict=True))
    return Use(by_trace.pop("", 0), by_trace)


def _owners(store: Store, project: str, traces: Sequence[str], hour_s: int) -> Mapping[str, _Owner]:
    found: dict[str, _Owner] = {}
    for part in _rows.batches(traces):
        params = {"project": project, "trace_ids": _rows.Literal(part), "hour": hour_s}
        table = store.arrow("infra_traces", params)
        for trace_id, *rest in _rows.columns_of(table, ("trace_id", *_Owner._fields)):
            found[cast("str", trace_id)] = _Owner._make(cast("list[str]", rest))
    return found


def _entries(
    project: str,
    part: Stretch,
    use: Use,
    owners: Mapping[str, _Owner],
    known: Mapping[str, Entry],
) -> Iterable[Entry]:
    shares = share(part, use)
    for trace_id, amount in {**shares.by_trace, "": shares.unused}.items():
        if not amount:
            continue
        place = f"{PREFIX}{part.price.id}/{part.start_ns}"
        cost = usd(amount)
        entry = empty_entry(project, entry_id(project, place, trace_id), KIND, part.start_ns)
        before = known.get(entry.entry_id)
        yield entry._replace(
            **owners.get(trace_id, _NOBODY)._asdict(),
            duration_ns=use.by_trace.get(trace_id, 0),
            trace_id=trace_id,
            trajectory_id=trace_id,
            service_name=part.price.service_name,
            status="ok",
            usage_source="span",
            price_status="priced",
            price_id=f"{PREFIX}{part.price.id}",
            total_cost_usd=cost,
            list_cost_usd=cost,
            billed_price_id=before.billed_price_id if before else f"{PREFIX}{part.price.id}",
            billed_cost_usd=before.billed_cost_usd if before else cost,
            flags=() if trace_id else (UNUSED,),
        )


def _announce(store: Store, project: str, hour_s: int, traces: set[str], version: int) -> None:
    """Have traces and hour summed again, as a repricing does.

    The hour goes with the traces, because none of their spans may have begun in it. Traces go in
    flushes of a size that the ledger job handles at once.
    """
    for number, part in enumerate(_rows.batches(sorted(traces), _TRACES_PER_FLUSH)):
        rows = _touches(project, hour_s, part, f"{REPRICING}{version}-{hour_s}-{number}")
        store.insert("touches", rows, token=_rows.insert_token("touches", rows, version))


def _touches(project: str, hour_s: int, traces: Sequence[str], flush_id: str) -> pa.Table:
    count = len(traces)
    return pa.table(
        {
            "project": pa.array([project] * count, pa.string()),
            "trace_id": pa.array(traces, pa.string()),
            "hour": pa.array([hour_s] * count, pa.timestamp("s", "UTC")),
            "flush_id": pa.array([flush_id] * count, pa.string()),
            "spans": pa.array([0] * count, pa.uint32()),
        }
    )
