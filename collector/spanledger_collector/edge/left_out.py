"""Items of a request that are not kept while the rest of it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

_MOST_REASONS = 3
_EXAMPLE_CHARACTERS = 200
_LAST_CHARACTERS = 80
"""Of a long example, which begins with the place and ends with the reason."""


class Reason(StrEnum):
    """Why an item is left out; also the label of ``rejected_items``."""

    TRACE_ID = "bad_trace_id"
    SPAN_ID = "bad_span_id"
    PARENT_ID = "bad_parent_span_id"
    UNREADABLE = "unreadable"


@dataclass(slots=True)
class _Group:
    example: str
    items: int = 0


class LeftOut:
    """Counts the items left out of one request by reason, with an example of each."""

    def __init__(self) -> None:
        self._groups: dict[Reason, _Group] = {}

    def add(self, reason: Reason, example: str, items: int = 1) -> None:
        """Count items; ``example`` says in words what is wrong with the first of them."""
        group = self._groups.setdefault(reason, _Group(_shortened(example)))
        group.items += items

    def __len__(self) -> int:
        return sum(group.items for group in self._groups.values())

    @property
    def by_reason(self) -> Mapping[Reason, int]:
        """Items of every reason that occurred."""
        return {reason: group.items for reason, group in self._groups.items()}

    @property
    def summary(self) -> str:
        """What is wrong, the most frequent reason first."""
        groups = sorted(self._groups.values(), key=lambda group: -group.items)[:_MOST_REASONS]
        if len(self._groups) == 1:
            return groups[0].example
        return "; ".join(f"{group.items} × {group.example}" for group in groups)


def _shortened(example: str) -> str:
    """Return an example without its middle if it is too long."""
    if len(example) <= _EXAMPLE_CHARACTERS:
        return example
    first = _EXAMPLE_CHARACTERS - _LAST_CHARACTERS - 1
    return f"{example[:first]}…{example[-_LAST_CHARACTERS:]}"
