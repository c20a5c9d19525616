"""Users: for whom money is spent, and one of them in full."""

from spanledger_dashboard.entities.detail import show_parts, show_usage
from spanledger_dashboard.entities.kinds import USERS
from spanledger_dashboard.entities.page import show_entity_page
from spanledger_dashboard.entities.traces import show_traces

show_entity_page(USERS, (show_usage, show_parts, show_traces))
