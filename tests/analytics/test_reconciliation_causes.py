"""Planted differences between calls and providers' reports: each has its cause, to the cent."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.provider_calls import LANES, Calls
from benchmarks.provider_month import judged, mixed_days, quiet_days, reconciled
from benchmarks.provider_plants import PLANTS, Day, can_plant, plant
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.reconciliation.causes import CAUSES
from spanledger_analytics.reconciliation.result import Cause
from spanledger_storage.store import Store

BOOK = PriceBook.bundled()


def one_cause_each(days: int) -> list[Day]:
    """Every cause at one provider, each on a day of its own with a quiet one after it."""
    calls = Calls(11)
    world = quiet_days(calls, days)
    free = [day for day in world if day.day.day % 2]
    for cause in sorted(PLANTS, key=lambda one: len(PLANTS[one][1])):
        fitting = [day for day in free if can_plant(cause, day)]
        free.remove(fitting[0])
        plant(fitting[0], [cause], LANES, calls)
    return world


def test_each_cause_alone_is_found_to_the_cent(store: Store, tmp_path: Path) -> None:
    cells, expected = reconciled(store, tmp_path, one_cause_each(16), BOOK)
    score = judged(cells, expected)
    assert set(score.planted) == set(PLANTS)
    assert score.misses == []
    assert score.wrong == []
    assert score.inexact_sums == 0


def test_mixed_causes_are_found_and_none_is_named_wrongly(store: Store, tmp_path: Path) -> None:
    world, _ = mixed_days(5, 5)
    score = judged(*reconciled(store, tmp_path, world, BOOK))
    assert sum(score.planted.values()) > 60
    assert score.ratio(score.exact) >= 0.9
    assert score.wrong == []
    assert score.inexact_sums == 0


def test_quiet_days_agree_to_the_last_digit(store: Store, tmp_path: Path) -> None:
    cells, expected = reconciled(store, tmp_path, quiet_days(Calls(3), 2), BOOK)
    assert expected == {}
    assert [cell for cell in cells if cell.variance_usd] == []
    assert len({cell.key.provider for cell in cells}) == len({lane.provider for lane in LANES})


def test_causes_are_tested_in_the_order_of_their_names() -> None:
    order = [cause for cause, _ in CAUSES]
    places = list(Cause)
    assert order == sorted(order, key=places.index)
    assert {*order, Cause.UNEXPLAINED} == set(Cause)


@pytest.mark.parametrize("cause", list(PLANTS))
def test_what_is_planted_is_a_cause_somebody_looks_for(cause: Cause) -> None:
    assert cause in {one for one, _ in CAUSES}
