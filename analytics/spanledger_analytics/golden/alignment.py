"""Two trajectories side by side: steps aligned, and what differs between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Literal

State = Literal["same", "answer", "arguments", "outcome", "other", "only a", "only b"]

# The aligner looks at every pair of equal steps; beyond this it would keep a reader waiting.
_MOST_EQUAL_PAIRS = 2_000_000


@dataclass(frozen=True, slots=True)
class DiffStep:
    """What of a step is compared, and kept of a golden trajectory.

    Attributes:
        what: the model, tool or agent.
        call_sig: equal for the same tool with the same arguments; 0: not known.
        answer: hash of the model's answer; empty: not stored.
        cost_usd: None: not priced, or nothing that costs.
        tokens: input and output; None: unknown.
        result_sig: of the tool's outcome and result; 0: not known.
    """

    role: str
    what: str
    agent: str
    name: str
    call_sig: int
    answer: str
    has_failed: bool
    cost_usd: Decimal | None
    tokens: int | None
    duration_ns: int
    span_id: str
    result_sig: int = 0


@dataclass(frozen=True, slots=True)
class Totals:
    """What a trajectory adds up to; ``cost_usd`` None: nothing is priced."""

    cost_usd: Decimal | None
    tokens: int
    duration_ns: int
    llm_calls: int
    spans: int
    errors: int


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two.

    ``is_golden``: as it was saved, whether or not it is still stored. ``outcome`` of the task, as
    it was reported; empty: nobody reported one.
    """

    trace_id: str
    name: str
    start_ns: int
    totals: Totals
    steps: tuple[DiffStep, ...]
    is_golden: bool = False
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class DiffRow:
    """A step of one or of both.

    ``state``: "same"; "answer": the model said something else; "arguments": the tool was asked
    something else; "outcome": one failed; "other": another model, tool or agent at this place.
    """

    a: DiffStep | None
    b: DiffStep | None
    state: State

    @property
    def is_divergent(self) -> bool:
        """Whether the two go different ways here; other words alone are no other way."""
        return self.state not in ("same", "answer")

    @property
    def cost_usd(self) -> Decimal | None:
        """B less A; a step that is not there costs nothing; None: one side is not priced."""
        costs = [Decimal(0) if s is None else s.cost_usd for s in (self.a, self.b)]
        return None if costs[0] is None or costs[1] is None else costs[1] - costs[0]

    @property
    def tokens(self) -> int | None:
        """B less A, as ``cost_usd``."""
        counts = [0 if s is None else s.tokens for s in (self.a, self.b)]
        return None if counts[0] is None or counts[1] is None else counts[1] - counts[0]

    @property
    def duration_ns(self) -> int:
        """B less A; a step that is not there takes no time."""
        return (self.b.duration_ns if self.b else 0) - (self.a.duration_ns if self.a else 0)


def compare(a: Sequence[DiffStep], b: Sequence[DiffStep]) -> list[DiffRow]:
    """Return the steps of both in order, aligned.

    Steps that agree in all that is known of them are matched first; then, between those, steps of
    the same model, tool or agent; then steps of the same kind. Each time the longest common runs
    win. What is left stands alone.
    """
    found = _aligned(range(len(a)), range(len(b)), a, b, _LEVELS)
    return [
        _row(a[i] if i is not None else None, b[j] if j is not None else None) for i, j in found
    ]


def first_divergence(rows: Sequence[DiffRow]) -> int | None:
    """Return the row from which the two go different ways; None: they never do."""
    return next((n for n, row in enumerate(rows) if row.is_divergent), None)


def _fine(step: DiffStep) -> Hashable:
    return *_coarse_key(step), step.call_sig, step.answer


def _coarse(step: DiffStep) -> Hashable:
    return _coarse_key(step)


def _coarse_key(step: DiffStep) -> tuple[str, ...]:
    # The name of a model's span says no more than the model; others may differ by it alone.
    name = "" if step.role in ("llm", "embedding", "tool") else step.name
    return step.role, step.agent, step.what, name


def _kind(step: DiffStep) -> Hashable:
    return step.role


Level = Callable[[DiffStep], Hashable]
_LEVELS: tuple[Level, ...] = (_fine, _coarse, _kind)
_Pair = tuple[int | None, int | None]


def _aligned(
    at_a: Sequence[int],
    at_b: Sequence[int],
    a: Sequence[DiffStep],
    b: Sequence[DiffStep],
    levels: Sequence[Level],
) -> Iterator[_Pair]:
    if not levels or not at_a or not at_b:
        yield from ((i, None) for i in at_a)
        yield from ((None, j) for j in at_b)
        return
    keys_a, keys_b = [levels[0](a[i]) for i in at_a], [levels[0](b[j]) for j in at_b]
    start = _common(keys_a, keys_b)
    yield from zip(at_a[:start], at_b[:start], strict=True)
    keys_a, keys_b, at_a, at_b = keys_a[start:], keys_b[start:], at_a[start:], at_b[start:]
    if _equal_pairs(keys_a, keys_b) > _MOST_EQUAL_PAIRS:
        # Two long runs of the same few steps: their order is all there is to go by.
        yield from zip_longest(at_a, at_b)
        return
    matcher = SequenceMatcher(None, keys_a, keys_b, autojunk=False)
    for tag, i, i_end, j, j_end in matcher.get_opcodes():
        if tag == "equal":
            yield from zip(at_a[i:i_end], at_b[j:j_end], strict=True)
        else:
            yield from _aligned(at_a[i:i_end], at_b[j:j_end], a, b, levels[1:])


def _common(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """Return how many keys at the start are equal."""
    pairs = enumerate(zip(a, b, strict=False))
    return next((n for n, (x, y) in pairs if x != y), min(len(a), len(b)))


def _equal_pairs(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    counts_b = Counter(b)
    return sum(n * counts_b[key] for key, n in Counter(a).items())


def _row(a: DiffStep | None, b: DiffStep | None) -> DiffRow:
    return DiffRow(a, b, _state(a, b))


def _state(a: DiffStep | None, b: DiffStep | None) -> State:
    if a is None:
        return "only b"
    if b is None:
        return "only a"
    if _coarse_key(a) != _coarse_key(b):
        return "other"
    if a.has_failed != b.has_failed:
        return "outcome"
    if a.call_sig and b.call_sig and a.call_sig != b.call_sig:
        return "arguments"
    return "answer" if a.answer and b.answer and a.answer != b.answer else "same"
