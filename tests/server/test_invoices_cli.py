"""`spanledger invoices` as a user types it, in this process; the store is a real engine."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from spanledger_storage.store import StoreSettings
from tests import provider_servers
from tests.dashboard.process import store_url
from tests.instance import typed
from tests.invoicing import NOW_NS, SAMPLES
from tests.provider_servers import KEY, serve

Run = Callable[..., str]


@pytest.fixture
def run(data: Path, store_settings: StoreSettings, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Type a command beside a store; what it printed."""
    monkeypatch.setattr("time.time_ns", lambda: NOW_NS)
    places = {"SPANLEDGER_DATA": str(data), "SPANLEDGER_STORE_URL": store_url(store_settings)}

    def run_in(*words: str, code: int = 0, **variables: str) -> str:
        done = typed("invoices", *words, **places, **variables)
        assert done.returncode == code, done.stderr
        return done.stderr if code else done.stdout

    return run_in


def listed(run: Run, *words: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(
        run(*words, "--format", "json"), parse_float=Decimal
    )
    return found


def test_files_are_imported_listed_shown_and_taken_back(run: Run) -> None:
    sample = str(SAMPLES / "openai_costs.json")
    assert "5 lines of 2026-11-18 to 2026-11-19, 59.70 USD" in run("import", sample, "--dry-run")
    assert listed(run, "list") == []
    assert "imported as" in run("import", sample, "--by", "ann")
    assert "imported before" in run("import", sample)
    [row] = listed(run, "list")
    assert (row["provider"], row["lines"], row["who"]) == ("openai", 5, "ann")
    import_id = str(row["id"])
    lines = list(csv.DictReader(io.StringIO(run("show", import_id, "--format", "csv"))))
    assert sum(Decimal(line["amount"]) for line in lines) == Decimal("59.7")
    days = listed(run, "show", import_id, "--history")
    assert [(one["day"], one["counts"]) for one in days] == [
        ("2026-11-18", "yes"), ("2026-11-19", "yes"),
    ]  # fmt: skip
    assert "2 have none any more" in run("delete", import_id, "--by", "bob")
    assert listed(run, "list") == []
    [gone] = listed(run, "list", "--history")
    assert str(gone["deleted"]).endswith("by bob")


FOCUS = (
    "BilledCost,BillingCurrency,BillingAccountId,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,"
    "ServiceName,ProviderName,InvoiceIssuerName\n"
    "50,USD,org-b,2026-11-17T00:00:00Z,2026-11-18T00:00:00Z,Usage,OpenAI API,OpenAI,OpenAI\n"
    "50,USD,org-b,2026-11-18T00:00:00Z,2026-11-19T00:00:00Z,Usage,OpenAI API,OpenAI,OpenAI\n"
)


def test_import_and_list_say_which_bill_does_not_count(run: Run, tmp_path: Path) -> None:
    costs, bill = str(SAMPLES / "openai_costs.json"), tmp_path / "focus.csv"
    bill.write_text(FOCUS)
    assert "behind" not in run("import", str(bill))
    said = run("import", costs)
    behind = "focus@openai/org-b does not count on 1 day(s): it stands back behind openai.costs,"
    assert behind in said
    again = tmp_path / "again.csv"
    again.write_text(FOCUS.replace("50", "51"))
    assert behind in run("import", str(again))
    assert sorted(str(row["counts"]) for row in listed(run, "list")) == [
        "behind openai.costs on 1 day(s), yes on 1 day(s)", "replaced", "yes",
    ]  # fmt: skip


def test_unmapped_texts_are_listed_dearest_first_and_mapped(run: Run) -> None:
    run("import", str(SAMPLES / "azure_cost_details.csv"))
    waiting = listed(run, "mappings", "unmapped")
    assert [one["amount"] for one in waiting] == ["38.07625", "12.5", "5.125"]
    assert [one["suggestion"] for one in waiting] == ["uncached", "output", "cache_read"]
    said = run("mappings", "add", "azure.ai.openai", "gpt 4o 1120*", "--class", "uncached",
               "--model", "gpt-4o", "--by", "ann")  # fmt: skip
    assert "Mapping 1" in said
    assert [one["amount"] for one in listed(run, "mappings", "unmapped")] == ["12.5"]
    assert "removed" in run("mappings", "remove", "1", "--by", "bob")
    assert len(listed(run, "mappings", "unmapped")) == 3
    assert listed(run, "mappings", "list") == []
    [row] = listed(run, "mappings", "list", "--history")
    assert (row["by"], row["removed_by"]) == ("ann", "bob")


def test_reports_are_pulled_with_a_key_of_the_environment(run: Run) -> None:
    provider = provider_servers.openai()
    provider.charges[date(2026, 11, 3)] = "1.5"
    assert "SPANLEDGER_OPENAI_ADMIN_KEY" in run("pull", "openai", code=2)
    with serve(provider) as url:
        access = {"SPANLEDGER_OPENAI_ADMIN_KEY": KEY, "SPANLEDGER_OPENAI_ADMIN_URL": url}
        said = run("pull", "openai", "--since", "2026-11-01", **access)
    assert "openai.costs 2026-11-01 to 2026-11-20: imported" in said
    assert "openai.usage.images 2026-11-01 to 2026-11-20: nothing was used or charged." in said
    assert KEY not in said
    assert {str(row["format"]) for row in listed(run, "list")} == {"openai-costs", "openai-usage"}


def test_an_address_is_imported_without_its_secrets_in_the_name(run: Run) -> None:
    content = (SAMPLES / "bedrock_cur2.csv").read_bytes()
    provider = provider_servers.Provider(lambda *_: (200, {}, content))
    with serve(provider) as url:
        said = run("import", f"{url}/exports/cur.csv?signature=s3cret")
        assert "s3cret" not in said
        provider.refusals.append((404, {}, {}))
        assert "answered 404" in run("import", f"{url}/nothing.csv", code=2)
    assert "s3cret" not in json.dumps(listed(run, "list"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("import", "nothing.csv"), "no file or folder"),
        (("import", str(SAMPLES / "variance_report.json")), "no format we know"),
        (("import", str(SAMPLES / "openai_costs.json"), "--format", "nonsense"), "no format"),
        (("import", str(SAMPLES / "openai_costs.json"), "--project", "nowhere"), "nowhere"),
        (("show", "abc"), "no import 'abc'"),
        (("mappings", "add", "openai", "x", "--class", "nonsense"), "is no class"),
        (("mappings", "add", "openai", "x"), "says one or more of"),
        (("mappings", "add", "openai", "p", "--scope", "--to-project", "nowhere"), "nowhere"),
        (("mappings", "remove", "7"), "no mapping 7"),
        (("pull", "acme"), "Nothing can be pulled from 'acme'"),
    ],
)
def test_what_cannot_be_is_one_sentence(run: Run, words: tuple[str, ...], expected: str) -> None:
    assert expected in run(*words, code=2)


