"""Cells of a reconciliation for tests: made by hand, and put where the job writes them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import pyarrow as pa

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
from spanledger_storage.store import Store

USD = pa.decimal128(38, 12)
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
    place = CellKey(day, provider, token_class, model=model, **key)  # type: ignore[arg-type]
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


def write_cells(
    store: Store, cells: Iterable[Cell], project: str = "default", *, gone: bool = False
) -> None:
    """Put cells into the table, each version newer than the last."""
    found = list(cells)
    version = next(_versions)
    columns = {
        **{n: [getattr(c.key, n) for c in found] for n in CellKey.__dataclass_fields__},
        "project": [project] * len(found),
        "cell_id": [c.cell_id for c in found],
        "causes": [[_cause(s) for s in c.causes] for c in found],
        "evidence": [[_ref(s, r) for s in c.causes for r in s.evidence] for c in found],
        "is_within_tolerance": [int(c.is_within_tolerance) for c in found],
        "is_final": [int(c.is_final) for c in found],
        "is_deleted": [int(gone)] * len(found),
        "version": [version] * len(found),
    }
    for name in (
        "ledger_quantity", "usage_quantity", "billed_quantity", "ledger_usd", "billed_usd",
        "volume_usd", "price_usd",
    ):  # fmt: skip
        columns[name] = [getattr(c, name) for c in found]
    types = {
        "day": pa.date32(),
        "causes": pa.list_(
            pa.struct(
                [("cause", pa.string()), ("usd", USD), ("confidence", pa.string()),
                 ("explanation", pa.string()), ("evidence_count", pa.uint64())]
            )
        ),
        "evidence": pa.list_(pa.struct([(name, pa.string()) for name in _REF])),
        **{name: USD for name in columns if name.endswith(("_usd", "_quantity"))},
    }  # fmt: skip
    arrays = {name: pa.array(values, types.get(name)) for name, values in columns.items()}
    arrays = {n: a.cast(pa.string()) if pa.types.is_null(a.type) else a for n, a in arrays.items()}
    store.insert("reconciliation_cells", pa.table(arrays), token=f"test-{version}")


_REF = ("cause", "trace_id", "span_id", "entry_id", "request_id", "response_id")


def _cause(one: CauseShare) -> dict[str, object]:
    return {
        "cause": str(one.cause),
        "usd": one.usd,
        "confidence": one.confidence,
        "explanation": one.explanation,
        "evidence_count": one.evidence_count,
    }


def _ref(one: CauseShare, ref: CallRef) -> dict[str, str]:
    return {"cause": str(one.cause), **{n: getattr(ref, n) for n in _REF[1:]}}


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
