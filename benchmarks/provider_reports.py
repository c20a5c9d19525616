"""Providers' reports of calls, written as each provider writes them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import TypeVar

from benchmarks.provider_calls import CLASSES, Planned
from benchmarks.provider_plants import Day
from spanledger_analytics.entries import Entry
from spanledger_analytics.reconciliation.result import Cause

CNY_USD = Decimal("0.125")
_SEARCH_USD = Decimal("0.01")
_CENT = Decimal("0.01")
_KeyT = TypeVar("_KeyT", bound=Hashable)
_NUMBER = re.compile(r'"\\u0001([^"]*)"')


@dataclass(slots=True)
class Use:
    """What the provider counted of one call: tokens and dollars by class, and its day's rate."""

    call: Planned
    tokens: Mapping[str, int]
    usd: Mapping[str, Decimal]
    rate: Decimal = Decimal(1)


def use_of(call: Planned, priced: Entry, rate: Decimal = Decimal(1)) -> Use:
    """Return a call as the provider counts it.

    Args:
        call: what was planned.
        priced: the call as it was, by the book.
        rate: by which everything of its day is multiplied.
    """
    tokens = {
        "uncached": priced.uncached_tokens or 0,
        "cache_read": priced.cache_read_tokens or 0,
        "cache_write_5m": priced.cache_write_5m_tokens or 0,
        "cache_write_1h": priced.cache_write_1h_tokens or 0,
        "output": priced.output_tokens or 0,
    }
    costs = {
        "uncached": priced.uncached_cost_usd,
        "cache_read": priced.cache_read_cost_usd,
        "cache_write_5m": priced.cache_write_cost_usd if tokens["cache_write_5m"] else None,
        "cache_write_1h": priced.cache_write_cost_usd if tokens["cache_write_1h"] else None,
        "output": priced.output_cost_usd,
    }  # fmt: skip
    usd = {name: costs.get(name) or Decimal(0) for name in CLASSES}
    for name, price in call.rates.items():
        usd[name] = price * tokens[name] / 10**6
    for name, factor in call.factors.items():
        usd[name] = usd[name] * factor.numerator / factor.denominator
    return Use(call, tokens, {name: amount * rate for name, amount in usd.items()}, rate)


def write_reports(folder: Path, days: Iterable[Day], uses: Iterable[Use]) -> list[Path]:
    """Write every provider's reports into a folder; return the files."""
    by_provider: defaultdict[str, list[Use]] = defaultdict(list)
    for use in uses:
        by_provider[use.call.lane.provider].append(use)
    known: defaultdict[str, list[Day]] = defaultdict(list)
    for day in days:
        known[day.provider].append(day)
    files: dict[str, str] = {}
    for provider, writer in _WRITERS.items():
        files |= writer(known[provider], by_provider[provider])
    for name, text in files.items():
        (folder / name).write_text(text)
    return [folder / name for name in files]


def _openai(days: list[Day], uses: list[Use]) -> dict[str, str]:
    costs: defaultdict[date, list[object]] = defaultdict(list)
    usage: defaultdict[date, list[object]] = defaultdict(list)
    searches: defaultdict[date, list[object]] = defaultdict(list)
    items = {"uncached": "input", "cache_read": "cached input", "output": "output"}
    groups = _grouped(uses, lambda c: (c.day, c.lane.scope, c.model))
    for (day, scope, model), group in groups.items():
        for name, item in items.items():
            usd, quantity = _usd(group, name), _tokens(group, name)
            if quantity:
                costs[day].append(_openai_cost(f"{model}, {item}", scope, usd, quantity, "tokens"))
    keyed = _grouped(
        uses, lambda c: (c.day, c.lane.scope, c.lane.key, c.model, c.true.service_tier == "batch")
    )
    for (day, scope, key, model, is_batch), group in keyed.items():
        read, uncached = _tokens(group, "cache_read"), _tokens(group, "uncached")
        usage[day].append(
            {
                "object": "organization.usage.completions.result",
                "input_tokens": read + uncached, "output_tokens": _tokens(group, "output"),
                "num_model_requests": sum(use.call.requests for use in group),
                "input_cached_tokens": read, "input_uncached_tokens": uncached,
                "input_cache_write_tokens": 0, "project_id": scope, "user_id": None,
                "api_key_id": key, "model": model, "batch": is_batch, "service_tier": "default",
            }
        )  # fmt: skip
    for one in days:
        for scope, number in one.searches.items():
            costs[one.day].append(
                _openai_cost("web search tool calls", scope, number * _SEARCH_USD, number, None)
            )
            searches[one.day].append(
                {"object": "organization.usage.web_searches.result", "num_requests": number,
                 "num_model_requests": number, "project_id": scope, "user_id": None,
                 "api_key_id": None, "model": None, "context_level": None}
            )  # fmt: skip
        if Cause.UNMAPPED in one.extra:
            usd = one.extra[Cause.UNMAPPED]
            costs[one.day].append(_openai_cost("surcharge 7", "proj_search", usd, None, None))
    all_days = [one.day for one in days]
    files = {
        "openai_costs.json": _page(all_days, costs),
        "openai_usage.json": _page(all_days, usage),
    }
    # A page of empty buckets does not say what it is of.
    return files | ({"openai_searches.json": _page(all_days, searches)} if searches else {})


