"""Infrastructure: an hour's cost is shared by use, to the picodollar, and again when spans come."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger_analytics.infra import hour as infra_hour
from spanledger_analytics.infra.job import SHARED, InfraJob
from spanledger_analytics.infra.share import Stretch, Use, share, stretches
from spanledger_analytics.job import LEDGER, LedgerJob
from spanledger_analytics.price_book.service_prices import set_infra_price
from spanledger_analytics.touches import REPRICING, TouchReader
from spanledger_storage.price_state import PriceState
from spanledger_storage.service_price_rows import InfraPriceRow
from spanledger_storage.store import Store
from tests.dashboard.seed import Seeder
from tests.marks import Marks

HOUR_NS = 3_600 * 10**9
T0 = 500_000 * HOUR_NS


def row(usd: str = "0.36", **fields: int | None) -> InfraPriceRow:
    settings: dict[str, int | None] = {"effective_from_ns": 0, "effective_to_ns": None, **fields}
    return InfraPriceRow("default", "db", Decimal(usd), id=1, **settings)  # type: ignore[arg-type]


@settings(deadline=None, max_examples=60)
@given(
    usd=st.decimals(0, 1_000, places=9, allow_nan=False),
    active=st.dictionaries(st.text("abc", min_size=1, max_size=4), st.integers(0, HOUR_NS)),
    idle=st.integers(0, HOUR_NS),
    start=st.integers(0, HOUR_NS - 1),
)
def test_shares_and_the_unused_rest_are_the_cost(
    usd: Decimal, active: dict[str, int], idle: int, start: int
) -> None:
    (part,) = stretches([row(str(usd), effective_from_ns=T0 + start)], T0)
    length = HOUR_NS - start
    active = {trace: min(n, length) for trace, n in active.items()}
    used = max([0, *active.values()]) + min(idle, length - max([0, *active.values()]))
    used = used if any(active.values()) else 0
    shares = share(part, Use(used, active))
    assert sum(shares.by_trace.values()) + shares.unused == part.picodollars
    assert all(amount >= 0 for amount in (*shares.by_trace.values(), shares.unused))
    if not used:
        assert shares.unused == part.picodollars


def test_a_price_counts_for_its_part_of_an_hour() -> None:
    quarter = HOUR_NS // 4
    rows = [row("1", effective_to_ns=T0 + quarter), row("2", effective_from_ns=T0 + quarter)]
    assert [(s.start_ns - T0, s.picodollars) for s in stretches(rows, T0)] == [
        (0, 25 * 10**10),
        (quarter, 150 * 10**10),
    ]
    assert stretches([row(effective_to_ns=T0), row(withdrawn_at_ns=1)], T0) == []


def test_equal_use_is_paid_equally_but_for_what_cannot_be_divided() -> None:
    part = Stretch(row("0.000000000010"), T0, T0 + HOUR_NS)
    shares = share(part, Use(HOUR_NS, {"b": 7, "a": 7, "c": 7, "nobody": 0}))
    assert shares.by_trace == {"a": 4, "b": 3, "c": 3}


@pytest.fixture
def state(state: sa.Engine) -> PriceState:
    return PriceState(state)


def put_price(state: PriceState, usd: str, from_s: int) -> None:
    with state.change("me", from_s * 10**9) as change:
        price = InfraPriceRow("default", "db", Decimal(usd), from_s * 10**9, None)
        set_infra_price(change, price)


def caught_up() -> Marks:
    """Positions of a worker whose ledger job has handled everything."""
    marks = Marks()
    marks.set(LEDGER, int(time.time() + 3_600) * 10**6)
    return marks


def shared(store: Store) -> dict[tuple[int, str], str]:
    rows = store.sql_rows(
        "SELECT toInt64(toUnixTimestamp(time)) AS at, trace_id, total_cost_usd AS usd "
        "FROM ledger_current WHERE kind = 'infra'"
    )
    return {(row["at"], row["trace_id"]): f"{row['usd']:.2f}" for row in rows}  # type: ignore[misc]


def test_hours_are_shared_when_they_are_over_and_again_when_something_changes(
    store: Store, state: PriceState
) -> None:
    hour = int(time.time()) // 3_600 * 3_600 - 4 * 3_600  # touches are stamped by the real clock
    now = (hour + 2 * 3_600 + 900) * 10**9  # two whole hours, and the grace
    seed = Seeder(store, hour)
    db = {"service_name": "db", "role": "other"}
    seed.span("a" * 32, "1", at_s=0, duration_s=900, **db)
    seed.span("b" * 32, "2", at_s=900, duration_s=2_700 + 1_800, **db)  # into the second hour
    seed.span("b" * 32, "3", at_s=1_000, duration_s=100, **db)
    seed.span("c" * 32, "4", at_s=100, duration_s=100, service_name="other")
    seed.insert()
    put_price(state, "1.00", hour)
    job = InfraJob(store, lambda: now, caught_up(), state)
    assert job.run_once() == 2
    first = {
        (hour, "a" * 32): "0.25",
        (hour, "b" * 32): "0.75",
        (hour + 3_600, "b" * 32): "0.50",
        (hour + 3_600, ""): "0.50",
    }
    assert shared(store) == first
    job.run_once()
    assert shared(store) == first
    late = Seeder(store, hour)
    late.span("d" * 32, "5", at_s=3_600, duration_s=1_800, **db)
    late.insert()
    assert job.run_once() >= 1
    assert shared(store)[hour + 3_600, "d" * 32] == "0.25"
    put_price(state, "2.00", hour + 3_600)
    job.run_once()
    found = shared(store)
    assert (found[hour, "a" * 32], found[hour + 3_600, "d" * 32]) == ("0.25", "0.50")
    told = store.sql_rows("SELECT DISTINCT trace_id FROM touches WHERE spans = 0")
    assert {str(t["trace_id"])[:1] for t in told} == {"", "a", "b", "d"}


def test_more_hours_than_a_run_takes_are_shared_by_the_next(
    store: Store, state: PriceState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spanledger_analytics.infra.job._HOURS_PER_RUN", 5)
    hour = int(time.time()) // 3_600 * 3_600
    marks = caught_up()
    put_price(state, "1.00", hour - 6 * 3_600)
    job = InfraJob(store, lambda: (hour + 900) * 10**9, marks, state)
    assert (job.run_once(), marks.get(SHARED)) == (5, None)
    assert (job.run_once(), marks.get(SHARED)) == (1, hour)
    assert job.run_once() == 0
    put_price(state, "2.00", hour - 6 * 3_600)
    assert [job.run_once() for _ in range(3)] == [5, 1, 0]
    assert set(shared(store).values()) == {"2.00"}


def test_an_hour_waits_until_the_ledger_job_knows_whom_its_traces_are_for(
    store: Store, state: PriceState
) -> None:
    hour = int(time.time()) // 3_600 * 3_600 - 4 * 3_600
    marks = Marks()
    ledger = LedgerJob(store, time.time_ns, marks)
    infra = InfraJob(store, time.time_ns, marks, state)
    put_price(state, "1.00", hour)
    first = Seeder(store, hour)
    later = Seeder(store, hour, numbers=first.numbers)
    first.span("a" * 32, "2", "1", at_s=0, duration_s=900, service_name="db", role="other")
    first.insert()
    assert infra.run_once() == 0
    ledger.run_once()
    assert infra.run_once() > 0
    # The root comes late and began in another hour; only it says who the user was.
    later.span("a" * 32, "1", at_s=-7_200, duration_s=9_000, user_id="u", role="other")
    later.insert()
    infra.run_once()
    ledger.run_once()
    infra.run_once()
    asked = "SELECT user_id FROM ledger_current WHERE kind = 'infra' AND trace_id != ''"
    assert store.sql_rows(asked) == [{"user_id": "u"}]


def test_an_hour_of_many_traces_is_announced_in_parts(
    store: Store, state: PriceState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infra_hour, "_TRACES_PER_FLUSH", 2)
    hour = int(time.time()) // 3_600 * 3_600 - 2 * 3_600
    seed = Seeder(store, hour)
    for number in range(5):
        seed.span(f"{number:032x}", f"{number:016x}", at_s=0, service_name="db", role="other")
    seed.insert()
    store.execute("TRUNCATE TABLE touches")
    put_price(state, "1.00", hour)
    InfraJob(store, lambda: (hour + 4_300) * 10**9, caught_up(), state).run_once()
    reader = TouchReader(store, None, max_traces=2)
    sizes: list[int] = []
    while batch := reader.next_batch():
        assert batch.repriced_hours == (("default", hour),)
        assert all(flush.startswith(REPRICING) for flush in batch.flushes)
        sizes.append(len(batch.traces))
        reader.mark_handled(batch)
    assert sizes == [1, 2, 2]  # the first with the hour itself
