"""Rows about money: ledger entries and usage."""

from __future__ import annotations

from pydantic import Field

from spanledger_server.api.row_types import Big, Dimensions, Moment, Money, Row, TraceId


class SourceSpan(Row):
    """A span that a call was seen in."""

    trace_id: str
    span_id: str


class Entry(Row):
    """An entry of the ledger: one event that costs."""

    entry_id: str
    kind: str = Field(description="llm embedding tool gpu infra adjustment.")
    time: Moment = Field(description="Start of the call; decides the price.")
    duration_ns: Big
    ttft_ns: Big | None = Field(description="Time to the first token.")
    trace_id: TraceId
    span_id: str
    trajectory_id: TraceId
    session_id: str
    user_id: str
    task_id: str
    agent_name: str
    agent_version: str
    workflow_name: str
    service_name: str
    environment: str
    dimensions: Dimensions
    provider: str
    model: str
    request_model: str
    tool_name: str
    service_tier: str
    region: str
    status: str = Field(description="ok error.")
    error_type: str
    stream: bool | None
    attempts: int | None
    response_id: str
    request_id: str
    input_tokens: Big | None = Field(description="uncached + cache_read + cache_write.")
    uncached_tokens: Big | None
    cache_read_tokens: Big | None
    cache_write_tokens: Big | None
    cache_write_5m_tokens: Big | None
    cache_write_1h_tokens: Big | None
    output_tokens: Big | None = Field(description="With reasoning.")
    reasoning_tokens: Big | None
    audio_input_tokens: Big | None
    audio_output_tokens: Big | None
    image_tokens: Big | None
    image_output_tokens: Big | None
    cache_read_audio_tokens: Big | None
    web_searches: Big | None
    usage_source: str
    price_status: str = Field(description="priced unpriced reported self_hosted.")
    price_id: str
    contract_id: str = Field(description="Empty: no contract changed the list price.")
    uncached_cost_usd: Money | None
    cache_read_cost_usd: Money | None
    cache_write_cost_usd: Money | None
    output_cost_usd: Money | None
    fees_cost_usd: Money | None
    total_cost_usd: Money | None = Field(description="Null: unknown, never 0.")
    list_cost_usd: Money | None = Field(description="Before the contract.")
    billed_price_id: str
    billed_cost_usd: Money | None = Field(description="The total as first priced.")
    reported_cost_usd: Money | None
    flags: list[str]
    source_spans: list[SourceSpan]


class Usage(Row):
    """What was used in a bucket of time, for one combination of the dimensions asked for.

    A dimension that was not asked for is left out of the row.
    """

    time: Moment = Field(description="Start of the bucket.")
    key: str = Field(description="Stands for the dimensions; the same in every bucket.")
    kind: str = ""
    provider: str = ""
    model: str = ""
    agent_name: str = ""
    service_name: str = ""
    environment: str = ""
    agent_version: str = ""
    workflow_name: str = ""
    session_id: str = ""
    user_id: str = ""
    task_id: str = ""
    tool_name: str = ""
    service_tier: str = ""
    region: str = ""
    price_status: str = ""
    dimensions: dict[str, str] = Field(default={}, description="Those asked for, by name.")
    calls: Big = Field(description="Of models.")
    errors: Big
    unpriced_calls: Big = Field(description="Usage known, price not.")
    calls_without_usage: Big
    self_hosted_calls: Big = Field(description="On own machines, without a price per token.")
    input_tokens: Big
    uncached_tokens: Big
    cache_read_tokens: Big
    cache_write_tokens: Big
    output_tokens: Big
    reasoning_tokens: Big
    total_cost_usd: Money = Field(description="Of what is priced, all kinds.")
