"""A conversation with one agent: turns that share a history, a session, a user and a case."""

from collections.abc import Mapping
from random import Random

from spanledger_server.demo.agents import RESEARCH
from spanledger_server.demo.billing import PromptCache
from spanledger_server.demo.flows import FLOWS, Turn, runaway
from spanledger_server.demo.plan import Message, TracePlan
from spanledger_server.demo.spec import Agent
from spanledger_server.demo.texts import Texts
from spanledger_server.demo.writer import SECOND_NS, TraceWriter, TurnFailed

STAGING_SHARE = 0.14
REPLICAS = 3


class Conversation:
    """Hands out the traces of a conversation one turn at a time.

    Attributes:
        turns_left: Turns still to come; 0 when the conversation is over.
    """

    def __init__(self, agent: Agent, rng: Random, *, is_runaway: bool = False) -> None:
        self._agent = agent
        self._rng = rng
        self._is_runaway = is_runaway
        self._texts = Texts(agent, rng)
        self._cache = PromptCache()
        models, weights = zip(*agent.models, strict=True)
        self._model = rng.choices(models, weights)[0]
        self._messages = [Message("system", agent.system_prompt)]
        self._has_inner_client = rng.random() < agent.inner_share and not is_runaway
        self._is_first = True
        self.turns_left = 1 if is_runaway else rng.randint(*agent.turns)
        environment = "staging" if rng.random() < STAGING_SHARE and not is_runaway else "production"
        self._resource = _resource(agent, environment, rng.randrange(REPLICAS))
        # Squaring favours small numbers: a few users cause most of the traffic.
        user = int(agent.users * rng.random() ** 2.2)
        is_batch = agent.flow == "batch"
        self._user_id = "" if is_batch else f"{agent.user_prefix}-{user + 1:04d}"
        self._session_id = "" if is_batch else f"{agent.name}-{rng.getrandbits(48):012x}"
        self._task_id = f"{agent.task_prefix}-{rng.randint(10_000, 99_999)}"

    @classmethod
    def that_runs_away(cls, rng: Random) -> "Conversation":
        """Return a conversation whose one turn repeats the same search until it is stopped."""
        return cls(RESEARCH, rng, is_runaway=True)

    def next_trace(self, start_ns: int) -> TracePlan:
        """Return the next turn, started at ``start_ns``; its spans are sorted by their end."""
        self.turns_left -= 1
        trace = TracePlan(
            trace_id=self._rng.randbytes(16),
            agent=self._agent.name,
            version=self._agent.version,
            resource=self._resource,
            session_id=self._session_id,
            user_id=self._user_id,
            task_id=self._task_id,
            is_runaway=self._is_runaway,
        )
        self._write(trace, start_ns)
        if self.turns_left == 0 and not trace.task_outcome:
            outcomes = self._agent.outcomes
            trace.task_outcome = self._rng.choices(list(outcomes), list(outcomes.values()))[0]
        trace.spans.sort(key=lambda span: span.end_ns)
        return trace

    def think_ns(self) -> int:
        """Return how long the user takes until the next turn: half a minute, at times much more."""
        return int(min(self._rng.lognormvariate(3.6, 0.9), 1_500) * SECOND_NS)

    def _write(self, trace: TracePlan, start_ns: int) -> None:
        agent, rng = self._agent, self._rng
        writer = TraceWriter(
            agent, trace, rng, self._texts, self._cache, start_ns, self._has_inner_client
        )
        if self._is_runaway:
            # A provider that gives up would end the runaway early and make it cheap.
            writer.refusal_share = 0.0
        texts = agent.openings if self._is_first else agent.followups
        self._is_first = False
        turn = Turn(
            model=self._model,
            messages=self._messages,
            question=self._texts.one_of(texts),
            uses_helper=rng.random() < agent.helper_share,
        )
        flow = runaway if self._is_runaway else FLOWS[agent.flow]
        try:
            flow(writer, turn)
        except TurnFailed:
            self.turns_left = 0
            trace.task_outcome = "failed"


def _resource(agent: Agent, environment: str, replica: int) -> Mapping[str, str]:
    attributes = {
        "service.name": agent.service,
        "service.version": agent.version,
        "service.namespace": "harborline",
        "service.instance.id": f"{agent.service}-{environment}-{replica}",
        "deployment.environment.name": environment,
        "team.id": agent.team,
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.version": "1.45.2",
    }
    if agent.framework.dialect == "openinference":
        attributes["openinference.project.name"] = agent.service
    return attributes
