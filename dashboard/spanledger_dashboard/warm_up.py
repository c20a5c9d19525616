"""Imports what the pages need before the first of them is asked for."""

import importlib

_PAGES = (
    *("overview", "traces", "trace", "entities", "cost", "unit_economics"),
    *("cache", "anomalies", "prices"),
)


def import_pages() -> None:
    """Load the libraries and our modules, so that no reader waits and no collection walks them."""
    import pandas as pd
    import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types
    import pyarrow as pa

    for name in _PAGES:
        importlib.import_module(f"spanledger_dashboard.{name}.page")
    pa.Table.from_pandas(pd.DataFrame({"x": [0]}))
    go.Figure({"data": [{"type": "bar", "x": [0], "y": [0]}]}).to_json()
