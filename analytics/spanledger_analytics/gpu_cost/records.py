"""An attributed hour as rows: ledger entries, lines of GPUs, and what workers cost and did."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import pyarrow as pa

from spanledger_analytics import _rows
from spanledger_analytics.entries import Entry, empty_entry, entry_id
from spanledger_analytics.gpu_cost.arithmetic import divided, dollars
from spanledger_analytics.gpu_cost.attribution import Attribution, RequestShare
from spanledger_analytics.gpu_cost.requests import Request
from spanledger_analytics.gpu_cost.workers import HOUR_NS
from spanledger_analytics.spans import SpanKey

KIND = "gpu"
WORKER_FLAG = "worker:"
"""Before the name of the worker in ``ledger.flags``: the statement ``gpu_cost_kept`` reads it."""


class Line(NamedTuple):
    """One row of ``gpu_attribution`` without the columns that say how new it is."""

    project: str
    gpu: str
    mig: str
    start_s: int
    line: str
    host: str
    gpu_index: str
    model: str
    seconds: int
    cost_usd: Decimal
    price_id: str
    method: str


class WorkerHour(NamedTuple):
    """One row of ``gpu_worker_hours`` without the columns that say how new it is."""

    project: str
    hour_s: int
    worker: str
    model: str
    engine: str
    requests: int
    requests_without_tokens: int
    uncached_tokens: int
    cache_read_tokens: int
    output_tokens: int
    prefill_cost_usd: Decimal
    decode_cost_usd: Decimal
    priced_cost_usd: Decimal
    unattributed_cost_usd: Decimal


_TEXT = pa.string()
_MOMENT = pa.timestamp("s", "UTC")
_LINE_TYPES: dict[str, pa.DataType] = {
    "start_s": _MOMENT,
    "seconds": _rows.SMALL_COUNT,
    "cost_usd": _rows.USD,
}
_WORKER_TYPES: dict[str, pa.DataType] = {
    "hour_s": _MOMENT,
    **dict.fromkeys(WorkerHour._fields[5:10], _rows.COUNT),
    **dict.fromkeys(WorkerHour._fields[10:], _rows.USD),
}


def _schema(fields: Iterable[str], types: Mapping[str, pa.DataType]) -> pa.Schema:
    return pa.schema([(name.removesuffix("_s"), types.get(name, _TEXT)) for name in fields])


LINE_SCHEMA = _schema(Line._fields, _LINE_TYPES)
WORKER_SCHEMA = _schema(WorkerHour._fields, _WORKER_TYPES)


def lines_of(found: Attribution) -> list[Line]:
    """Return one row per unit, five minutes and line that got money; they add up to the cost."""
    hour = found.hour
    rows: list[Line] = []
    for (unit, window, line), pico in sorted(found.lines.items()):
        about = found.windows[unit, window]
        last = about.last
        rows.append(
            Line(
                project=hour.project,
                gpu=unit[0],
                mig=unit[1],
                start_s=hour.start_s + window * 60,
                line=line,
                host=last.about.host,
                gpu_index=last.about.gpu_index,
                model=last.about.model,
                seconds=about.seconds,
                cost_usd=dollars(pico),
                price_id=last.price_id,
                method=about.method,
            )
        )
    return rows


def entries_of(found: Attribution) -> list[Entry]:
    """Return one ledger entry per request and unit, but for calls that a token price pays.

    A request that runs over a full hour has one in each of the two.
    """
    return [
        _entry(found, share)
        for share in found.shares.values()
        if share.total and not share.timed.request.is_priced
    ]


def gpu_entry_id(project: str, key: SpanKey, unit: tuple[str, str], hour_s: int) -> str:
    """Return the id of the entry of a request's span on a unit in an hour: 32 hex digits."""
    return entry_id(project, key[0], "\0".join((key[1], "gpu", *unit, str(hour_s))))


