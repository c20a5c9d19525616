"""Rows about what was done: traces, trajectories, sessions, spans, messages."""

from __future__ import annotations

from pydantic import Field

from spanledger_server.api.row_types import Big, Dimensions, Moment, Money, Row, TraceId


class Trace(Row):
    """A trace: what was done in it and what it cost."""

    trace_id: TraceId
    trajectory_id: TraceId
    name: str = Field(description="Name of the root span.")
    root_span_id: str = Field(description="Empty while the root has not arrived.")
    start_time: Moment
    end_time: Moment
    duration_ns: Big
    status: str = Field(description="open: the root span has not arrived; closed.")
    outcome: str = Field(description="Of the task, as reported; empty: it was not.")
    score: float | None = Field(description="Of the outcome, 0 to 1.")
    service_name: str
    environment: str
    agent_name: str = Field(description="The outermost agent.")
    agent_version: str
    workflow_name: str
    agents: list[str]
    models: list[str]
    main_model: str = Field(description="The model that cost most.")
    session_id: str
    user_id: str
    task_id: str
    dimensions: Dimensions
    span_count: int
    error_count: int = Field(description="Spans with status error.")
    llm_calls: int
    embedding_calls: int
    tool_calls: int
    unpriced_calls: int = Field(description="Usage known, price not.")
    calls_without_usage: int
    input_tokens: Big = Field(description="With cache reads and writes.")
    cache_read_tokens: Big
    cache_write_tokens: Big
    output_tokens: Big = Field(description="With reasoning.")
    reasoning_tokens: Big
    total_cost_usd: Money | None = Field(description="What is priced; null: nothing is.")
    inference_cost_usd: Money
    tool_cost_usd: Money
    gpu_cost_usd: Money
    infra_cost_usd: Money
    depth: int = Field(description="Spans on the longest way from a root to a leaf.")
    fan_out: int = Field(description="Most children of one span.")
    critical_path_ns: Big = Field(description="What the end waited for, without waits.")
    active_ns: Big
    waiting_ns: Big
    waiting_human_ns: Big = Field(description="The part of it that waited for a person.")


class Lane(Row):
    """The LLM calls of one agent: how its prompt grew."""

    agent_name: str
    calls: int = Field(description="With a known prompt.")
    first_prompt_tokens: Big
    last_prompt_tokens: Big
    max_prompt_tokens: Big
    tokens_per_call: float | None = Field(description="Growth of the prompt: Theil-Sen slope.")


class Trajectory(Row):
    """What an agent did for one purpose, over all its traces."""

    trajectory_id: TraceId
    trace_ids: list[str] = Field(description="By start.")
    name: str = Field(description="Of its first trace.")
    start_time: Moment
    end_time: Moment
    duration_ns: Big
    status: str = Field(description="open waiting closed abandoned.")
    waits_for: str = Field(description="While it waits: human, or for what else.")
    outcome: str = Field(description="Of the task, as reported last; empty: it was not.")
    score: float | None = Field(description="Of the outcome, 0 to 1.")
    service_name: str
    environment: str
    agent_name: str = Field(description="The outermost agent.")
    agents: list[str]
    models: list[str]
    session_id: str
    user_id: str
    task_id: str
    dimensions: Dimensions
    traces: int
    requests: int = Field(description="Traces that did not go on with another one.")
    failed_traces: int = Field(description="With a span that failed.")
    span_count: int
    error_count: int
    llm_calls: int
    embedding_calls: int
    tool_calls: int
    unpriced_calls: int
    calls_without_usage: int
    input_tokens: Big
    cache_read_tokens: Big
    cache_write_tokens: Big
    output_tokens: Big
    reasoning_tokens: Big
    total_cost_usd: Money | None = Field(description="What is priced; null: nothing is.")
    depth: int
    fan_out: int
    trace_depth: int = Field(description="Traces on the longest way along links.")
    trace_fan_out: int
    trace_fan_in: int
    critical_path_ns: Big
    active_ns: Big
    waiting_ns: Big
    waiting_human_ns: Big
    idle_ns: Big
    lanes: list[Lane]


class Session(Row):
    """A session, over its traces that began in the period."""

    session_id: str
    key: str = Field(description="Hash of the id; orders sessions of one start.")
    first_time: Moment
    last_time: Moment
    users: list[str]
    agents: list[str]
    models: list[str]
    traces: Big
    failed_traces: Big = Field(description="With a span that failed.")
    completed_traces: Big = Field(description="With the outcome completed.")
    span_count: Big
    error_count: Big
    llm_calls: Big
    embedding_calls: Big
    tool_calls: Big
    unpriced_calls: Big
    calls_without_usage: Big
    input_tokens: Big
    cache_read_tokens: Big
    cache_write_tokens: Big
    output_tokens: Big
    reasoning_tokens: Big
    total_cost_usd: Money | None = Field(description="What is priced; null: nothing is.")


class SpanEvent(Row):
    """An event of a span."""

    time: Moment
    name: str
    attributes: dict[str, str]


class SpanLink(Row):
    """A link of a span."""

    trace_id: str
    span_id: str
    attributes: dict[str, str]


class Span(Row):
    """A span, as received."""

    trace_id: TraceId
    span_id: str
    parent_span_id: str = Field(description="Empty: a root.")
    name: str
    kind: str
    role: str = Field(description="llm embedding tool agent workflow retrieval guardrail …")
    status: str = Field(description="unset ok error.")
    status_message: str
    error_type: str
    start_time: Moment
    end_time: Moment
    duration_ns: Big
    service_name: str
    service_version: str
    environment: str
    scope_name: str
    scope_version: str
    dialect: str
    agent_name: str
    agent_id: str
    agent_version: str
    workflow_name: str
    task_id: str
    task_outcome: str
    session_id: str
    user_id: str
    provider: str
    request_model: str
    response_model: str
    service_tier: str
    region: str
    input_tokens: Big | None = Field(description="Null: not reported.")
    cache_read_tokens: Big | None
    cache_write_tokens: Big | None
    output_tokens: Big | None
    reasoning_tokens: Big | None
    reported_cost_usd: Money | None = Field(description="What the instrumentation claims.")
    ttft_ns: Big | None
    stream: bool | None
    response_id: str
    request_id: str
    finish_reason: str
    attempts: int | None
    tool_name: str
    tool_call_id: str
    tool_outcome: str
    tool_arguments: str
    tool_result: str
    input_messages: list[str] = Field(description="Hashes of messages, in order.")
    output_messages: list[str]
    attributes: dict[str, str] = Field(description="But message content.")
    resource_attributes: dict[str, str]
    event_list: list[SpanEvent]
    link_list: list[SpanLink]
    flags: list[str]
    trace_state: str
    ingested_at: Moment


class Message(Row):
    """A message, by the hash that spans refer to."""

    hash: str
    role: str
    content: str = Field(description="JSON, as the OTel GenAI conventions have it.")
