"""Tables: what Streamlit sends of ours is what it sends of a styler of pandas."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest
from pandas.io.formats.style import Styler
from streamlit.dataframe_util import (
    convert_anything_to_pandas_df,
    convert_arrow_bytes_to_pandas_df,
    is_pandas_styler,
)
from streamlit.elements.lib.pandas_styler_utils import marshall_styler
from streamlit.proto.ArrowData_pb2 import ArrowData

from spanledger_dashboard import tables

MIXED = pd.DataFrame(
    {
        "Name": ["b", None, "", "a"],
        "Cost": [0.00042, 12.345, None, 1234.5],
        "Calls": pd.array([1_000, None, 3, 0], dtype="Int64"),
        "Rate": [0.5, None, 1 / 3, 2.0],
        "At": [pd.Timestamp("2026-01-02 03:04:05"), None, *[pd.Timestamp("2026-01-01")] * 2],
        "Is": [True, False, True, True],
    }
)
FORMATS = {"Cost": tables.usd, "Calls": tables.count}


def sent(frame: pd.DataFrame, make: Callable[..., Styler]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what Streamlit sends of a table: the texts, and the values they sort by."""
    table = make(frame, FORMATS)
    assert is_pandas_styler(table)
    proto = ArrowData()
    marshall_styler(proto, table, "table")
    assert not proto.styler.styles
    texts = convert_arrow_bytes_to_pandas_df(proto.styler.display_values)
    return texts, convert_anything_to_pandas_df(table)


def test_texts_and_values_are_those_of_a_styler() -> None:
    texts, values = sent(MIXED, tables.styled)
    assert texts["Cost"].to_list() == ["$0.000420", "$12.35", "—", "$1,235"]
    expected_texts, expected_values = sent(MIXED, tables.painted)
    pd.testing.assert_frame_equal(texts, expected_texts)
    pd.testing.assert_frame_equal(pd.DataFrame(values), expected_values)


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (1.2e-9, "<$0.000001"),
        (-1.2e-9, ">-$0.000001"),
        (0.0, "$0.00"),
        (0.000001, "$0.00000100"),
        (0.0000421, "$0.0000421"),
    ],
)
def test_an_amount_is_never_wider_than_its_column(amount: float, shown: str) -> None:
    assert tables.usd(amount) == shown


def test_a_table_without_rows_keeps_its_columns() -> None:
    texts, values = sent(MIXED.head(0), tables.styled)
    assert list(texts.columns) == list(values.columns) == list(MIXED.columns)
    assert len(texts) == len(values) == 0
