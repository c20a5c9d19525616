"""Items of a request that are not kept while the rest of it is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

_MOST_REASONS = 3
_MOST_GROUPS = 100
"""What is wrong may differ from item to item: further reasons are counted together."""
_EXAMPLE_CHARACTERS = 200
_LAST_CHARACTERS = 80
"""Of a long example, which begins with the place and ends with the reason."""
_NUMBER = re.compile(r"\d+")


class Reason(StrEnum):
    """Why an item is left out; also the label of ``rejected_items``."""

    TRACE_ID = "bad_trace_id"
    SPAN_ID = "bad_span_id"
    PARENT_ID = "bad_parent_span_id"
    UNREADABLE = "unreadable"


@dataclass(slots=True)
class _Group:
    example: str
    place: str
    items: int = 0


class LeftOut:
    """Counts the items left out of one request by reason, with an example of each.

    Attributes:
        notice: what else of the request was not read, in words; empty: nothing.
        is_mended: texts of the rest were made UTF-8.
        mending_bytes: of what was gone through for that.
    """

    def __init__(self) -> None:
        self.notice = ""
        self.is_mended = False
        self.mending_bytes = 0
        self._items = Counter[Reason]()
        self._groups: dict[tuple[Reason, str], _Group] = {}

    def add(self, reason: Reason, example: str, items: int = 1, place: str = "") -> None:
        """Count items.

        Args:
            reason: why they are left out.
            example: says in words what is wrong with the first of them.
            items: how many.
            place: of the first in the request, if it can be named.
        """
        self._items[reason] += items
        said = f"{place}: {example}" if place else example
        # What cannot be read differs in what is wrong with it; numbers only say where.
        kind = _NUMBER.sub("", said) if reason is Reason.UNREADABLE else ""
        group = self._groups.get((reason, kind))
        if group is None:
            if len(self._groups) == _MOST_GROUPS:
                return
            group = self._groups[reason, kind] = _Group(_shortened(said), place)
        group.items += items

    def __len__(self) -> int:
        return self._items.total()

    @property
    def by_reason(self) -> Mapping[Reason, int]:
        """Items of every reason that occurred."""
        return self._items

    @property
    def place(self) -> str:
        """Where in the request the first item of the most frequent reason is; may be empty."""
        return self._most_frequent()[0].place if self._groups else ""

    @property
    def summary(self) -> str:
        """What is wrong, the most frequent reason first, and how many items are left then."""
        told = self._most_frequent()
        if len(self._groups) == 1:
            return told[0].example
        others = len(self) - sum(group.items for group in told)
        text = "; ".join(f"{group.items} × {group.example}" for group in told)
        return f"{text}; {others} more for other reasons" if others else text

    def _most_frequent(self) -> list[_Group]:
        return sorted(self._groups.values(), key=lambda group: -group.items)[:_MOST_REASONS]


def _shortened(example: str) -> str:
    """Return an example without its middle if it is too long."""
    if len(example) <= _EXAMPLE_CHARACTERS:
        return example
    first = _EXAMPLE_CHARACTERS - _LAST_CHARACTERS - 1
    return f"{example[:first]}…{example[-_LAST_CHARACTERS:]}"
