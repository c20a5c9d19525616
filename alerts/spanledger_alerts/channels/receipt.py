"""What a channel notes for its next message to a group: a few words in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast


def write_receipt(**words: str) -> str:
    """Return a receipt; what is empty is left out."""
    return json.dumps({name: word for name, word in words.items() if word}, sort_keys=True)


def read_receipt(text: str) -> Mapping[str, str]:
    """Return what a receipt says; nothing of one that another kind of channel wrote."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    words = cast("dict[str, object]", found)
    return {name: word for name, word in words.items() if isinstance(word, str)}
