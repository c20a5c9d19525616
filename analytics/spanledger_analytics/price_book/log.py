"""Entries of the price log in words."""

from __future__ import annotations

import json

from spanledger_analytics.price_book.input import time_text
from spanledger_storage.price_state import LogRow

_SILENT = frozenset({"id", "created_at_ns", "withdrawn_at_ns"})
_PLAIN = frozenset({"provider", "model", "token_class", "price", "currency"})


def change_text(row: LogRow) -> str:
    """Return what an entry of the log changed: the whole row, or only what is another now."""
    before: dict[str, object] = json.loads(row.before) if row.before else {}
    after: dict[str, object] = json.loads(row.after)
    changed = [n for n in after if n not in _SILENT and after[n] != before.get(n)]
    if before and changed:
        return ", ".join(
            f"{_label(name)}: {_text(name, before.get(name))} -> {_text(name, after[name])}"
            for name in changed
        )
    shown = [n for n, value in after.items() if n not in _SILENT and value not in (None, "", 0)]
    return ", ".join(
        _text(n, after[n]) if n in _PLAIN else f"{_label(n)} {_text(n, after[n])}" for n in shown
    )


def _label(name: str) -> str:
    return name.removesuffix("_ns").removeprefix("effective_").replace("_", " ")


def _text(name: str, value: object) -> str:
    if value is None:
        return "none"
    return time_text(value) if name.endswith("_ns") and isinstance(value, int) else str(value)
