"""Pulling from servers that answer like the providers: paging, refusals, limits, going on."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import httpx
import pytest
import sqlalchemy as sa

from spanledger_analytics.invoices.errors import InvoiceError, PullError
from spanledger_analytics.invoices.job import InvoicePullJob
from spanledger_analytics.invoices.pulling import PULLERS, access_of, configured
from spanledger_analytics.invoices.pulling.client import Access, Client
from spanledger_analytics.invoices.pulling.puller import Puller
from spanledger_analytics.invoices.pulling.run import Pull, pull, scheduled_start, windows
from spanledger_analytics.invoices.reading import current_lines, sources
from spanledger_storage.invoice_state import InvoiceState, PullRow
from spanledger_storage.store import Store
from tests import provider_servers as servers
from tests.invoicing import DAY_NS
from tests.provider_servers import KEY, Provider, serve
from tests.variants import first

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * 10**9
SINCE = date(2026, 11, 1)
CHARGES = {date(2026, 11, 2): "1.25", date(2026, 11, 17): "2.5", date(2026, 11, 20): "4"}


class Waits:
    """Clients that wait in a list instead of in time."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def make(self, puller: Puller, access: Access) -> Client:
        return Client(access, puller.headers(access), sleep=self.seconds.append)


def pull_once(
    store: Store, state: sa.Engine, url: str, report: str, *, key: str = KEY,
    since: date | None = SINCE, now_ns: int = NOW_NS, waits: Waits | None = None,
) -> None:  # fmt: skip
    provider = report.partition(".")[0]
    asked = Pull("default", provider, report, Access(url, key, "acme"), "me", since)
    pull(store, state, asked, now_ns, (waits or Waits()).make)


def charged(store: Store) -> dict[date, Decimal]:
    lines = current_lines(store, "default", SINCE, date(2026, 11, 30))
    return {line.day: line.amount for line in lines if line.amount is not None}


def pulled(state: sa.Engine, report: str) -> PullRow:
    return next(row for row in InvoiceState(state).pulls("default") if row.report == report)


PROVIDERS = {
    "openai.costs": servers.openai,
    "anthropic.costs": servers.anthropic,
    "anthropic.analytics_costs": servers.anthropic,
    "openrouter.activity": lambda: servers.openrouter(NOW.date()),
    "fireworks.costs": servers.fireworks,
}


@pytest.mark.parametrize("report", first(PROVIDERS, 2))
def test_every_page_is_imported_and_every_day_asked_for_is_told(
    store: Store, state: sa.Engine, report: str
) -> None:
    provider = PROVIDERS[report]()
    provider.charges |= CHARGES
    if report == "fireworks.costs":
        provider.charges = {day: str(n) for n, day in enumerate(CHARGES, 1)}
    with serve(provider) as url:
        pull_once(store, state, url, report)
    told = {day: Decimal(text) for day, text in provider.charges.items()}
    if report == "openrouter.activity":
        del told[NOW.date()]  # a day that is not over is not told
    assert charged(store) == told
    assert len(provider.asked) > 1
    last = 19 if report == "openrouter.activity" else 20
    days = {one.day for one in sources(store, "default", SINCE, date(2026, 11, 30))}
    assert days == {date(2026, 11, n) for n in range(1, last + 1)}
    row = pulled(state, report)
    assert (row.error, row.failures, row.last_success_ns) == ("", 0, NOW_NS)
    assert row.resume_day == f"2026-11-{last + 1}"


def test_mistral_tells_a_month_by_day_and_costs_by_its_price_table(
    store: Store, state: sa.Engine
) -> None:
    provider = servers.mistral()
    provider.charges |= dict.fromkeys((*CHARGES, date(2026, 10, 31)), "")
    with serve(provider) as url:
        pull_once(store, state, url, "mistral.usage")
        pull_once(store, state, url, "mistral.usage", now_ns=NOW_NS + 1)
    assert charged(store) == dict.fromkeys(CHARGES, Decimal("0.5"))
    assert len(InvoiceState(state).imports("default")) == 1
    assert pulled(state, "mistral.usage").error == ""


def test_a_second_pull_of_the_same_changes_nothing_and_a_restated_day_does(
    store: Store, state: sa.Engine
) -> None:
    provider = servers.openai()
    provider.charges |= CHARGES
    with serve(provider) as url:
        pull_once(store, state, url, "openai.costs")
        pull_once(store, state, url, "openai.costs", now_ns=NOW_NS + 1)
        assert len(InvoiceState(state).imports("default")) == 1
        provider.charges[date(2026, 11, 20)] = "9"  # the day was not over
        del provider.charges[date(2026, 11, 17)]
        pull_once(store, state, url, "openai.costs", now_ns=NOW_NS + 2)
    assert charged(store) == {date(2026, 11, 2): Decimal("1.25"), date(2026, 11, 20): 9}


def test_a_provider_that_is_busy_is_asked_again_when_it_says(
    store: Store, state: sa.Engine
) -> None:
    provider, waits = servers.openai(), Waits()
    provider.charges |= CHARGES
    provider.refusals += [
        (429, {"retry-after": "7"}, {"error": {"message": "Rate limit"}}),
        (503, {}, b"<html>down</html>"),
        (500, {}, {}),
    ]
    with serve(provider) as url:
        pull_once(store, state, url, "openai.costs", waits=waits)
    assert waits.seconds == [7.0, 2.0, 4.0]
    assert len(charged(store)) == 3


