"""The job compares what changed again, and only that; running it twice changes nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from benchmarks.reconciliation_store import PROJECT, call, put_calls, put_lines
from spanledger_analytics.entries import Entry
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass
from spanledger_analytics.price_book.book import BookSource, PriceBook
from spanledger_analytics.reconciliation.job import ReconciliationJob
from spanledger_analytics.reconciliation.reading import read
from spanledger_analytics.reconciliation.result import Cause
from spanledger_analytics.reconciliation.run import Means, means_of, reconcile
from spanledger_analytics.tokens import Tokens
from spanledger_analytics.touches import DELETED
from spanledger_storage.errors import StoreError
from spanledger_storage.project_settings import ProjectSettings, Reconciliation
from spanledger_storage.projects import Projects
from spanledger_storage.state import Watermarks
from spanledger_storage.store import Store
from tests.reconciled import bill, line

DAY = date(2026, 11, 18)
NOON_NS = int(datetime(2026, 11, 18, 12, tzinfo=UTC).timestamp()) * 10**9
DAY_NS = 86_400 * 10**9
LINE = InvoiceLine(
    DAY, DAY, Dataset.COST, "openai", TokenClass.UNCACHED, Decimal(2_000_000), "tokens",
    Decimal(10), "USD", model="gpt-5.5-2026-04-23",
)  # fmt: skip


class Clock:
    """Time that a test moves."""

    now_ns = NOON_NS + DAY_NS

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def job(store: Store, state: sa.Engine, clock: Clock) -> ReconciliationJob:
    return ReconciliationJob(store, state, clock, Watermarks(state), BookSource())


def calls(*numbers: int) -> list[Entry]:
    """Ten calls of a number, of a hundred thousand tokens each: five dollars together."""
    return [
        call(
            n * 10 + i, NOON_NS + i, "openai", "gpt-5.5-2026-04-23", Tokens(input=100_000, output=0)
        )
        for n in numbers
        for i in range(10)
    ]


def variances(store: Store) -> list[Decimal]:
    return [cell.variance_usd for cell in read(store, PROJECT, DAY, DAY).cells]


def versions(store: Store) -> list[dict[str, object]]:
    return store.sql_rows("SELECT cell_id, version FROM reconciliation_cells ORDER BY ALL")


def test_a_day_is_compared_when_its_bill_comes_and_again_when_late_calls_come(
    store: Store, job: ReconciliationJob, clock: Clock
) -> None:
    book = PriceBook.bundled()
    put_calls(store, calls(1), book, clock.now_ns - 1)
    assert job.run_once() == 0, "without a bill there is nothing to compare"
    clock.now_ns += 10**12
    put_lines(store, [LINE], clock.now_ns - 10**11)
    assert job.run_once() == 3  # the day, and those beside it
    assert variances(store) == [5]
    before = versions(store)
    clock.now_ns += 10**12
    assert job.run_once() == 0
    assert versions(store) == before
    put_calls(store, calls(2), book, clock.now_ns)
    clock.now_ns += 10**12
    assert job.run_once() == 3
    assert variances(store) == [0]


def test_a_day_is_compared_again_when_calls_are_deleted(
    store: Store, job: ReconciliationJob, clock: Clock
) -> None:
    put_calls(store, calls(1, 2), PriceBook.bundled(), clock.now_ns - 10**11)
    put_lines(store, [LINE], clock.now_ns - 10**11)
    assert job.run_once() == 3
    assert variances(store) == [0]
    clock.now_ns += 10**12
    assert job.run_once() == 0
    store.execute(
        f"ALTER TABLE ledger DELETE WHERE trace_id < '{20:032x}' SETTINGS mutations_sync = 2"
    )
    store.execute(
        "INSERT INTO touches (project, hour, flush_id, touched_at)"
        f" VALUES ('{PROJECT}', {NOON_NS // 10**9}, '{DELETED}7',"
        f" fromUnixTimestamp64Nano({clock.now_ns}))"
    )
    clock.now_ns += 10**12
    assert job.run_once() == 3
    assert variances(store) == [5]


def test_a_restated_day_supersedes_and_what_is_gone_goes(
    store: Store, state: sa.Engine, job: ReconciliationJob, clock: Clock
) -> None:
    put_calls(store, calls(1, 2), PriceBook.bundled(), 1)
    put_lines(store, [LINE, replace(LINE, token_class=TokenClass.TAX, amount=Decimal(2))], 2)
    found = reconcile(store, state, PROJECT, DAY, DAY, clock.now_ns)
    assert [share.cause for cell in found.cells for share in cell.causes] == [Cause.TAX]
    before = versions(store)
    assert reconcile(store, state, PROJECT, DAY, DAY, clock.now_ns + 5) == found
    assert versions(store) == before, "the same again writes nothing"
    put_lines(store, [replace(LINE, amount=Decimal(9))], 3)
    job.run_once()
    cells = read(store, PROJECT, DAY, DAY).cells
    assert [(cell.key.token_class, cell.billed_usd) for cell in cells] == [("uncached", Decimal(9))]


def test_a_project_that_fails_stops_no_other_and_is_tried_again(
    store: Store, job: ReconciliationJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    for project in ("alpha", "beta"):
        bill(store, line(TokenClass.OUTPUT, "1000", "15.75"), project=project)

    def failing(store: Store, state: sa.Engine, project: str, *rest: Any) -> Means:
        if project == "alpha":
            raise ValueError("it cannot be read")
        return means_of(store, state, project, *rest)

    with monkeypatch.context() as patched:
        patched.setattr("spanledger_analytics.reconciliation.job.means_of", failing)
        with pytest.raises(ExceptionGroup, match="not reconciled: alpha"):
            job.run_once()
    billed = {p: [c.billed_usd for c in read(store, p, DAY, DAY).cells] for p in ("alpha", "beta")}
    assert billed == {"alpha": [], "beta": [Decimal("15.75")]}
    before = versions(store)
    job.run_once()
    [cell] = read(store, "alpha", DAY, DAY).cells
    assert cell.billed_usd == Decimal("15.75")
    assert [row for row in versions(store) if row in before] == before, "beta's stay"


def test_another_tolerance_is_applied_to_what_was_compared(
    store: Store,
    state: sa.Engine,
    job: ReconciliationJob,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(*_: object) -> Means:
        raise StoreError("away", permanent=False)

    put_calls(store, calls(1), PriceBook.bundled(), 1)
    put_lines(store, [LINE], 2)
    job.run_once()
    (cell,) = read(store, PROJECT, DAY, DAY).cells
    assert not cell.is_within_tolerance
    looser = ProjectSettings(reconciliation=Reconciliation(cell_usd=Decimal(5)))
    Projects(state).set(PROJECT, looser, "somebody", clock.now_ns)
    clock.now_ns += 10**12
    with monkeypatch.context() as patched:
        patched.setattr("spanledger_analytics.reconciliation.job.means_of", failing)
        with pytest.raises(StoreError):
            job.run_once()
    job.run_once()
    (cell,) = read(store, PROJECT, DAY, DAY).cells
    assert cell.is_within_tolerance
