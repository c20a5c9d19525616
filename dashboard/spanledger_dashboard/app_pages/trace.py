"""Trace: what one trajectory did, step by step, and what each step cost."""

from spanledger_dashboard.trace.page import show_page

show_page()
