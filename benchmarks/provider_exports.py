"""Exports of clouds and gateways, of the same calls as the other reports, written as each does.

AWS: CUR 2.0 and FOCUS 1.2; Azure: cost details; Fireworks: billing metrics and rated costs;
OpenRouter: activity and generations. What each page says is named beside its writer. Units, grain,
names and digits are the provider's: thousands of tokens at AWS, a meter's unit at Azure, units and
nanos at Fireworks, inclusive input at Fireworks and OpenRouter.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple, TypeVar

from benchmarks.provider_calls import Lane, Planned
from benchmarks.provider_reports import Use

EXPORT_LANES = (
    Lane("aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "444455556666", "", True),
    Lane("aws.bedrock", "anthropic.claude-haiku-4-5-20251001-v1:0", "444455556666", "", True),
    Lane("azure.ai.openai", "gpt-4o-2024-11-20", "00000000-0000-0000-0000-000000000001", ""),
    Lane("azure.ai.openai", "gpt-5", "00000000-0000-0000-0000-000000000001", ""),
    Lane("fireworks", "accounts/fireworks/models/deepseek-v3p1", "", ""),
    Lane("openrouter", "anthropic/claude-sonnet-4.6", "", ""),
    Lane("openrouter", "openai/gpt-5-mini", "", ""),
)
"""Who calls which model; prices of Fireworks are given by ``Planned.rates``."""
CLASSES = ("uncached", "cache_read", "cache_write_5m", "cache_write_1h", "output")
_KeyT = TypeVar("_KeyT", bound=Hashable)
Row = Mapping[str, object]


class Meter(NamedTuple):
    """A meter of Azure: what it is called, in what it counts, and what it is for."""

    meter_id: str
    name: str
    unit: str
    model: str
    token_class: str


# Irregular on purpose, as they are: spellings, snapshots and units change from meter to meter.
AZURE_METERS = (
    Meter("0000-aa01", "gpt 4o 1120 Inp glbl Tokens", "1K", "gpt-4o-2024-11-20", "uncached"),
    Meter("0000-aa02", "gpt 4o 1120 cached Inp glbl Tokens", "1K", "gpt-4o-2024-11-20",
          "cache_read"),
    Meter("0000-aa03", "gpt 4o 1120 Outp glbl Tokens", "1K", "gpt-4o-2024-11-20", "output"),
    Meter("0000-aa04", "GPT 5 inpt Glbl 1M Tokens", "1M", "gpt-5", "uncached"),
    Meter("0000-aa05", "GPT 5 cchd inpt Glbl 1M Tokens", "1M", "gpt-5", "cache_read"),
    Meter("0000-aa06", "GPT 5 outpt Glbl 1M Tokens", "1M", "gpt-5", "output"),
)  # fmt: skip
_AWS_MODELS = {
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0": "Claude4.5Sonnet",
    "anthropic.claude-haiku-4-5-20251001-v1:0": "Claude4.5Haiku",
}
_AWS_KINDS = {
    "uncached": "input-tokens",
    "cache_read": "cache-read-input-token-count",
    "cache_write_5m": "cache-write-input-token-count",
    "cache_write_1h": "cache-write-input-token-count",
    "output": "output-tokens",
}
_AWS_DIGITS, _NANOS, _AZURE_DIGITS = Decimal("1e-10"), Decimal("1e-9"), Decimal("1e-14")
_PAYER, _PERIOD_END = "111122223333", "2026-12-01T00:00:00Z"
_PRINCIPAL = "arn:aws:sts::444455556666:assumed-role/agents/demo"
_BILLED = {"1K": Decimal(1_000), "1M": Decimal(1_000_000)}


def aws_cur(uses: Sequence[Use]) -> str:
    """Return CUR 2.0 as CSV: a row an hour, account, principal and usage type, in thousands.

    https://docs.aws.amazon.com/bedrock/latest/userguide/cost-mgmt-understanding-cur-data.html
    """
    rows: list[Row] = [
        {
            "bill_billing_period_start_date": f"{begins:%Y-%m}-01T00:00:00Z",
            "bill_invoice_id": "",
            "bill_payer_account_id": _PAYER,
            "line_item_usage_account_id": scope,
            "line_item_usage_start_date": _zulu(begins),
            "line_item_usage_end_date": _zulu(begins + timedelta(hours=1)),
            "line_item_line_item_type": "Usage",
            "line_item_product_code": "AmazonBedrockService",
            "line_item_usage_type": usage_type,
            "line_item_operation": "Usage",
            "line_item_iam_principal": _PRINCIPAL,
            "line_item_usage_amount": f"{Decimal(tokens) / 1000:f}",
            "pricing_unit": "1K tokens",
            "line_item_unblended_cost": f"{_stepped(usd, _AWS_DIGITS):f}",
            "line_item_currency_code": "USD",
            "tags": '{"iamPrincipal/team":"search"}',
        }
        for (begins, scope, usage_type), tokens, usd in _aws(uses)
    ]
    # A bill of a cloud holds all of its services.
    rows.append({**rows[0], "line_item_product_code": "AmazonS3",
                 "line_item_usage_type": "USW2-TimedStorage-ByteHrs"})  # fmt: skip
    return _csv(rows)


def aws_focus(uses: Sequence[Use]) -> str:
    """Return ``FOCUS_1_2_AWS`` as CSV: the same charges in the columns of FOCUS.

    https://docs.aws.amazon.com/cur/latest/userguide/table-dictionary-focus-1-2-aws.html
    """
    rows = [
        {
            "BilledCost": cost,
            "BillingAccountId": _PAYER,
            "BillingCurrency": "USD",
            "BillingPeriodStart": f"{begins:%Y-%m}-01T00:00:00Z",
            "BillingPeriodEnd": _PERIOD_END,
            "ChargeCategory": "Usage",
            "ChargeClass": "",
            "ChargeDescription": f"$ per 1K tokens for {usage_type}",
            "ChargePeriodStart": _zulu(begins),
            "ChargePeriodEnd": _zulu(begins + timedelta(hours=1)),
            "ConsumedQuantity": f"{Decimal(tokens) / 1000:f}",
            "ConsumedUnit": "1K tokens",
            "EffectiveCost": cost,
            "ListCost": cost,
            "ProviderName": "AWS",
            "PublisherName": "AWS",
            "InvoiceIssuerName": "Amazon Web Services, Inc.",
            "RegionId": "us-west-2",
            "ServiceCategory": "AI and Machine Learning",
            "ServiceName": "Amazon Bedrock",
            "SubAccountId": scope,
            "x_ServiceCode": "AmazonBedrockService",
            "x_UsageType": usage_type,
        }
        for (begins, scope, usage_type), tokens, usd in _aws(uses)
        for cost in [f"{_stepped(usd, _AWS_DIGITS):f}"]
    ]
    return _csv(rows)


def _aws(uses: Iterable[Use]) -> Iterator[tuple[tuple[datetime, str, str], int, Decimal]]:
    """Return hour, account and usage type with tokens and dollars."""
    parts = [
        ((_hour(use.call), use.call.lane.scope,
          f"USW2-{_AWS_MODELS[use.call.true.model]}-{_AWS_KINDS[name]}"), use, name)
        for use in uses for name in CLASSES if use.tokens[name]
    ]  # fmt: skip
    for key, members in _grouped(parts).items():
        yield key, _tokens(members), _usd(members)


def azure_cost_details(uses: Sequence[Use]) -> str:
    """Return cost details as CSV: a row a day, resource and meter, and the rounding at close.

    https://learn.microsoft.com/azure/cost-management-billing/automate/understand-usage-details-fields
    """
    meters = {(one.model, one.token_class): one for one in AZURE_METERS}
    parts = [
        ((use.call.day, use.call.lane.scope, meters[use.call.true.model, name]), use, name)
        for use in uses for name in CLASSES if use.tokens[name]
    ]  # fmt: skip
    rows: list[Row] = []
    total = Decimal(0)
    for (day, scope, meter), members in _grouped(parts).items():
        quantity, cost = _tokens(members) / _BILLED[meter.unit], _usd(members)
        total += _stepped(cost, _AZURE_DIGITS)
        rows.append(_azure_row(day, scope, meter, quantity, cost))
    last = max(use.call.day for use in uses)
    rounding = _stepped(total, Decimal("0.01")) - total
    meter = Meter("", "", "", "", "")
    scope = uses[0].call.lane.scope
    rows.append(
        _azure_row(last, scope, meter, Decimal(1), rounding)
        | {"ChargeType": "RoundingAdjustment", "ProductName": "Rounding adjustment"}
    )
    return _csv(rows)


def _azure_row(
    day: date, scope: str, meter: Meter, quantity: Decimal, cost: Decimal
) -> dict[str, object]:
    group = f"/subscriptions/{scope}/resourceGroups/rg-ai"
    return {
        "InvoiceSectionName": "Demo",
        "SubscriptionId": scope,
        "ResourceGroup": "rg-ai",
        "ResourceId": f"{group}/providers/Microsoft.CognitiveServices/accounts/demo-openai",
        "Date": f"{day:%m/%d/%Y}",
        "ServiceFamily": "AI + Machine Learning",
        "MeterId": meter.meter_id,
        "MeterName": meter.name,
        "MeterCategory": "Foundry Models",
        "MeterSubCategory": "Azure OpenAI",
        "ProductName": f"Azure OpenAI - {meter.name}",
        "UnitOfMeasure": meter.unit,
        "Quantity": f"{quantity:f}",
        "CostInBillingCurrency": f"{_stepped(cost, _AZURE_DIGITS):f}",
        "BillingCurrencyCode": "USD",
        "PricingModel": "OnDemand",
        "ChargeType": "Usage",
        "Tags": '"team": "search"',
    }


def fireworks_metrics(uses: Sequence[Use]) -> str:
    """Return billing metrics as CSV: a row an hour, user and model; cached tokens are prompt's.

    https://docs.fireworks.ai/tools-sdks/firectl/commands/billing-export-metrics
    """
    parts = [((_hour(use.call), use.call.true.model), use, "output") for use in uses]
    rows = [
        {
            "email": "ops@example.com",
            "start_time": f"{begins:%Y-%m-%d %H:%M:%S} UTC",
            "end_time": f"{begins + timedelta(hours=1):%Y-%m-%d %H:%M:%S} UTC",
            "usage_type": "TEXT_COMPLETION_INFERENCE_USAGE",
            "accelerator_type": "",
            "accelerator_seconds": "",
            "base_model_name": model,
            "model_bucket": "DeepSeek V3",
            "parameter_count": "671000000000",
            "prompt_tokens": sum(_prompt(use) for use, _ in members),
            "completion_tokens": _tokens(members),
        }
        for (begins, model), members in _grouped(parts).items()
    ]
    return _csv(rows)


def fireworks_costs(uses: Sequence[Use], page_size: int = 20) -> str:
    """Return rated costs, one page a line: dollars as units and nanos, by day and model.

    https://docs.fireworks.ai/api-reference/query-usage-costs
    """
    parts = [((use.call.day, use.call.true.model), use, name) for use in uses for name in CLASSES]
    rows: list[object] = []
    for (day, model), members in _grouped(parts).items():
        units, nanos = divmod(_stepped(_usd(members), _NANOS), 1)
        rows.append(
            {
                "dimensions": {
                    "startTime": f"{day}T00:00:00Z",
                    "endTime": f"{day + timedelta(days=1)}T00:00:00Z",
                    "model": model,
                },
                "subtotal": {
                    "currencyCode": "USD", "units": f"{int(units)}",
                    "nanos": int(nanos / _NANOS),
                },
                "attributionCompleteness": "COMPLETE",
            }
        )  # fmt: skip
    pages = [rows[start : start + page_size] for start in range(0, len(rows), page_size)]
    return "".join(
        json.dumps({"rows": page, "nextPageToken": "" if page is pages[-1] else f"p{number}"})
        + "\n"
        for number, page in enumerate(pages, 1)
    )


def openrouter_activity(uses: Sequence[Use]) -> str:
    """Return activity: credits by day and model; prompt tokens include those of the cache.

    https://openrouter.ai/docs/api-reference/analytics/get-activity
    """
    parts = [((use.call.day, use.call.true.model), use, name) for use in uses for name in CLASSES]
    data = [
        {
            "date": day.isoformat(),
            "model": model,
            "model_permaslug": f"{model}-20260701",
            "endpoint_id": "550e8400-demo",
            "provider_name": model.partition("/")[0].capitalize(),
            "usage": _number(_usd(members)),
            "byok_usage_inference": 0,
            "requests": sum(use.call.requests for use, name in members if name == "output"),
            "prompt_tokens": sum(_prompt(use) for use, name in members if name == "output"),
            "completion_tokens": _tokens(one for one in members if one[1] == "output"),
            "reasoning_tokens": 0,
        }
        for (day, model), members in _grouped(parts).items()
    ]
    return _json({"data": data})


def openrouter_generations(uses: Sequence[Use]) -> str:
    """Return generations, one a line.

    https://openrouter.ai/docs/api-reference/generations/get-generation
    """
    return "".join(
        _json(
            {
                "data": {
                    "id": f"gen-{use.call.true.request_id}",
                    "upstream_id": use.call.true.response_id,
                    "total_cost": _number(sum(use.usd.values(), Decimal(0))),
                    "cache_discount": None,
                    "created_at": _zulu(_moment(use.call)),
                    "model": use.call.true.model,
                    "streamed": True,
                    "cancelled": False,
                    "provider_name": "Anthropic",
                    "finish_reason": "stop",
                    "tokens_prompt": _prompt(use) * 9 // 10,  # by a tokenizer of its own
                    "tokens_completion": use.tokens["output"],
                    "native_tokens_prompt": _prompt(use),
                    "native_tokens_completion": use.tokens["output"],
                    "native_tokens_cached": use.tokens["cache_read"],
                    "is_byok": False,
                    "service_tier": None,
                }
            }
        )
        + "\n"
        for use in uses
    )


EXPORTS: Mapping[str, tuple[str, Callable[[Sequence[Use]], str]]] = {
    "aws_cur2.csv": ("aws.bedrock", aws_cur),
    "aws_focus_1_2.csv": ("aws.bedrock", aws_focus),
    "azure_cost_details.csv": ("azure.ai.openai", azure_cost_details),
    "fireworks_billing_metrics.csv": ("fireworks", fireworks_metrics),
    "fireworks_usage_costs.json": ("fireworks", fireworks_costs),
    "openrouter_activity.json": ("openrouter", openrouter_activity),
    "openrouter_generations.json": ("openrouter", openrouter_generations),
}
"""By file: whose calls are in it, and what writes it."""

_Part = tuple[Use, str]


def _grouped(parts: Iterable[tuple[_KeyT, Use, str]]) -> dict[_KeyT, list[_Part]]:
    found: dict[_KeyT, list[_Part]] = {}
    for key, use, name in parts:
        found.setdefault(key, []).append((use, name))
    return found


def _tokens(members: Iterable[_Part]) -> int:
    return sum(use.tokens[name] for use, name in members)


def _usd(members: Iterable[_Part]) -> Decimal:
    return sum((use.usd[name] for use, name in members), Decimal(0))


def _prompt(use: Use) -> int:
    return sum(tokens for name, tokens in use.tokens.items() if name != "output")


def _moment(call: Planned) -> datetime:
    return datetime.fromtimestamp(call.true.time_ns // 10**9, UTC)


def _hour(call: Planned) -> datetime:
    return _moment(call).replace(minute=0, second=0)


def _zulu(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _stepped(usd: Decimal, step: Decimal) -> Decimal:
    return usd.quantize(step, rounding=ROUND_HALF_EVEN)


def _csv(rows: Sequence[Row]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _number(number: Decimal) -> str:
    """Return a number that JSON shows with all its digits."""
    return f"\x01{number:f}"


def _json(value: object) -> str:
    return _QUOTED.sub(r"\1", json.dumps(value))


_QUOTED = re.compile(r'"\\u0001([^"]*)"')
