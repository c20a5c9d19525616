"""What another setting of the cache would have cost: calls replayed with their own prompts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from spanledger_analytics.cache.calls import Prompt
from spanledger_analytics.cache.limits import LONG_TTL_S, CacheRules
from spanledger_analytics.cache.rates import Rates, dollars, pings_worth
from spanledger_analytics.cache.simulator import (
    Keeping,
    Replay,
    Replayed,
    replay,
    replayed_calls,
)
from spanledger_analytics.cache.texts import Segment

SHORT_TTL_S = 300
_FEW_PINGS = 12  # more would keep a prefix for longer than the lifetime of an hour


class Option(NamedTuple):
    """A setting, and what the input of the replayed calls would have cost with it."""

    name: str
    cost_usd: Decimal


class Advice(NamedTuple):
    """What a replay tells of one agent and model.

    Attributes:
        calls: replayed.
        billed_usd: what their input did cost.
        present: the setting they had; what the others save is told against its replay.
        options: settings, the cheapest first.
        read_tokens: that the calls did read.
        replayed_tokens: that they would have read by the rules, in the setting they had.
        sentence: what to do.
    """

    calls: int
    billed_usd: Decimal
    present: Option
    options: tuple[Option, ...]
    read_tokens: int
    replayed_tokens: int
    sentence: str

    @property
    def best(self) -> Option:
        """The cheapest setting; the present one where no other is worth the change."""
        return self.options[0] if self.sentence != AS_IT_IS else self.present

    @property
    def saving_usd(self) -> Decimal:
        """What the best setting would have saved."""
        return self.present.cost_usd - self.best.cost_usd


class Priced(NamedTuple):
    """A call with its rates and what its input was billed."""

    prompt: Prompt
    rates: Rates
    billed_usd: Decimal


NO_CACHE = "No caching"
SHORT = "Lifetime of 5 minutes"
LONG = "Lifetime of 1 hour"
PINGED = "5 minutes, head kept alive"
STABLE = "Stable head"
RULES = "As the provider's rules say"

_SENTENCES = {
    NO_CACHE: "Mark nothing for caching: it is not read often enough.",
    SHORT: "Mark head and end of each prompt, for five minutes.",
    LONG: "Mark head and end of each prompt, for one hour.",
    PINGED: "Repeat the shared head before five minutes are over.",
    STABLE: "Make the head of the prompt the same in every call.",
    RULES: "The provider caches by itself: nothing has to be set.",
}
AS_IT_IS = "Leave it: nothing else would cost noticeably less."
"""What is said where no change is worth it."""
_WORTH = Fraction(1, 50)  # of what it costs now; less is within the estimate


def advise(
    calls: Sequence[Priced],
    rules: CacheRules,
    texts: Mapping[bytes, Segment],
    unstable: Collection[int],
) -> Advice | None:
    """Return what settings would have cost; None without calls whose prompts are known.

    Args:
        calls: of one agent and model.
        rules: of the provider.
        texts: what segments say, as far as it is known.
        unstable: places of segments of the head that were found to change.
    """
    told = sorted((c for c in calls if c.prompt.segments), key=lambda c: c.prompt.order)
    if not told:
        return None
    made = replayed_calls([call.prompt for call in told], texts)
    name, keeping = _present(told, rules)
    now = replay(made, rules, keeping)
    if rules.is_automatic:
        options = [Option(RULES, _cost(told, now, is_long=False))]
    else:
        options = [Option(NO_CACHE, _without(told)), *_lifetimes(told, made, rules)]
    present = next(option for option in options if option.name == name)
    if unstable:
        fixed = replayed_calls([c.prompt for c in told], texts, frozenset(unstable))
        steady = replay(fixed, rules, keeping)
        options.append(Option(STABLE, _cost(told, steady, is_long=name == LONG)))
    options.sort(key=lambda option: (option.cost_usd, option != present))
    saving = Fraction(present.cost_usd - options[0].cost_usd)
    is_worth = saving > _WORTH * Fraction(present.cost_usd)
    return Advice(
        calls=len(told),
        billed_usd=sum((call.billed_usd for call in told), Decimal(0)),
        present=present,
        options=tuple(options),
        read_tokens=sum(call.prompt.entry.read for call in told),
        replayed_tokens=0 if name == NO_CACHE else sum(used.read for used in now.used),
        sentence=_SENTENCES[options[0].name] if is_worth else AS_IT_IS,
    )


def _present(told: Sequence[Priced], rules: CacheRules) -> tuple[str, Keeping]:
    """Return the setting that the calls had."""
    entries = [call.prompt.entry for call in told]
    if rules.is_automatic:
        return RULES, Keeping(rules.ttl_s)
    if not any(entry.read or entry.write for entry in entries):
        return NO_CACHE, Keeping(rules.ttl_s)
    if any(entry.cache_write_1h_tokens for entry in entries):
        return LONG, Keeping(LONG_TTL_S)
    return SHORT, Keeping(SHORT_TTL_S)


def _lifetimes(
    told: Sequence[Priced], calls: Sequence[Replayed], rules: CacheRules
) -> list[Option]:
    short = replay(calls, rules, Keeping(SHORT_TTL_S))
    long = replay(calls, rules, Keeping(LONG_TTL_S))
    options = [
        Option(SHORT, _cost(told, short, is_long=False)),
        Option(LONG, _cost(told, long, is_long=True)),
    ]
    rates = told[-1].rates
    worth = pings_worth(rates.read, rates.write_5m)
    pings = min(_FEW_PINGS, int(worth)) if worth is not None else 0
    if pings > 0:
        pinged = replay(calls, rules, Keeping(SHORT_TTL_S, pings))
        options.append(Option(PINGED, _cost(told, pinged, is_long=False)))
    return options


def _without(told: Sequence[Priced]) -> Decimal:
    return dollars(
        sum((call.rates.input * call.prompt.entry.input_tokens for call in told), Fraction(0))
    )


def _cost(told: Sequence[Priced], replayed: Replay, *, is_long: bool) -> Decimal:
    """Return what the input costs; ``is_long``: writes are for an hour."""
    total = Fraction(0)
    for call, used in zip(told, replayed.used, strict=True):
        rates, tokens = call.rates, call.prompt.entry.input_tokens
        write = rates.write_1h if is_long else rates.write_5m
        rest = tokens - used.read - used.written
        total += used.read * rates.read + used.written * write + rest * rates.input
    total += replayed.pinged_tokens * told[-1].rates.read
    return dollars(total)
