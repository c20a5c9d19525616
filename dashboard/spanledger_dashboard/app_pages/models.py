"""Models: what they cost, how fast they answer, and one of them in full."""

from spanledger_dashboard.entities import MODELS
from spanledger_dashboard.entity_detail import show_parts, show_usage
from spanledger_dashboard.entity_page import show_entity_page
from spanledger_dashboard.entity_traces import show_traces
from spanledger_dashboard.model_detail import show_answers, show_price

show_entity_page(MODELS, (show_usage, show_answers, show_price, show_parts, show_traces))
