"""Traces: find the trace."""

from spanledger_dashboard.traces.page import show_page

show_page()
