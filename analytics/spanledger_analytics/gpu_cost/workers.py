"""Inference workers of an hour: their requests, how busy they were, when they warmed up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from spanledger_analytics.entries import Entry
from spanledger_analytics.gpu_cost.reading import (
    Hour,
    Kept,
    RequestSpan,
    WorkerMinute,
    by_worker,
)
from spanledger_analytics.gpu_cost.requests import LATENCIES, TOKENS, Request, Timed
from spanledger_analytics.gpu_cost.units import LONGEST_GAP_MINUTES
from spanledger_analytics.providers import is_self_hosted
from spanledger_analytics.spans import SpanKey

MINUTE_NS = 60 * 10**9
HOUR_NS = 60 * MINUTE_NS


@dataclass(slots=True)
class Worker:
    """One worker; ``minutes`` are by minute of the hour. Without samples only spans tell of it."""

    name: str
    engine: str = ""
    host: str = ""
    pod: str = ""
    service_name: str = ""
    models: tuple[str, ...] = ()
    minutes: dict[int, list[WorkerMinute]] = field(default_factory=dict[int, list[WorkerMinute]])

    def busy_ratio(self, minute: int) -> float | None:
        """Return the share of the minute in which the model ran; None: the engine does not tell."""
        told = [m.busy_seconds for m in self.minutes.get(minute, ()) if m.busy_seconds is not None]
        return min(1.0, sum(told) / 60) if told else None

    def is_up(self, minute: int) -> bool:
        """Return whether nothing tells that it ended before: no samples for longer than a gap."""
        return not self.minutes or minute <= max(self.minutes) + LONGEST_GAP_MINUTES

    def running_ratio(self, minute: int) -> float | None:
        """Return the share of the minute with requests running; None: the engine does not tell."""
        told = [m.running_ratio for m in self.minutes.get(minute, ())]
        return max((t for t in told if t is not None), default=None)


def workers_of(hour: Hour) -> dict[str, Worker]:
    """Return the workers that samples tell of, by name."""
    found: dict[str, Worker] = {}
    for name, rows in by_worker(hour.workers).items():
        last = max(rows, key=lambda row: (row.minute, row.model))
        worker = Worker(
            name,
            last.engine,
            last.host,
            last.pod,
            last.service_name,
            tuple(sorted({row.model for row in rows if row.model})),
        )
        for row in rows:
            worker.minutes.setdefault(row.minute, []).append(row)
        found[name] = worker
    return found


def requests_of(hour: Hour, workers: dict[str, Worker]) -> list[Request]:
    """Return the requests of an hour; workers that only spans tell of are added to ``workers``.

    A worker that sends spans of its own is known by them. The others are known by their clients'
    spans: one request for each call whose client says the worker's address. Those that were
    deleted, and whose cost was kept, still had their share of the time.
    """
    calls = hour.calls_by_span()
    finder = _Finder(workers)
    found: list[Request] = []
    for span in hour.spans:
        if span.is_server and (worker := finder.of_server(span)):
            found.append(_request(span, worker, calls.get(span.key)))
    told = {request.worker for request in found}
    seen = {key for r in found if r.call is not None for key in r.call.source_spans}
    by_call: dict[str, Request] = {}
    for span in hour.spans:
        call = calls.get(span.key)
        if span.is_server or call is None or span.key in seen:
            continue
        worker = finder.of_client(span)
        if worker is not None and worker.name not in told:
            by_call.setdefault(call.entry_id, _request_of_call(call, worker))
    kept = (_kept_request(one) for one in hour.kept if one.worker in workers)
    return [*found, *by_call.values(), *kept]


class _Finder:
    """Finds the worker that a span ran on, or called."""

    def __init__(self, workers: dict[str, Worker]) -> None:
        self._workers = workers
        self._sampled = list(workers.values())

    def of_server(self, span: RequestSpan) -> Worker | None:
        """Return the worker whose span this is.

        By service.instance.id, by pod, then by what is left: the only worker of its host, service
        and model. A worker without samples is known by its instance, pod or host alone.
        """
        if span.instance in self._workers:
            return self._workers[span.instance]
        rest: Sequence[Worker] = self._sampled
        for said, name in (
            (span.pod, "pod"),
            (span.host, "host"),
            (span.service_name, "service_name"),
        ):
            rest = _narrowed(rest, name, said) if said else rest
        rest = [w for w in rest if not w.models or span.model in w.models] or rest
        if len(rest) == 1 and _is_same_place(rest[0], span):
            return rest[0]
        name = span.instance or span.pod or span.host
        if not name or len(rest) > 1:
            return None
        worker = Worker(name, span.provider, span.host, span.pod, span.service_name)
        return self._workers.setdefault(name, worker)

    def of_client(self, span: RequestSpan) -> Worker | None:
        """Return the worker that a client called: by address and port, else the only one there."""
        exact = self._workers.get(f"{span.server_address}:{span.server_port}")
        if exact is not None:
            return exact
        if span.server_port and not is_self_hosted(span.provider):
            return None  # another program of that host, as far as anybody says
        address = span.server_address
        there = [
            w
            for w in self._sampled
            if address in (w.name.rpartition(":")[0], w.host, w.pod)
            and (not w.models or span.model in w.models)
        ]
        return there[0] if len(there) == 1 else None


def _narrowed(workers: Sequence[Worker], name: str, said: str) -> Sequence[Worker]:
    return [w for w in workers if getattr(w, name) == said] or workers


def _is_same_place(worker: Worker, span: RequestSpan) -> bool:
    """Tell whether nothing that a span says of its place speaks against the worker."""
    pairs = ((worker.pod, span.pod), (worker.host, span.host))
    is_known = any(mine and mine == theirs for mine, theirs in pairs)
    is_other = any(mine and theirs and mine != theirs for mine, theirs in pairs)
    is_served = span.model in worker.models or worker.service_name == span.service_name != ""
    return not is_other and (is_known or is_served)


def _request(span: RequestSpan, worker: Worker, call: Entry | None) -> Request:
    uncached, cached, output = span.uncached, span.cache_read_tokens, span.output_tokens
    if uncached is None and output is None and call is not None:
        uncached, cached, output = _computed(call), call.cache_read_tokens, call.output_tokens
    return Request(
        key=span.key,
        worker=worker.name,
        start_ns=span.start_ns,
        end_ns=span.end_ns,
        queue_ns=span.queue_ns,
        prefill_ns=span.prefill_ns,
        decode_ns=span.decode_ns,
        uncached=uncached,
        cached=cached,
        output=output,
        model=(call.model if call else "") or span.model,
        engine=worker.engine or span.provider,
        call=call,
    )


def _request_of_call(call: Entry, worker: Worker) -> Request:
    key: SpanKey = (call.trace_id, call.span_id)
    return Request(
        key=key,
        worker=worker.name,
        start_ns=call.time_ns,
        end_ns=call.time_ns + call.duration_ns,
        uncached=_computed(call),
        cached=call.cache_read_tokens,
        output=call.output_tokens,
        model=call.model,
        engine=worker.engine,
        call=call,
    )


def _kept_request(kept: Kept) -> Request:
    """Return a deleted request as it was weighed: by its latencies, its tokens or its time."""
    has_tokens = kept.method == TOKENS
    uncached = max(0, (kept.input_tokens or 0) - (kept.cache_read_tokens or 0))
    return Request(
        key=kept.key,
        worker=kept.worker,
        start_ns=kept.start_ns,
        end_ns=kept.end_ns,
        decode_ns=kept.end_ns - kept.start_ns if kept.method == LATENCIES else None,
        uncached=uncached if has_tokens else None,
        output=kept.output_tokens if has_tokens else None,
        is_kept=True,
    )


def _computed(call: Entry) -> int | None:
    """Return the input tokens that were not read from the prefix cache."""
    if call.input_tokens is None:
        return None
    return max(0, call.input_tokens - (call.cache_read_tokens or 0))


def warm_ups(
    hour: Hour, workers: Iterable[Worker], requests: Iterable[Timed]
) -> Mapping[str, list[tuple[int, int]]]:
    """Return by worker when it was up and had not served anything yet: UTC nanoseconds, half open.

    From the start of its counters to the first request that spans or counters tell of. Counters
    are read once a scrape: the minute in which they first tell of a request is where it began,
    unless a span says it more exactly.
    """
    first: defaultdict[str, list[int]] = defaultdict(list)
    for one in requests:
        first[one.request.worker].append(one.phases[0].start_ns)
    end_ns = hour.start_ns + HOUR_NS
    found: dict[str, list[tuple[int, int]]] = {}
    for worker in workers:
        times = [
            (start_s * 10**9, _first_request(start_s * 10**9, at_ns, first[worker.name], end_ns))
            for start_s, at_ns in sorted(_served(hour, worker).items())
        ]
        clipped = [(max(a, hour.start_ns), min(b, end_ns)) for a, b in times]
        found[worker.name] = [(a, b) for a, b in clipped if a < b]
    return found


def _served(hour: Hour, worker: Worker) -> dict[int, int | None]:
    """Return by start of the counters (UNIX seconds) when they first told of a request.

    A start before the hour whose first sample in it tells of one had served before: since when is
    not known, nor does it matter.
    """
    served: dict[int, int | None] = {}
    for minute in sorted(worker.minutes):
        for row in worker.minutes[minute]:
            start_s = row.started_s
            if start_s is None or served.get(start_s) is not None:
                continue
            is_first = start_s not in served
            served[start_s] = None
            if row.has_served:
                is_old = is_first and start_s < hour.start_s
                at_ns = start_s * 10**9 if is_old else hour.start_ns + minute * MINUTE_NS
                served[start_s] = at_ns
    return served


def _first_request(started_ns: int, served_ns: int | None, known: list[int], end_ns: int) -> int:
    spans = min((at for at in known if at >= started_ns), default=None)
    if spans is not None and (served_ns is None or spans < served_ns + MINUTE_NS):
        return spans
    return end_ns if served_ns is None else served_ns
