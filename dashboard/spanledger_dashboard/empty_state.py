"""What a project without data shows: how to get some."""

from __future__ import annotations

import shlex

import streamlit as st

from spanledger_dashboard import pickers, scope
from spanledger_dashboard.settings import DashboardSettings
from spanledger_dashboard.text import code, plain
from spanledger_dashboard.time_range import RANGES

_LONGEST = list(RANGES)[-1]


def show_no_data(project: str) -> None:
    """Explain how to send the first spans."""
    endpoint = DashboardSettings.from_environment().otlp_endpoint
    with st.container(border=True, key="no-data"):
        st.subheader("No data yet", anchor=False)
        st.markdown(
            f"Nothing has arrived in project **{plain(project)}**. Any OpenTelemetry SDK can send "
            "its spans here; set these variables where your agent runs:"
        )
        variables = (
            f"export OTEL_EXPORTER_OTLP_ENDPOINT={endpoint}\n"
            "export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"
        )
        if project == scope.DEFAULT_PROJECT:
            st.code(variables, language="bash")
            st.caption(
                "Where the collector asks for keys, also "
                "`OTEL_EXPORTER_OTLP_HEADERS=x-api-key=KEY`; "
                "`spanledger keys create --scope ingest` makes one."
            )
            st.markdown("Or fill it with a small made-up agent fleet to look around:")
            st.code("spanledger demo    # or: make demo", language="bash")
        else:
            # Without a key spans go to the default project, and so do those of the demo.
            key = "export OTEL_EXPORTER_OTLP_HEADERS=x-api-key=KEY"
            st.code(f"{variables}\n{key}", language="bash")
            create = f"spanledger keys create --project {shlex.quote(project)} --scope ingest"
            st.caption(f"The key tells the project: {code(create)} makes one.")
        st.caption("This page looks again by itself; spans appear within seconds of being sent.")


def show_nothing_in_range() -> None:
    """Say that the project has data, only not in the chosen time, and offer the longest range."""
    with st.container(border=True, key="nothing-in-range"):
        st.markdown(":material/schedule: Nothing in this time range.")
        if scope.current().range_key != _LONGEST:
            st.button(
                f"Show the last {_LONGEST}",
                key="longest-range",
                on_click=pickers.choose_range,
                args=(_LONGEST,),
            )
