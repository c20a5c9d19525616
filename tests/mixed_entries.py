"""Ledger entries of every sort, by users of two projects; priced anew, sent twice, taken back."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterable
from decimal import Decimal
from typing import Any, TypeVar

from tests.dashboard.seed import NS_PER_S, Row, Seeder

K = TypeVar("K", bound=Hashable)

HOUR_S = 3_600
USERS = ("ann", "bob", "", "<b>eve</b>")
_MODELS = (("anthropic", "claude-opus-4-5"), ("openai", "gpt-4o"), ("", ""))
_PICO = Decimal(1).scaleb(-12)

SUMS = (
    "calls", "errors", "unpriced_calls", "calls_without_usage", "self_hosted_calls",
    "input_tokens", "uncached_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens",
    "reasoning_tokens", "total_cost_usd", "fees_cost_usd", "uncached_cost_usd",
    "cache_read_cost_usd", "cache_write_cost_usd", "output_cost_usd", "priced_calls",
    "priced_uncached_tokens", "priced_cache_read_tokens", "priced_cache_write_tokens",
    "priced_output_tokens",
)  # fmt: skip
"""What usage_by_user holds of each key, but for times."""


def sow(seed: Seeder, *, number: int, hours: int, rng: random.Random) -> dict[str, Row]:
    """Add entries of the hours that are over, of two projects; return them by their id."""
    newest = seed.now_s // HOUR_S * HOUR_S
    made: dict[str, Row] = {}
    for _ in range(number):
        at_s = newest - rng.randrange(1, hours * HOUR_S)
        provider, model = rng.choice(_MODELS)
        span: Row = {
            "project": rng.choice(("default", "default", "other")),
            "trace_id": f"{rng.getrandbits(128):032x}",
            "span_id": f"{rng.getrandbits(64):016x}",
            "start_time": at_s * NS_PER_S + rng.randrange(NS_PER_S),
            "status": rng.choice(("ok", "ok", "error")),
        }
        span["end_time"] = span["start_time"] + rng.randrange(0, 9 * NS_PER_S)
        names = {
            "user_id": rng.choice(USERS),
            "agent_name": rng.choice(("planner", "writer")),
            "service_name": rng.choice(("api", "cron")),
            "environment": rng.choice(("production", "")),
            "kind": rng.choice(("llm", "llm", "embedding", "tool", "infra", "adjustment")),
            "provider": provider,
            "model": model,
        }
        entry = seed.entry(span, None, **names, **_used(rng))
        made[str(entry["entry_id"])] = entry
    return made


def change(seed: Seeder, entries: dict[str, Row], rng: random.Random) -> dict[str, Row]:
    """Price some anew, give some to others, take some back, send some twice; return what holds."""
    holds = dict(entries)
    for key, entry in entries.items():
        what = rng.randrange(6)
        newer: Row = {**entry, "version": next(seed.numbers)}
        if what == 0:
            newer |= _used(rng)
        elif what == 1:
            newer["user_id"] = rng.choice(USERS)
        elif what == 2:
            newer["is_deleted"] = 1
            del holds[key]
        elif what == 3:
            newer = dict(entry)
        else:
            continue
        if key in holds:
            holds[key] = newer
        seed.rows.setdefault("ledger", []).append(newer)
    return holds


def summed(entries: Iterable[Row], key: Callable[[Row], K]) -> dict[K, dict[str, Any]]:
    """Return the sums of entries by a key, added one by one."""
    sums: dict[K, dict[str, Any]] = {}
    for entry in entries:
        of = sums.setdefault(key(entry), dict.fromkeys(SUMS, 0))
        for name, amount in _worth(entry).items():
            of[name] += amount
    return sums


def _used(rng: random.Random) -> Row:
    """Return tokens, state and price of an entry, known in part or not at all."""
    source = rng.choice(("span", "span", "span", "metric", "none"))
    price = rng.choice(("priced", "priced", "priced", "unpriced", "self_hosted", "reported"))
    classes = ("uncached", "cache_read", "cache_write", "output", "reasoning")
    tokens: dict[str, int | None] = {
        name: rng.choice((None, rng.randrange(10**6))) if source != "none" else None
        for name in classes
    }
    known = [tokens[name] for name in classes[:3]]
    whole = rng.random() < 0.7 and source != "none"
    costs = {
        f"{name}_cost_usd": rng.choice((None, _PICO * rng.randrange(10**15)))
        if price == "priced" else None
        for name in (*classes[:4], "fees")
    }  # fmt: skip
    is_paid = price in ("priced", "reported")
    return {
        "usage_source": source,
        "price_status": price,
        "attempts": rng.choice((None, 1, 7)),
        **{f"{name}_tokens": count for name, count in tokens.items()},
        "input_tokens": sum(count or 0 for count in known) if whole else None,
        **costs,
        "total_cost_usd": _PICO * rng.randrange(10**15) if is_paid else None,
    }


def _worth(entry: Row) -> dict[str, Any]:
    """Return what one entry adds to the sums."""
    is_model = entry["kind"] in ("llm", "embedding")
    attempts = max(entry["attempts"] or 1, 1) if entry["usage_source"] == "metric" else 1
    calls = attempts if is_model else 0
    is_known = entry["usage_source"] != "none"
    by_class = entry["price_status"] == "priced" and (
        entry["uncached_cost_usd"] is not None or entry["output_cost_usd"] is not None
    )
    worth: dict[str, Any] = {
        "calls": calls,
        "errors": int(is_model and entry["status"] == "error"),
        "unpriced_calls": max(calls, 1) if is_known and entry["price_status"] == "unpriced" else 0,
        "calls_without_usage": int(is_model and not is_known and entry["status"] != "error"),
        "self_hosted_calls": calls if is_known and entry["price_status"] == "self_hosted" else 0,
        "priced_calls": calls if by_class else 0,
        "priced_output_tokens": (entry["output_tokens"] or 0) if by_class else 0,
    }
    for name in ("uncached", "cache_read", "cache_write"):
        is_share = by_class and entry["input_tokens"] is not None
        worth[f"priced_{name}_tokens"] = (entry[f"{name}_tokens"] or 0) if is_share else 0
    told = [name for name in SUMS if name not in worth]
    return worth | {name: entry[name] or 0 for name in told}