def _entry(found: Attribution, share: RequestShare) -> Entry:
    hour, request = found.hour, share.timed.request
    call = request.call or _call_of(hour.project, request)
    phases = share.timed.phases
    start = max(phases[0].start_ns, hour.start_ns)
    end = min(phases[-1].end_ns, hour.start_ns + HOUR_NS)
    is_own_trace = call.trace_id == request.key[0]
    total = dollars(share.total)
    is_split = share.timed.method != "gpu_time"
    return _without_usage(call)._replace(
        entry_id=gpu_entry_id(hour.project, request.key, share.unit.key, hour.start_s),
        kind=KIND,
        time_ns=start,
        duration_ns=end - start,
        span_id=request.key[1] if is_own_trace else call.span_id,
        status="ok",
        error_type="",
        response_id="",
        request_id="",
        usage_source=share.timed.method,
        price_status="priced",
        price_id=share.unit.price_id,
        contract_id="",
        uncached_cost_usd=dollars(share.prefill) if is_split else None,
        output_cost_usd=dollars(share.decode) if is_split else None,
        total_cost_usd=total,
        list_cost_usd=total,
        billed_price_id=share.unit.price_id,
        billed_cost_usd=total,
        flags=(f"{WORKER_FLAG}{request.worker}",),
        source_spans=(request.key,),
    )


_COUNTED = frozenset(
    name
    for name in Entry._fields
    if name.endswith(("_tokens", "_cost_usd"))
    or name in ("ttft_ns", "stream", "attempts", "web_searches")
)
"""Columns that the call's own entry has: counted there, and nowhere twice."""


def _without_usage(call: Entry) -> Entry:
    pairs = zip(Entry._fields, call, strict=True)
    return Entry._make(None if name in _COUNTED else value for name, value in pairs)


def _call_of(project: str, request: Request) -> Entry:
    """Return what is known of a request of which the ledger has no call."""
    trace_id, span_id = request.key
    return empty_entry(project, "", KIND, request.start_ns)._replace(
        trace_id=trace_id,
        span_id=span_id,
        trajectory_id=trace_id,
        provider=request.engine,
        model=request.model,
    )


@dataclass(slots=True)
class _Sum:
    engine: str = ""
    requests: int = 0
    without_tokens: int = 0
    uncached: int = 0
    cached: int = 0
    output: int = 0
    prefill: int = 0
    decode: int = 0
    priced: int = 0
    unattributed: int = 0


def worker_hours_of(found: Attribution) -> list[WorkerHour]:
    """Return what each worker and model cost and did.

    Tokens are counted in the hour in which their request began, money in the hour it was spent.
    What a pool cost besides goes to its workers and models as what they used, or to each the same
    where nobody used it.
    """
    hour = found.hour
    sums: defaultdict[tuple[str, str], _Sum] = defaultdict(_Sum)
    for one in found.requests:
        request = one.request
        if request.start_ns >= hour.start_ns and not request.is_kept:
            _count(sums[request.worker, request.model], request)
    for share in found.shares.values():
        request = share.timed.request
        known = sums[request.worker, request.model]
        known.engine = request.engine
        known.prefill += share.prefill
        known.decode += share.decode
        known.priced += share.total if request.is_priced else 0
    _share_unused(found, sums)
    return [
        WorkerHour(
            hour.project, hour.start_s, worker, model, known.engine, known.requests,
            known.without_tokens, known.uncached, known.cached, known.output,
            dollars(known.prefill), dollars(known.decode), dollars(known.priced),
            dollars(known.unattributed),
        )
        for (worker, model), known in sorted(sums.items())
    ]  # fmt: skip


def _count(known: _Sum, request: Request) -> None:
    known.engine = request.engine
    known.requests += 1
    known.without_tokens += not request.has_tokens
    known.uncached += request.uncached or 0
    known.cached += request.cached or 0
    known.output += request.output or 0


def _share_unused(found: Attribution, sums: defaultdict[tuple[str, str], _Sum]) -> None:
    for names, money in sorted(found.unused.items()):
        keys = sorted(key for key in sums if key[0] in names)
        if not keys:
            keys = [(name, _model_of(found, name)) for name in names]
            for key in keys:
                sums[key].engine = found.workers[key[0]].engine
        weights = [sums[key].prefill + sums[key].decode for key in keys]
        if not any(weights):
            weights = [1] * len(keys)
        for key, part in zip(keys, divided(money, weights), strict=True):
            sums[key].unattributed += part


def _model_of(found: Attribution, worker: str) -> str:
    return next(iter(found.workers[worker].models), "")


def touched_hours(entries: Iterable[Entry]) -> set[tuple[str, int]]:
    """Return the traces of entries with the UTC start hour (UNIX seconds) of each."""
    return {(entry.trace_id, entry.time_ns // HOUR_NS * 3_600) for entry in entries}
