"""Tables whose cells read like the rest of the dashboard and still sort by their numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from math import isnan
from typing import TYPE_CHECKING

import pandas as pd

from spanledger_dashboard import format as fmt

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

Text = Callable[[object], str]


def styled(frame: pd.DataFrame, formats: Mapping[str, Text]) -> Styler:
    """Return the frame with the text of some columns made by functions; unknown is a dash."""
    return frame.style.format(dict(formats), na_rep=fmt.UNKNOWN)


def usd(value: object) -> str:
    """Format a dollar cell."""
    return fmt.UNKNOWN if _is_missing(value) else fmt.usd(Decimal(str(value)))


def count(value: object) -> str:
    """Format a cell of whole numbers."""
    return fmt.UNKNOWN if _is_missing(value) else fmt.count(int(str(value)))


def short_count(value: object) -> str:
    """Format a cell of large whole numbers."""
    return fmt.UNKNOWN if _is_missing(value) else fmt.short_count(int(str(value)))


def duration(value: object) -> str:
    """Format a cell of nanoseconds."""
    return fmt.UNKNOWN if _is_missing(value) else fmt.duration(int(str(value)))


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and isnan(value))