def test_the_clock_of_these_tests_is_a_day_of_november() -> None:
    assert datetime.fromtimestamp(NOW_NS // 10**9, UTC).date() == date(2026, 11, 20)


def test_what_an_invoice_comes_to_is_kept_replaced_and_refused(run: Run) -> None:
    words = ("total", "openai", "2026-11", "61.20", "usd", "--invoice-id", "INV-7")
    said = run(*words)
    assert "61.20 USD" in said
    assert "spanledger reconcile run 2026-11" in said
    assert "imported before" in run(*words)
    assert "1 day(s) that were imported before are replaced" in run(
        "total", "openai", "2026-11", "62", "USD"
    )
    kept = {str(one["amount"]) for one in listed(run, "list")}
    assert kept == {"61.20 USD", "62.00 USD"}, "the older one stays as history"
    run("total", "azure", "2026-11", "5", "USD")
    respelled = run("total", "azure.ai.openai", "2026-11", "5", "USD")
    assert "No report of azure.ai.openai is imported for 2026-11" in respelled
    assert "It adds up with the total of azure," in respelled
    refused = run("total", "openai", "2026-11", "1.234,50", "EUR", code=2)
    assert "The amount: '1.234,50' is no plain number" in refused
    assert "month" in run("total", "openai", "November", "1", "EUR", code=2)
