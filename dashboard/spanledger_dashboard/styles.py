"""The few style rules the theme cannot express. Constant text: nothing from outside goes in."""

from functools import cache
from importlib.resources import files

import streamlit as st


def apply_styles() -> None:
    """Add the style rules to the page."""
    st.html(f"<style>{_css()}</style>")


@cache
def _css() -> str:
    return (files("spanledger_dashboard") / "styles.css").read_text(encoding="utf-8")
