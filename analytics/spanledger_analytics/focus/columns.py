"""Columns and words of FOCUS 1.4: https://focus.finops.org/focus-specification/ .

What FOCUS 1.5 is about to name (direction and cache action of tokens, the model) stands in columns
of our own, which FOCUS marks by ``x_``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pyarrow as pa

MONEY = pa.decimal128(38, 12)
TEXT, COUNT = pa.string(), pa.int64()
COSTS = ("BilledCost", "ContractedCost", "EffectiveCost", "ListCost")
MOMENTS = ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd")
METERS = {
    "uncached": "Uncached Input Tokens",
    "cache_read": "Cache Read Input Tokens",
    "cache_write": "Cache Write Input Tokens",
    "output": "Output Tokens",
    "fees": "Fees",
    "request": "Request Fees",
    "web_search": "Web Search Fees",
}
DIRECTIONS = {
    "uncached": {"x_TokenDirection": "Input", "x_TokenCacheAction": "Uncached"},
    "cache_read": {"x_TokenDirection": "Input", "x_TokenCacheAction": "Read"},
    "cache_write": {"x_TokenDirection": "Input", "x_TokenCacheAction": "Write"},
    "output": {"x_TokenDirection": "Output"},
}
KINDS = {
    "tool": "Paid tool calls",
    "gpu": "GPU time",
    "infra": "Infrastructure",
    "adjustment": "Adjustment",
}


def service_of(kind: str, provider: str) -> dict[str, str]:
    """Return the columns that say who provided a service of what category.

    ``kind`` and ``provider`` are those of a ledger entry.
    """
    is_model = kind in ("llm", "embedding")
    name = provider or ("Own infrastructure" if kind in ("gpu", "infra") else "Unknown")
    category = "Compute" if kind in ("gpu", "infra") else "Other"
    return {
        "InvoiceIssuerName": name,
        "ServiceProviderName": name,
        "ServiceName": f"{name} API" if provider else name,
        "ServiceCategory": "AI and Machine Learning" if is_model else category,
        "ServiceSubcategory": "Generative AI" if is_model else f"Other ({category})",
    }


def part_of(whole: int, cost: int, total: int) -> int:
    """Return the part of ``whole`` that ``cost`` is of ``total``, rounded down; all integers."""
    return whole * cost // total if total else cost


def moment_text(unix_s: int) -> str:
    """Return a moment as FOCUS writes it, in UTC."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def object_text(value: Mapping[str, str]) -> str:
    """Return names and values as JSON, equal for equal ones."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
