"""What the cost explorer is narrowed to: a list of ``dimension: value``, as in the address."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from spanledger_dashboard.cost.measures import DIMENSIONS, NO_VALUE
from spanledger_dashboard.cost.query import Filters


def written(dimension: str, value: str) -> str:
    """Return a filter as it is shown and as it stands in the address."""
    return f"{dimension}: {value or NO_VALUE}"


def read(texts: Iterable[str]) -> tuple[Filters, list[str]]:
    """Return the filters that texts mean, and the texts that mean none.

    Values of one dimension are alternatives; dimensions narrow further.
    """
    found: dict[str, dict[str, None]] = {}
    odd: list[str] = []
    for text in texts:
        name, colon, value = text.partition(":")
        dimension, value = name.strip().lower(), value.strip()
        if not colon or not value or dimension not in DIMENSIONS:
            odd.append(text)
            continue
        found.setdefault(dimension, {})["" if value == NO_VALUE else value] = None
    return tuple((d, tuple(values)) for d, values in sorted(found.items())), odd


def narrowed(texts: Sequence[str], by: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the texts with those dimensions narrowed to one value each."""
    kept = [text for text in texts if text.partition(":")[0].strip().lower() not in by]
    return [*kept, *(written(d, name) for d, name in zip(by, names, strict=True))]


def traces_query(filters: Filters, by: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Return the address keys of the trace list that narrow it as far as it can be."""
    single = {d: values[0] for d, values in filters if len(values) == 1}
    chosen = single | dict(zip(by, names, strict=True))
    return {
        key: value
        for dimension, value in chosen.items()
        if value and (key := DIMENSIONS[dimension].traces_key)
    }
