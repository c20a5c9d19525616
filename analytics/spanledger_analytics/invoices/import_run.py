"""One import: everything is read, checked and written first, then whole days are switched to it."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Literal

import pyarrow as pa

from spanledger_analytics.invoices.counting import standing_notes
from spanledger_analytics.invoices.deliveries import Delivery
from spanledger_analytics.invoices.documents import Document
from spanledger_analytics.invoices.errors import InvoiceError
from spanledger_analytics.invoices.line import InvoiceLine, TokenClass
from spanledger_analytics.invoices.money import ExchangeRates
from spanledger_analytics.invoices.reports import Source
from spanledger_analytics.invoices.rows import DAY_SCHEMA, Place, table_of
from spanledger_analytics.invoices.rules import METER_ID, Mappings
from spanledger_storage.invoice_state import ImportRow, InvoiceState
from spanledger_storage.price_state import PriceState, StateEngine
from spanledger_storage.store import Store

State = Literal["imported", "known", "checked", "empty"]

_BATCH = 20_000
_MOST_PARTS = 65_535
_ACCOUNT_LIMIT = 128


@dataclass(frozen=True, slots=True)
class Asked:
    """What whoever imports says.

    Attributes:
        project: where it goes.
        who: name of who imports.
        account: at the provider; empty: as the file says, if it does.
        mapping: of a generic file, YAML.
        report: which report a pull asked for; empty: the file tells.
        covers: days a pull asked for, by source, so that an empty day is told as well.
        is_dry_run: read and check, write nothing.
    """

    project: str
    who: str
    account: str = ""
    mapping: str = ""
    report: str = ""
    covers: frozenset[tuple[str, date]] = frozenset()
    is_dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an import.

    Attributes:
        state: ``known``: the same content was imported before, so nothing was done; ``checked``: a
            dry run; ``empty``: a pull that brought nothing, for days nothing was known of.
        row: the import; of ``known`` the one before.
        notes: what whoever imports should know, one sentence each.
    """

    state: State
    row: ImportRow
    notes: Sequence[str] = ()


@dataclass(slots=True)
class _Sums:
    """What is counted while lines pass."""

    lines: int = 0
    unmapped: int = 0
    unconverted: dict[str, int] = field(default_factory=dict[str, int])
    amounts: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    days: dict[str, dict[date, bool]] = field(default_factory=dict[str, dict[date, bool]])
    providers: set[str] = field(default_factory=set[str])
    sources: dict[str, Source] = field(default_factory=dict[str, Source])
    skipped: int = 0


def import_delivery(
    store: Store, state: StateEngine, delivery: Delivery, asked: Asked, now_ns: int
) -> Outcome:
    """Import documents that belong together; days of their sources are replaced as whole days.

    1. A content that was imported before, and not deleted since, is not imported again.
    2. Every line is read and checked, and written under the id of the import, which no day counts.
    3. The days it covers are switched to it at once; the lines before stay.

    Raises:
        InvoiceError: something in it cannot be read; nothing was changed.
        StoreError: the store refused or did not answer.
        StateError: the state database did.
    """
    _check_account(asked.account)
    invoices = InvoiceState(state)
    documents, sha256 = _distinct(delivery.documents, asked)
    same = invoices.find_same(asked.project, sha256)
    if same is not None:
        return Outcome("known", same)
    import_id = uuid.uuid4().hex
    fetched_at_ns = min(now_ns, delivery.fetched_at_ns or now_ns)
    sums = _Sums()
    rates = ExchangeRates(PriceState(state).exchange_rates())
    mappings = Mappings(invoices.mappings(asked.project))
    placed = _placed(delivery, documents, asked, import_id, sums, rates, mappings)
    try:
        for number, batch in enumerate(_batches(placed)):
            table = table_of(batch)
            if not asked.is_dry_run:
                store.insert("invoice_lines", table, token=f"{import_id}/{number}")
        _check_found(delivery, sums)
    except InvoiceError:
        if sums.lines and not asked.is_dry_run:
            store.command("invoice_drop_lines", {"project": asked.project, "import_id": import_id})
        raise
    row = _row(delivery, asked, import_id, sha256, sums, fetched_at_ns, now_ns)
    before = invoices.imports(row.project)
    notes = _notes(row, sums, len(delivery.documents) - len(documents), before)
    if asked.report and not sums.lines and not _replaced(row, before)[0]:
        return Outcome("empty", row, notes)
    if asked.is_dry_run:
        return Outcome("checked", row, notes)
    switch_days(store, asked.project, _switched(row), now_ns)
    invoices.add_import(row)
    return Outcome("imported", row, notes)


