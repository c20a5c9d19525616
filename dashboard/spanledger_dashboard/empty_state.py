"""What a project without data shows: how to get some."""

import streamlit as st

from spanledger_dashboard.settings import DashboardSettings
from spanledger_dashboard.text import plain


def show_no_data(project: str) -> None:
    """Explain how to send the first spans."""
    endpoint = DashboardSettings.from_environment().otlp_endpoint
    with st.container(border=True, key="no-data"):
        st.subheader("No data yet", anchor=False)
        st.markdown(
            f"Nothing has arrived in project **{plain(project)}**. Any OpenTelemetry SDK can send "
            "its spans here; set these two variables where your agent runs:"
        )
        st.code(
            f"export OTEL_EXPORTER_OTLP_ENDPOINT={endpoint}\n"
            "export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
            language="bash",
        )
        st.markdown("Or fill it with a small made-up agent fleet to look around:")
        st.code("make demo", language="bash")
        st.caption("This page looks again by itself; spans appear within seconds of being sent.")


def show_nothing_in_range() -> None:
    """Say that the project has data, only not in the chosen time."""
    st.info("Nothing in this time range. Choose a longer one above.", icon=":material/schedule:")
