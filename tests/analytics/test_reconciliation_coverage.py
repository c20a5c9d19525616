"""Coverage: what of a provider's requests, tokens or dollars the ledger holds."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from spanledger_analytics.reconciliation.coverage import (
    coverage_by_day,
    coverage_by_key,
    coverage_by_provider,
)
from spanledger_analytics.reconciliation.result import Cell
from tests.reconciled import DAY, cell

NEXT = DAY + timedelta(days=1)


def requests(seen: str, reported: str, **key: object) -> Cell:
    return cell("0", "0", token_class="requests", quantities=(seen, reported, None), **key)  # type: ignore[arg-type]  # dimensions


def test_requests_are_counted_by_key_and_day() -> None:
    cells = [
        requests("90", "100", api_key="key_1"),
        requests("50", "50", api_key="key_1", day=NEXT),
        requests("0", "10", api_key="key_2"),
        cell("1", "9", api_key="key_1"),
    ]
    rows = {(row.api_key, row.day): row.share for row in coverage_by_day(cells)}
    assert rows == {
        ("key_1", DAY): Decimal("0.9"), ("key_1", NEXT): 1, ("key_2", DAY): 0,
    }  # fmt: skip
    found = [(r.api_key, int(r.observed), int(r.reported)) for r in coverage_by_key(cells)]
    assert found == [("key_1", 140, 150), ("key_2", 0, 10)]
    [all_] = coverage_by_provider(cells)
    assert (all_.share, all_.measure) == (Decimal(140) / 160, "requests")


def test_what_is_counted_twice_does_not_hide_what_is_missing() -> None:
    cells = [requests("200", "100", model="a"), requests("0", "100", model="b")]
    [row] = coverage_by_key(cells)
    assert [int(n) for n in (row.observed, row.reported, row.beyond)] == [100, 200, 100]


def test_tokens_count_where_no_requests_are_reported_and_dollars_where_no_tokens() -> None:
    tokens = cell("1", "1", quantities=("70", "100", "100"))
    searches = cell("0", "5", token_class="web_search", quantities=("0", "5", "5"))
    [row] = coverage_by_key([tokens, searches])
    assert (row.measure, row.share) == ("tokens", Decimal("0.7"))
    [row] = coverage_by_key([cell("3", "4", quantities=("1", None, None))])
    assert (row.measure, row.share) == ("usd", Decimal("0.75"))


def test_one_measure_holds_for_all_days_of_a_provider() -> None:
    cells = [requests("9", "10"), cell(), cell(day=NEXT)]
    assert {row.measure for row in coverage_by_day(cells)} == {"tokens"}


def test_without_anything_reported_there_is_no_score() -> None:
    assert coverage_by_key([]) == []
    [row] = coverage_by_key([cell("5", "-3", quantities=(None, None, None))])
    assert row.share is None


_COUNTS = st.integers(0, 1000)


@given(st.lists(st.tuples(_COUNTS, _COUNTS), max_size=10))
def test_a_score_lies_between_nothing_and_all(made: list[tuple[int, int]]) -> None:
    cells = [requests(str(a), str(b), model=str(n)) for n, (a, b) in enumerate(made)]
    for row in coverage_by_key(cells):
        assert row.share is None or 0 <= row.share <= 1
        if any(reported for _, reported in made):
            assert row.observed + row.beyond == sum(seen for seen, _ in made)
