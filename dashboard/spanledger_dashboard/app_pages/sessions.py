"""Sessions: what a conversation costs from turn to turn, and one of them in full."""

from spanledger_dashboard.entities.kinds import SESSIONS
from spanledger_dashboard.entities.page import show_entity_page
from spanledger_dashboard.entities.session_detail import show_session

show_entity_page(SESSIONS, (show_session,))
