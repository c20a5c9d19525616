"""How the agents of the fleet work: one function per flow, each writes one turn."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from spanledger_server.demo.agents.research import SEARCH_WEB
from spanledger_server.demo.plan import Failure, Message, Model, ToolRequest
from spanledger_server.demo.spec import Flow
from spanledger_server.demo.writer import TraceWriter, TurnFailed

PARALLEL_TOOLS_SHARE = 0.15
RUNAWAY_ROUNDS = (116, 126)

_INTENT_PROMPT = (
    "Classify the message of a customer. Answer with JSON: intent (delivery, return, refund, "
    "warranty, other) and confidence between 0 and 1."
)
_SUB_AGENT_PROMPT = (
    "You are a research assistant. Answer the brief with at most five findings, each with its "
    "source and the date of the figure. Stop searching when two sources agree."
)


@dataclass(slots=True)
class Turn:
    """One request to an agent.

    Attributes:
        messages: The conversation so far; the turn appends to it.
        uses_helper: True when the small model takes part in this turn.
    """

    model: Model
    messages: list[Message]
    question: str
    uses_helper: bool


def assistant(writer: TraceWriter, turn: Turn) -> None:
    """Answer after some rounds of tools; a classifier may look at the question first."""
    agent = writer.agent
    with writer.step("agent", agent.name, turn.question) as answer:
        if turn.uses_helper and agent.helper is not None:
            prompt = [Message("system", _INTENT_PROMPT), Message("user", turn.question)]
            intent = writer.rng.choice(("delivery", "return", "refund", "warranty"))
            verdict = f'{{"intent": "{intent}", "confidence": 0.{writer.rng.randint(61, 98)}}}'
            writer.ask(agent.helper, prompt, schema_tokens=0, text=verdict, cache_key="intent")
        turn.messages.append(Message("user", turn.question))
        _use_tools(writer, turn.model, turn.messages)
        answer.append(_conclude(writer, turn.model, turn.messages))


def research(writer: TraceWriter, turn: Turn) -> None:
    """Split the question, let sub-agents work side by side, then write the report."""
    agent = writer.agent
    with writer.step("agent", agent.name, turn.question) as answer:
        turn.messages.append(Message("user", turn.question))
        briefs = [
            writer.texts.fill("Find figures on $topic with regard to $aspect; part " + str(part))
            for part in range(1, writer.rng.randint(2, 3) + 1)
        ]
        requests = tuple(_delegation(writer, brief) for brief in briefs)
        plan = writer.ask(
            turn.model,
            turn.messages,
            schema_tokens=agent.schema_tokens,
            text=writer.texts.fill("I split this into independent parts on $topic."),
            requests=requests,
        )
        turn.messages.append(plan)
        started_ns, ended_ns = writer.now_ns, writer.now_ns
        for request, brief in zip(requests, briefs, strict=True):
            writer.now_ns = started_ns
            found = _sub_agent(writer, brief)
            turn.messages.append(Message("tool", found, tool_call_id=request.call_id))
            ended_ns = max(ended_ns, writer.now_ns)
        writer.now_ns = ended_ns
        answer.append(_conclude(writer, turn.model, turn.messages))


def rag(writer: TraceWriter, turn: Turn) -> None:
    """Embed the question, fetch passages, answer from them."""
    agent, rng = writer.agent, writer.rng
    with writer.step("agent", agent.name, turn.question) as answer:
        if agent.helper is not None:
            writer.embed(agent.helper, turn.question)
        documents = tuple(
            (f"handbook-{rng.randint(1, 420):04d}", writer.texts.fill("$passage"), score / 100)
            for score in sorted(
                (rng.randint(41, 93) for _ in range(rng.randint(*agent.rounds))), reverse=True
            )
        )
        writer.retrieve("handbook", turn.question, documents)
        passages = "\n\n".join(text for _, text, _ in documents)
        turn.messages.append(Message("user", f"Passages:\n{passages}\n\nQuestion: {turn.question}"))
        answer.append(_conclude(writer, turn.model, turn.messages))


def batch(writer: TraceWriter, turn: Turn) -> None:
    """Extract one document, have another model check it, store the record."""
    agent = writer.agent
    document = [*turn.messages, Message("user", turn.question)]
    with (
        writer.step("workflow", "extract_invoice", turn.question) as outcome,
        writer.step("agent", agent.name, turn.question) as answer,
    ):
        record = _conclude(writer, turn.model, document)
        if turn.uses_helper and agent.helper is not None:
            check = [*document, Message("user", writer.texts.one_of(agent.followups))]
            differs = writer.rng.random() < 0.15
            verdict = "due_on: the document says 30 days net" if differs else "OK"
            writer.ask(agent.helper, check, schema_tokens=0, text=verdict, cache_key="check")
            if differs:
                record = _conclude(writer, turn.model, [*document, Message("user", verdict)])
        for tool in agent.tools:
            writer.run(tool, writer.request(tool))
        answer.append(record)
        outcome.append(record)


def runaway(writer: TraceWriter, turn: Turn) -> None:
    """Repeat one search with the same arguments until the framework stops the agent.

    The clock time in the system prompt changes on each call, so no cached prefix ever holds and
    every call pays for writing the whole prompt again.
    """
    agent, rng = writer.agent, writer.rng
    with writer.step("agent", agent.name, turn.question):
        turn.messages.append(Message("user", turn.question))
        wish = writer.request(SEARCH_WEB)
        result = "\n".join(writer.texts.fill(text) for text in SEARCH_WEB.results * 2)
        for _ in range(rng.randint(*RUNAWAY_ROUNDS)):
            seconds = writer.now_ns // 10**9 % 86_400
            clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d} UTC"
            turn.messages[0] = Message("system", f"Current time: {clock}. {agent.system_prompt}")
            writer.cache.forget(f"{agent.name}/{turn.model.request}")
            request = replace(wish, call_id=f"toolu_01{rng.getrandbits(80):020x}")
            said = writer.ask(
                turn.model,
                turn.messages,
                schema_tokens=agent.schema_tokens,
                text="The results do not settle it yet. I will search once more.",
                requests=(request,),
            )
            turn.messages += [said, writer.run(SEARCH_WEB, request, result)]
        limit = Failure("GraphRecursionError", "Recursion limit reached without a stop condition.")
        raise TurnFailed(limit)


FLOWS: Mapping[Flow, Callable[[TraceWriter, Turn], None]] = {
    "assistant": assistant,
    "research": research,
    "rag": rag,
    "batch": batch,
}


def _conclude(writer: TraceWriter, model: Model, messages: list[Message]) -> str:
    said = writer.ask(
        model,
        messages,
        schema_tokens=writer.agent.schema_tokens,
        text=writer.texts.one_of(writer.agent.answers),
    )
    messages.append(said)
    return said.text


def _use_tools(writer: TraceWriter, model: Model, messages: list[Message]) -> None:
    agent, rng = writer.agent, writer.rng
    for number in range(rng.randint(*agent.rounds)):
        tools = [agent.tools[0] if number == 0 else rng.choice(agent.tools)]
        if rng.random() < PARALLEL_TOOLS_SHARE:
            tools.append(rng.choice(agent.tools))
        requests = tuple(writer.request(tool) for tool in tools)
        said = writer.ask(
            model,
            messages,
            schema_tokens=agent.schema_tokens,
            text=writer.texts.one_of(agent.thoughts),
            requests=requests,
        )
        messages.append(said)
        for tool, request in zip(tools, requests, strict=True):
            messages.append(writer.run(tool, request))


def _delegation(writer: TraceWriter, brief: str) -> ToolRequest:
    call_id = f"toolu_01{writer.rng.getrandbits(80):020x}"
    return ToolRequest(call_id, "delegate_research", f'{{"brief": "{brief}"}}')


def _sub_agent(writer: TraceWriter, brief: str) -> str:
    model = writer.agent.helper or writer.agent.models[0][0]
    messages = [Message("system", _SUB_AGENT_PROMPT), Message("user", brief)]
    # Each sub-agent has a prompt of its own, hence a cached prefix of its own.
    writer.cache.forget(f"web-researcher/{model.request}")
    with writer.step("agent", "web-researcher", brief) as answer:
        _use_tools(writer, model, messages)
        answer.append(_conclude(writer, model, messages))
    return answer[-1]
