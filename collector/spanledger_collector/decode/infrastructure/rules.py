"""What a rule is: how a data point of a known metric becomes a cell of a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from spanledger_collector.decode.values import Value

Attributes: TypeAlias = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Place:
    """The row a point belongs to.

    Attributes:
        key: of the row within its table, without project and time: values of the key columns.
        said: other columns.
    """

    key: tuple[str, ...]
    said: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rule:
    """One metric of one dialect.

    Attributes:
        table: where the row is.
        column: of the value; ``choose`` picks it by the point's attributes where it is ''. A
            histogram fills ``<column>_bounds`` and ``<column>_counts``.
        place: says which row; None: the point names no GPU, so it is none of ours.
        scale: to the column's unit.
        choose: column by attributes; '' leaves the point out.
        is_sum: several series of one row add up, for example one per reason.
        needs: takes ``buckets``, or the sum of a histogram (``sum_or_value``), or a value ('').
        is_older: the metric has a newer name, which counts alone where a row is told both.
        has_blanks: the source writes certain large numbers where it knows nothing.
    """

    table: str
    column: str
    place: Callable[[Attributes, Attributes], Place | None]
    scale: float = 1.0
    choose: Callable[[Attributes], str] | None = None
    is_sum: bool = False
    needs: str = ""
    is_older: bool = False
    has_blanks: bool = False


def said(value: Value) -> str:
    """Return a label as text; '' when it says nothing."""
    return "" if value is None else str(value)


def first(attributes: Attributes, *keys: str) -> str:
    """Return the first label that says something."""
    return next(
        (said(attributes[key]) for key in keys if attributes.get(key) not in (None, "")), ""
    )
