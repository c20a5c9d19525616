"""Adjustments: what is shown internally equals the invoice, to the last picodollar."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger_analytics.allocation.reading import load_allocation
from spanledger_analytics.job import LedgerJob
from spanledger_analytics.reconciliation.actions import Actions
from spanledger_analytics.reconciliation.adjustments import adjustments, post, unpost
from spanledger_analytics.reconciliation.corrections import suggest
from spanledger_analytics.reconciliation.days import Days, month_days
from spanledger_analytics.reconciliation.instrumentations import with_instrumentations
from spanledger_analytics.reconciliation.result import Cause, Cell
from spanledger_analytics.reconciliation.run import reconcile
from spanledger_analytics.reconciliation.writing import write_cells
from spanledger_storage.reconciliation_state import ActionRow, ReconciliationState
from spanledger_storage.state import migrate_state, open_state
from spanledger_storage.store import Store
from tests.dashboard.seed import Seeder
from tests.marks import Marks
from tests.reconciled import DAY, cell, put, result, share

NOW_NS = 1_796_000_000 * 10**9  # after the month
NOON_S = 1_794_960_000 + 43_200  # of DAY
NOVEMBER = month_days(DAY)
CELLS = (
    cell("1", "1.000000000001", share("price_book", "0.000000000001")),
    cell("0", "3.2", share("tool_fees", "3"), share("unexplained", "0.2"), token_class="web_search",
         model=None, scope="proj_a", api_key="key_1"),
    cell("2.5", "2.4", share("rounding", "-0.1"), provider="anthropic", geo="us"),
)  # fmt: skip


@pytest.fixture
def ledger(store: Store) -> Store:
    """What the cells say of the ledger, as the ledger says it."""
    seed, spans = Seeder(store, NOON_S), Seeder(store, NOON_S)  # spans of another day's job
    for number, (cost, provider) in enumerate((("1", "openai"), ("2.5", "anthropic")), 1):
        span = spans.span(f"{number:032x}", f"{number:016x}", at_s=60)
        seed.entry(span, cost, provider=provider)
    seed.insert()
    return store


def spent(store: Store, table: str = "ledger_current", provider: str = "") -> Decimal:
    [row] = store.sql_rows(
        f"SELECT sum(total_cost_usd) AS usd FROM {table} WHERE provider LIKE {{provider:String}}",
        {"provider": provider or "%"},
    )
    return Decimal(str(row["usd"]))


def test_showback_of_a_month_equals_the_invoice(ledger: Store) -> None:
    posted = post(ledger, result(*CELLS), "", NOW_NS)
    billed = Decimal("1.000000000001") + Decimal("3.2") + Decimal("2.4")
    assert (posted.entries, posted.written, posted.removed) == (4, 4, 0)
    assert spent(ledger) == billed
    LedgerJob(ledger, lambda: NOW_NS, Marks()).run_once()
    assert spent(ledger, "usage_hourly FINAL") == billed
    assert spent(ledger) == billed, "deriving traces anew leaves adjustments alone"
    bounds = [ns // 10**9 for ns in NOVEMBER.bounds_ns]
    found = load_allocation(ledger, "default", bounds[0], bounds[1], ())
    assert sum(line.group.sums.picodollars for line in found.lines) == billed * 10**12


def test_posting_again_changes_nothing_and_a_restatement_replaces(ledger: Store) -> None:
    first = post(ledger, result(*CELLS), "", NOW_NS)
    again = post(ledger, result(*CELLS), "", NOW_NS + 1)
    assert (again.entries, again.written, again.removed) == (first.entries, 0, 0)
    restated = cell("1", "0.7", share("credit", "-0.3"))
    third = post(ledger, result(restated), "", NOW_NS + 2)
    assert (third.entries, third.written, third.removed) == (1, 1, 4)
    assert spent(ledger) == Decimal("0.7") + Decimal("2.5")
    gone = unpost(ledger, "default", NOVEMBER, "", NOW_NS + 3)
    assert (gone.entries, gone.removed) == (0, 1)
    assert spent(ledger) == Decimal("3.5")


def test_one_provider_is_posted_without_the_others(ledger: Store) -> None:
    post(ledger, result(*CELLS), "openai", NOW_NS)
    assert spent(ledger, provider="openai") == Decimal("4.200000000001")
    assert spent(ledger, provider="anthropic") == Decimal("2.5")
    unpost(ledger, "default", NOVEMBER, "anthropic", NOW_NS + 1)
    assert spent(ledger, provider="openai") == Decimal("4.200000000001")


def test_other_months_and_corrections_by_hand_stay(ledger: Store) -> None:
    october = Days(date(2026, 10, 1), date(2026, 10, 31))
    post(ledger, result(cell("0", "5", share("tax", "5"), day=date(2026, 11, 30))), "", NOW_NS)
    assert unpost(ledger, "default", october, "", NOW_NS + 1).removed == 0
    seed = Seeder(ledger, NOON_S)
    seed.entry(seed.span("f" * 32, "f" * 16), "7", kind="adjustment", price_id="by hand")
    seed.insert()
    unpost(ledger, "default", NOVEMBER, "", NOW_NS + 2)
    assert spent(ledger) == Decimal("10.5")


def test_an_adjustment_says_why_and_for_which_key(ledger: Store) -> None:
    post(ledger, result(*CELLS), "openai", NOW_NS)
    [row] = ledger.sql_rows(
        "SELECT dimensions, toString(toDate(time)) AS day, toHour(time) AS hour, price_id "
        "FROM ledger_current WHERE kind = 'adjustment' AND total_cost_usd = 3"
    )
    assert row["dimensions"] == {
        "provider_key": "key_1", "provider_scope": "proj_a", "reconciliation_cause": "tool_fees",
    }  # fmt: skip
    assert (row["day"], row["hour"]) == ("2026-11-18", 12)
    assert row["price_id"] == f"reconciliation:{CELLS[1].cell_id}"


_AMOUNTS = st.decimals(-1000, 1000, places=12)


@given(_AMOUNTS, st.lists(st.tuples(st.sampled_from(list(Cause)), _AMOUNTS), max_size=5))
def test_entries_of_a_cell_add_up_to_its_difference_whatever_its_causes_say(
    variance: Decimal, told: list[tuple[Cause, Decimal]]
) -> None:
    shares = [share(cause, f"{usd:f}") for cause, usd in told]
    one: Cell = cell("0", f"{variance:f}", *shares)
    entries = list(adjustments("default", [one], {}))
    assert sum((e.total_cost_usd or Decimal(0) for e in entries), Decimal(0)) == variance
    assert len({entry.entry_id for entry in entries}) == len(entries)


def test_a_posted_month_follows_its_cells_and_an_action_runs_once(
    ledger: Store, tmp_path: Path
) -> None:
    engine = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(engine)
    state = ReconciliationState(engine)
    actions = Actions(ledger, engine, lambda: NOW_NS, reconcile)
    put(ledger, *CELLS)
    asked = state.ask(
        ActionRow("default", "post", "2026-11-01", "2026-11-30", "", "Post", "ann", NOW_NS)
    )
    assert actions.run_once() == 1
    assert spent(ledger) == Decimal("6.600000000001")
    assert actions.run_once() == 0, "nothing waits, and no cell is newer"
    assert actions.run(asked.id) is None
    put(ledger, cell("1", "0.7", share("credit", "-0.3")))
    assert actions.run_once() == 1, "the restated month is posted again"
    assert spent(ledger) == Decimal("0.7") + Decimal("2.5")
    narrow = state.ask(
        ActionRow("default", "post", "2026-11-01", "2026-11-30", "openai", "Post", "b", NOW_NS)
    )
    done = actions.run(narrow.id)
    assert done is not None
    assert (done.status, "for all providers already" in done.said) == ("failed", True)
    assert [row.who for row in state.log("default")] == ["b", "ann"]


def test_a_month_posted_while_it_is_compared_is_posted_again_until_it_is_whole(
    ledger: Store, tmp_path: Path
) -> None:
    engine = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(engine)
    actions = Actions(ledger, engine, lambda: NOW_NS, reconcile)
    write_cells(ledger, "default", DAY, CELLS, NOW_NS)
    row = ActionRow("default", "post", "2026-11-01", "2026-11-30", "", "Post", "ann", NOW_NS)
    ReconciliationState(engine).ask(row)
    assert actions.run_once() == 1
    assert spent(ledger) == Decimal("6.600000000001")
    # The next days of the same run have its time; the other writer's clock is behind.
    for day, billed, version, month in (
        (19, "0.5", NOW_NS, "7.100000000001"), (20, "0.25", NOW_NS - 1, "7.350000000001"),
    ):  # fmt: skip
        late = cell("0", billed, share("price_book", billed), day=date(2026, 11, day))
        write_cells(ledger, "default", late.key.day, [late], version)
        assert actions.run_once() == 1
        assert spent(ledger) == Decimal(month)
    write_cells(ledger, "default", date(2026, 11, 20), [], NOW_NS)
    assert actions.run_once() == 1, "a cell is gone"
    assert spent(ledger) == Decimal("7.100000000001")
    assert actions.run_once() == 0, "no cell is another than those that are posted"


def test_of_calls_counted_twice_both_instrumentations_are_named(store: Store) -> None:
    seed = Seeder(store, NOON_S)
    for number, scope in ((1, "openai"), (2, "litellm")):
        seed.span(f"{1:032x}", f"{number:016x}", scope_name=scope, service_name="search-api")
    seed.insert()
    one = cell("2", "1", share("double_counted", "-1", calls=1))
    [found] = with_instrumentations(store, "default", [one], suggest([one]))
    assert found.advice.endswith("Told by: litellm in search-api (1), openai in search-api (1).")