def _openai_cost(
    item: str, scope: str, usd: Decimal, quantity: int | None, unit: str | None
) -> object:
    return {
        "object": "organization.costs.result",
        "amount": {"value": _exact(usd), "currency": "usd"},
        "line_item": item, "project_id": scope, "api_key_id": None, "user_id": None,
        "quantity": quantity, "quantity_unit": unit,
    }  # fmt: skip


def _page(days: Iterable[date], results: Mapping[date, list[object]]) -> str:
    buckets = [
        {"object": "bucket", "start_time": _unix(day), "end_time": _unix(day) + 86_400,
         "results": results.get(day, [])}
        for day in sorted({*days, *results})
    ]  # fmt: skip
    return _json({"object": "page", "data": buckets, "has_more": False, "next_page": None})


_ANTHROPIC_TYPES = {
    "uncached": "uncached_input_tokens",
    "cache_read": "cache_read_input_tokens",
    "cache_write_5m": "cache_creation.ephemeral_5m_input_tokens",
    "cache_write_1h": "cache_creation.ephemeral_1h_input_tokens",
    "output": "output_tokens",
}


def _anthropic(days: list[Day], uses: list[Use]) -> dict[str, str]:
    rounded = {one.day for one in days if one.is_rounded}
    costs: defaultdict[date, list[object]] = defaultdict(list)
    usage: defaultdict[date, list[object]] = defaultdict(list)
    charged = [use for use in uses if use.call.is_charged]
    for (day, *dims), group in _grouped(charged, _anthropic_key).items():
        scope, model, tier, context, geo = dims
        for name, token_type in _ANTHROPIC_TYPES.items():
            usd = _usd(group, name)
            if usd:
                amount = _rounded(usd) if day in rounded else usd
                costs[day].append(
                    _anthropic_cost(amount, scope, model, tier, context, geo, token_type)
                )
    keyed = _grouped(uses, lambda c: (*_anthropic_key(c), c.lane.key))
    for (day, scope, model, tier, context, geo, key), group in keyed.items():
        usage[day].append(
            {
                "uncached_input_tokens": _tokens(group, "uncached"),
                "cache_creation": {
                    "ephemeral_5m_input_tokens": _tokens(group, "cache_write_5m"),
                    "ephemeral_1h_input_tokens": _tokens(group, "cache_write_1h"),
                },
                "cache_read_input_tokens": _tokens(group, "cache_read"),
                "output_tokens": _tokens(group, "output"),
                "server_tool_use": {"web_search_requests": 0},
                "api_key_id": key or None, "workspace_id": scope or None, "model": model,
                "service_tier": tier, "context_window": context, "inference_geo": geo,
            }
        )  # fmt: skip
    for one in days:
        for scope, number in one.searches.items():
            amount = number * _SEARCH_USD
            costs[one.day].append(_anthropic_cost(amount, scope, None, None, None, None, None))
            for result in usage[one.day]:
                if isinstance(result, dict) and result["workspace_id"] == scope:
                    result["server_tool_use"] = {"web_search_requests": number}
                    break
    all_days = [one.day for one in days]
    return {
        "anthropic_costs.json": _anthropic_page(all_days, costs),
        "anthropic_usage.json": _anthropic_page(all_days, usage),
    }


def _anthropic_key(call: Planned) -> tuple[date, str, str, str, str, str]:
    return (
        call.day, call.lane.scope, call.model, call.true.service_tier or "standard",
        "200k-1M" if call.is_long else "0-200k", call.geo,
    )  # fmt: skip


def _anthropic_cost(
    usd: Decimal, scope: object, model: object, tier: object, context: object, geo: object,
    token_type: object,
) -> object:  # fmt: skip
    return {
        "currency": "USD", "amount": f"{usd * 100:f}", "workspace_id": scope or None,
        "description": "Usage" if token_type else "Web Search Usage",
        "cost_type": "tokens" if token_type else "web_search", "context_window": context,
        "model": model, "service_tier": tier, "token_type": token_type, "inference_geo": geo,
    }  # fmt: skip


def _anthropic_page(days: Iterable[date], results: Mapping[date, list[object]]) -> str:
    buckets = [
        {"starting_at": f"{day}T00:00:00Z", "ending_at": f"{day + timedelta(days=1)}T00:00:00Z",
         "results": results.get(day, [])}
        for day in sorted({*days, *results})
    ]  # fmt: skip
    return _json({"data": buckets, "has_more": False, "next_page": None})


