"""The tables of budgets, and how they are changed: one transaction at a time for a budget."""

from __future__ import annotations

from functools import partial

import sqlalchemy as sa

from spanledger_storage import state_access
from spanledger_storage.decimal_text import DecimalText
from spanledger_storage.state import metadata

reading = partial(state_access.reading, what="The budgets")
# On PostgreSQL whoever changes a state locks its row first, in the order of ids (``locked`` of
# budget_amounts.py).
writing = partial(state_access.writing, what="The budgets")

budgets = sa.Table(
    "budgets",
    metadata,
    sa.Column("id", sa.String(16), primary_key=True, comment="hex"),
    sa.Column("project", sa.String(64), nullable=False),
    sa.Column("name", sa.String(128), nullable=False),
    sa.Column(
        "scope",
        sa.String(16),
        nullable=False,
        comment="project team agent session user task model tag",
    ),
    sa.Column("selector", sa.String(512), nullable=False, comment="whose; of a tag: key=value"),
    sa.Column("measure", sa.String(16), nullable=False, comment="usd tokens llm_calls"),
    sa.Column("period", sa.String(16), nullable=False, comment="rolling day week month"),
    sa.Column("rolling_s", sa.BigInteger, comment="seconds; NULL: not rolling"),
    sa.Column("timezone", sa.String(64), nullable=False, comment="IANA name"),
    sa.Column("soft_limit", DecimalText, comment="decimal text; NULL: none"),
    sa.Column("hard_limit", DecimalText, comment="decimal text; NULL: none"),
    sa.Column("owner", sa.String(128), nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("is_active", sa.Boolean, nullable=False),
    sa.Column("created_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("created_by", sa.String(128), nullable=False),
    sa.Column("changed_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("changed_by", sa.String(128), nullable=False),
    sa.UniqueConstraint("project", "name"),
)

states = sa.Table(
    "budget_states",
    metadata,
    sa.Column("budget_id", sa.String(16), primary_key=True),
    sa.Column("window_start_s", sa.BigInteger, nullable=False, comment="unix seconds"),
    sa.Column("ledger_amount", DecimalText, nullable=False, comment="decimal text"),
    sa.Column("settled_amount", DecimalText, nullable=False, comment="not in the ledger yet"),
    sa.Column("reserved_amount", DecimalText, nullable=False, comment="sum of the holds"),
    sa.Column("largest_amount", DecimalText, nullable=False, comment="of one settled call"),
    sa.Column("refused", sa.BigInteger, nullable=False, comment="requests, in this window"),
    sa.Column("passed", sa.BigInteger, nullable=False, comment="calls nobody was asked about"),
    sa.Column("ledger_as_of_ns", sa.BigInteger, comment="NULL: the ledger was not asked yet"),
    sa.Column("burn_per_hour", DecimalText, comment="decimal text"),
    sa.Column("forecast_low", DecimalText, comment="decimal text, at the window's end"),
    sa.Column("forecast_mid", DecimalText, comment="decimal text"),
    sa.Column("forecast_high", DecimalText, comment="decimal text"),
    sa.Column("forecast_method", sa.String(16), nullable=False, comment="weekday day burn"),
    sa.Column("exhausts_at_s", sa.BigInteger, comment="unix seconds; NULL: not in the window"),
    sa.Column("exhaustion_ratio", DecimalText, comment="share of futures over the limit"),
)

reservations = sa.Table(
    "budget_reservations",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True, comment="hex"),
    sa.Column("project", sa.String(64), nullable=False),
    sa.Column("request_key", sa.String(128), nullable=False, comment="a resent request has it"),
    sa.Column("subject", sa.Text, nullable=False, comment="JSON: whose calls"),
    sa.Column("granted", sa.Text, nullable=False, comment="JSON: measure to decimal text"),
    sa.Column("created_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("expires_at_ns", sa.BigInteger, nullable=False, index=True),
    sa.UniqueConstraint("project", "request_key"),
)

holds = sa.Table(
    "budget_holds",
    metadata,
    sa.Column("reservation_id", sa.String(32), primary_key=True),
    sa.Column("budget_id", sa.String(16), primary_key=True),
    sa.Column("amount", DecimalText, nullable=False, comment="decimal text; what is left"),
    sa.Column("expires_at_ns", sa.BigInteger, nullable=False),
    sa.Index("budget_holds_expiry", "budget_id", "expires_at_ns"),
)

settlements = sa.Table(
    "budget_settlements",
    metadata,
    sa.Column("project", sa.String(64), primary_key=True),
    sa.Column("request_key", sa.String(128), primary_key=True),
    sa.Column("budget_id", sa.String(16), primary_key=True),
    sa.Column("amount", DecimalText, nullable=False, comment="decimal text"),
    sa.Column("at_s", sa.BigInteger, nullable=False, comment="start of the call"),
    sa.Column("arrived_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("span_key", sa.String(64), nullable=False, comment="trace and span id"),
    sa.Column("response_id", sa.String(256), nullable=False),
    sa.Column("is_in_ledger", sa.Boolean, nullable=False, comment="the ledger counts it"),
    sa.Index("budget_settlements_open", "budget_id", "is_in_ledger", "at_s"),
    sa.Index("budget_settlements_age", "arrived_at_ns"),
    sa.Index("budget_settlements_looked_for", "project", "is_in_ledger", "arrived_at_ns"),
)

breaches = sa.Table(
    "budget_breaches",
    metadata,
    sa.Column("id", sa.String(16), primary_key=True, comment="hex"),
    sa.Column("budget_id", sa.String(16), nullable=False),
    sa.Column("project", sa.String(64), nullable=False),
    sa.Column("budget_name", sa.String(128), nullable=False),
    sa.Column("level", sa.String(16), nullable=False, comment="soft hard refused"),
    sa.Column("window_start_s", sa.BigInteger, nullable=False, comment="unix seconds"),
    sa.Column("began_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("last_at_ns", sa.BigInteger, nullable=False, comment="last seen to grow"),
    sa.Column("ended_at_ns", sa.BigInteger, comment="NULL: it lasts"),
    sa.Column("limit_amount", DecimalText, nullable=False, comment="decimal text"),
    sa.Column("peak_amount", DecimalText, nullable=False, comment="decimal text"),
    sa.Column("count", sa.BigInteger, nullable=False, comment="requests refused"),
    sa.Index("budget_breaches_of", "budget_id", "ended_at_ns"),
)
