"""Lists written as numbered keys: ``<prefix>0.role``, ``<prefix>0.content``, ``<prefix>1.role``."""

from __future__ import annotations

from typing import cast

from spanledger_collector.decode.values import Attributes, Value, writable

_MAX_INDEX_DIGITS = 6


def gather(attributes: Attributes, prefix: str) -> list[Attributes]:
    """Return the items of a flattened list in order: for each, the rest of its keys.

    Gaps in the numbering are closed. Empty when no key has the prefix and a number. The values
    are such that JSON can say them.
    """
    items: dict[int, Attributes] = {}
    start = len(prefix)
    for key, value in attributes.items():
        if key.startswith(prefix):
            index, _, rest = key[start:].partition(".")
            if _is_index(index) and rest:
                item = items.setdefault(int(index), {})
                item[rest] = value if isinstance(value, str) else cast("Value", writable(value))
    return [items[index] for index in sorted(items)]


def take(attributes: Attributes, prefix: str) -> list[Attributes]:
    """Return the items of a flattened list and remove its keys."""
    items = gather(attributes, prefix)
    if items:
        start = len(prefix)
        for key in [key for key in attributes if key.startswith(prefix)]:
            index, _, rest = key[start:].partition(".")
            if _is_index(index) and rest:
                del attributes[key]
    return items


def fields(item: Attributes, prefix: str) -> dict[str, Value]:
    """Return the values whose keys start with the prefix, by the rest of the key."""
    start = len(prefix)
    return {key[start:]: value for key, value in item.items() if key.startswith(prefix)}


def _is_index(text: str) -> bool:
    return len(text) <= _MAX_INDEX_DIGITS and text.isascii() and text.isdigit()
