"""What views of traces are built of: rows of traces, spans and the ledger, for many at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import repeat
from typing import NamedTuple

import pyarrow as pa

from spanledger_analytics._rows import (
    Literal,
    asked,
    batches,
    columns_of,
    integers,
    strings,
    values_of,
)
from spanledger_analytics.spans import Span
from spanledger_storage.store import Store

MOST_MESSAGES = 256
"""Of a call with more messages, the input counts as not recorded: a long lane would hold the square
of its length."""
_HASHES = 2_000


class Head(NamedTuple):
    """A row of ``traces``; field names are the columns of ``findings_traces``."""

    trace_id: str
    root_span_id: str
    status: str
    outcome: str
    session_id: str
    user_id: str
    agent_name: str
    agent_version: str
    start_ns: int
    end_ns: int
    total_cost_usd: Decimal | None
    human_times: tuple[int, ...]


class Call(NamedTuple):
    """An entry of the ledger; field names are the columns of ``findings_calls``."""

    kind: str
    trace_id: str
    span_id: str
    start_ns: int
    duration_ns: int
    ttft_ns: int | None
    provider: str
    model: str
    status: str
    error_type: str
    input_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    output_tokens: int | None
    total_cost_usd: Decimal | None
    uncached_cost_usd: Decimal | None
    cache_read_cost_usd: Decimal | None
    output_cost_usd: Decimal | None
    fees_cost_usd: Decimal | None
    others: str


class Extra(NamedTuple):
    """What a span says besides what the ledger needs of it; ``input``, ``output``: hex digits."""

    tool_outcome: str
    tool_evidence: str
    call_sig: int
    result_sig: int
    finish_reason: str
    is_pending: int
    input: str
    output: str
    server: str = ""


@dataclass(slots=True)
class Material:
    """A trace: its row, its spans by id, what the ledger counts of it.

    Attributes:
        hours: UTC start hours (UNIX seconds) in which it has spans.
        servers: by span of a tool, where it runs; of traces in which one failed.
    """

    head: Head
    hours: list[int]
    spans: dict[str, Span] = field(default_factory=dict[str, Span])
    extras: dict[str, Extra] = field(default_factory=dict[str, Extra])
    calls: list[Call] = field(default_factory=list[Call])
    servers: dict[str, str] = field(default_factory=dict[str, str])


def read_material(store: Store, project: str, trace_ids: Iterable[str]) -> list[Material]:
    """Return traces that have a row and spans, by id.

    Raises:
        StoreError: the store refused or did not answer.
    """
    hours = _hours(store, project, trace_ids)
    pairs = sorted((hour, trace_id) for trace_id, found in hours.items() for hour in found)
    made: dict[str, Material] = {}
    for part in batches(pairs):
        params = _params(project, part)
        for head in map(
            Head._make, columns_of(store.arrow("findings_traces", params), Head._fields)
        ):
            made[head.trace_id] = Material(head, sorted(hours[head.trace_id]))
    for part in batches([pair for pair in pairs if pair[1] in made]):
        params = _params(project, part)
        _add_spans(made, store.arrow("findings_spans", params | {"most_messages": MOST_MESSAGES}))
        _add_calls(made, store.arrow("findings_calls", params))
    found = [one for _, one in sorted(made.items()) if one.spans]
    for one in found:
        _add_servers(one)
    return found


def read_roles(store: Store, project: str, hashes: Iterable[bytes]) -> dict[bytes, str]:
    """Return who said messages, as far as they are stored.

    Raises:
        StoreError: the store refused or did not answer.
    """
    found: dict[bytes, str] = {}
    for part in batches(sorted(set(hashes)), _HASHES):
        digests = Literal([digest.hex() for digest in part])
        table = store.arrow("findings_roles", {"project": project, "hashes": digests})
        for digest, role in zip(strings(table, "digest"), strings(table, "role"), strict=True):
            found[bytes.fromhex(digest)] = role
    return found


def _hours(store: Store, project: str, trace_ids: Iterable[str]) -> dict[str, set[int]]:
    found: defaultdict[str, set[int]] = defaultdict(set)
    for part in batches(sorted(set(trace_ids))):
        params: dict[str, object] = {"project": project, "trace_ids": Literal(part)}
        table = store.arrow("ledger_trace_hours", params)
        for hour, trace_id in zip(integers(table, "hour"), strings(table, "trace_id"), strict=True):
            found[trace_id].add(hour)
    return found


def _params(project: str, pairs: Sequence[tuple[int, str]]) -> dict[str, object]:
    return {"project": project, "asked": asked(("hour", "trace_id"), pairs)}


_SPAN_COLUMNS = frozenset(
    (
        "trace_id",
        "span_id",
        "parent_span_id",
        "version",
        "role",
        "status",
        "error_type",
        "start_ns",
        "end_ns",
        "service_name",
        "scope_name",
        "kind",
        "agent_name",
        "agent_version",
        "tool_name",
        "tool_call_id",
    )
)
_DEFAULTS = Span("", "")


def _add_spans(made: dict[str, Material], table: pa.Table) -> None:
    """Put spans in their places, of each the newest version."""
    columns = [
        values_of(table.column(name)) if name in _SPAN_COLUMNS else repeat(default)
        for name, default in zip(Span._fields, _DEFAULTS, strict=True)
    ]
    spans = map(Span._make, zip(*columns, strict=False))
    extras = map(
        Extra._make, zip(*(values_of(table.column(n)) for n in Extra._fields), strict=True)
    )
    for span, extra in zip(spans, extras, strict=True):
        material = made.get(span.trace_id)
        if material is None:
            continue
        known = material.spans.get(span.span_id)
        if known is None or known.version < span.version:
            material.spans[span.span_id] = span
            material.extras[span.span_id] = extra


def _add_calls(made: dict[str, Material], table: pa.Table) -> None:
    columns = [values_of(table.column(name)) for name in Call._fields]
    for call in map(Call._make, zip(*columns, strict=True)):
        if call.trace_id in made:
            made[call.trace_id].calls.append(call)


def _add_servers(material: Material) -> None:
    """Say where tools run, in traces in which one failed."""
    if any(map(_is_suspect, material.extras.values())):
        material.servers = {key: one.server for key, one in material.extras.items() if one.server}


def _is_suspect(extra: Extra) -> bool:
    return extra.tool_evidence != "" or extra.tool_outcome == "error"