def test_a_long_wait_is_left_to_the_schedule(store: Store, state: sa.Engine) -> None:
    provider = servers.openai()
    provider.refusals += [(429, {"retry-after": "86400"}, {})] * 9
    with serve(provider) as url, pytest.raises(PullError, match="answered 429"):
        pull_once(store, state, url, "openai.costs")
    row = pulled(state, "openai.costs")
    assert len(provider.asked) == 1
    assert (row.next_try_ns, row.last_success_ns, row.failures) == (NOW_NS + DAY_NS, None, 1)


@pytest.mark.parametrize("report", first([name for name in PROVIDERS if name != "fireworks.costs"]))
def test_a_refused_key_is_told_once_and_never_shown(
    store: Store, state: sa.Engine, report: str, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = "sk-admin-wrong-key-abcdef"
    provider = PROVIDERS[report]()
    with serve(provider) as url, pytest.raises(PullError, match=r"answered 40[13]") as failed:
        pull_once(store, state, url, report, key=wrong)
    assert len(provider.asked) == 1
    said = f"{failed.value} {pulled(state, report)} {caplog.text} {Access(url, wrong)}"
    assert failed.value.permanent
    assert KEY not in said
    assert wrong not in said


def test_an_interrupted_pull_goes_on_where_it_stopped(store: Store, state: sa.Engine) -> None:
    provider = servers.openai()
    provider.charges |= {date(2026, 9, 3): "1", date(2026, 10, 3): "2", date(2026, 11, 3): "3"}
    waits = Waits()
    with serve(provider) as url:
        provider.page_days = 31
        first = servers.openai().handle

        def down_in_october(*asked: object) -> servers.Answer:
            is_late = len(provider.asked) > 1
            return (500, {}, {}) if is_late else first(*asked)  # type: ignore[arg-type]  # as it was asked

        provider.handle = down_in_october
        with pytest.raises(PullError):
            pull_once(store, state, url, "openai.costs", since=date(2026, 9, 1), waits=waits)
        assert pulled(state, "openai.costs").resume_day == "2026-10-01"
        provider.handle = first
        pull_once(store, state, url, "openai.costs", since=None)
    lines = current_lines(store, "default", date(2026, 9, 1), date(2026, 11, 30))
    assert [(line.day.month, line.amount) for line in lines] == [
        (month, Decimal(amount)) for month, amount in ((9, 1), (10, 2), (11, 3))
    ]


def test_an_answer_that_is_no_json_or_never_ends_imports_nothing(
    store: Store, state: sa.Engine
) -> None:
    provider = Provider(lambda *_: (200, {}, b"<html>"))
    with serve(provider) as url:
        with pytest.raises(PullError, match="no JSON"):
            pull_once(store, state, url, "openai.costs")
        provider.handle = lambda *_: (200, {}, {"data": [], "has_more": True})
        with pytest.raises(PullError, match="not where"):
            pull_once(store, state, url, "openai.costs")
    assert InvoiceState(state).imports("default") == []


def test_a_redirect_does_not_take_the_key_along() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.host)
        return httpx.Response(302, headers={"location": "https://elsewhere.example/"})

    access = Access("https://api.openai.com", KEY)
    client = Client(access, {"Authorization": KEY}, transport=httpx.MockTransport(answer))
    with pytest.raises(PullError):
        client.get("/v1/organization/costs")
    client.close()
    assert seen == ["api.openai.com"]


def test_the_schedule_pulls_the_open_month_and_the_last_one_while_it_settles() -> None:
    def start(month: int, day: int) -> date:
        return scheduled_start(int(datetime(2026, month, day, tzinfo=UTC).timestamp()) * 10**9)

    assert start(11, 20) == date(2026, 11, 1)
    assert start(11, 14) == date(2026, 10, 1)
    assert start(1, 3) == date(2025, 12, 1)


def test_windows_lie_within_months_and_within_reach() -> None:
    found = list(windows(PULLERS["openai"], date(2026, 9, 20), NOW_NS))
    assert found == [
        (date(2026, 9, 20), date(2026, 9, 30)), (date(2026, 10, 1), date(2026, 10, 31)),
        (date(2026, 11, 1), date(2026, 11, 20)),
    ]  # fmt: skip
    reached = list(windows(PULLERS["openrouter"], date(2026, 1, 1), NOW_NS))
    assert (reached[0][0], reached[-1][1]) == (date(2026, 10, 21), date(2026, 11, 19))


def test_the_job_pulls_what_is_due_one_report_a_run(store: Store, state: sa.Engine) -> None:
    provider, waits, now = servers.anthropic(), Waits(), [NOW_NS]
    provider.charges |= CHARGES
    with serve(provider) as url:
        environment = {
            "SPANLEDGER_ANTHROPIC_ADMIN_KEY": KEY, "SPANLEDGER_ANTHROPIC_ADMIN_URL": url,
            "SPANLEDGER_INVOICES_PROJECT": "default",
        }  # fmt: skip
        job = InvoicePullJob(store, state, environment, lambda: now[0], waits.make)
        done = {job.run_once() for _ in range(4)}
        assert done == set(PULLERS["anthropic"].reports())
        assert job.run_once() == ""
        now[0] += DAY_NS
        assert job.run_once() != ""
    assert charged(store) == {day: Decimal(text) for day, text in CHARGES.items()}
    assert InvoicePullJob(store, state, {}, lambda: NOW_NS).run_once() == ""


def test_a_provider_is_configured_by_its_key_alone() -> None:
    assert list(configured({"SPANLEDGER_OPENAI_ADMIN_KEY": "k"})) == ["openai"]
    assert configured({"SPANLEDGER_FIREWORKS_API_KEY": "k"}) == {}
    with pytest.raises(InvoiceError, match="SPANLEDGER_OPENAI_ADMIN_KEY"):
        access_of("openai", {})
    with pytest.raises(InvoiceError, match="Nothing can be pulled from 'acme'"):
        access_of("acme", {})
