"""Tools: how often they run, fail and take long, and one of them in full."""

from spanledger_dashboard.entities.kinds import TOOLS
from spanledger_dashboard.entities.page import show_entity_page
from spanledger_dashboard.entities.tool_detail import (
    show_provider_tools,
    show_tool,
    show_tool_parts,
)
from spanledger_dashboard.entities.traces import show_traces

show_entity_page(TOOLS, (show_tool, show_tool_parts, show_traces), show_provider_tools)
