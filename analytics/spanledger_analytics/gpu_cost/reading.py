"""What the store tells of one hour: GPUs, workers, spans of requests, and their calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, TypeVar

from spanledger_analytics import _rows
from spanledger_analytics._rows import Literal, batches
from spanledger_analytics.entries import Entry
from spanledger_analytics.ledger import read_entries
from spanledger_analytics.reading import MAX_TRACES_OF_ID
from spanledger_analytics.spans import SpanKey
from spanledger_storage.store import Store

_RowT = TypeVar("_RowT")


class GpuMinute(NamedTuple):
    """A row of the statement ``gpu_cost_gpus``."""

    gpu: str
    mig: str
    minute: int
    gpu_index: str = ""
    model: str = ""
    mig_profile: str = ""
    host: str = ""
    pods: tuple[str, ...] = ()
    used_ratio: float | None = None
    memory_total_bytes: int | None = None
    energy_joules: float | None = None


class WorkerMinute(NamedTuple):
    """A row of the statement ``gpu_cost_workers``."""

    worker: str
    model: str
    minute: int
    engine: str = ""
    service_name: str = ""
    host: str = ""
    pod: str = ""
    running_ratio: float | None = None
    busy_seconds: float | None = None
    started_s: int | None = None
    has_served: bool = False


class RequestSpan(NamedTuple):
    """A row of the statement ``gpu_cost_spans``; empty strings and None mean not reported."""

    trace_id: str
    span_id: str
    start_ns: int
    end_ns: int
    role: str = "server"
    provider: str = ""
    model: str = ""
    queue_ns: int | None = None
    prefill_ns: int | None = None
    decode_ns: int | None = None
    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    instance: str = ""
    host: str = ""
    pod: str = ""
    service_name: str = ""
    server_address: str = ""
    server_port: str = ""
    response_id: str = ""

    @property
    def key(self) -> SpanKey:
        """What identifies a span within a project."""
        return self.trace_id, self.span_id

    @property
    def is_server(self) -> bool:
        """Whether the worker itself tells."""
        return self.role not in ("llm", "embedding")

    @property
    def uncached(self) -> int | None:
        """Input tokens that were not read from the prefix cache."""
        if self.input_tokens is None:
            return None
        return max(0, self.input_tokens - (self.cache_read_tokens or 0))


class Kept(NamedTuple):
    """A row of the statement ``gpu_cost_kept``: a deleted request whose cost was kept."""

    trace_id: str
    span_id: str
    start_ns: int
    end_ns: int
    price_ids: tuple[str, ...]
    cost_usd: Decimal
    method: str = ""
    worker: str = ""
    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    output_tokens: int | None = None

    @property
    def key(self) -> SpanKey:
        """The pseudonyms of its span."""
        return self.trace_id, self.span_id


@dataclass(frozen=True, slots=True)
class Hour:
    """One clock hour of a project; ``start_s`` in UNIX seconds."""

    project: str
    start_s: int
    gpus: Sequence[GpuMinute]
    workers: Sequence[WorkerMinute] = ()
    spans: Sequence[RequestSpan] = ()
    calls: Sequence[Entry] = ()
    kept: Sequence[Kept] = ()

    @property
    def start_ns(self) -> int:
        """The same in UTC nanoseconds."""
        return self.start_s * 10**9

    def calls_by_span(self) -> Mapping[SpanKey, Entry]:
        """Return the ledger's entry of every span that a call was seen in."""
        return {key: call for call in self.calls for key in call.source_spans}


def read_hour(store: Store, project: str, hour: int) -> Hour:
    """Return what is stored of an hour (UTC start hour, UNIX seconds).

    Raises:
        StoreError: the store refused or did not answer.
    """
    params: dict[str, object] = {"project": project, "hour": hour}
    gpus = _read(store, "gpu_cost_gpus", params, GpuMinute._fields, GpuMinute._make)
    if not gpus:
        return Hour(project, hour, ())
    workers = _read(store, "gpu_cost_workers", params, WorkerMinute._fields, WorkerMinute._make)
    asked = {**params, "addresses": Literal(addresses(workers))}
    spans = _read(store, "gpu_cost_spans", asked, RequestSpan._fields, RequestSpan._make)
    traces = {span.trace_id for span in spans}
    traces |= _traces_of_ids(store, params, {span.response_id for span in spans} - {""})
    tables = [
        store.arrow("gpu_cost_entries", {**params, "trace_ids": Literal(part)})
        for part in batches(sorted(traces))
    ]
    kept = _read(store, "gpu_cost_kept", params, Kept._fields, Kept._make)
    return Hour(project, hour, gpus, workers, spans, read_entries(tables).rows, kept)


def _traces_of_ids(
    store: Store, params: Mapping[str, object], response_ids: Iterable[str]
) -> set[str]:
    """Return the traces that hold a response id: a call seen in two lies in one of them."""
    found: set[str] = set()
    for part in batches(sorted(response_ids)):
        asked = {**params, "response_ids": Literal(part), "max_traces": MAX_TRACES_OF_ID}
        found.update(_rows.strings(store.arrow("gpu_cost_response_traces", asked), "trace_id"))
    return found


def addresses(workers: Iterable[WorkerMinute]) -> list[str]:
    """Return by which names clients may know the workers."""
    found: set[str] = set()
    for worker in workers:
        found |= {worker.worker.rpartition(":")[0], worker.host, worker.pod}
    return sorted(found - {""})


def _read(
    store: Store,
    statement: str,
    params: Mapping[str, object],
    fields: Sequence[str],
    make: Callable[[Iterable[object]], _RowT],
) -> list[_RowT]:
    table = store.arrow(statement, params)
    return [make(values) for values in _rows.columns_of(table, fields)]


def by_worker(rows: Iterable[WorkerMinute]) -> dict[str, list[WorkerMinute]]:
    """Return the minutes of each worker, all its models together."""
    found: defaultdict[str, list[WorkerMinute]] = defaultdict(list)
    for row in rows:
        found[row.worker].append(row)
    return dict(found)
