"""A simulated fleet of agents that sends real OTLP, so that no page is empty on the first day."""

from spanledger_server.demo.clock import Clock
from spanledger_server.demo.planted import DemoReport, ModelTotals
from spanledger_server.demo.run import run_demo
from spanledger_server.demo.sender import DemoError

__all__ = ["Clock", "DemoError", "DemoReport", "ModelTotals", "run_demo"]
