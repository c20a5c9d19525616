"""Planted differences between calls and providers' reports: each has its cause, to the cent."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.provider_calls import FIRST_DAY, LANES, Calls
from benchmarks.provider_month import judged, mixed_days, quiet_days, reconciled
from benchmarks.provider_plants import PLANTS, Day, can_plant, plant
from benchmarks.reconciliation_store import PROJECT
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.reconciliation.causes import CAUSES
from spanledger_analytics.reconciliation.habits import Habits
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


TOGETHER = (
    (2, 0, (Cause.HIDDEN_RETRIES, Cause.ALIAS)),
    (4, 1, (Cause.HIDDEN_RETRIES, Cause.HIDDEN_TOKENS)),
    (7, 6, (Cause.PEAK_HOURS, Cause.CURRENCY)),
    (7, 7, (Cause.MISSING_TELEMETRY,)),
    (2, 4, (Cause.DAY_BOUNDARY,)),
    (5, 4, (Cause.DAY_BOUNDARY, Cause.MISSING_TELEMETRY)),
    (3, 2, (Cause.LONG_CONTEXT, Cause.DISCOUNT)),
    (5, 2, (Cause.GEO, Cause.DISCOUNT)),
    (7, 3, (Cause.OTHER_TRAFFIC, Cause.ROUNDING)),
    (8, 7, (Cause.PEAK_HOURS, Cause.MISSING_TELEMETRY)),
    (1, 3, (Cause.LONG_CONTEXT, Cause.DISCOUNT, Cause.ROUNDING)),
    (6, 3, (Cause.BATCH_OR_TIER, Cause.ALIAS)),
    (8, 2, (Cause.GEO, Cause.ROUNDING)),
    (7, 0, (Cause.MISSING_TELEMETRY, Cause.ALIAS)),
    (8, 1, (Cause.BATCH_OR_TIER, Cause.PRICE_BOOK)),
    (1, 7, (Cause.PEAK_HOURS, Cause.PRICE_BOOK)),
)
"""Causes that hide each other: day of the month, lane, causes. On the second day the provider shows
how it counts calls over midnight, which on the fifth nothing tells."""


def test_causes_that_hide_each_other_are_told_apart(store: Store, tmp_path: Path) -> None:
    calls = Calls(7)
    world = quiet_days(calls, 9)
    for number, lane, causes in TOGETHER:
        place = LANES[lane]
        (day,) = (one for one in world if one.day.day == number and one.provider == place.provider)
        for cause in causes:
            PLANTS[cause][0](day, place, calls)
    score = judged(*reconciled(store, tmp_path, world, BOOK))
    assert set(score.planted) == {cause for *_, causes in TOGETHER for cause in causes}
    assert score.misses == []
    assert score.wrong == []
    assert score.inexact_sums == 0


def test_how_calls_over_midnight_count_is_read_from_the_store(store: Store, tmp_path: Path) -> None:
    calls = Calls(7)
    world = quiet_days(calls, 3)
    (day,) = (one for one in world if one.day == FIRST_DAY and one.provider == "gcp.vertex_ai")
    PLANTS[Cause.DAY_BOUNDARY][0](day, LANES[4], calls)
    reconciled(store, tmp_path, world, BOOK)
    shown = [
        [habits.goes_by_end(name) for name in ("google", "openai")]
        for days in (0, 1, 31, 40)
        for habits in [Habits(store, PROJECT, FIRST_DAY + timedelta(days=days))]
    ]
    assert shown == [[False, False], [True, False], [True, False], [False, False]]


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