def switch_days(
    store: Store, project: str, days: Iterable[tuple[str, str, str, bool]], now_ns: int
) -> None:
    """Let imports count for days: source, day (``2026-11-18``), import id, whether it is final."""
    rows = [
        {
            "project": project,
            "day": date.fromisoformat(day),
            "source": source,
            "import_id": import_id,
            "is_final": int(is_final),
            "version": now_ns,
        }
        for source, day, import_id, is_final in days
    ]
    table = pa.Table.from_pylist(rows, DAY_SCHEMA)
    store.insert("invoice_days", table, token=f"{uuid.uuid4().hex}/days")


def _switched(row: ImportRow) -> Iterator[tuple[str, str, str, bool]]:
    for source, days in row.days.items():
        for day, is_final in days.items():
            yield source, day, row.import_id, is_final


def _distinct(documents: Sequence[Document], asked: Asked) -> tuple[list[Document], str]:
    """Return documents without those of the same content, and a hash of what is imported."""
    by_hash = {document.sha256(): document for document in documents}
    hashes = sorted(by_hash)
    said = [text for text in (asked.account, asked.mapping) if text]
    if len(hashes) == 1 and not said:
        return list(by_hash.values()), hashes[0]
    digest = hashlib.sha256("\0".join([*hashes, asked.account, asked.mapping]).encode())
    return list(by_hash.values()), digest.hexdigest()


def _placed(
    delivery: Delivery,
    documents: Sequence[Document],
    asked: Asked,
    import_id: str,
    sums: _Sums,
    rates: ExchangeRates,
    mappings: Mappings,
) -> Iterator[tuple[Place, InvoiceLine]]:
    """Return the lines with where they are kept, counting them."""
    offset = 0
    for document in documents:
        highest = last_number = part = 0
        with document.records(asked.report) as records:
            for line in delivery.format.lines(records):
                part = part + 1 if line.line_number == last_number else 0
                last_number = line.line_number
                highest = max(highest, last_number)
                if part > _MOST_PARTS:
                    raise InvoiceError(f"{document.name}, line {last_number} has too many parts.")
                source = _source(delivery, line, asked)
                line = _counted(line, source, sums, rates, mappings)
                if len(documents) > 1:  # lines of a delivery are counted on
                    line = replace(
                        line,
                        line_number=offset + last_number,
                        extra={**line.extra, "file": document.name},
                    )
                yield Place(asked.project, import_id, source.text, part), line
            sums.skipped += records.skipped
            for text, day in records.covered | asked.covers:
                _cover(_with_account(Source.parse(text), asked.account), day, sums)
        offset += highest


def _source(delivery: Delivery, line: InvoiceLine, asked: Asked) -> Source:
    return _with_account(delivery.format.source(line), asked.account)


def _with_account(source: Source, account: str) -> Source:
    return replace(source, account=(account or source.account)[:_ACCOUNT_LIMIT])


def _cover(source: Source, day: date, sums: _Sums) -> None:
    sums.sources.setdefault(source.text, source)
    sums.days.setdefault(source.text, {})[day] = False


def _counted(
    line: InvoiceLine, source: Source, sums: _Sums, rates: ExchangeRates, mappings: Mappings
) -> InvoiceLine:
    sums.lines += 1
    sums.providers.add(line.provider)
    _cover(source, line.day, sums)
    if line.token_class is TokenClass.UNMAPPED:
        target = mappings.line_target(line.provider, line.description, line.extra.get(METER_ID, ""))
        sums.unmapped += target is None or "token_class" not in target
    if line.amount is None:
        return line
    known = sums.amounts.get(line.currency, Decimal(0))
    sums.amounts[line.currency] = known + line.amount
    usd = rates.usd(line.amount, line.currency, line.day)
    if usd is None:
        sums.unconverted[line.currency] = sums.unconverted.get(line.currency, 0) + 1
    return replace(line, amount_usd=usd)


