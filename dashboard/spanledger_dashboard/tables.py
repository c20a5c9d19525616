"""Tables whose cells read like the rest of the dashboard and still sort by their numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from math import isnan
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pandas as pd

from spanledger_dashboard import format as fmt

if TYPE_CHECKING:
    from pandas.arrays import IntegerArray
    from pandas.io.formats.style import Styler

Text = Callable[[object], str]

_LEAST_USD = Decimal("0.000001")


def styled(frame: pd.DataFrame, formats: Mapping[str, Text]) -> Styler:
    """Return the frame with the text of some columns made by functions; unknown is a dash.

    For ``st.dataframe`` alone, which takes it for a styler: pandas' own takes ten times as long.
    """
    return cast("Styler", _Written(frame, formats))


def values_of(table: Styler) -> pd.DataFrame:
    """Return the frame that :func:`styled` was given."""
    return cast("_Written", table).data


def painted(frame: pd.DataFrame, formats: Mapping[str, Text]) -> Styler:
    """Return the same as a styler of pandas, which takes colors."""
    return frame.style.format(dict(formats), na_rep=fmt.UNKNOWN)


class _Values(pd.DataFrame):
    """The values of a table; asked for itself as text, it gives the texts that were made."""

    _metadata: ClassVar[list[str]] = ["texts"]
    texts: pd.DataFrame

    def astype(self, *_args: object, **_options: object) -> Any:  # type: ignore[misc]  # stubs alone call it final
        """Return the texts: nothing else asks."""
        return self.texts


class _Written:
    """What Streamlit looks at of a styler: values, and the same as text."""

    caption = None
    uuid: str | None = None

    def __init__(self, frame: pd.DataFrame, formats: Mapping[str, Text]) -> None:
        self.data = _Values(frame)
        self.data.texts = pd.DataFrame(
            {name: _texts(frame[name], formats.get(str(name))) for name in frame.columns},
            index=frame.index,
        )

    def set_uuid(self, uuid: str) -> None:
        """Take the name that Streamlit gives."""
        self.uuid = uuid

    def _compute(self) -> None:
        """Nothing has a color."""

    def _translate(self, *_: bool) -> dict[str, object]:
        """Return what differs from cell to cell: nothing beyond the texts."""
        return {}


# Streamlit knows a styler by the name of its class.
_Written.__module__, _Written.__qualname__ = "pandas.io.formats.style", "Styler"


def _texts(column: pd.Series[Any], text: Text | None) -> list[str]:
    write = text or _plain
    unknown: list[bool] = column.isna().to_list()
    cells = zip(column.to_list(), unknown, strict=True)
    return [fmt.UNKNOWN if is_unknown else write(value) for value, is_unknown in cells]


def _plain(value: object) -> str:
    if isinstance(value, list):
        return ""  # drawn as a chart
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def integers(values: Sequence[object]) -> IntegerArray | list[object]:
    """Return whole numbers so that they stay whole where one is unknown; others as they are."""
    whole = [value if isinstance(value, int) else None for value in values]
    if any(new is None and old is not None for new, old in zip(whole, values, strict=True)):
        return list(values)
    return pd.array(whole, dtype="Int64")


def usd(value: object) -> str:
    """Format a dollar cell; all digits of less than a millionth would not fit: ``<$0.000001``."""
    if _is_missing(value):
        return fmt.UNKNOWN
    amount = Decimal(str(value))
    if 0 < abs(amount) < _LEAST_USD:
        return f"<${_LEAST_USD}" if amount > 0 else f">-${_LEAST_USD}"
    return fmt.usd(amount)


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
