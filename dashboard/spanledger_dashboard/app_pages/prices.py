"""Prices: what a token costs, what was agreed, and what has no price yet."""

from spanledger_dashboard.prices.page import show_page

show_page()