def _batches(
    placed: Iterable[tuple[Place, InvoiceLine]],
) -> Iterator[list[tuple[Place, InvoiceLine]]]:
    batch: list[tuple[Place, InvoiceLine]] = []
    for one in placed:
        batch.append(one)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _check_found(delivery: Delivery, sums: _Sums) -> None:
    if sums.days:
        return
    if sums.skipped:
        raise InvoiceError(
            f"{delivery.name} has {sums.skipped:,} rows, none of them of a service for language "
            "models. Nothing was imported."
        )
    raise InvoiceError(f"{delivery.name} holds no rows. Nothing was imported.")


def _check_account(account: str) -> None:
    if len(account) > _ACCOUNT_LIMIT or not account.isprintable():
        raise InvoiceError(f"An account has up to {_ACCOUNT_LIMIT} printable characters.")


def _row(
    delivery: Delivery,
    asked: Asked,
    import_id: str,
    sha256: str,
    sums: _Sums,
    fetched_at_ns: int,
    now_ns: int,
) -> ImportRow:
    days: dict[str, Mapping[str, bool]] = {}
    for text, found in sorted(sums.days.items()):
        report = sums.sources[text].report
        days[text] = {f"{day}": report.is_final(day, fetched_at_ns) for day in sorted(found)}
    providers = sums.providers or {source.provider for source in sums.sources.values()}
    return ImportRow(
        import_id=import_id,
        project=asked.project,
        format=delivery.format.name,
        provider=",".join(sorted(providers))[:255],
        name=delivery.name,
        sha256=sha256,
        who=asked.who[:128],
        at_ns=now_ns,
        fetched_at_ns=fetched_at_ns,
        line_count=sums.lines,
        skipped_count=sums.skipped,
        unmapped_count=sums.unmapped,
        unconverted_count=sum(sums.unconverted.values()),
        amounts=dict(sorted(sums.amounts.items())),
        days=days,
        mapping=asked.mapping,
    )


def _notes(row: ImportRow, sums: _Sums, same: int, before: Sequence[ImportRow]) -> list[str]:
    notes: list[str] = []
    if same:
        notes.append(f"{same} file(s) of the same content were read once.")
    if row.skipped_count:
        notes.append(
            f"{row.skipped_count:,} rows of other services, or that charge nothing, were left out."
        )
    if row.unmapped_count:
        notes.append(
            f"{_lines(row.unmapped_count)} to map; their amounts count: "
            "spanledger invoices mappings unmapped"
        )
    for currency, count in sorted(sums.unconverted.items()):
        notes.append(
            f"{_lines(count)} in {currency}, which has no exchange rate for these days, so the "
            f"dollars are not known: spanledger prices exchange-rates add {currency} DOLLARS "
            f"--from {row.first_day}"
        )
    replaced, newer = _replaced(row, before)
    if replaced:
        notes.append(f"{replaced} day(s) that were imported before are replaced; history stays.")
    if newer:
        notes.append(
            f"{newer} of them were as of a later time than this file. If it is the older one, take "
            f"it back: spanledger invoices delete {row.import_id[:12]}"
        )
    return notes + standing_notes(row, before)


def _replaced(row: ImportRow, before: Sequence[ImportRow]) -> tuple[int, int]:
    """Return how many days were imported before, and how many as of a later time."""
    replaced = newer = 0
    for source, days in row.days.items():
        for day in days:
            old = next((one for one in before if day in one.days.get(source, {})), None)
            replaced += old is not None
            newer += old is not None and old.fetched_at_ns > row.fetched_at_ns
    return replaced, newer


def _lines(count: int) -> str:
    return f"{count:,} line{'' if count == 1 else 's'}"
