"""Writes the spans of one trace in the order in which the work happens."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

from spanledger_server.demo.billing import PromptCache, prompt_tokens, usage_of
from spanledger_server.demo.plan import (
    Call,
    Failure,
    Message,
    Model,
    Retrieval,
    Role,
    Scope,
    SpanPlan,
    Step,
    ToolRequest,
    ToolRun,
    TracePlan,
    Usage,
)
from spanledger_server.demo.spec import Agent, Tool
from spanledger_server.demo.texts import Texts

SECOND_NS = 10**9
REFUSAL_SHARE = 0.018
HIDDEN_RETRY_SHARE = 0.02
MAX_REFUSALS = 3

_ID_PREFIX = {"anthropic": "msg_01", "gcp.gemini": "gen-", "mistral_ai": "cmpl-"}


class TurnFailed(Exception):
    """The provider refused a call as often as the agent was willing to try."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(slots=True)
class TraceWriter:
    """Cursor in time and in the span tree of one trace.

    Attributes:
        now_ns: The moment the next span begins, Unix nanoseconds.
        parent_id: Parent of the next span; empty at the root.
        agent_name: Name of the (sub-)agent that is at work.
        refusal_share: Share of calls the provider refuses, 0 to 1; more right after a refusal.
    """

    agent: Agent
    trace: TracePlan
    rng: Random
    texts: Texts
    cache: PromptCache
    now_ns: int
    has_inner_client: bool
    parent_id: bytes = b""
    agent_name: str = ""
    refusal_share: float = REFUSAL_SHARE

    @contextmanager
    def step(self, role: Role, name: str, request: str) -> Generator[list[str]]:
        """Open an agent or workflow span; append the answer to the list that is yielded."""
        span = self._open(role, name, self.agent.framework)
        outer, self.parent_id = self.parent_id, span.span_id
        outer_name, self.agent_name = self.agent_name, name
        span.agent = name
        answer: list[str] = []
        try:
            yield answer
        except TurnFailed as error:
            span.failure = error.failure
            raise
        finally:
            self._pass(0.002, 0.02)
            span.detail = Step(request, answer[-1] if answer else "")
            span.end_ns = self.now_ns
            self.parent_id, self.agent_name = outer, outer_name

    def ask(
        self,
        model: Model,
        messages: list[Message],
        *,
        schema_tokens: int,
        text: str = "",
        requests: tuple[ToolRequest, ...] = (),
        cache_key: str = "",
    ) -> Message:
        """Call a model, with visible retries, and return its answer.

        Raises:
            TurnFailed: The provider refused ``MAX_REFUSALS`` times.
        """
        for attempt in range(MAX_REFUSALS):
            if self.rng.random() >= self.refusal_share * (1 + 6 * (attempt > 0)):
                break
            failure = _refusal(model, self.rng)
            self._failed_call(model, messages, failure)
            if attempt == MAX_REFUSALS - 1:
                raise TurnFailed(failure)
            self._pass(0.6 * 2**attempt, 1.4 * 2**attempt)
        output = Message("assistant", text, requests)
        self._answered_call(model, messages, output, schema_tokens, cache_key or self.agent_name)
        return output

    def embed(self, model: Model, text: str) -> None:
        """Call an embedding model for one text."""
        message = Message("user", text)
        span = self._open("embedding", model.request, self._scope_of(model))
        self._pass(0.06, 0.35)
        usage = Usage(input_tokens=message.tokens)
        span.detail = Call(model, "", (message,), None, usage)
        span.end_ns = self.now_ns

    def retrieve(
        self, store: str, query: str, documents: tuple[tuple[str, str, float], ...]
    ) -> None:
        """Search a document store."""
        span = self._open("retrieval", store, self.agent.framework)
        self._pass(0.02, 0.18)
        span.detail = Retrieval(store, query, documents)
        span.end_ns = self.now_ns

    def request(self, tool: Tool) -> ToolRequest:
        """Return the model's wish to run ``tool`` with arguments of the case at hand."""
        prefix = "toolu_01" if self.agent.models[0][0].provider == "anthropic" else "call_"
        call_id = f"{prefix}{self.rng.getrandbits(80):020x}"
        return ToolRequest(call_id, tool.name, self.texts.arguments(tool.arguments))

    def run(self, tool: Tool, request: ToolRequest, result: str | None = None) -> Message:
        """Run a tool and return what the model gets to read; ``result`` fixes the outcome."""
        span = self._open("tool", tool.name, self.agent.framework)
        self._pass(*tool.duration_s)
        if result is None and tool.failures and self.rng.random() < tool.failure_share:
            template = self.rng.choice(tool.failures)
            span.failure = Failure(template.error_type, self.texts.fill(template.message))
            text, answer = "", f"Error: {span.failure.error_type}: {span.failure.message}"
        else:
            text = answer = self.texts.one_of(tool.results) if result is None else result
        span.detail = ToolRun(request.call_id, tool.name, tool.description, request.arguments, text)
        span.end_ns = self.now_ns
        return Message("tool", answer, tool_call_id=request.call_id)

    def _answered_call(
        self, model: Model, messages: list[Message], output: Message, schema_tokens: int, key: str
    ) -> None:
        prompt = prompt_tokens(messages, schema_tokens)
        cached = self.cache.bill(f"{key}/{model.request}", model, prompt, self.now_ns, self.rng)
        usage = usage_of(model, prompt, cached, output, self.rng)
        is_stream = self.rng.random() < self.agent.stream_share
        is_silent = is_stream and self.rng.random() < self.agent.silent_share
        uncached_tokens = prompt - cached[0]
        ttft_s = self.rng.uniform(0.22, 0.7) + uncached_tokens / 22_000
        attempts = 2 if self.rng.random() < HIDDEN_RETRY_SHARE else 1
        call = Call(
            model=model,
            response_id=self._response_id(model),
            messages=tuple(messages),
            output=output,
            usage=None if is_silent else usage,
            finish_reason="tool_calls" if output.requests else "stop",
            is_stream=is_stream,
            ttft_s=ttft_s if is_stream else None,
            attempts=attempts,
            temperature=self.agent.temperature,
            max_tokens=self.agent.max_tokens,
        )
        duration_s = ttft_s + usage.output_tokens / model.output_tokens_per_s + attempts - 1
        self._llm_spans(model, call, duration_s, None)

    def _failed_call(self, model: Model, messages: list[Message], failure: Failure) -> None:
        call = Call(model, "", tuple(messages), None, None, finish_reason="error")
        self._llm_spans(model, call, self.rng.uniform(0.1, 1.8), failure)

    def _llm_spans(
        self, model: Model, call: Call, duration_s: float, failure: Failure | None
    ) -> None:
        inner = self.agent.inner_client if self.has_inner_client else None
        scope = self._scope_of(model)
        # Where both layers speak one dialect, the framework's own span is the outer one.
        outer_scope = self.agent.framework if inner == scope else scope
        outer = self._open("llm", model.request, outer_scope)
        outer.detail, outer.failure = call, failure
        if inner is not None:
            self._pass(0.001, 0.004)
            span = self._open("llm", model.request, inner, parent_id=outer.span_id)
            span.detail, span.failure, span.is_inner = call, failure, True
            self.now_ns += int(duration_s * SECOND_NS)
            span.end_ns = self.now_ns
            self._pass(0.001, 0.003)
        else:
            self.now_ns += int(duration_s * SECOND_NS)
        outer.end_ns = self.now_ns

    def _open(
        self, role: Role, name: str, scope: Scope, parent_id: bytes | None = None
    ) -> SpanPlan:
        span = SpanPlan(
            span_id=self.rng.randbytes(8),
            parent_id=self.parent_id if parent_id is None else parent_id,
            role=role,
            name=name,
            agent=self.agent_name,
            scope=scope,
            start_ns=self.now_ns,
        )
        self.trace.spans.append(span)
        if parent_id is None:
            self._pass(0.0005, 0.004)
        return span

    def _scope_of(self, model: Model) -> Scope:
        if model is self.agent.helper and self.agent.helper_client is not None:
            return self.agent.helper_client
        return self.agent.client

    def _pass(self, low_s: float, high_s: float) -> None:
        self.now_ns += int(self.rng.uniform(low_s, high_s) * SECOND_NS)

    def _response_id(self, model: Model) -> str:
        prefix = _ID_PREFIX.get(model.provider, "chatcmpl-")
        return f"{prefix}{self.rng.getrandbits(88):022x}"


def _refusal(model: Model, rng: Random) -> Failure:
    library = "anthropic" if model.provider == "anthropic" else "openai"
    return rng.choice(
        (
            Failure(
                f"{library}.RateLimitError", "Error code: 429 - Rate limit reached for requests"
            ),
            Failure(f"{library}.RateLimitError", "Error code: 429 - Rate limit reached for tokens"),
            Failure(f"{library}.InternalServerError", "Error code: 503 - The model is overloaded"),
            Failure(f"{library}.APITimeoutError", "Request timed out."),
        )
    )
