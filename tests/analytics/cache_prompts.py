"""Planted calls as the analysis sees them, decoded by the real dialects but without a store."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pyarrow as pa

from spanledger_analytics.cache.calls import CacheEntry, Prompt
from spanledger_analytics.cache.derive import derive
from spanledger_analytics.cache.rates import book_prices
from spanledger_analytics.cache.rows import CacheRow
from spanledger_analytics.cache.texts import Segment, read_segment
from spanledger_analytics.price_book.book import PriceBook
from spanledger_collector.decode.decode import Body, decode_traces
from tests.analytics.cache_planted import T0_S, Rendered, S
from tests.otlp import request


def decoded(rendered: list[Rendered]) -> tuple[list[Prompt], dict[bytes, Segment]]:
    """Return calls, not priced, and what their segments say."""
    by_scope: defaultdict[str, list[Rendered]] = defaultdict(list)
    for one in rendered:
        by_scope[one.scope].append(one)
    prompts: list[Prompt] = []
    texts: dict[bytes, Segment] = {}
    for scope, of in by_scope.items():
        sent = request(*(one.span for one in of), service=scope, scope=scope)
        found = decode_traces([Body("p", sent.SerializeToString(), T0_S * S)], "f", T0_S * S)
        for message in found.messages.to_pylist():
            content = message["content"]
            text = content.decode() if isinstance(content, bytes) else content
            texts[message["hash"]] = read_segment(message["role"], text, len(text))
        times = {
            name: [int(str(ns)) for ns in found.spans.column(name).cast(pa.int64()).to_pylist()]
            for name in ("start_time", "end_time")
        }
        for number, span in enumerate(found.spans.to_pylist()):
            start, end = times["start_time"][number], times["end_time"][number]
            prompts.append(_prompt(span, start, end))
    return prompts, texts


def rows_of(prompts: list[Prompt], texts: dict[bytes, Segment]) -> dict[tuple[str, str], CacheRow]:
    """Return the rows by trace and span."""
    rows = derive(
        "p",
        prompts,
        lambda hashes: {one: texts[one] for one in hashes if one in texts},
        book_prices(PriceBook.bundled()),
    )
    return {(row.trace_id, row.span_id): row for row in rows}


def _prompt(span: dict[str, Any], start_ns: int, end_ns: int) -> Prompt:
    taken = {name: span[name] for name in CacheEntry._fields if name in span}
    values: dict[str, Any] = {
        **dict.fromkeys(CacheEntry._fields),
        **taken,
        "entry_id": span["trace_id"] + span["span_id"],
        "time_ns": start_ns,
        "duration_ns": end_ns - start_ns,
        "model": span["response_model"] or span["request_model"],
        "price_status": "unpriced",
        "source_spans": ((span["trace_id"], span["span_id"]),),
    }
    entry = CacheEntry(**values)
    return Prompt(entry, tuple(span["input_messages"]), span["reasoning_level"])
