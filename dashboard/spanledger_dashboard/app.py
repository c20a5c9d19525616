"""The script Streamlit runs for every session: frame, pickers, then the chosen page."""

import streamlit as st

from spanledger_dashboard import navigation, pickers, shell
from spanledger_dashboard.access import Denied, viewer
from spanledger_dashboard.failures import explained
from spanledger_dashboard.styles import apply_styles

_SIDEBAR_WIDTH_PX = 200

st.set_page_config(
    page_title="Spanledger",
    page_icon=navigation.FOLDER / "icon.svg",
    layout="wide",
    initial_sidebar_state=_SIDEBAR_WIDTH_PX,
)
apply_styles()
st.logo(navigation.FOLDER / "logo.svg", size="large")
with explained():
    person = viewer()
    page = navigation.build(person)
    entry = navigation.entry_of(page)
    shell.show_person(person)
    pickers.take_project()
    pickers.take_range()
    if not entry.is_open_to(person):
        raise Denied(f"{entry.title} is about all projects; your account sees some of them.")
    if entry.has_range:
        with shell.page_head(entry.title):
            pickers.range_picker()
            pickers.refresh_picker()
            pickers.project_picker()
            shell.show_help()
    page.run()
