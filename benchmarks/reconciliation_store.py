"""Calls and lines of invoices put straight into a store, as the jobs and importers would."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from io import BytesIO
from pathlib import Path

import pyarrow as pa

from spanledger_analytics import _rows
from spanledger_analytics.entries import Entry, empty_entry, entry_id
from spanledger_analytics.entry_prices import price_entries
from spanledger_analytics.invoices.documents import documents_of
from spanledger_analytics.invoices.formats import format_of
from spanledger_analytics.invoices.line import InvoiceLine
from spanledger_analytics.invoices.reports import REPORTS, Source
from spanledger_analytics.invoices.rows import DAY_SCHEMA, Place, table_of
from spanledger_analytics.ledger import write_entries
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.tokens import Tokens
from spanledger_storage.store import Store

PROJECT = "default"
_CHUNK = 20_000


def call(
    number: int, time_ns: int, provider: str, model: str, tokens: Tokens, **fields: object
) -> Entry:
    """Return a call as the ledger has it before it is priced; ``fields`` replace columns."""
    trace_id, span_id = f"{number:032x}", f"{number:016x}"
    entry = empty_entry(PROJECT, entry_id(PROJECT, trace_id, span_id), "llm", time_ns)
    return entry._replace(
        trace_id=trace_id,
        span_id=span_id,
        trajectory_id=trace_id,
        provider=provider,
        model=model,
        status="ok",
        duration_ns=2 * 10**9,
        response_id=f"resp_{number:x}",
        request_id=f"req_{number:x}",
        input_tokens=tokens.input,
        uncached_tokens=tokens.uncached,
        cache_read_tokens=tokens.cache_read,
        cache_write_tokens=tokens.cache_write,
        cache_write_5m_tokens=tokens.cache_write_5m,
        cache_write_1h_tokens=tokens.cache_write_1h,
        output_tokens=tokens.output,
        web_searches=tokens.web_searches,
        usage_source="span" if tokens.is_known else "none",
        price_status="unpriced",
        service_name="agents",
        dialects=("otel",),
        **fields,  # type: ignore[arg-type]  # columns of Entry, by name
    )


def put_calls(store: Store, entries: Sequence[Entry], book: PriceBook, version: int) -> list[Entry]:
    """Price calls by the book and write them; return them priced."""
    priced = price_entries(entries, [], book)
    for part in _rows.batches(priced, _CHUNK):
        write_entries(store, _rows.Stored([], 0), list(part), version)
    return priced


def put_lines(
    store: Store,
    lines: Iterable[InvoiceLine],
    version: int,
    days: Iterable[tuple[date, Source]] = (),
) -> None:
    """Write lines as one import of each source; ``days`` are covered though they have no line."""
    by_source: defaultdict[str, list[InvoiceLine]] = defaultdict(list)
    covered = {(day, source.text) for day, source in days}
    for line in lines:
        source = Source(REPORTS["generic"], line.provider, line.dataset)
        by_source[source.text].append(line)
        covered.add((line.day, source.text))
    write_import(store, by_source, covered, version)


def put_file(store: Store, path: Path, version: int) -> int:
    """Import a provider's file by the importer that knows it; return the number of its lines."""
    content = path.read_bytes()
    by_source: defaultdict[str, list[InvoiceLine]] = defaultdict(list)
    covered: set[tuple[date, str]] = set()
    for document in documents_of(path.name, lambda: BytesIO(content)):
        form = format_of(document.head(), path.name)
        with document.records() as records:
            for line in form.lines(records):
                source = form.source(line).text
                by_source[source].append(line)
                covered.add((line.day, source))
            covered |= {(day, text) for text, day in records.covered}
    write_import(store, by_source, covered, version)
    return sum(map(len, by_source.values()))


def write_import(
    store: Store,
    by_source: dict[str, list[InvoiceLine]],
    covered: Iterable[tuple[date, str]],
    version: int,
) -> None:
    """Write lines, then the days that count them."""
    import_id = f"{version:032x}"
    for source, lines in by_source.items():
        numbered = [
            (Place(PROJECT, import_id, source, 0), _numbered(line, number))
            for number, line in enumerate(lines, 1)
        ]
        for part in _rows.batches(numbered, _CHUNK):
            table = table_of(part)
            token = _rows.insert_token("invoice_lines", table, version)
            store.insert("invoice_lines", table, token=token)
    rows = [
        {"project": PROJECT, "day": day, "source": source, "import_id": import_id, "is_final": 0,
         "version": version}
        for day, source in sorted(covered)
    ]  # fmt: skip
    table = pa.Table.from_pylist(rows, schema=DAY_SCHEMA)
    store.insert("invoice_days", table, token=_rows.insert_token("invoice_days", table, version))


def _numbered(line: InvoiceLine, number: int) -> InvoiceLine:
    return replace(line, line_number=number)
