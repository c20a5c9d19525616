"""The script Streamlit runs for every session: frame, pickers, then the chosen page."""

import streamlit as st

from spanledger_dashboard import navigation, scope
from spanledger_dashboard.failures import explained
from spanledger_dashboard.styles import apply_styles

_SIDEBAR_WIDTH_PX = 200

st.set_page_config(
    page_title="Spanledger", page_icon="🧾", layout="wide", initial_sidebar_state=_SIDEBAR_WIDTH_PX
)
apply_styles()
st.logo(navigation.FOLDER / "logo.svg", size="large")
page = navigation.build()
entry = navigation.entry_of(page)
with explained():
    heading, controls = st.columns([1, 1], vertical_alignment="center")
    if entry.has_range:
        heading.title(entry.title, anchor=False)
        with controls, st.container(horizontal=True, horizontal_alignment="right"):
            scope.range_picker()
            with st.container(width=180):
                scope.project_picker()
    page.run()
