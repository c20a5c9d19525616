"""What completed tasks cost with what others cost in vain: nothing is lost, nobody pays twice."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from spanledger_analytics.unit_economics.full_cost import (
    PARTS,
    Group,
    TaskCost,
    full_costs,
    share_of,
)

PICO = Decimal("0.000000000001")


def task(key: str, usd: str, state: str = "completed") -> TaskCost:
    return TaskCost(key, state, Decimal(usd))


def test_the_worked_example_of_the_documentation() -> None:
    tasks = [
        task("A", "0.70"),  # 0.20 and 0.10 failed, 0.40 completed it
        task("B", "0.30"),
        task("C", "0.50", "failed"),
        task("D", "0.10", "abandoned"),
    ]
    full = full_costs(tasks)
    assert full.by_task == {"A": Decimal("1.00"), "B": Decimal("0.60")}
    assert sum(full.by_task.values()) == sum(t.usd for t in tasks)
    assert full.without_completed_usd == 0


def test_without_a_completed_task_the_cost_stays_a_line_of_its_own() -> None:
    full = full_costs([task("A", "0.70", "failed"), task("B", "0.30", "abandoned")])
    assert (full.by_task, full.without_completed_usd) == ({}, Decimal("1.00"))


@given(
    st.lists(
        st.tuples(
            st.decimals(0, 10_000, places=12, allow_nan=False),
            st.sampled_from(["completed", "failed", "abandoned"]),
        ),
        max_size=30,
    )
)
def test_full_costs_add_up_to_what_the_group_cost(found: list[tuple[Decimal, str]]) -> None:
    tasks = [TaskCost(str(n), state, usd) for n, (usd, state) in enumerate(found)]
    full = full_costs(tasks)
    total = sum((t.usd for t in tasks), Decimal(0))
    assert sum(full.by_task.values(), full.without_completed_usd) == total
    own = {t.key: t.usd for t in tasks}
    taxes = [usd - own[key] for key, usd in full.by_task.items()]
    assert not taxes or max(taxes) - min(taxes) <= PICO  # equal, but for what cannot be divided


def test_a_group_and_its_tasks_agree() -> None:
    parts = dict.fromkeys(PARTS, Decimal(0)) | {
        "own_inference": Decimal("0.70"), "retries": Decimal("0.30"), "failed": 5 * PICO,
    }  # fmt: skip
    group = Group("", 5, 3, 1, 0, 1, 6, parts)
    tasks = [task("A", "0.50"), task("B", "0.30"), task("C", "0.20"),
             TaskCost("D", "failed", 5 * PICO)]  # fmt: skip
    full = full_costs(tasks).by_task
    assert full == {
        key: group.full_usd(rank, Decimal(usd))
        for rank, (key, usd) in enumerate([("A", "0.50"), ("B", "0.30"), ("C", "0.20")])
    }
    assert sum(full.values()) == group.total_usd
    assert group.usd_per_completed is not None
    assert abs(group.usd_per_completed * 3 - group.total_usd) < PICO
    assert group.attempts_per_completed == 2
    assert [share_of(5 * PICO, rank, 3) / PICO for rank in range(3)] == [2, 2, 1]


def test_without_completed_tasks_there_is_no_cost_per_task() -> None:
    group = Group("", 2, 0, 2, 0, 0, 3, dict.fromkeys(PARTS, Decimal(1)))
    assert (group.usd_per_completed, group.attempts_per_completed) == (None, None)
