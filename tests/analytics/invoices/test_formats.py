"""Every sample report becomes lines whose sums are derived here from the file itself."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet
import pytest

from spanledger_analytics.invoices.documents import documents_of
from spanledger_analytics.invoices.errors import InvoiceError
from spanledger_analytics.invoices.formats import FORMATS, format_named, format_of
from spanledger_analytics.invoices.formats.aws_cur import parse_usage_type
from spanledger_analytics.invoices.formats.gcp_billing import parse_sku
from spanledger_analytics.invoices.formats.openai_costs import parse_item
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass
from spanledger_analytics.invoices.unmapped import suggested
from tests.invoicing import SAMPLES, charged, lines_of_text, sample_lines

DAY = date(2026, 11, 18)
FORMAT_OF = {
    "openai_usage_completions.json": "openai-usage",
    "openai_usage_embeddings.json": "openai-usage",
    "openai_usage_web_search_calls.json": "openai-usage",
    "openai_costs.json": "openai-costs",
    "openai_dashboard_costs.csv": "openai-costs-csv",
    "openai_dashboard_usage.csv": "openai-usage-csv",
    "anthropic_usage_report_messages.json": "anthropic-usage",
    "anthropic_cost_report.json": "anthropic-costs",
    "anthropic_analytics_usage.json": "anthropic-analytics-usage",
    "anthropic_analytics_cost.json": "anthropic-analytics-costs",
    "anthropic_console_cost.csv": "anthropic-costs-csv",
    "anthropic_console_usage.csv": "anthropic-usage-csv",
    "gcp_billing_export.ndjson": "gcp-billing",
    "bedrock_cur2.csv": "aws-cur",
    "azure_cost_details.csv": "azure-costs",
    "openrouter_generation.json": "openrouter-generation",
    "openrouter_activity.json": "openrouter-activity",
    "deepseek_amount-2026-11.csv": "deepseek-amount",
    "deepseek_cost-2026-11.csv": "deepseek-cost",
    "fireworks_billing_metrics.csv": "fireworks-metrics",
    "focus_1_2_llm_cost.csv": "focus",
    "focus_1_4_cost_and_usage.csv": "focus",
    "focus_1_5_draft_llm_cost.csv": "focus",
    "focus_1_4_invoice_detail.csv": "focus-invoice",
}


def rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((SAMPLES / name).read_text(encoding="utf-8"))))


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLES / name).read_text(), parse_float=Decimal)
    return found


def results(name: str) -> list[dict[str, Any]]:
    return [one for bucket in document(name)["data"] for one in bucket["results"]]


def column(name: str, field: str) -> Decimal:
    return sum((Decimal(row[field]) for row in rows(name) if row[field]), Decimal(0))


def quantities(lines: list[InvoiceLine], dataset: Dataset = Dataset.USAGE) -> Counter[str]:
    found: Counter[str] = Counter()
    for line in lines:
        if line.dataset is dataset and line.quantity is not None:
            assert line.quantity == int(line.quantity)
            found[line.token_class.value] += int(line.quantity)
    return found


@pytest.mark.parametrize(("name", "expected"), FORMAT_OF.items())
def test_a_format_is_known_by_its_content_alone(name: str, expected: str) -> None:
    content = (SAMPLES / name).read_bytes()
    [found] = documents_of("whatever.dat", lambda: io.BytesIO(content))
    head = found.head()
    assert [one for one in FORMATS if format_named(one).matches(head)] == [expected]
    assert format_of(head, found.name).name == expected


@pytest.mark.parametrize("name", FORMAT_OF)
def test_every_line_names_day_provider_and_currency(name: str) -> None:
    lines = sample_lines(name)
    assert lines
    for line in lines:
        assert line.day <= line.last_day
        assert line.provider == line.provider.strip().lower() != ""
        assert (line.amount is None) == (line.currency == "")
        assert line.line_number >= 1
    if name != "focus_1_4_invoice_detail.csv":
        assert {line.day for line in lines} == {DAY}


CENTS = ("anthropic_cost_report.json", "anthropic_analytics_cost.json")


def cents(name: str) -> Decimal:
    data = document(name)["data"]
    costs = [one["cost"] for one in data] if "cost" in data[0] else results(name)
    return sum((Decimal(one["amount"]) for one in costs), Decimal(0)) / 100


@pytest.mark.parametrize(
    ("name", "field", "currency"),
    [
        ("openai_dashboard_costs.csv", "amount_value", "USD"),
        ("anthropic_console_cost.csv", "cost_usd", "USD"),
        ("bedrock_cur2.csv", "line_item_unblended_cost", "USD"),
        ("azure_cost_details.csv", "CostInBillingCurrency", "USD"),
        ("deepseek_cost-2026-11.csv", "cost", "CNY"),
        ("focus_1_2_llm_cost.csv", "BilledCost", "USD"),
        ("focus_1_4_cost_and_usage.csv", "BilledCost", "USD"),
        ("focus_1_4_invoice_detail.csv", "BilledCost", "USD"),
        ("focus_1_5_draft_llm_cost.csv", "BilledCost", "USD"),
    ],
)
def test_amounts_add_up_to_the_column(name: str, field: str, currency: str) -> None:
    assert charged(sample_lines(name)) == {currency: column(name, field)}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("openai_costs.json", sum(r["amount"]["value"] for r in results("openai_costs.json"))),
        *((name, cents(name)) for name in CENTS),
        ("openrouter_activity.json", Decimal("4.12")),
        ("openrouter_generation.json", Decimal("0.0123")),
    ],
)
def test_amounts_add_up_to_the_document(name: str, expected: Decimal) -> None:
    assert charged(sample_lines(name)) == {"USD": expected}


def test_reports_of_usage_tell_no_money() -> None:
    names = ("openai_usage_completions.json", "fireworks_billing_metrics.csv")
    assert [charged(sample_lines(name)) for name in names] == [{}, {}]


def test_google_is_cost_and_credits() -> None:
    records = [
        json.loads(line, parse_float=Decimal)
        for line in (SAMPLES / "gcp_billing_export.ndjson").read_text().splitlines()
    ]
    net = sum(r["cost"] + sum(c["amount"] for c in r["credits"]) for r in records)
    lines = sample_lines("gcp_billing_export.ndjson")
    assert charged(lines) == {"USD": net}
    discounts = [line.amount for line in lines if line.token_class is TokenClass.DISCOUNT]
    assert sum(one for one in discounts if one) == Decimal("-1.745")
    assert quantities(lines, Dataset.COST) == {
        "uncached": 80_000_000, "output": 6_000_000, "cache_read": 30_000_000,
    }  # fmt: skip
    assert {line.model for line in lines if line.scope} == {"gemini-2.5-flash"}


def test_openai_input_becomes_disjoint_classes() -> None:
    told = results("openai_usage_completions.json")
    lines = sample_lines("openai_usage_completions.json")
    found = quantities(lines)
    assert found["uncached"] + found["cache_read"] == sum(r["input_tokens"] for r in told)
    assert found["cache_read"] == sum(r["input_cached_tokens"] for r in told)
    assert found["output"] == sum(r["output_tokens"] for r in told)
    assert found["requests"] == sum(r["num_model_requests"] for r in told)
    assert {(line.processing, line.service_tier) for line in lines} == {("sync", ""), ("batch", "")}


def test_openai_input_without_its_uncached_part_is_what_is_left() -> None:
    page = {"data": [{"start_time": 1794960000, "end_time": 1795046400, "results": [
        {"object": "organization.usage.completions.result", "input_tokens": 100,
         "input_cached_tokens": 30, "input_cache_write_tokens": 20, "output_tokens": 5,
         "num_model_requests": 1}]}]}  # fmt: skip
    assert quantities(lines_of_text(json.dumps(page))) == {
        "uncached": 50, "cache_read": 30, "cache_write": 20, "output": 5, "requests": 1,
    }  # fmt: skip


def test_requests_that_searched_are_counted_once() -> None:
    assert quantities(sample_lines("openai_usage_web_search_calls.json")) == {"web_search": 320}


def test_anthropic_usage_at_list_prices_is_its_cost() -> None:
    prices = {
        "uncached": Decimal(3), "cache_write_5m": Decimal("3.75"), "cache_write_1h": Decimal(6),
        "cache_read": Decimal("0.3"), "output": Decimal(15), "web_search": Decimal(10_000),
    }  # fmt: skip
    total = Decimal(0)
    for line in sample_lines("anthropic_usage_report_messages.json"):
        half = Decimal("0.5") if line.processing == "batch" else Decimal(1)
        assert line.quantity is not None
        total += line.quantity * prices[line.token_class.value] * half / 10**6
    assert charged(sample_lines("anthropic_cost_report.json")) == {"USD": total}


def test_the_reports_of_anthropic_name_the_same_things_the_same_way() -> None:
    def key(line: InvoiceLine) -> tuple[str, str | None, str | None, str | None]:
        return line.token_class.value, line.model, line.processing, line.context

    def by_key(name: str) -> dict[tuple[str, str | None, str | None, str | None], Decimal]:
        found: dict[tuple[str, str | None, str | None, str | None], Decimal] = {}
        for line in sample_lines(name):
            amount = line.quantity if line.amount is None else line.amount
            if line.token_class is not TokenClass.WEB_SEARCH:
                found[key(line)] = found.get(key(line), Decimal(0)) + (amount or 0)
        return found

    assert by_key("anthropic_console_cost.csv") == by_key("anthropic_cost_report.json")
    assert by_key("anthropic_console_usage.csv") == by_key("anthropic_usage_report_messages.json")


def test_anthropics_default_workspace_is_told_apart_from_one_that_is_not_told() -> None:
    scopes = {line.scope for line in sample_lines("anthropic_cost_report.json")}
    assert scopes == {"wrkspc_demoAgents", ""}
    alone = json.loads((SAMPLES / "anthropic_cost_report.json").read_text())
    for bucket in alone["data"]:
        bucket["results"] = [r for r in bucket["results"] if r["workspace_id"] is None]
    assert {line.scope for line in lines_of_text(json.dumps(alone))} == {None}


def test_bedrock_counts_thousands_of_tokens() -> None:
    assert quantities(sample_lines("bedrock_cur2.csv"), Dataset.COST) == {
        "uncached": 29_481, "output": 3_207, "cache_read": 410_000, "cache_write": 12_500,
    }  # fmt: skip


def test_azures_meters_wait_for_a_mapping_with_their_quantities_in_tokens() -> None:
    lines = sample_lines("azure_cost_details.csv")
    classes = [line.token_class for line in lines]
    assert classes == [TokenClass.UNMAPPED] * 3 + [TokenClass.ROUNDING]
    assert [line.quantity for line in lines] == [15_230_500, 4_100_000, 1_250_000, None]


def test_deepseek_price_times_amount_is_its_cost() -> None:
    assert charged(sample_lines("deepseek_amount-2026-11.csv")) == charged(
        sample_lines("deepseek_cost-2026-11.csv")
    )


def test_focus_rows_tell_class_model_and_tier() -> None:
    for name in ("focus_1_2_llm_cost.csv", "focus_1_4_cost_and_usage.csv"):
        lines = sample_lines(name)
        assert [line.token_class.value for line in lines] == [
            "uncached", "cache_read", "output", "output",
        ]  # fmt: skip
        assert {line.model for line in lines} == {"m-large-1"}
        assert [line.processing for line in lines] == ["sync", "sync", "sync", "batch"]
        assert sum(line.list_amount or 0 for line in lines) == Decimal("10.80")
    draft = sample_lines("focus_1_5_draft_llm_cost.csv")
    assert quantities(draft, Dataset.COST) == {
        "uncached": 4_000_000, "cache_write_5m": 1_000_000, "cache_write_1h": 200_000,
        "cache_read": 40_000_000, "output": 1_200_000,
    }  # fmt: skip


def test_a_table_as_parquet_or_gzip_says_the_same(tmp_path: Path) -> None:
    import gzip

    for name in ("bedrock_cur2.csv", "focus_1_4_cost_and_usage.csv", "azure_cost_details.csv"):
        content = (SAMPLES / name).read_bytes()
        texts = pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(rows(name)[0], "string"), strings_can_be_null=True
        )
        pyarrow.parquet.write_table(
            pyarrow.csv.read_csv(io.BytesIO(content), convert_options=texts), tmp_path / "t"
        )
        expected = [(x.amount, x.quantity, x.token_class) for x in lines_of_text(content)]
        for other in ((tmp_path / "t").read_bytes(), gzip.compress(content)):
            found = [(x.amount, x.quantity, x.token_class) for x in lines_of_text(other)]
            assert found == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gpt-5.5-2026-04-23, input", ("uncached", "gpt-5.5-2026-04-23", None)),
        ("gpt-5.5-2026-04-23, cached input", ("cache_read", "gpt-5.5-2026-04-23", None)),
        ("gpt-5.5-2026-04-23, cache writes", ("cache_write", "gpt-5.5-2026-04-23", None)),
        ("priority | gpt-5.6-sol, output, long context", ("output", "gpt-5.6-sol", "priority")),
        ("gpt-image-2.5-flare image, output", ("output", "gpt-image-2.5-flare", None)),
        ("gpt-audio-mini-2025-12-15 audio, input", ("uncached", "gpt-audio-mini-2025-12-15", None)),
        ("whisper-1, audio", ("audio", "whisper-1", None)),
        ("ft-gpt-4o-2024-08-06, input", ("uncached", "ft-gpt-4o-2024-08-06", None)),
        ("Vector storage", ("storage", None, None)),
        ("web search tool calls", ("web_search", None, None)),
        # How these are spelled is not known: nothing is guessed.
        ("batch | gpt-5.5, input", ("unmapped", None, None)),
        ("gpt-5.5, input (flex)", ("unmapped", None, None)),
    ],
)  # fmt: skip
def test_line_items_of_openai(text: str, expected: tuple[str, str | None, str | None]) -> None:
    item = parse_item(text)
    assert (item.token_class.value, item.model, item.service_tier) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Gemini 2.5 Flash GA Text Input - Predictions", ("uncached", "gemini-2.5-flash", "")),
        ("Gemini 2.5 Flash Lite GA Text Output - Predictions",
         ("output", "gemini-2.5-flash-lite", "")),
        ("Gemini 3.7 Flash Global Text Input - Predictions",
         ("uncached", "gemini-3.7-flash", "global")),
        ("Gemini 2.5 Flash GA Input Text Caching", ("cache_read", "gemini-2.5-flash", "")),
        ("Gemini 2.5 Flash GA Text Input Caching Storage", ("storage", "gemini-2.5-flash", "")),
        ("Vertex AI: Provisioned Throughput 1 month", ("capacity", None, "")),
        ("Generate content input token count gemini 2.5 flash long input text",
         ("uncached", "gemini-2.5-flash", "")),
        ("Generate content input token count gemini 2.5 flash cached input",
         ("cache_read", "gemini-2.5-flash", "")),
        ("Gemini 2.5 Flash GA Batch Text Input - Predictions", ("unmapped", None, "")),
    ],
)  # fmt: skip
def test_skus_of_google(text: str, expected: tuple[str, str | None, str]) -> None:
    sku = parse_sku(text)
    assert (sku.token_class.value, sku.model, sku.geo) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("USW2-Claude4.5Sonnet-input-tokens",
         ("uncached", "claude-sonnet-4-5", "USW2", "sync", "")),
        ("USE1-Claude4Sonnet-input-tokens-cross-region-global",
         ("uncached", "claude-sonnet-4", "global", "sync", "")),
        ("USE1-Claude3.5Haiku-output-tokens-batch",
         ("output", "claude-3-5-haiku", "USE1", "batch", "")),
        ("USE1-Nova2.0Lite-cache-read-input-token-count",
         ("cache_read", "nova-2-lite", "USE1", "sync", "")),
        ("USE1-Claude4Sonnet-output-tokens-flex",
         ("output", "claude-sonnet-4", "USE1", "sync", "flex")),
        ("APN2_InputTokenCount_LCtx_Global", ("uncached", None, "global", None, None)),
        ("USE1-SomethingElse", ("unmapped", None, "", None, None)),
    ],
)  # fmt: skip
def test_usage_types_of_bedrock(text: str, expected: tuple[str | None, ...]) -> None:
    said = parse_usage_type(text)
    assert (
        said.token_class.value, said.model, said.region, said.processing, said.service_tier,
    ) == expected  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gpt 4o 1120 Inp glbl Tokens", TokenClass.UNCACHED),
        ("gpt 4o 1120 cached Inp glbl Tokens", TokenClass.CACHE_READ),
        ("GPT 5 outpt Glbl 1M Tokens", TokenClass.OUTPUT),
        ("5.4 opt Dz 1M Tokens", TokenClass.OUTPUT),
        ("Provisioned Managed Regional", None),
    ],
)
def test_words_of_azures_meters_suggest_a_class(text: str, expected: TokenClass | None) -> None:
    assert suggested(text) is expected


def test_fireworks_costs_are_units_and_nanos() -> None:
    page = {"rows": [
        {"dimensions": {"startTime": "2026-11-18T00:00:00Z", "model": "accounts/x/models/llama-3"},
         "subtotal": {"currencyCode": "USD", "units": "12", "nanos": 500_000_001}},
        {"dimensions": {"startTime": "2026-11-19T00:00:00Z"},
         "subtotal": {"currencyCode": "USD", "nanos": 250_000_000}}]}  # fmt: skip
    lines = lines_of_text(json.dumps(page))
    assert charged(lines) == {"USD": Decimal("12.750000001")}
    assert [line.model for line in lines] == ["llama-3", None]


def mistral(**categories: object) -> str:
    def price(group: str, usd: str, **more: str) -> dict[str, str]:
        return {"event_type": "api_tokens", "billing_metric": "mistral-large-2512",
                "billing_group": group, "price": usd, **more}  # fmt: skip

    prices = [
        price("input", "5E-7"), price("input", "2.5E-7", service_tier="batch"),
        price("output", "0.0000015"), price("cached", "0.00000005"),
        {"billing_metric": "mistral-ocr", "billing_group": "pages", "price": "0.001"},
    ]  # fmt: skip
    return json.dumps({
        "start_date": "2026-11-01T00:00:00Z", "end_date": "2026-11-30T23:59:59.999Z",
        "currency": "EUR", "currency_symbol": "\u20ac", "vibe_usage": 37.8, "prices": prices,
        **categories,
    })  # fmt: skip


def mistral_row(group: str, paid: int, day: int | None = 18, **more: object) -> dict[str, object]:
    told = {} if day is None else {"timestamp": f"2026-11-{day:02}T00:00:00Z"}
    return {"billing_metric": "mistral-large-2512", "billing_group": group, "value_paid": paid,
            "event_type": "api_tokens", **told, **more}  # fmt: skip


def test_mistral_costs_what_is_paid_times_its_price() -> None:
    rows = {
        "input": [mistral_row("input", 1_000_000, value=1_200_000),
                  mistral_row("input", 1_000_000, 19, service_tier="batch")],
        "output": [mistral_row("output", 200_000, None)],
        "cached": [mistral_row("cached", 3_000_000)],
    }  # fmt: skip
    pages = [{"billing_metric": "mistral-ocr", "billing_group": "pages", "value_paid": 40,
              "timestamp": "2026-11-20"}]  # fmt: skip
    lines = lines_of_text(mistral(
        completion={"models": {"Large::mistral-large-2512": rows}},
        ocr={"models": {"mistral-ocr": {"pages": pages}}},
        chat={"models": {"x": {"input": [mistral_row("input", 9)]}}},
        vibe_code={"completion": {"models": {"x": {"input": [mistral_row("input", 9)]}}}},
        audio={"models": {}}, libraries_api={"pages": None},
    ))  # fmt: skip
    told = [
        (x.day.day, x.last_day.day, x.token_class, int(x.quantity or 0), x.amount) for x in lines
    ]
    assert told == [
        (18, 18, TokenClass.UNCACHED, 1_200_000, Decimal("0.5")),
        (19, 19, TokenClass.UNCACHED, 1_000_000, Decimal("0.25")),
        (1, 30, TokenClass.OUTPUT, 200_000, Decimal("0.3")),
        (18, 18, TokenClass.CACHE_READ, 3_000_000, Decimal("0.15")),
        (20, 20, TokenClass.TOOL, 40, Decimal("0.04")),
    ]  # fmt: skip
    assert [line.processing for line in lines[:2]] == [None, "batch"]
    assert {line.model for line in lines} == {"mistral-large-2512", "mistral-ocr"}
    assert charged(lines) == {"EUR": Decimal("1.24")}


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ({"models": {"m": {"input": [mistral_row("audio", 5)]}}}, "has no price"),
        ({"models": {"m": {"input": [{"billing_metric": "m"}]}}}, "value_paid: is missing"),
        ({"models": [["x"]]}, "is no object"),
        ({"total": 20.1}, "is no object"),
    ],
)
def test_mistral_in_another_shape_is_refused(completion: object, expected: str) -> None:
    with pytest.raises(InvoiceError, match=expected):
        lines_of_text(mistral(completion=completion))
    lines = lines_of_text(mistral(completion={"models": {"m": {"input": [mistral_row("x", 0)]}}}))
    assert charged(lines) == {"EUR": 0}, "what is not paid needs no price"
