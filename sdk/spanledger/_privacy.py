"""What of the conversation leaves the process: decided span by span, just before it is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import cast

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Status
from opentelemetry.util.types import AttributeValue

from spanledger._attributes import (
    INPUT_HASHES,
    OUTPUT_HASHES,
    TOOL_CALL_SIGNATURE,
    TOOL_ERROR_EVIDENCE,
    TOOL_RESULT_SIGNATURE,
)
from spanledger._errors import told
from spanledger._settings import Content, Redact
from spanledger._signatures import (
    Said,
    call_signature,
    message_hashes,
    result_evidence,
    result_signature,
)

_INPUTS = ("gen_ai.tool.definitions", "gen_ai.system_instructions", "gen_ai.input.messages")
_OUTPUTS = ("gen_ai.output.messages",)
_ARGUMENTS, _RESULT = "gen_ai.tool.call.arguments", "gen_ai.tool.call.result"
_CONTENT_KEYS = frozenset(
    (
        *_INPUTS,
        *_OUTPUTS,
        *(_ARGUMENTS, _RESULT, "gen_ai.prompt", "gen_ai.completion", "tool_arguments"),
        *("tool_response", "input.value", "output.value", "traceloop.entity.input"),
        *("traceloop.entity.output", "langfuse.observation.input", "langfuse.observation.output"),
        *("langfuse.trace.input", "langfuse.trace.output", "ai.prompt", "ai.prompt.messages"),
        *("ai.prompt.tools", "ai.response.text", "ai.response.object", "ai.response.toolCalls"),
        *("ai.toolCall.args", "ai.toolCall.result", "pydantic_ai.all_messages", "final_result"),
        *("all_messages_events", "events", "request_data", "response_data", "tool.parameters"),
        *("llm.prompts", "llm.tools", "llm.input_messages", "llm.output_messages", "user_prompt"),
        *("llm.prompt_template.template", "llm.prompt_template.variables", "input", "output"),
        *("gen_ai.agent.description", "gen_ai.tool.description", "retrieval.documents"),
        *("gen_ai.evaluation.explanation", "gcp.vertex.agent.llm_request", "crew_tasks"),
        *("gcp.vertex.agent.llm_response", "gcp.vertex.agent.tool_call_args", "prompt"),
        *("gcp.vertex.agent.tool_response", "gcp.vertex.agent.data", "completion"),
        *("haystack.component.input", "haystack.component.output", "haystack.tool.result"),
        *("haystack.tool.arguments", "gen_ai.task.input", "gen_ai.task.output", "crew_agents"),
        *("model_request_parameters", "new_context", "response.model_output", "tool_input"),
        *("haystack.agent.step.tool.input", "haystack.agent.step.tool.output", "tool_parameters"),
        *("exception.message", "exception.stacktrace", "error.message"),
    )
)
_CONTENT_STARTS = (
    *("gen_ai.prompt.", "gen_ai.completion.", "llm.input_messages.", "llm.output_messages."),
    *("llm.tools.", "llm.prompts.", "llm.completions.", "retrieval.documents."),
    *("reranker.", "embedding.embeddings.", "haystack.pipeline.input_data"),
    *("haystack.pipeline.output_data", "llm.request.functions.", "llm.raw_gen_ai."),
)
_CONTENT_EVENTS = ("gen_ai.", "gen_ai.content.")
_EVALUATION = "gen_ai.evaluation.result"


class Privacy:
    """Makes of each span what may leave.

    Args:
        content: ``full`` lets everything pass, ``hashes`` leaves signatures of tool calls and
            hashes of messages in the place of their texts, ``none`` nothing.
        redact: sees every text of what is left, with its key.
    """

    def __init__(self, content: Content, redact: Redact | None) -> None:
        self._content = content
        self._redact = redact

    def applied(self, span: ReadableSpan, said: Said | None = None) -> ReadableSpan | None:
        """Return the span as it may leave; ``None`` when that cannot be made out.

        Args:
            span: as it ended.
            said: what its call of a tool was, to be signed.
        """
        if self._content == "full" and self._redact is None:
            return span
        try:
            return self._made(span, said)
        except Exception as error:  # nothing leaves that may not
            told("making a span private, which is not sent", error)
            return None

    def _made(self, span: ReadableSpan, said: Said | None) -> ReadableSpan:
        attributes = dict(span.attributes or {})
        kept: Mapping[str, AttributeValue] = attributes
        events: Sequence[Event] = span.events
        status = span.status
        if self._content != "full":
            status = _told_type(status)
            has_content = any(map(is_content, attributes))
            is_bare = status is span.status and not has_content and not events
            if is_bare and said is None and self._redact is None:
                return span
            kept = {k: v for k, v in attributes.items() if not is_content(k)}
            if self._content == "hashes" and has_content:
                kept = {**_hashes(attributes), **kept}
            if said is not None:
                kept = {**kept, **said.signatures()}
            events = [_stripped(event) for event in events]
        if self._redact is not None:
            kept = self._redacted(kept)
            events = [
                Event(e.name, self._redacted(e.attributes or {}), e.timestamp) for e in events
            ]
            if status.description:
                description = self._redact("status.description", status.description)
                status = Status(status.status_code, description)
        return ReadableSpan(
            name=span.name,
            context=span.get_span_context(),
            parent=span.parent,
            resource=span.resource,
            attributes=kept,
            events=events,
            links=span.links,
            kind=span.kind,
            status=status,
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )

    def _redacted(self, attributes: Mapping[str, object]) -> dict[str, AttributeValue]:
        made = {key: self._redacted_value(key, value) for key, value in attributes.items()}
        return cast("dict[str, AttributeValue]", {k: v for k, v in made.items() if v is not None})

    def _redacted_value(self, key: str, value: object) -> object:
        if isinstance(value, str):
            return self._redact(key, value) if self._redact is not None else value
        if isinstance(value, Mapping):
            items = cast("Mapping[str, object]", value).items()
            return {name: self._redacted_value(f"{key}.{name}", item) for name, item in items}
        if isinstance(value, (list, tuple)):
            found = (self._redacted_value(key, one) for one in cast("list[object]", value))
            return [one for one in found if one is not None]
        return value


@lru_cache(maxsize=4096)
def is_content(key: str) -> bool:
    """Return whether an attribute holds what was said."""
    return key in _CONTENT_KEYS or key.startswith(_CONTENT_STARTS)


def _hashes(attributes: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
    """Return what stands for content that stays: signatures of tools, hashes of messages."""
    made: dict[str, AttributeValue] = {}
    arguments, result = attributes.get(_ARGUMENTS), attributes.get(_RESULT)
    if isinstance(arguments, str) and arguments:
        tool = attributes.get("gen_ai.tool.name")
        made[TOOL_CALL_SIGNATURE] = call_signature(tool if isinstance(tool, str) else "", arguments)
    if isinstance(result, str) and result:
        made[TOOL_RESULT_SIGNATURE] = result_signature(result)
        if evidence := result_evidence(result):
            made[TOOL_ERROR_EVIDENCE] = evidence
    for keys, name, role in (
        (_INPUTS, INPUT_HASHES, "user"),
        (_OUTPUTS, OUTPUT_HASHES, "assistant"),
    ):
        hashes: list[str] = []
        for key in keys:
            said = attributes.get(key)
            if not isinstance(said, str) or not said:
                continue
            if key in _INPUTS[:2]:  # one message, whatever its parts
                hashes += message_hashes([said])
            else:
                hashes += message_hashes(said, role)
        if hashes:
            made[name] = hashes
    return made


def _told_type(status: Status) -> Status:
    """Return a status without an exception's text, which may quote the conversation."""
    if not status.description:
        return status
    kind = status.description.partition(":")[0]
    if kind == status.description and kind.isidentifier():
        return status
    is_type = kind.replace(".", "_").isidentifier()
    return Status(status.status_code, kind if is_type else None)


def _stripped(event: Event) -> Event:
    """Return an event without what was said; of an exception, its type stays."""
    attributes = event.attributes or {}
    if event.name == "exception":
        kept = {k: v for k, v in attributes.items() if k in ("exception.type", "exception.escaped")}
    elif event.name.startswith(_CONTENT_EVENTS) and event.name != _EVALUATION:
        kept = {}
    else:
        kept = {k: v for k, v in attributes.items() if not is_content(k)}
    return Event(event.name, kept, event.timestamp)
