"""Cache: what prompt caches saved, why they missed, and what another setting would have cost."""

from spanledger_dashboard.cache.page import show_page

show_page()
