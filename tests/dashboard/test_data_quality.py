"""The data-quality page with nothing, with calls in order, and with findings."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

import spanledger_dashboard
from spanledger_analytics.data_quality import Example, Group
from spanledger_dashboard.quality.findings import group_frame, trace_link
from tests.dashboard.seed import Seeder

APP = Path(spanledger_dashboard.__file__).parent / "app.py"
TRACE = "ab" * 16
EVIL = "x`; **b** :red[r] <img src=x>"


@pytest.fixture
def app(store_url: str) -> AppTest:
    assert store_url
    return AppTest.from_file(str(APP), default_timeout=30)


def page(app: AppTest, name: str = "data_quality", **params: str) -> AppTest:
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page(f"app_pages/{name}.py")
    app.run()
    assert not app.exception
    return app


def text(app: AppTest) -> str:
    blocks = [*app.markdown, *app.caption, *app.info, *app.success, *app.warning, *app.subheader]
    return "\n".join(str(b.value) for b in blocks).replace("\\", "")


def cards(app: AppTest) -> dict[str, str]:
    return {m.label: m.value for m in app.metric}


def test_without_data_it_says_how_to_send_some(app: AppTest) -> None:
    assert "No data yet" in text(page(app))


def test_with_data_elsewhere_it_says_so(app: AppTest, seed: Seeder) -> None:
    seed.entry(seed.span(TRACE, f"{1:016x}", at_s=-7_200), "0.25")
    seed.insert()
    assert "Nothing in this time range" in text(page(app, range="1h"))


def test_calls_in_order_are_praised(app: AppTest, seed: Seeder) -> None:
    seed.entry(seed.span(TRACE, f"{1:016x}"), "0.25")
    seed.insert()
    shown = page(app)
    assert "Nothing found; 1 call, all with usage and price." in text(shown)
    assert cards(shown) == {
        "Calls": "1",
        "With usage": "100.0%",
        "Priced": "100.0%",
        "Tokens": "1,200",
        "Spend on calls": "$0.250",
        "Not in the spend": "$0.00",
    }


def test_a_finding_shows_dollars_advice_and_a_link_to_a_trace(app: AppTest, seed: Seeder) -> None:
    columns = {"service_name": "shop", "scope_name": "openlit", "stream": True}
    seed.entry(seed.span(TRACE, f"{1:016x}", **columns), "0.25", service_name="shop")
    quiet = seed.span(TRACE, f"{2:016x}", **columns)
    seed.entry(quiet, None, tokens=None, service_name="shop", stream=True)
    seed.insert()
    shown = page(app)
    said = text(shown)
    assert "Calls without token counts" in said
    assert "1 call · $0.250 not counted (estimate)" in said
    assert "**openlit**: Ask for the usage of streams" in said
    assert cards(shown)["Not in the spend"] == "$0.250"
    frame = shown.dataframe[0].value
    assert list(frame["Service"]) == ["shop"]
    assert list(frame["Instrumentation"]) == ["openlit"]
    assert list(frame["Trace"]) == [f"/trace?trace_id={TRACE}&span_id={2:016x}"]


def test_names_from_outside_stay_text(app: AppTest, seed: Seeder) -> None:
    span = seed.span(TRACE, f"{1:016x}", scope_name=EVIL, response_model=EVIL)
    seed.entry(span, None, flags=["unknown_model"])
    seed.insert()
    raw = "\n".join(str(m.value) for m in page(app).markdown)
    assert "img" in raw
    assert "<img" not in raw.replace(r"\<img", "")
    assert ":red[" not in raw


def quality_links(app: AppTest) -> list[Any]:
    return [link for link in app.get("page_link") if "data_quality" in link.proto.page]


def test_the_overview_leads_to_it_when_the_spend_lacks_calls(app: AppTest, seed: Seeder) -> None:
    seed.usage()
    seed.insert()
    assert not quality_links(page(app, "overview"))


def test_the_overview_leads_to_it_when_calls_have_no_price(app: AppTest, seed: Seeder) -> None:
    seed.usage(unpriced_calls=2)
    seed.insert()
    assert quality_links(page(app, "overview", range="7d"))


def test_columns_that_say_nothing_are_left_out() -> None:
    group = Group("shop", ("openlit@",), 3, None, "fix it", (Example(TRACE, ""),))
    assert list(group_frame([group]).columns) == ["Service", "Instrumentation", "Count", "Trace"]
    priced = Group("shop", (), 3, Decimal("0.5"), "fix it", (), input_tokens=7)
    assert list(group_frame([priced]).columns) == ["Service", "Count", "Dollars", "Tokens"]


def test_a_link_to_a_whole_trace_names_no_span() -> None:
    assert trace_link(Example(TRACE, "")) == f"/trace?trace_id={TRACE}"
