"""Why a cost changed between two periods: parts that add up to the difference, to the picodollar.

A cost that follows from tokens is a product of what people can act on::

    tasks x attempts per task x calls per attempt
          x ( input tokens per call x model mix x cache mix x price
            + output tokens per call x model mix x price )

The difference of two such products is split among the factors by the Shapley value: the mean
of a factor's effect over all orders in which the factors could have moved from one period to the
other. No order is preferred, nothing is left over, zeros need no exception, and swapping the
periods negates every part. It is the complete decomposition of Sun (1998),
https://doi.org/10.1016/S0140-9883(97)00012-1, shown to be a Shapley value by Albrecht, François and
Schoors (2002), https://doi.org/10.1016/S0301-4215(01)00131-8. The usual alternative, the
logarithmic mean of Ang (2004), https://doi.org/10.1016/S0301-4215(03)00076-4, has no exact
logarithms to work with and needs small numbers put in place of zeros.

Everything is computed in fractions. The parts are rounded to picodollars at the end; the few
picodollars this leaves are given, one each, to the parts that rounding moved most.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal
from fractions import Fraction
from itertools import product
from math import factorial

INPUT_CLASSES = ("uncached", "cache_read", "cache_write")
"""Classes of input tokens; together they are all input."""
OUTPUT_CLASS = "output"
FACTORS = ("tasks", "attempts", "calls", "prompts", "answers", "models", "cache", "prices")
"""Tasks, attempts per task, calls per attempt, input tokens per call, output tokens per call, mix
of models, share of each input class within a model, dollars per token of a model and class."""
UNEXPLAINED = "rest"
"""The part of costs that follow from no tokens and have no other name."""

_CLASSES = (*INPUT_CLASSES, OUTPUT_CLASS)
_PICODOLLARS = 10**12
_EXACT = Context(prec=60)
_MIXES = len(("models", "cache", "prices"))


@dataclass(frozen=True, slots=True)
class ModelUse:
    """What one model did in one period.

    Attributes:
        tokens: by class.
        costs_usd: by class; exact to twelve places.
    """

    tokens: Mapping[str, int]
    costs_usd: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Period:
    """What a cost is made of in one period.

    Attributes:
        calls: the calls whose tokens ``models`` hold.
        models: by any name of a model; only use that has a price.
        tasks: None where they are not known: then calls stand on their own.
        attempts: at these tasks; None where they are not told apart: then calls are per task.
        other_usd: costs that follow from no tokens (fees, tools), by name.
    """

    calls: int
    models: Mapping[Hashable, ModelUse]
    tasks: int | None = None
    attempts: int | None = None
    other_usd: Mapping[str, Decimal] = field(default_factory=dict[str, Decimal])


@dataclass(frozen=True, slots=True)
class Change:
    """The difference of two periods.

    Attributes:
        parts: dollars by factor, then by name of the other costs; they add up to ``difference``
            exactly. Without "tasks" where these are not known in both periods: then "calls" is
            their number, not their number per task. The same goes for "attempts".
    """

    before_usd: Decimal
    now_usd: Decimal
    parts: Mapping[str, Decimal]

    @property
    def difference(self) -> Decimal:
        """Dollars more than before."""
        return _EXACT.subtract(self.now_usd, self.before_usd)


def explain(before: Period, now: Period) -> Change:
    """Return the parts of the difference of two periods; pure, nothing is estimated."""
    has_tasks = _has_tasks(before) and _has_tasks(now)
    has_attempts = has_tasks and _has_attempts(before) and _has_attempts(now)
    use_before, use_now = (_Use.of(one, has_tasks, has_attempts) for one in (before, now))
    effects = _shapley(*_aligned(use_before, use_now))
    parts = _in_picodollars(effects, _total(use_now) - _total(use_before))
    if not has_tasks:
        del parts["tasks"]
    if not has_attempts:
        del parts["attempts"]
    return _change(parts, (_total(use_before), _total(use_now)), (_other(before), _other(now)))


def explain_per_task(before: Period, now: Period) -> Change:
    """Return the parts of the difference of the cost of one task; amounts are per task.

    How many tasks there were is no factor of it. Costs per task are rounded to picodollars, each
    kind of cost on its own.

    Raises:
        ValueError: a period has no tasks.
    """
    if not before.tasks or not now.tasks:
        raise ValueError("a period without tasks has no cost per task")
    has_attempts = _has_attempts(before) and _has_attempts(now)
    use_before, use_now = (_Use.of(one, True, has_attempts) for one in (before, now))
    one, other = (replace(f, tasks=Fraction(1)) for f in _aligned(use_before, use_now))
    totals = (_each(_total(use_before), before.tasks), _each(_total(use_now), now.tasks))
    parts = _in_picodollars(_shapley(one, other), totals[1] - totals[0])
    del parts["tasks"]
    if not has_attempts:
        del parts["attempts"]
    others = [
        {name: _each(amount, tasks) for name, amount in _other(period).items()}
        for period, tasks in ((before, before.tasks), (now, now.tasks))
    ]
    return _change(parts, totals, (others[0], others[1]))


def _each(amount: int, tasks: int) -> int:
    return round(Fraction(amount, tasks))


def _change(
    parts: dict[str, int],
    totals: tuple[int, int],
    others: tuple[Mapping[str, int], Mapping[str, int]],
) -> Change:
    before, now = others
    for name in dict.fromkeys((*before, *now)):
        parts[name] = now.get(name, 0) - before.get(name, 0)
    return Change(
        before_usd=_usd(totals[0] + sum(before.values())),
        now_usd=_usd(totals[1] + sum(now.values())),
        parts={name: _usd(amount) for name, amount in parts.items()},
    )


def _has_tasks(period: Period) -> bool:
    """Tell whether calls per task are a number: no calls without a task to belong to."""
    return period.tasks is not None and bool(period.tasks or not period.calls)


def _has_attempts(period: Period) -> bool:
    """Tell whether calls per attempt are a number."""
    return period.attempts is not None and bool(period.attempts or not period.calls)


@dataclass(frozen=True, slots=True)
class _Use:
    """Whole numbers of one period: token costs are picodollars."""

    tasks: int
    attempts: int
    calls: int
    tokens: Mapping[tuple[Hashable, str], int]
    costs: Mapping[tuple[Hashable, str], int]

    @classmethod
    def of(cls, period: Period, has_tasks: bool, has_attempts: bool) -> _Use:
        tokens: dict[tuple[Hashable, str], int] = {}
        costs: dict[tuple[Hashable, str], int] = {}
        for model, use in period.models.items():
            for kind in _CLASSES:
                if number := use.tokens.get(kind, 0):
                    tokens[model, kind] = number
                    costs[model, kind] = _pico(use.costs_usd.get(kind, Decimal(0)))
        # Tokens without a call cannot be per call; they stand for one.
        calls = period.calls or int(bool(tokens))
        tasks = ((period.tasks or 0) if has_tasks else 1) or int(bool(tokens))
        # Where attempts are not told apart, a task is one: a factor that never moves.
        attempts = ((period.attempts or 0) or int(bool(tokens))) if has_attempts else tasks
        return cls(tasks, attempts, calls, tokens, costs)

    def sum(self, kinds: Iterable[str]) -> int:
        return sum(n for (_, kind), n in self.tokens.items() if kind in kinds)


def _total(use: _Use) -> int:
    return sum(use.costs.values())


def _other(period: Period) -> dict[str, int]:
    """Return the costs without tokens, picodollars by name."""
    found = {name: _pico(amount) for name, amount in period.other_usd.items()}
    loose = sum(
        _pico(use.costs_usd.get(kind, Decimal(0)))
        for use in period.models.values()
        for kind in _CLASSES
        if not use.tokens.get(kind, 0)
    )
    if loose:
        found[UNEXPLAINED] = found.get(UNEXPLAINED, 0) + loose
    return found


Cell = tuple[Hashable, str]


@dataclass(frozen=True, slots=True)
class _Factors:
    """The factors of one period. A mix is a share of tokens by model, or by model and class.

    None: the period has nothing to tell it from.
    """

    tasks: Fraction
    attempts: Fraction | None
    calls: Fraction | None
    prompts: Fraction | None
    answers: Fraction | None
    models_in: Mapping[Hashable, Fraction] | None
    models_out: Mapping[Hashable, Fraction] | None
    cache: Mapping[Cell, Fraction]
    prices: Mapping[Cell, Fraction]


def _factors(use: _Use) -> _Factors:
    inputs, outputs = use.sum(INPUT_CLASSES), use.sum((OUTPUT_CLASS,))
    per_model: dict[Hashable, int] = {}
    for (model, kind), number in use.tokens.items():
        if kind != OUTPUT_CLASS:
            per_model[model] = per_model.get(model, 0) + number
    return _Factors(
        tasks=Fraction(use.tasks),
        attempts=_ratio(use.attempts, use.tasks),
        calls=_ratio(use.calls, use.attempts),
        prompts=_ratio(inputs, use.calls),
        answers=_ratio(outputs, use.calls),
        models_in={m: Fraction(n, inputs) for m, n in per_model.items()} if inputs else None,
        models_out=(
            {m: Fraction(n, outputs) for (m, k), n in use.tokens.items() if k == OUTPUT_CLASS}
            if outputs
            else None
        ),
        cache={
            (model, kind): Fraction(use.tokens.get((model, kind), 0), number)
            for model, number in per_model.items()
            if number
            for kind in INPUT_CLASSES
        },
        prices={cell: Fraction(use.costs[cell], n) for cell, n in use.tokens.items()},
    )


def _ratio(part: int, whole: int) -> Fraction | None:
    return Fraction(part, whole) if whole else None


def _aligned(before: _Use, now: _Use) -> tuple[_Factors, _Factors]:
    """Return the factors of both periods, each told for both.

    What a period cannot tell (the price of a model that it did not use) is as in the other one,
    so that what is new or gone changed by its volume alone.
    """
    one, other = _factors(before), _factors(now)
    return _filled(one, other), _filled(other, one)


def _filled(own: _Factors, other: _Factors) -> _Factors:
    none: Mapping[Hashable, Fraction] = {}
    zero = Fraction(0)

    def first(*values: Fraction | None) -> Fraction:
        return next((v for v in values if v is not None), zero)

    return _Factors(
        tasks=own.tasks,
        attempts=first(own.attempts, other.attempts),
        calls=first(own.calls, other.calls),
        prompts=first(own.prompts, other.prompts),
        answers=first(own.answers, other.answers),
        models_in=next((m for m in (own.models_in, other.models_in) if m is not None), none),
        models_out=next((m for m in (own.models_out, other.models_out) if m is not None), none),
        cache={**other.cache, **own.cache},
        prices={**other.prices, **own.prices},
    )


def _shapley(before: _Factors, now: _Factors) -> dict[str, Fraction]:
    """Return the mean effect of each factor over all orders of moving them; picodollars."""
    values = _values(before, now)
    count = len(FACTORS)
    weights = [
        Fraction(factorial(size) * factorial(count - size - 1), factorial(count))
        for size in range(count)
    ]
    effects: dict[str, Fraction] = {name: Fraction(0) for name in FACTORS}
    for moved, value in values.items():
        for place, name in enumerate(FACTORS):
            if moved[place]:
                without = (*moved[:place], False, *moved[place + 1 :])
                effects[name] += weights[sum(without)] * (value - values[without])
    return effects


def _values(before: _Factors, now: _Factors) -> dict[tuple[bool, ...], Fraction]:
    """Return the cost for every choice of factors: True is now, False is before; picodollars."""
    sides = (before, now)
    rates = {
        mixes: _rates(*(sides[is_now] for is_now in mixes))
        for mixes in product((False, True), repeat=_MIXES)
    }
    found: dict[tuple[bool, ...], Fraction] = {}
    for moved in product((False, True), repeat=len(FACTORS)):
        tasks, attempts, calls, prompts, answers = (
            getattr(sides[is_now], name)
            for name, is_now in zip(FACTORS[:-_MIXES], moved[:-_MIXES], strict=True)
        )
        input_rate, output_rate = rates[moved[-_MIXES:]]
        found[moved] = tasks * attempts * calls * (prompts * input_rate + answers * output_rate)
    return found


def _rates(models: _Factors, cache: _Factors, prices: _Factors) -> tuple[Fraction, Fraction]:
    """Return the picodollars per input token and per output token."""
    zero = Fraction(0)
    input_rate = sum(
        (
            share * cache.cache.get((model, kind), zero) * prices.prices.get((model, kind), zero)
            for model, share in (models.models_in or {}).items()
            for kind in INPUT_CLASSES
        ),
        zero,
    )
    output_rate = sum(
        (
            share * prices.prices.get((model, OUTPUT_CLASS), zero)
            for model, share in (models.models_out or {}).items()
        ),
        zero,
    )
    return input_rate, output_rate


def _in_picodollars(effects: Mapping[str, Fraction], total: int) -> dict[str, int]:
    """Round each part to the nearest whole number, keeping their sum."""
    parts = {name: round(effect) for name, effect in effects.items()}
    left = total - sum(parts.values())
    step = 1 if left > 0 else -1
    by_error = sorted(effects, key=lambda name: (parts[name] - effects[name]) * step)
    for name in by_error[: abs(left)]:
        parts[name] += step
    return parts


def _pico(amount: Decimal) -> int:
    return int(Fraction(amount) * _PICODOLLARS)


def _usd(picodollars: int) -> Decimal:
    return _EXACT.scaleb(Decimal(picodollars), -12)
