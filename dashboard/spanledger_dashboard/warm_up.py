"""Imports what the pages need before the first of them is asked for."""


def import_pages() -> None:
    """Load the libraries and our modules, so that no reader waits and no collection walks them."""
    import pandas as pd
    import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types
    import pyarrow as pa

    from spanledger_dashboard import charts, usage
    from spanledger_dashboard.trace import payload as trace_payload
    from spanledger_dashboard.trace import span_detail

    del charts, span_detail, trace_payload, usage
    pa.Table.from_pandas(pd.DataFrame({"x": [0]}))
    go.Figure({"data": [{"type": "bar", "x": [0], "y": [0]}]}).to_json()
