"""What metrics say about usage: streams of known metrics to token counts per service and model.

A metric states the same tokens as spans do, without saying of which call. Several instrumentations
of one service may each state them, so of each model the one that states most is believed, also
where one names the model that answered and another only the one that was asked for.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from spanledger_analytics.providers import is_bedrock_id
from spanledger_analytics.tokens import Tokens, canonical


@dataclass(frozen=True, slots=True)
class Stream:
    """How much one metric series grew: ``amount`` tokens or dollars within (from_ns, to_ns].

    ``calls`` is how often a histogram was told something in that time; 0 for other metrics.
    """

    metric: str
    service_name: str
    environment: str
    scope_name: str
    attributes: Mapping[str, str]
    amount: Decimal
    calls: int
    from_ns: int
    to_ns: int


class UsageKey(NamedTuple):
    """For whom and at what model tokens were used; '' where the points do not say."""

    kind: str
    service_name: str
    environment: str
    session_id: str
    agent_name: str
    provider: str
    request_model: str
    response_model: str

    @property
    def model(self) -> str:
        """The response's model, else the request's."""
        return self.response_model or self.request_model


@dataclass(frozen=True, slots=True)
class MetricUsage:
    """What was used for one key in the covered window (UTC nanoseconds).

    ``calls``: in how many calls; None where the metric does not count them.
    """

    key: UsageKey
    tokens: Tokens
    calls: int | None
    reported_cost_usd: Decimal | None
    user_id: str
    from_ns: int
    to_ns: int


_CLASSES = {
    "input": "input",
    "output": "output",
    "cacheRead": "cache_read",
    "cacheCreation": "cache_write",
    "cache_read": "cache_read",
    "cache_write": "cache_write",
    "reasoning": "reasoning",
}
_CLAUDE_CODE = "claude_code.token.usage"  # its input excludes what was read or written as cache
_COUNTERS = "gen_ai.client.inference.usage."
_COUNTER_CLASSES = {
    f"{_COUNTERS}input_tokens": "input",
    f"{_COUNTERS}output_tokens": "output",
    f"{_COUNTERS}cache_read.input_tokens": "cache_read",
    f"{_COUNTERS}cache_write.input_tokens": "cache_write",
    f"{_COUNTERS}cache_creation.input_tokens": "cache_write",
    f"{_COUNTERS}reasoning.output_tokens": "reasoning",
}
_HISTOGRAMS = "gen_ai.client.inference.operation."
_HISTOGRAM_CLASSES = {
    f"{_HISTOGRAMS}input_tokens": "input",
    f"{_HISTOGRAMS}output_tokens": "output",
}
_TOKEN_USAGE = "gen_ai.client.token.usage"
_COSTS = ("claude_code.cost.usage", "gen_ai.usage.cost", "operation.cost")
METRICS = (_CLAUDE_CODE, *_COUNTER_CLASSES, _TOKEN_USAGE, *_HISTOGRAM_CLASSES, *_COSTS)
"""Names of the metrics that are read; units differ ({token}, token, tokens) and mean the same."""

# Sums over calls that are stated by themselves as well.
_AGGREGATES = frozenset(
    {"agent_step", "chain", "create_agent", "execute_tool", "invoke_agent", "invoke_workflow"}
)
_EMBEDDINGS = frozenset({"embedding", "embeddings"})
_DATE = re.compile(r"[-@](\d{8}|\d{4}-\d\d-\d\d|\d{4})$", re.ASCII)
_MOST = 2**53  # above it a double no longer counts in ones
_MOST_CALLS = 2**32 - 1  # what the ledger's column holds
_CLAUDE_PROVIDERS = {"bedrock": "aws.bedrock", "vertex": "gcp.vertex_ai"}


@dataclass(slots=True)
class _Sums:
    """What one instrumentation states for one key."""

    tokens: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    calls: Counter[str] = field(default_factory=Counter[str])
    users: set[str] = field(default_factory=set[str])
    from_ns: int = 2**63 - 1
    to_ns: int = 0

    def add(self, token_class: str, stream: Stream) -> None:
        self.tokens[token_class] += stream.amount
        self.calls[token_class] += stream.calls
        self.users.add(stream.attributes.get("user.id", ""))
        self.from_ns = min(self.from_ns, stream.from_ns)
        self.to_ns = max(self.to_ns, stream.to_ns)

    @property
    def total(self) -> Decimal:
        return sum(self.tokens.values(), Decimal(0))


_Source = tuple[str, str]  # scope and family of metrics
_Place = tuple[str, str, str]  # kind, service and model without seller and date


def usage_of(streams: Iterable[Stream]) -> list[MetricUsage]:
    """Return what the streams say was used, sorted by key; keys without tokens are left out.

    So is what no program can have used: more than 2^53 tokens.
    """
    by_source: defaultdict[_Source, dict[UsageKey, _Sums]] = defaultdict(dict)
    costs: defaultdict[UsageKey, defaultdict[_Source, Decimal]] = defaultdict(
        lambda: defaultdict(Decimal)
    )
    for stream in streams:
        key = _key(stream)
        family, token_class = _meaning(stream)
        if key is None or not family or stream.amount > _MOST:
            continue
        source = (stream.scope_name, family)
        if token_class:
            by_source[source].setdefault(key, _Sums()).add(token_class, stream)
        else:
            costs[key][source] += stream.amount
    found = [
        _usage(key, source, sums, costs.get(key, {}))
        for source, key, sums in _most_told(by_source)
        if 0 < sums.total <= _MOST
    ]
    return sorted(found, key=lambda usage: usage.key)


def _meaning(stream: Stream) -> tuple[str, str]:
    """Return the family of a metric and the token class of a stream; '' for a cost."""
    metric, attributes = stream.metric, stream.attributes
    if metric in _COSTS:
        return metric, ""
    if metric == _CLAUDE_CODE:
        token_class = _CLASSES.get(attributes.get("type", ""), "")
    elif metric == _TOKEN_USAGE:
        token_class = _CLASSES.get(attributes.get("gen_ai.token.type", ""), "")
    elif metric in _COUNTER_CLASSES:
        return _COUNTERS, _COUNTER_CLASSES[metric]
    else:
        return _HISTOGRAMS, _HISTOGRAM_CLASSES[metric]
    return (metric, token_class) if token_class else ("", "")


def _key(stream: Stream) -> UsageKey | None:
    """Return whom a stream is about; None for sums over calls."""
    get = stream.attributes.get
    operation = get("gen_ai.operation.name", "").lower()
    if operation in _AGGREGATES:
        return None
    provider = get("gen_ai.provider.name") or get("gen_ai.system") or ""
    model = get("gen_ai.request.model") or get("model") or ""
    if stream.metric.startswith("claude_code."):
        provider = _CLAUDE_PROVIDERS.get(get("anthropic.provider", "").lower(), "anthropic")
    provider = provider.strip().lower()
    if provider == "anthropic" and is_bedrock_id(model):
        provider = "aws.bedrock"  # named after the client's package
    return UsageKey(
        "embedding" if operation in _EMBEDDINGS else "llm",
        stream.service_name,
        stream.environment,
        get("session.id") or get("gen_ai.conversation.id") or "",
        get("gen_ai.agent.name", ""),
        provider,
        model,
        get("gen_ai.response.model", ""),
    )


def _most_told(
    by_source: Mapping[_Source, Mapping[UsageKey, _Sums]],
) -> Iterable[tuple[_Source, UsageKey, _Sums]]:
    """Yield the sums of the source that states most, for each service and model.

    Of sources that state as much, the one that names the model that answered: it has a price.
    """
    places = _places([key for by_key in by_source.values() for key in by_key])
    totals: defaultdict[_Place, dict[_Source, tuple[Decimal, Decimal]]] = defaultdict(dict)
    for source, by_key in by_source.items():
        for key, sums in by_key.items():
            total, answered = totals[places[key]].get(source, (Decimal(0), Decimal(0)))
            if key.response_model:
                answered += sums.total
            totals[places[key]][source] = total + sums.total, answered
    best = {
        place: max(found, key=lambda source: (found[source], source))
        for place, found in totals.items()
    }
    for source, by_key in by_source.items():
        for key, sums in by_key.items():
            if best[places[key]] == source:
                yield source, key, sums


def _places(keys: Collection[UsageKey]) -> dict[UsageKey, _Place]:
    """Return for each key what it shares with all keys that may be of the same calls.

    A key that names only the request's model (of Azure: a deployment) may be of the calls of
    every key with that request, whatever model answered.
    """
    answers: defaultdict[_Place, set[_Place]] = defaultdict(set)
    for key in keys:
        if key.request_model and key.response_model:
            answers[_place(key, key.request_model)].add(_place(key, key.response_model))
    above: dict[_Place, _Place] = {}

    def top(place: _Place) -> _Place:
        while place in above:
            above[place] = above.get(above[place], above[place])  # shortens the way of the next
            place = above[place]
        return place

    for key in keys:
        if not key.response_model:
            for answer in answers.pop(_place(key, key.request_model), ()):
                one, other = top(_place(key, key.request_model)), top(answer)
                if one != other:
                    above[one] = other
    return {key: top(_place(key, key.model)) for key in keys}


def _place(key: UsageKey, model: str) -> _Place:
    return key.kind, key.service_name, base_model(model)


def _usage(
    key: UsageKey, source: _Source, sums: _Sums, costs: Mapping[_Source, Decimal]
) -> MetricUsage:
    counts = {name: int(round(amount)) for name, amount in sums.tokens.items()}
    if source[1] == _CLAUDE_CODE and "input" in counts:
        counts["input"] += counts.get("cache_read", 0) + counts.get("cache_write", 0)
    return MetricUsage(
        key=key,
        tokens=canonical(Tokens(**counts)),
        calls=_calls(sums),
        reported_cost_usd=max(costs.values(), default=Decimal(0)) or None,
        user_id=next(iter(sums.users)) if len(sums.users) == 1 else "",
        from_ns=sums.from_ns,
        to_ns=sums.to_ns,
    )


def _calls(sums: _Sums) -> int | None:
    """Return of how many calls a histogram was told; no call is without a token."""
    calls = max(sums.calls.values())
    return calls if 0 < calls <= _MOST_CALLS and calls <= sums.total else None


def base_model(name: str) -> str:
    """Return a model's name without the seller before it and the date after it."""
    base = _DATE.sub("", name.strip().lower().rpartition("/")[2])
    return base.removesuffix("-latest")


def is_same_model(names: Collection[str], others: Collection[str]) -> bool:
    """Return whether two sets of names may mean one model; where nobody names any, they may."""
    bases = {base_model(name) for name in names if name}
    other_bases = {base_model(name) for name in others if name}
    return not bases or not other_bases or not bases.isdisjoint(other_bases)
