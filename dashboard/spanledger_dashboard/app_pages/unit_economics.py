"""Unit economics: what a completed task costs, what it is made of, and why that changed."""

from spanledger_dashboard.unit_economics.page import show_page

show_page()
