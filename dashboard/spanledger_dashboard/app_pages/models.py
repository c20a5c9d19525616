"""Models: what they cost, how fast they answer, and one of them in full."""

from spanledger_dashboard.entities.detail import show_parts, show_usage
from spanledger_dashboard.entities.kinds import MODELS
from spanledger_dashboard.entities.model_detail import show_answers, show_price
from spanledger_dashboard.entities.page import show_entity_page
from spanledger_dashboard.entities.traces import show_traces

show_entity_page(MODELS, (show_usage, show_answers, show_price, show_parts, show_traces))
