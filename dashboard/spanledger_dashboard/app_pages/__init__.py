"""One file per page, each run by Streamlit as a script; the menu is in navigation.py."""
