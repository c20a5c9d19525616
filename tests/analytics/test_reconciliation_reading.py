"""Cells are read back as they were written."""

from __future__ import annotations

from datetime import date

from spanledger_analytics.reconciliation.reading import read
from spanledger_storage.store import Store
from tests.reconciled import DAY, MONTH, cell, share, write_cells


def test_cells_are_read_back_with_their_evidence(store: Store) -> None:
    first = cell("1", "2", share("price_book", "0.7", said="it <b>", calls=3),
                 share("unexplained", "0.3", "low"), scope="", api_key=None)  # fmt: skip
    second = cell("0", "3", share("tax", "3"), quantities=(None, None, None), model=None)
    other = cell(provider="anthropic", day=date(2026, 11, 30), is_final=True)
    write_cells(store, [first, second, other])
    write_cells(store, [cell(day=date(2026, 12, 1)), cell(scope="x")])
    write_cells(store, [cell(scope="x")], gone=True)
    write_cells(store, [first], project="another")
    found = read(store, "default", *MONTH)
    assert list(found.cells) == [second, first, other]
    assert list(read(store, "default", *MONTH, "anthropic").cells) == [other]
    assert list(read(store, "default", DAY, DAY, cell=first.cell_id[:8]).cells) == [first]
    [bare] = read(store, "default", DAY, DAY, cell=first.cell_id, with_evidence=False).cells
    assert [(s.evidence_count, list(s.evidence)) for s in bare.causes] == [(3, []), (0, [])]


def test_where_nothing_was_compared_there_are_no_cells(store: Store) -> None:
    assert not read(store, "default", *MONTH).cells
