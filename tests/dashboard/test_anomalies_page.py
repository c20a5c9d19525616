"""The Anomalies page with none, one and many, hostile names, and figures made by hand."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import spanledger_dashboard
from spanledger_analytics.anomalies.cells import Leaf
from spanledger_analytics.anomalies.explain import Part, Usage, explained
from spanledger_analytics.findings.finding import Finding, Json
from spanledger_analytics.forecasting.month_end import month_end
from spanledger_dashboard.anomalies.data import Series, band_of
from spanledger_dashboard.anomalies.explanation import drivers_frame, steps_of
from spanledger_dashboard.anomalies.forecast import load_outlooks
from spanledger_dashboard.overview.day_spend import load_day_spend
from spanledger_storage.store import Store
from tests.dashboard.found import TRACE, loop, put
from tests.dashboard.seed import Seeder

APP = Path(spanledger_dashboard.__file__).parent / "app.py"
EVIL = "x`; **b** :red[r] <img src=x>"
HOUR_S, DAY_S = 3_600, 86_400


@pytest.fixture
def app(store_url: str) -> AppTest:
    assert store_url
    return AppTest.from_file(str(APP), default_timeout=60)


def page(app: AppTest, **params: str) -> AppTest:
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page("app_pages/anomalies.py")
    app.run()
    assert not app.exception
    return app


def text(app: AppTest) -> str:
    blocks = [*app.markdown, *app.caption, *app.info, *app.subheader, *app.error]
    return "\n".join(str(b.value) for b in blocks).replace("\\", "").replace("\u2060", "")


def cards(app: AppTest) -> dict[str, str]:
    return {m.label: m.value for m in app.metric}


def part(agent: str, calls: int, tokens: int, usd: str) -> Part:
    leaf = Leaf(agent=agent, model="m")
    return Part(leaf, calls, {"uncached": tokens}, {"uncached": Decimal(usd)})


def details(name: str = "", **more: Json) -> dict[str, Json]:
    """What the job says of a storm of one agent, with every kind of evidence."""
    now = Usage([part("planner", 300, 3_000_000, "9"), part("writer", 10, 50_000, "0.5")], 30)
    before = Usage([part("planner", 20, 100_000, "0.3"), part("writer", 10, 50_000, "0.5")], 20)
    made = dict(explained(now, before, 0.8).details)
    return {
        "dimension": "project" if not name else "agent", "name": name, **made,
        "traces": [{"trace_id": trace, "agent": "planner", "usd": "4.5", "excess_usd": "4.2"}
                   for trace in (TRACE, "")],  # the other one was deleted
        "loops": [{"finding_id": "f", "title": f"loop {EVIL}", "usd": "2"}],
        "versions": [{"service": "s", "agent": EVIL, "version": "2.0", "since": 1_795_290_000}],
        "prices": [
            {"at": 1_795_290_000, "action": "add", "object": "rate 7", "provider": "p",
             "model": EVIL},
            {"at": 1_795_290_060, "action": "add", "object": "tool price 2", "tool": "search"},
            {"at": 1_795_290_120, "action": "close", "object": "exchange rate 3"},
        ],
        "series": [{"dimension": "agent", "name": "planner"}], **more,
    }  # fmt: skip


def anomaly(now_s: int, name: str = "", **columns: object) -> Finding:
    made: dict[str, object] = {
        "kind": "cost_anomaly", "code": "spike", "title": f"spend rose {name}", "evidence": (),
        "direct_usd": Decimal("8.7"), "avoidable_usd": None, "carried_usd": None,
        "details": details(name), "explanation": f"More calls per trace. {EVIL}",
    }  # fmt: skip
    return loop(now_s, f"anomaly {name}", subject={"trace_id": ""}, **{**made, **columns})


def test_without_anything_it_says_how_to_send_some(app: AppTest) -> None:
    assert "No data yet" in text(page(app))


def test_spending_without_anomalies_is_quiet(app: AppTest, seed: Seeder) -> None:
    seed.span(TRACE, f"{1:016x}")
    for hours_ago in range(20):
        seed.usage(hours_ago=hours_ago, total_cost_usd=Decimal("0.5"))
    seed.insert()
    shown = page(app)
    assert cards(shown)["Spent"] == "$10.00"
    assert cards(shown)["Anomalies"] == "0"
    assert "Nothing in this time range was out of the ordinary" in text(shown)
    assert "There is too little history for a band" in text(shown)
    outlook = shown.dataframe[-1].value
    assert list(outlook["Who"]) == ["Project", "support-agent"]
    assert list(outlook["So far"]) == [10.0, 10.0]


def test_an_anomaly_is_explained_to_the_picodollar(
    app: AppTest, store: Store, seed: Seeder, now_s: int
) -> None:
    seed.span(TRACE, f"{1:016x}")
    seed.usage(agent_name="planner", total_cost_usd=Decimal(9))
    seed.insert()
    one = anomaly(now_s)
    put(store, now_s, one)
    steps = steps_of(one.details)
    assert Decimal("0.8") + sum((usd for _, usd in steps), Decimal(0)) == Decimal("9.5")
    shown = page(app)
    said = text(shown)
    assert cards(shown)["Largest"] == "$8.70"
    assert "the parts add up exactly" in said
    assert "**2.0** since" in said
    assert f"add rate 7 **p {EVIL}**, Nov 21, 19:40" in said
    assert "add tool price 2 **search**, Nov 21, 19:41" in said
    assert "close exchange rate 3, Nov 21, 19:42" in said
    ways = [link.proto.label.replace("\\", "") for link in shown.get("page_link")]
    assert any(f"loop {EVIL} · $2.00" in one.replace("\u2060", "") for one in ways)
    drivers = next(f.value for f in shown.dataframe if "Who" in f.value and "Share" in f.value)
    assert "planner" in set(drivers["Who"])
    traces = next(f.value for f in shown.dataframe if "Trace" in f.value)
    assert list(traces["Above usual"]) == [4.2]
    raw = "\n".join(str(m.value) for m in [*shown.markdown, *shown.caption])
    assert "<img" not in raw.replace(r"\<img", "")
    assert ":red[" not in raw.replace("\u2060", "")


def test_many_anomalies_and_series_are_links(
    app: AppTest, store: Store, seed: Seeder, now_s: int
) -> None:
    seed.span(TRACE, f"{1:016x}")
    for name in ("planner", EVIL):
        seed.usage(agent_name=name, total_cost_usd=Decimal(3))
    seed.insert()
    put(store, now_s, anomaly(now_s), anomaly(now_s, EVIL, direct_usd=Decimal(20)),
        *(anomaly(now_s, f"a{n}", details={"waterfall": "odd", "per_unit": [1]})
          for n in range(20)))  # fmt: skip
    shown = page(app, series=f"agent: {EVIL}")
    assert cards(shown)["Spent"] == "$3.00"
    assert cards(shown)["Anomalies"] == "1"
    fresh = AppTest.from_file(str(APP), default_timeout=60)
    shown = page(fresh, anomaly=anomaly(now_s, "a3").finding_id, per="Day")
    assert cards(shown)["Spent"] == "$6.00"
    assert "spend rose a3" in text(shown)
    assert "What was expected is not known" in text(shown)


def test_the_cards_of_the_project_are_of_the_anomalies_listed_for_it(
    app: AppTest, store: Store, seed: Seeder, now_s: int
) -> None:
    seed.span(TRACE, f"{1:016x}")
    seed.usage(agent_name="planner", total_cost_usd=Decimal(3))
    seed.insert()
    # They show in agents alone, not in the project's own spending; one goes on.
    put(store, now_s, anomaly(now_s, "planner", is_open=True, direct_usd=Decimal(4)),
        anomaly(now_s, "other", direct_usd=Decimal(2),
                details=details("other", series=[])))  # fmt: skip
    shown = page(app)
    assert "Anomalies of the project" in text(shown)
    assert (cards(shown)["Anomalies"], cards(shown)["Going on"]) == ("2", "1")
    assert cards(shown)["Largest"] == "$4.00"
    fresh = AppTest.from_file(str(APP), default_timeout=60)
    shown = page(fresh, series="agent: planner")
    assert "Anomalies of agent planner" in text(shown)
    assert cards(shown)["Anomalies"] == "1"


def test_what_the_difference_is_of_is_said(app: AppTest, seed: Seeder) -> None:
    seed.span(TRACE, f"{1:016x}")
    for hours_ago in range(1, 24 * 10):
        seed.usage(hours_ago=hours_ago, total_cost_usd=Decimal(2))
    seed.usage(total_cost_usd=Decimal(5))  # the hour that runs has no expectation yet
    seed.insert()
    shown = page(app, range="24h")
    found = {label: Decimal(text.lstrip("$")) for label, text in cards(shown).items()
             if label in ("Spent", "Expected", "Difference")}  # fmt: skip
    compared = found["Spent"] - 5
    assert f"${compared:.2f} of what was spent is in steps that have an expectation" in text(shown)
    assert abs(compared - found["Expected"] - found["Difference"]) <= Decimal("0.01")


def test_the_band_follows_what_was_usual_and_a_spike_leaves_it() -> None:
    end = 1_795_000_000 // DAY_S * DAY_S
    starts = range(end - 40 * DAY_S, end, HOUR_S)
    rng = np.random.default_rng(5)
    hours = {s: float(2 * rng.lognormal(0, 0.05)) for s in starts}
    spike = end - 5 * HOUR_S
    hours[spike] = 40.0
    silent = end - 9 * HOUR_S
    heard = frozenset(s for s in starts if s != silent)
    del hours[silent]
    band = band_of(hours, heard, end - DAY_S, end, end, is_daily=False)
    place = band.starts_s.index(spike)
    assert len(band.starts_s) == 24
    assert (np.abs(band.expected - 2) < 0.2).all()
    outside = [n for n in range(24) if not band.low[n] <= band.actual[n] <= band.high[n]]
    assert outside == sorted({place, band.starts_s.index(silent)})  # nothing was heard: NaN
    assert np.isnan(band.actual[band.starts_s.index(silent)])
    daily = band_of(hours, heard, end - 3 * DAY_S, end, end, is_daily=True)
    assert daily.actual == pytest.approx(
        [sum(usd for s, usd in hours.items() if 0 <= s - d < DAY_S) for d in daily.starts_s]
    )
    assert abs(daily.expected[0] - 48) < 3


def test_a_series_of_a_few_days_has_an_expectation_and_no_band() -> None:
    end = 1_795_000_000 // DAY_S * DAY_S
    starts = range(end - 9 * DAY_S, end, HOUR_S)
    band = band_of(
        dict.fromkeys(starts, 2.0), frozenset(starts), starts[0], end, end, is_daily=False
    )
    known = ~np.isnan(band.high)
    assert list(known) == [n >= 7 * 24 for n in range(len(starts))]
    assert np.abs(band.expected[30:] - 2).max() < 0.1
    daily = band_of(
        dict.fromkeys(starts, 2.0), frozenset(starts), starts[0], end, end, is_daily=True
    )
    assert np.isnan(daily.high).all()


def test_the_month_of_agents_and_the_rest_is_the_month_of_the_project(
    store: Store, seed: Seeder, now_s: int
) -> None:
    for hours_ago in range(24 * 40):
        for n in range(15):
            seed.usage(
                hours_ago=hours_ago, agent_name=f"a{n:02}", total_cost_usd=Decimal(n + 1) / 8
            )
    seed.insert()
    now_s -= now_s % 60  # as pages ask
    project, *agents = load_outlooks(store, "default", "UTC", now_s)
    assert project.spent_usd == sum(one.spent_usd for one in agents)
    assert len(agents) == 13
    assert agents[-1].agent in {"a03", "All other agents"}
    ahead = project.forecast
    low, mid, high = ahead.low, ahead.mid, ahead.high
    assert low is not None
    assert mid is not None
    assert high is not None
    assert project.spent_usd <= low <= mid <= high
    # Every hour costs fifteen dollars; the hour that runs has all of it already.
    assert abs(high - low) <= 30
    # The API and the overview tell the same, each from a statement of its own.
    assert month_end(store, "default", now_s)[0].forecast == ahead
    assert load_day_spend(store, "default", UTC, now_s).month_end.forecast == ahead


def test_figures_that_make_no_sense_are_left_out() -> None:
    assert steps_of({"waterfall": [{"factor": "calls", "usd": "x"}, {"usd": "1"}, 3]}) == [
        ("", Decimal(1))
    ]
    assert drivers_frame({"dimensions": [{"dimension": "agent", "elements": "no"}]}).empty
    assert Series.of("nothing: like that") == Series()
    assert Series.of("agent: a: b") == Series("agent", "a: b")
