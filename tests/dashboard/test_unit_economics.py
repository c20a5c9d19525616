"""The page Unit economics against figures reckoned by hand."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

import spanledger_dashboard
from spanledger_analytics.allocation.owners import UNALLOCATED
from spanledger_analytics.allocation.reading import load_allocation
from spanledger_analytics.change.decomposition import Change
from spanledger_analytics.unit_economics.full_cost import PARTS, Group
from spanledger_dashboard.overview.tasks import load_tasks
from spanledger_dashboard.time_range import RANGES
from spanledger_dashboard.unit_economics import charts
from spanledger_dashboard.unit_economics.change import headline, load_explained, reasons
from spanledger_dashboard.unit_economics.controls import read_filters
from spanledger_dashboard.unit_economics.query import EVERYTHING, Ask, load_groups, worst_table
from spanledger_dashboard.unit_economics.tables import worst_frame
from spanledger_storage.store import Store
from tests.dashboard.seed import Seeder

APP = Path(spanledger_dashboard.__file__).parent / "app.py"
PAGE = "app_pages/unit_economics.py"
EVIL = "x`; **b** :red[r] <img src=x>"
HOUR = 3_600


@pytest.fixture
def app(store_url: str) -> AppTest:
    assert store_url
    return AppTest.from_file(str(APP), default_timeout=30)


def page(app: AppTest, **params: str) -> AppTest:
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page(PAGE)
    app.run()
    assert not app.exception
    return app


def text(app: AppTest) -> str:
    blocks = [*app.markdown, *app.caption, *app.info, *app.subheader, *app.code, *app.warning]
    return "\n".join(str(b.value) for b in blocks).replace("\\", "")


def cards(app: AppTest) -> dict[str, str]:
    return {m.label: m.value for m in app.metric}


def attempt(
    seed: Seeder, task: str, cost: str, outcome: str = "", *, at_s: int = -600, **columns: Any
) -> str:
    """Add a trace of one call; ``tool``, ``gpu`` and ``infra`` are parts of its cost."""
    number = next(seed.numbers)
    trace_id = f"{number:032x}"
    agent = columns.pop("agent_name", "planner")
    span = seed.span(trace_id, f"{number:016x}", at_s=at_s, agent_name=agent)
    parts = {
        f"{kind}_cost_usd": Decimal(columns.pop(kind, "0")) for kind in ("tool", "gpu", "infra")
    }
    inference = Decimal(cost) - sum(parts.values())
    seed.entry(span, str(inference), agent_name=agent)
    for kind in ("tool", "gpu", "infra"):
        if amount := parts[f"{kind}_cost_usd"]:
            parts_of_tokens = ("uncached_cost_usd", "cache_read_cost_usd", "output_cost_usd")
            unknown = dict.fromkeys(parts_of_tokens)
            seed.entry(span, str(amount), kind=kind, tokens=None, usage_source="span", model="",
                       **unknown)  # fmt: skip
    seed.trace(
        trace_id, task_id=task, outcome=outcome, inference_cost_usd=inference,
        total_cost_usd=Decimal(cost), **parts, **columns,
    )  # fmt: skip
    return trace_id


def example(seed: Seeder, **columns: Any) -> None:
    """The example of the documentation: A at the third attempt, B at once, C and D never."""
    attempt(seed, "A", "0.20", "failed", at_s=-900, **columns)
    attempt(seed, "A", "0.10", at_s=-800, **columns)
    attempt(seed, "A", "0.40", "completed", at_s=-700, **columns)
    attempt(seed, "B", "0.30", "completed", **columns)
    attempt(seed, "C", "0.50", "failed", **columns)
    attempt(seed, "D", "0.10", "abandoned", **columns)


def ask(seed: Seeder, **fields: Any) -> Ask:
    return Ask("default", seed.now_s - 86_400, seed.now_s + 60, **fields)


def only(store: Store, asked: Ask) -> Group:
    ((_, group, number),) = load_groups(store, asked, EVERYTHING, 1)
    assert number == 1
    return group


def test_the_worked_example_of_the_documentation(store: Store, seed: Seeder) -> None:
    example(seed)
    attempt(seed, "E", "9.00")  # still runs
    seed.insert()
    group = only(store, ask(seed))
    assert (group.tasks, group.ended, group.completed, group.unended) == (5, 4, 2, 1)
    assert (group.total_usd, group.usd_per_completed) == (Decimal("1.60"), Decimal("0.80"))
    assert {name: usd for name, usd in group.parts.items() if usd} == {
        "own_inference": Decimal("0.70"),
        "retries": Decimal("0.30"),
        "failed": Decimal("0.50"),
        "abandoned": Decimal("0.10"),
    }
    assert (group.median_usd, group.worst_usd) == (Decimal("0.70"), Decimal("0.70"))
    assert (group.attempts, group.unended_usd) == (6, Decimal(9))
    silent = only(store, ask(seed, silent_before_s=seed.now_s))
    assert (silent.abandoned, silent.total_usd) == (2, Decimal("10.60"))


def test_a_pause_is_no_new_attempt_and_parts_are_told_apart(store: Store, seed: Seeder) -> None:
    first = attempt(seed, "", "1.00", at_s=-3_000, tool="0.25", gpu="0.125", infra="0.0625")
    attempt(seed, "", "0.50", "completed", at_s=-600, began_in=first, tool="0.25")
    seed.insert()
    group = only(store, ask(seed))
    assert (group.tasks, group.attempts, group.completed) == (1, 1, 1)
    assert {name: usd for name, usd in group.parts.items() if usd} == {
        "own_inference": Decimal("0.8125"),
        "own_tools": Decimal("0.50"),
        "own_gpu": Decimal("0.125"),
        "own_infra": Decimal("0.0625"),
    }


def test_a_task_counts_once_where_it_began(store: Store, seed: Seeder) -> None:
    attempt(seed, "A", "1.00", "failed", at_s=-5 * HOUR)
    attempt(seed, "A", "2.00", "completed", at_s=-HOUR)
    paused = attempt(seed, "", "4.00", at_s=-5 * HOUR)
    attempt(seed, "", "8.00", "completed", at_s=-HOUR, began_in=paused)
    seed.insert()
    middle = seed.now_s - 3 * HOUR
    early = Ask("default", middle - 6 * HOUR, middle)
    late = Ask("default", middle, seed.now_s)
    assert only(store, early).total_usd == 15
    assert load_groups(store, late, EVERYTHING, 1) == []


def test_traces_alone_and_tied_are_each_counted_once(store: Store, seed: Seeder) -> None:
    attempt(seed, "", "1.00", "completed")
    paused = attempt(seed, "", "2.00", at_s=-3_000)
    attempt(seed, "", "4.00", "completed", began_in=paused)
    attempt(seed, "A", "8.00", "failed")
    corrected = attempt(seed, "A", "16.00", "completed")
    seed.trace(corrected, outcome="completed", total_cost_usd=Decimal(16))  # of no task after all
    seed.insert()
    group = only(store, ask(seed))
    assert (group.tasks, group.completed, group.failed, group.attempts) == (4, 3, 1, 4)
    assert (group.total_usd, group.worst_usd) == (Decimal(31), Decimal(16))
    dearest = worst_table(store, ask(seed), "completed", 2).select(["task_key", "cost"])
    assert dearest.to_pylist() == [
        {"task_key": corrected, "cost": Decimal(16)},
        {"task_key": paused, "cost": Decimal(6)},
    ]


def test_a_task_may_be_called_after_its_first_trace(store: Store, seed: Seeder) -> None:
    first = attempt(seed, "", "1.00", "failed", at_s=-900)
    attempt(seed, first, "2.00", "completed")
    seed.insert()
    group = only(store, ask(seed))
    assert (group.tasks, group.completed, group.attempts) == (1, 1, 2)
    assert group.total_usd == 3


def test_groups_filters_and_overview_agree(store: Store, seed: Seeder) -> None:
    example(seed, agent_version="2", dimensions=[("customer", "acme")], user_id="ann")
    attempt(seed, "F", "5.00", "completed", agent_name="writer")
    seed.insert()
    by_agent = {g.name: g for _, g, _ in load_groups(store, ask(seed), "agent_name", 10)}
    assert {name: g.total_usd for name, g in by_agent.items()} == {
        "writer": Decimal(5), "planner": Decimal("1.60"),
    }  # fmt: skip
    for entity, name in (("agent_version", "2"), ("owner", "acme"), ("user_id", "ann")):
        asked = ask(seed, dimension="customer")
        found = {g.name: g for _, g, _ in load_groups(store, asked, entity, 10)}
        assert found[name].total_usd == Decimal("1.60")
        assert found[""].total_usd == 5
    narrowed = only(store, ask(seed, filters=(("agent", ("planner",)),)))
    assert narrowed.total_usd == Decimal("1.60")
    tasks = load_tasks(store, "default", RANGES["24h"].window(seed.now_s))
    whole = only(store, ask(seed))
    assert (tasks.usd_per_completed, tasks.ended_tasks) == (whole.usd_per_completed, whole.ended)
    assert (tasks.traces, tasks.completed_tasks) == (7, 3)


def test_attempts_long_after_the_period_count_here_and_in_allocation(
    store: Store, seed: Seeder
) -> None:
    begun = -20 * 24 * HOUR
    attempt(seed, "A", "1.00", "failed", at_s=begun)
    attempt(seed, "A", "2.00", "completed")
    paused = attempt(seed, "", "4.00", at_s=begun)
    attempt(seed, "", "8.00", "completed", began_in=paused)
    attempt(seed, "", "16.00", "completed")  # neither of this period nor tied to it
    seed.insert()
    period = (seed.now_s + begun - HOUR, seed.now_s + begun + HOUR)
    group = only(store, Ask("default", *period))
    borne = load_allocation(store, "default", *period, []).tasks[UNALLOCATED]
    assert (group.tasks, group.completed) == (borne.tasks, borne.completed) == (2, 2)


def test_why_it_changed_adds_up(store: Store, seed: Seeder) -> None:
    day = 86_400
    attempt(seed, "A", "1.00", "completed", at_s=-day - 7_000)
    attempt(seed, "B", "1.00", "completed", at_s=-day - 7_000)
    attempt(seed, "C", "1.00", "failed", at_s=-7_000)
    attempt(seed, "C", "1.50", "completed", at_s=-6_000, tool="0.50")
    seed.insert()
    now = Ask("default", seed.now_s - day, seed.now_s)
    before = Ask("default", seed.now_s - 2 * day, seed.now_s - day)
    groups = [only(store, now), only(store, before)]
    found = load_explained(store, (now, before), groups)
    assert found is not None
    assert {name: usd for name, usd in found.change.parts.items() if usd} == {
        "attempts": Decimal(1), "tools": Decimal("0.50"),
    }  # fmt: skip
    assert (found.change.before_usd, found.change.now_usd) == (Decimal(1), Decimal("2.5"))
    assert headline(found.change) == "A completed task costs $1.50 more than before (+150%)"
    assert reasons(found.change) == "+$1.00 more attempts, +$0.500 dearer tools"
    assert load_explained(store, (now, Ask("default", 1, 2)), groups[:1]) is None


def test_without_traces_it_says_how_to_send_some(app: AppTest) -> None:
    assert "No data yet" in text(page(app))


def test_without_outcomes_it_says_how_to_tell_them(app: AppTest, seed: Seeder) -> None:
    attempt(seed, "A", "1.00")
    seed.insert()
    shown = text(page(app))
    assert "No outcomes yet" in shown
    assert 'spanledger.outcome("completed")' in shown


def test_without_a_completed_task_the_cost_stays_alone(app: AppTest, seed: Seeder) -> None:
    attempt(seed, "A", "1.25", "failed")
    seed.insert()
    shown = page(app)
    assert "No task was completed. What ended otherwise (1) cost $1.25" in text(shown)
    assert cards(shown)["Per completed task"] == "—"


def test_the_page_with_hostile_names(app: AppTest, seed: Seeder) -> None:
    example(seed, agent_name=EVIL, agent_version=EVIL, dimensions=[("customer", EVIL)])
    attempt(seed, EVIL, "2.00", "completed", agent_name="b" * 300, name=EVIL, main_model=EVIL)
    seed.insert()
    for by in ("Agent", "Route", "Dimension"):
        shown = page(app, by=by)
        assert cards(shown)["Per completed task"] == "$1.20"
        assert cards(shown)["Completed"] == "60.0%"
        assert "<img" not in text(shown).replace(EVIL, "")
    frame = page(app, by="Agent").dataframe[0].value
    assert list(frame["Per completed task"]) == [2.0, 0.8]


def test_dearest_tasks_can_be_narrowed_to_how_they_ended(app: AppTest, seed: Seeder) -> None:
    example(seed)
    attempt(seed, "F", "2.00", "completed")
    seed.insert()
    shown = page(app, end="Completed", why="true")
    assert "so there is no difference" in text(shown)
    worst = shown.dataframe[1].value
    assert list(worst["Cost"]) == [2.0, 0.7, 0.3]
    assert list(worst["With its share"]) == pytest.approx([2.2, 0.9, 0.5])


def test_filters_are_read_as_they_are_written() -> None:
    assert read_filters(["agent: planner", "agent:b: c", "User: ann", "x"]) == (
        (("agent", ("planner", "b: c")), ("user", ("ann",))), ["x"],
    )  # fmt: skip


def test_charts_show_what_is_there_and_leave_gaps_where_nothing_ended() -> None:
    parts = dict.fromkeys(PARTS, Decimal(0)) | {"own_inference": Decimal(2), "failed": Decimal(1)}
    group = Group("", 3, 2, 1, 0, 0, 3, parts)
    bar = charts.composition(group).to_dict()
    assert [(t["name"], list(t["x"])) for t in bar["data"]] == [
        ("Inference", [1.0]), ("Failed tasks", [0.5]),
    ]  # fmt: skip
    spread = charts.spread([(-1_000, 2), (0, 3), (2, 1)], 6).to_dict()
    assert list(spread["data"][0]["y"]) == [2, 3, 0, 1]
    assert list(charts.spread([], 6).to_dict()["data"][0]["y"]) == []


def test_dearest_tasks_bear_what_cannot_be_divided() -> None:
    pico = Decimal("0.000000000001")
    parts = dict.fromkeys(PARTS, Decimal(0)) | {"own_inference": Decimal(3), "failed": pico}
    whole = Group("", 3, 2, 1, 0, 0, 3, parts)
    rows = [
        {"task_key": key, "state": state, "outcome": state, "attempts": 1, "cost": Decimal(cost),
         "retries": Decimal(0), "inference": Decimal(cost), "tools": Decimal(0),
         "gpu": Decimal(0), "infra": Decimal(0), "agent_name": "", "model": "", "started_ms": 0}
        for key, state, cost in (("a", "completed", "2"), ("b", "failed", "2"),
                                 ("c", "completed", "1"))
    ]  # fmt: skip
    assert [whole.full_usd(rank, Decimal(2 - rank)) for rank in (0, 1)] == [2 + pico, 1]
    frame, _ = worst_frame(pa.Table.from_pylist(rows), whole, _utc)
    assert list(frame["Task"]) == ["a", "b", "c"]
    assert frame["With its share"].isna().tolist() == [False, True, False]
    assert "GPU" not in frame.columns


def _utc(unix_s: float) -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(unix_s, UTC)


def test_no_change_is_said_plainly() -> None:
    change = Change(Decimal(1), Decimal(1), {})
    assert headline(change) == "A completed task costs what it did ($1.00)"
    assert reasons(change) == ""
