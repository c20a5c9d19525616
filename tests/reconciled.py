"""Cells of a reconciliation for tests: made by hand, and put where the job writes them."""

from __future__ import annotations

import itertools
from datetime import date
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from spanledger_analytics.invoices.import_run import switch_days
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass
from spanledger_analytics.invoices.rows import Place, table_of
from spanledger_analytics.reconciliation.result import (
    CallRef,
    Cause,
    CauseShare,
    Cell,
    CellKey,
    Reconciliation,
)
from spanledger_analytics.reconciliation.writing import write_cells
from spanledger_storage.store import Store

DAY = date(2026, 11, 18)
MONTH = (date(2026, 11, 1), date(2026, 11, 30))
_versions = itertools.count(1)


def share(
    cause: Cause | str, usd: str, confidence: str = "high", said: str = "", calls: int = 0
) -> CauseShare:
    refs = [
        CallRef(f"{n:032x}", f"{n:016x}", f"{n:032x}", f"req_{n}", f"resp_{n}")
        for n in range(1, calls + 1)
    ]
    return CauseShare(Cause(cause), Decimal(usd), confidence, said, refs, len(refs))  # type: ignore[arg-type]  # a text of the tests


def cell(
    ledger: str = "1",
    billed: str = "1",
    *causes: CauseShare,
    token_class: str = "output",
    day: date = DAY,
    provider: str = "openai",
    model: str | None = "gpt-5.5",
    quantities: tuple[str | None, str | None, str | None] = ("100", "100", "100"),
    is_fine: bool = False,
    is_final: bool = False,
    **key: str | None,
) -> Cell:
    """A cell whose difference is one of price where quantities agree, else of volume."""
    place = CellKey(day, provider, token_class, model=model, **key)
    told = [None if q is None else Decimal(q) for q in quantities]
    variance = Decimal(billed) - Decimal(ledger)
    is_price = told[0] == told[2]
    return Cell(
        cell_id=blake2b(repr(place).encode(), digest_size=16).hexdigest(),
        key=place,
        ledger_quantity=told[0],
        usage_quantity=told[1],
        billed_quantity=told[2],
        ledger_usd=Decimal(ledger),
        billed_usd=Decimal(billed),
        volume_usd=Decimal(0) if is_price else variance,
        price_usd=variance if is_price else Decimal(0),
        is_within_tolerance=is_fine or not variance,
        causes=causes,
        is_final=is_final,
    )


def result(*cells: Cell, project: str = "default") -> Reconciliation:
    return Reconciliation(project, *MONTH, cells)


def put(store: Store, *cells: Cell, project: str = "default") -> None:
    """Let cells be what was compared on their days, as the job writes them."""
    by_day: dict[date, list[Cell]] = {}
    for one in cells:
        by_day.setdefault(one.key.day, []).append(one)
    for day, found in by_day.items():
        write_cells(store, project, day, found, next(_versions))


def bill(
    store: Store,
    *lines: InvoiceLine,
    source: str = "openai.costs",
    project: str = "default",
    is_final: bool = True,
) -> None:
    """Let lines be what a report tells of their days."""  # fmt: skip
    import_id = f"{next(_versions):032x}"
    places = [(Place(project, import_id, source, 0), line) for line in lines]
    store.insert("invoice_lines", table_of(places), token=import_id)
    days = {line.day.isoformat() for line in lines}
    told = [(source, day, import_id, is_final) for day in sorted(days)]
    switch_days(store, project, told, next(_versions))


def line(
    token_class: TokenClass, quantity: str, amount: str, *, number: int = 1, **more: Any
) -> InvoiceLine:
    """A line of OpenAI's costs."""
    values: dict[str, Any] = {
        "day": DAY, "last_day": DAY, "dataset": Dataset.COST, "provider": "openai",
        "token_class": token_class, "quantity": Decimal(quantity), "unit": "tokens",
        "amount": Decimal(amount), "currency": "USD", "amount_usd": Decimal(amount),
        "model": "gpt-4o-mini", "reported_model": "gpt-4o-mini", "line_number": number,
        "description": f"gpt-4o-mini, {token_class.value}", **more,
    }  # fmt: skip
    return InvoiceLine(**values)
