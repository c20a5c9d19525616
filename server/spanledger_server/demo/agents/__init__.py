"""The fleet: one file per agent, one line here."""

from spanledger_server.demo.agents.coding import CODING
from spanledger_server.demo.agents.extraction import EXTRACTION
from spanledger_server.demo.agents.rag import RAG
from spanledger_server.demo.agents.research import RESEARCH
from spanledger_server.demo.agents.sql import SQL
from spanledger_server.demo.agents.support import SUPPORT
from spanledger_server.demo.spec import Agent

FLEET: tuple[Agent, ...] = (SUPPORT, RESEARCH, CODING, SQL, RAG, EXTRACTION)

__all__ = ["CODING", "EXTRACTION", "FLEET", "RAG", "RESEARCH", "SQL", "SUPPORT"]
