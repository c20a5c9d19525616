"""Anomalies: spending against what was expected, why it differed, and where the month leads."""

from spanledger_dashboard.anomalies.page import show_page

show_page()