_SKUS = {
    "uncached": "{model} GA Text Input - Predictions",
    "cache_read": "{model} GA Input Text Caching",
    "output": "{model} GA Text Output - Predictions",
}


def _google(days: list[Day], uses: list[Use]) -> dict[str, str]:
    records: list[str] = []
    groups = _grouped(uses, lambda c: (c.day, c.lane.scope, c.model))
    for (day, scope, model), group in groups.items():
        shown = " ".join(word.capitalize() for word in model.split("-"))
        for name, sku in _SKUS.items():
            if quantity := _tokens(group, name):
                text = sku.format(model=shown)
                records.append(_gcp(day, scope, text, _usd(group, name), quantity))
    for one in days:
        if Cause.TAX in one.extra:
            records.append(_gcp(one.day, "", "Tax", one.extra[Cause.TAX], 0, "tax"))
        for cause, kind in (
            (Cause.CREDIT, "PROMOTION"),
            (Cause.DISCOUNT, "COMMITTED_USAGE_DISCOUNT"),
        ):
            if cause in one.extra:
                text = _SKUS["output"].format(model="Gemini 2.5 Flash")
                credit = {"name": kind.lower(), "amount": _exact(one.extra[cause]), "type": kind}
                records.append(_gcp(one.day, "demo-agents", text, Decimal(0), 0, credits=[credit]))
    return {"gcp_billing.ndjson": "\n".join(records) + "\n"}


def _gcp(
    day: date, scope: str, sku: str, usd: Decimal, quantity: int, kind: str = "regular",
    credits: list[object] | None = None,
) -> str:  # fmt: skip
    return _json(
        {
            "billing_account_id": "000000-DEMO00-000000",
            "service": {"id": "C7E2-9256-1C43", "description": "Vertex AI"},
            "sku": {"id": sku[:12], "description": sku},
            "usage_start_time": f"{day}T08:00:00Z", "usage_end_time": f"{day}T09:00:00Z",
            "project": {"id": scope, "number": "1", "labels": []} if scope else None,
            "labels": [], "location": {"location": "global", "region": None},
            "export_time": f"{day + timedelta(days=1)}T02:00:00Z", "cost": _exact(usd),
            "currency": "USD", "currency_conversion_rate": 1.0,
            "usage": {"amount": quantity, "unit": "count", "amount_in_pricing_units": quantity,
                      "pricing_unit": "count"},
            "credits": credits or [], "invoice": {"month": f"{day:%Y%m}"}, "cost_type": kind,
        }
    )  # fmt: skip


_DEEPSEEK_TYPES = {
    "cache_read": "input_cache_hit_tokens",
    "uncached": "input_cache_miss_tokens",
    "output": "output_tokens",
}


def _deepseek(days: list[Day], uses: list[Use]) -> dict[str, str]:
    """One row for each price: tokens of peak hours cost another one."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(
        ("user_id", "utc_date", "model", "api_key_name", "api_key", "type", "price", "amount")
    )
    user = "11111111-2222-3333-4444-555555555555"
    for (day, model, key), group in _grouped(uses, lambda c: (c.day, c.model, c.lane.key)).items():
        for name, kind in _DEEPSEEK_TYPES.items():
            for price, amount in _prices(group, name).items():
                writer.writerow((user, day, model, key, "sk-12*ab", kind, f"{price:f}", amount))
        requests = sum(use.call.requests for use in group)
        writer.writerow((user, day, model, key, "sk-12*ab", "request_count", "", requests))
    del days
    return {"deepseek_amount-2026-11.csv": text.getvalue()}


def _prices(group: Iterable[Use], name: str) -> dict[Decimal, int]:
    found: defaultdict[Decimal, int] = defaultdict(int)
    for use in group:
        if use.tokens[name]:
            found[(use.usd[name] / use.tokens[name] / CNY_USD).normalize()] += use.tokens[name]
    return found


_WRITERS: dict[str, Callable[[list[Day], list[Use]], dict[str, str]]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "gcp.vertex_ai": _google,
    "deepseek": _deepseek,
}


def _grouped(uses: Iterable[Use], key: Callable[[Planned], _KeyT]) -> dict[_KeyT, list[Use]]:
    found: dict[_KeyT, list[Use]] = {}
    for use in uses:
        found.setdefault(key(use.call), []).append(use)
    return found


def _usd(group: Iterable[Use], name: str) -> Decimal:
    return sum((use.usd[name] for use in group), Decimal(0))


def _tokens(group: Iterable[Use], name: str) -> int:
    return sum(use.tokens[name] for use in group)


def _rounded(usd: Decimal) -> Decimal:
    return usd.quantize(_CENT, rounding=ROUND_HALF_EVEN)


def _unix(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _exact(number: Decimal) -> str:
    """Return a number that JSON shows with all its digits."""
    return f"\x01{number:f}"


def _json(value: object) -> str:
    return _NUMBER.sub(r"\1", json.dumps(value))
