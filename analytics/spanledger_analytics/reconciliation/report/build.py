"""The report of a reconciliation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import cast

from spanledger_analytics.invoices.reports import month_of, plain_provider
from spanledger_analytics.invoices.rules import rules_of
from spanledger_analytics.job import LEDGER
from spanledger_analytics.reconciliation.correction import Correction
from spanledger_analytics.reconciliation.coverage import Coverage, coverage_by_key
from spanledger_analytics.reconciliation.days import Days
from spanledger_analytics.reconciliation.invoice_totals import InvoiceCheck, check_invoices
from spanledger_analytics.reconciliation.report import sums
from spanledger_analytics.reconciliation.report.model import (
    CoverageTotal,
    ImportInput,
    InvoiceTotal,
    LedgerInput,
    Report,
    ReportCell,
    ReportShare,
    Suggestion,
)
from spanledger_analytics.reconciliation.result import CauseShare, Cell, Reconciliation
from spanledger_analytics.reconciliation.settings import tolerance_of
from spanledger_analytics.reconciliation.suggestions import read_suggestions
from spanledger_analytics.reconciliation.tolerance import Tolerance
from spanledger_storage.invoice_state import InvoiceState
from spanledger_storage.price_state import StateEngine
from spanledger_storage.state import Watermarks
from spanledger_storage.store import Store

_EXAMPLES = 5
_USUAL = Tolerance()


def read_report(store: Store, state: StateEngine, result: Reconciliation, now_ns: int) -> Report:
    """Return the report of days that were reconciled, with what it was made from.

    Raises:
        StateError: the state database does not answer.
        StoreError: the store refused or did not answer.
    """
    days = Days(result.first_day, result.last_day)
    handled_us = Watermarks(state).get(LEDGER)
    ledger = read_ledger_input(store, result.project, days, handled_us)
    imports = read_imports(state, result.project, days)
    invoices = read_invoices(store, state, result)
    corrections = read_suggestions(store, result, rules_of(state, result.project))
    tolerance = tolerance_of(state, result.project)
    return build_report(result, imports, ledger, now_ns, invoices, corrections, tolerance)


def read_invoices(store: Store, state: StateEngine, result: Reconciliation) -> list[InvoiceCheck]:
    """Return the invoices of months that end within the days, of providers that have cells.

    Raises:
        StateError: the state database does not answer.
        StoreError: the store refused or did not answer.
    """
    rules = rules_of(state, result.project)
    providers = {plain_provider(cell.key.provider) for cell in result.cells}
    found: list[InvoiceCheck] = []
    first = month_of(result.first_day)[0]
    while (last := month_of(first)[1]) <= result.last_day:
        found += check_invoices(store, result.project, rules, first)
        first = last + timedelta(days=1)
    return [one for one in found if plain_provider(one.provider) in providers]


def read_imports(state: StateEngine, project: str, days: Days) -> list[ImportInput]:
    """Return the imports that tell of some of the days, the newest first."""
    first, last = days.first.isoformat(), days.last.isoformat()
    return [
        ImportInput(
            source=row.format,
            name=row.name,
            sha256=row.sha256,
            rows=row.line_count,
            imported_at=rfc3339(row.at_ns),
        )
        for row in InvoiceState(state).imports(project)
        if row.first_day and row.first_day <= last and row.last_day >= first
    ]


def build_report(
    result: Reconciliation,
    imports: Sequence[ImportInput],
    ledger: LedgerInput,
    now_ns: int,
    invoices: Sequence[InvoiceCheck] = (),
    corrections: Sequence[Correction] = (),
    tolerance: Tolerance = _USUAL,
) -> Report:
    """Return the report of some days, made at a time (UTC nanoseconds)."""
    cells = result.cells
    days = Days(result.first_day, result.last_day)
    return Report(
        project=result.project,
        first_day=result.first_day,
        last_day=result.last_day,
        made_at=rfc3339(now_ns),
        is_final=bool(cells) and all(cell.is_final for cell in cells),
        is_within_tolerance=all(cell.is_within_tolerance for cell in cells),
        totals=sums.totals_of(cells),
        causes=sums.causes_of(cells),
        providers=sums.by_provider(cells),
        scopes=sums.by_scope(cells),
        models=sums.by_model(cells),
        beyond_tolerance=sums.beyond_tolerance(cells, days, tolerance),
        invoices=[invoice_total(one) for one in invoices],
        corrections=[suggestion(one) for one in corrections],
        finality=sums.finality_of(cells),
        coverage=[coverage_total(row) for row in coverage_by_key(cells)],
        imports=list(imports),
        ledger=ledger,
        cells=[report_cell(cell) for cell in sums.by_urgency(cells)],
    )


def read_ledger_input(
    store: Store, project: str, days: Days, handled_us: int | None
) -> LedgerInput:
    """Return how complete the ledger is; ``handled_us``: how far the ledger job got, UTC µs.

    Raises:
        StoreError: the store refused or did not answer.
    """
    from_ns, to_ns = days.bounds_ns
    params: dict[str, object] = {
        "project": project, "from_s": from_ns // 10**9, "to_s": to_ns // 10**9
    }  # fmt: skip
    [row] = store.rows("reconciliation_inputs", params)
    calls, unpriced, unknown, estimated = (
        cast("int", row[name])
        for name in ("calls", "unpriced_calls", "calls_without_usage", "estimated_calls")
    )
    return LedgerInput(
        handled_until=None if handled_us is None else rfc3339(handled_us * 1_000),
        calls=calls,
        unpriced_calls=unpriced,
        calls_without_usage=unknown,
        estimated_calls=estimated,
        unpriced_share=_share(unpriced, calls),
        estimated_share=_share(estimated, calls),
    )


def coverage_total(row: Coverage) -> CoverageTotal:
    """Return one coverage as the report holds it."""
    return CoverageTotal(
        provider=row.provider,
        scope=row.scope,
        api_key=row.api_key,
        measure=row.measure,
        observed=row.observed,
        reported=row.reported,
        beyond=row.beyond,
        share=row.share,
    )


def suggestion(one: Correction) -> Suggestion:
    """Return a correction as the report holds it."""
    return Suggestion(
        correction_id=one.correction_id,
        way=one.way,
        kind=one.kind,
        cause=one.cause,
        provider=one.provider,
        title=one.title,
        advice=one.advice,
        asks=one.asks,
        command=one.command,
        first_day=one.first_day,
        last_day=one.last_day,
        usd=one.usd,
        size_usd=one.size_usd,
        cells=len(one.cells),
    )


def invoice_total(one: InvoiceCheck) -> InvoiceTotal:
    """Return an invoice as a whole as the report holds it."""
    return InvoiceTotal(
        provider=one.provider,
        account=one.account,
        month=one.month,
        amount=one.amount,
        currency=one.currency,
        amount_usd=one.amount_usd,
        lines=one.lines,
        lines_usd=one.lines_usd,
        ledger_usd=one.ledger_usd,
        beyond_ledger_usd=one.beyond_ledger_usd,
        variance_usd=one.variance_usd,
        limit_usd=one.limit_usd,
        is_within_tolerance=one.is_within_tolerance,
        invoice_ids=list(one.invoice_ids),
        causes=list(_shares(one.cell.causes)) if one.cell else [],
    )


def report_cell(cell: Cell) -> ReportCell:
    """Return a cell as the report holds it, with a few examples of each cause."""
    key = cell.key
    return ReportCell(
        cell_id=cell.cell_id,
        day=key.day,
        provider=key.provider,
        token_class=key.token_class,
        scope=key.scope,
        api_key=key.api_key,
        model=key.model,
        processing=key.processing,
        service_tier=key.service_tier,
        context=key.context,
        geo=key.geo,
        ledger_quantity=cell.ledger_quantity,
        usage_quantity=cell.usage_quantity,
        billed_quantity=cell.billed_quantity,
        ledger_usd=cell.ledger_usd,
        billed_usd=cell.billed_usd,
        variance_usd=cell.variance_usd,
        volume_usd=cell.volume_usd,
        price_usd=cell.price_usd,
        is_within_tolerance=cell.is_within_tolerance,
        is_final=cell.is_final,
        causes=list(_shares(cell.causes)),
    )


def _shares(causes: Iterable[CauseShare]) -> Iterable[ReportShare]:
    for share in causes:
        yield ReportShare(
            cause=share.cause,
            usd=share.usd,
            confidence=share.confidence,
            explanation=share.explanation,
            calls=share.evidence_count,
            examples=[ref.request_id or ref.trace_id for ref in share.evidence[:_EXAMPLES]],
        )


def rfc3339(time_ns: int) -> str:
    """Return a moment in whole seconds: 2026-11-21T00:00:00Z."""
    return datetime.fromtimestamp(time_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _share(part: int, whole: int) -> Decimal | None:
    return Decimal(part) / whole if whole else None
