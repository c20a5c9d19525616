"""Tools: how often they run, fail and take long, and one of them in full."""

from spanledger_dashboard.entities import TOOLS
from spanledger_dashboard.entity_page import show_entity_page
from spanledger_dashboard.entity_traces import show_traces
from spanledger_dashboard.tool_detail import show_provider_tools, show_tool, show_tool_parts

show_entity_page(TOOLS, (show_tool, show_tool_parts, show_traces), show_provider_tools)
