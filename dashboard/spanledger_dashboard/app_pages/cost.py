"""Cost explorer: any figure by anything over any time, why it changed, and the traces behind it."""

from spanledger_dashboard.cost.page import show_page

show_page()
