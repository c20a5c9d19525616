"""Explanations start at what was expected, end at what was spent, and lose nothing."""

from dataclasses import replace
from decimal import Decimal, localcontext
from typing import Any, cast

from hypothesis import example, given, settings
from hypothesis import strategies as st

from spanledger_analytics.anomalies.cells import Leaf
from spanledger_analytics.anomalies.explain import Part, Usage, explained
from spanledger_analytics.budgets.forecast import HOUR_S
from spanledger_analytics.forecasting.month_end import of_hours
from spanledger_storage.budget_windows import window_at

RATES = {"uncached": Decimal(3), "cache_read": Decimal("0.3"), "output": Decimal(15)}


def part(
    calls: int, uncached: int, read: int, model: str = "m", rate: Decimal = Decimal(1)
) -> Part:
    tokens = {"uncached": uncached, "cache_read": read, "output": calls * 100}
    costs = {name: RATES[name] * rate * count / 10**6 for name, count in tokens.items()}
    return Part(Leaf("a", model), calls, tokens, costs)


amounts = st.integers(0, 10**7)
parts = st.builds(part, st.integers(0, 1_000), amounts, amounts, st.sampled_from(["m", "n"]))
usages = st.builds(
    Usage,
    st.lists(parts, max_size=4),
    st.integers(0, 500),
    st.sampled_from([{}, {"a": 3}, {"a": 0, "b": 7}]),
)


# Next to nothing before, of which much was expected: effects are enormous and cancel each other.
@example(Usage([part(1, 0, 0)], 0, {"a": 3}), Usage([part(0, 0, 2)], 0, {"a": 3}), 136.0)
@settings(max_examples=40, deadline=None)
@given(usages, usages, st.floats(0, 1e5))
def test_parts_add_up_exactly(now: Usage, before: Usage, expected: float) -> None:
    details = cast("dict[str, Any]", explained(now, before, expected).details)
    with localcontext(prec=60):
        total = sum((Decimal(one["usd"]) for one in details["waterfall"]), Decimal(0))
    assert Decimal(details["expected_usd"]) + total == Decimal(details["actual_usd"]) == now.usd
    assert total == Decimal(details["excess_usd"])


def test_each_cause_is_named() -> None:
    before = Usage([part(100, 300_000, 700_000)], 10)
    usd = float(before.usd)
    cases = {
        "tasks": Usage([part(300, 900_000, 2_100_000)], 30),
        "calls": Usage([part(300, 900_000, 2_100_000)], 10),
        "prompts": Usage([part(100, 900_000, 2_100_000)], 10),
        "cache": Usage([part(100, 1_000_000, 0)], 10),
        "prices": Usage([part(100, 300_000, 700_000, rate=Decimal(2))], 10),
        "models": Usage([part(100, 300_000, 700_000, "dear", Decimal(2))], 10),
    }
    found = {name: explained(now, before, usd).cause for name, now in cases.items()}
    assert {**found, "models": "models"} == {name: name for name in cases}
    assert found["models"] in ("models", "prices")


def test_more_traces_of_a_dear_agent_are_more_traces_and_no_dearer_models() -> None:
    def busy(times: int) -> Usage:
        cheap = part(1_000, 300_000, 700_000, "small", Decimal("0.1"))
        dear = part(50 * times, 300_000 * times, 0, "large", Decimal(5))
        dear = replace(dear, leaf=Leaf("researcher", "large"))
        return Usage([cheap, dear], 500 + times, {"a": 500, "researcher": times})

    before, now = busy(1), busy(4)
    told = explained(now, before, float(before.usd))
    assert told.cause == "tasks"
    assert told.change is not None
    assert {name: usd for name, usd in told.change.parts.items() if usd} == {
        "tasks": now.usd - before.usd
    }
    whole = replace(now, by_agent={}), replace(before, by_agent={})
    assert explained(*whole, float(before.usd)).cause != "tasks"


def test_what_is_new_is_more_traces_and_what_is_gone_has_no_cause() -> None:
    one = Usage([part(100, 300_000, 700_000)], 10)
    assert explained(one, Usage([], 0), 0.0).cause == "tasks"
    gone = explained(Usage([], 0), one, float(one.usd))
    assert gone.cause == ""
    assert gone.change is not None
    assert gone.change.now_usd == 0


def test_even_spending_leads_to_an_even_month() -> None:
    now_s = 1_795_000_000
    window = window_at("month", "UTC", None, now_s)
    hours = {
        hour: Decimal(2)
        for hour in range(now_s // HOUR_S * HOUR_S - 42 * 24 * HOUR_S, now_s, HOUR_S)
    }
    told = of_hours("p", None, hours, window, now_s)
    whole = Decimal(2) * (window.end_s - window.start_s) / HOUR_S
    assert told.forecast.low is not None
    assert told.forecast.mid is not None
    assert abs(told.forecast.mid - whole) <= 2  # the hour that runs counts as spent already
    assert told.forecast.low <= told.forecast.mid
    assert of_hours("p", None, {}, window, now_s).forecast.method == ""


def test_calls_that_have_no_agent_yet_do_not_go_on_until_the_end_of_the_month() -> None:
    now_s = 1_795_000_000
    window = window_at("month", "UTC", None, now_s)
    hour = now_s // HOUR_S * HOUR_S
    hours = {hour: Decimal("1.6")}
    ahead = of_hours("p", "", hours, window, now_s)
    assert ahead.spent_usd == Decimal("1.6")
    assert (ahead.forecast.mid, ahead.forecast.method) == (None, "")
    # An agent that has just begun is expected to go on, as before.
    begun = of_hours("p", "a", hours, window, now_s).forecast
    per_hour = Decimal("1.6") * HOUR_S / (now_s - hour + HOUR_S)
    assert begun.method == "burn"
    assert begun.mid is not None
    assert abs(begun.mid - (Decimal("1.6") + per_hour * (window.end_s - now_s) / HOUR_S)) < 1
    # Where calls have no agent for good, days of them lead on like any others.
    known = {hour - n * HOUR_S: Decimal(2) for n in range(1, 24 * 4 + 1)}
    assert of_hours("p", "", known, window, now_s).forecast.method == "day"
