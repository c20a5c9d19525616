"""Whether a trajectory is worse than a golden one: in dollars, calls, steps and loops."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from spanledger_analytics.golden.alignment import DiffRow, Side, compare
from spanledger_analytics.golden.repeats import repeated_calls

COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class Tolerances:
    """By how much a candidate may be worse; None: as it likes.

    Attributes:
        cost_increase: as a ratio of the golden cost: 0.1 is ten percent.
        extra_calls: model calls more than the golden trajectory made.
        extra_steps: steps that it did not take.
        missing_steps: steps of it that were not taken.
        loops: tool calls more that repeat a pattern.
        token_increase: as a ratio of the golden tokens.
    """

    cost_increase: Decimal | None = Decimal("0.1")
    extra_calls: int | None = 1
    extra_steps: int | None = 2
    missing_steps: int | None = None
    loops: int | None = 0
    token_increase: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Violation:
    """A tolerance that was exceeded; ``text`` says it with both figures."""

    rule: str
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What comparing a candidate with a golden trajectory shows.

    ``matched`` steps are of the same model, tool or agent, whatever they said or were asked;
    ``matched + missing`` are the golden steps, ``matched + extra`` the candidate's.

    Attributes:
        rows: the steps of both, aligned.
        loops: tool calls of the candidate that repeat a pattern.
        golden_loops: the same of the golden one.
        violations: empty: the candidate passes.
    """

    golden: Side
    candidate: Side
    rows: tuple[DiffRow, ...]
    matched: int
    extra: int
    missing: int
    loops: int
    golden_loops: int
    violations: tuple[Violation, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing is worse by more than it may be."""
        return not self.violations

    @property
    def cost_usd(self) -> Decimal | None:
        """Candidate less golden; None: one of them is not known."""
        before, now = self.golden.totals.cost_usd, self.candidate.totals.cost_usd
        return None if before is None or now is None else now - before


def judge(
    golden: Side, candidate: Side, tolerances: Tolerances, *, has_ended: bool = True
) -> Verdict:
    """Return how a candidate compares with a golden trajectory.

    A cost that is not known cannot pass where the golden one's is, nor can a trajectory that has
    not ended: neither says that it will stay below the limit.
    """
    rows = tuple(compare(golden.steps, candidate.steps))
    matched = sum(_is_match(row) for row in rows)
    verdict = Verdict(
        golden=golden,
        candidate=candidate,
        rows=rows,
        matched=matched,
        extra=len(candidate.steps) - matched,
        missing=len(golden.steps) - matched,
        loops=repeated_calls(candidate.steps),
        golden_loops=repeated_calls(golden.steps),
        violations=(),
    )
    found = [
        _cost(verdict, tolerances.cost_increase),
        _tokens(verdict, tolerances.token_increase),
        *_counts(verdict, tolerances),
        _outcome(golden, candidate),
        None if has_ended else Violation("ended", "it has not ended"),
    ]
    return replace(verdict, violations=tuple(violation for violation in found if violation))


def _is_match(row: DiffRow) -> bool:
    return row.state not in ("other", "only a", "only b")


def _cost(verdict: Verdict, limit: Decimal | None) -> Violation | None:
    before, now = verdict.golden.totals.cost_usd, verdict.candidate.totals.cost_usd
    if limit is None or before is None:
        return None
    if now is None:
        return Violation("cost", f"its cost is not known, the golden one is ${before:f}")
    if now <= before * (1 + limit):
        return None
    return Violation("cost", f"it costs ${now:f}, {_more(before, now)} than ${before:f}")


def _tokens(verdict: Verdict, limit: Decimal | None) -> Violation | None:
    before, now = verdict.golden.totals.tokens, verdict.candidate.totals.tokens
    if limit is None or now <= before * (1 + limit):
        return None
    more = _more(Decimal(before), Decimal(now))
    return Violation("tokens", f"it uses {now:,} tokens, {more} than {before:,}")


def _more(before: Decimal, now: Decimal) -> str:
    return f"{(now / before - 1) * 100:.1f}% more" if before else "more"


def _counts(verdict: Verdict, tolerances: Tolerances) -> list[Violation]:
    golden, candidate = verdict.golden.totals, verdict.candidate.totals
    found: list[Violation] = []
    for rule, more, before, now, what in (
        ("calls", tolerances.extra_calls, golden.llm_calls, candidate.llm_calls, "model calls"),
        ("extra_steps", tolerances.extra_steps, 0, verdict.extra, "extra steps"),
        ("missing_steps", tolerances.missing_steps, 0, verdict.missing, "missing steps"),
        ("loops", tolerances.loops, verdict.golden_loops, verdict.loops, "repeated calls"),
    ):
        if more is not None and now > before + more:
            found.append(Violation(rule, f"{now:,} {what}, at most {before + more:,} may be"))
    return found


def _outcome(golden: Side, candidate: Side) -> Violation | None:
    if golden.outcome != COMPLETED or candidate.outcome == COMPLETED:
        return None
    told = candidate.outcome or "not reported"
    return Violation("outcome", f"its outcome is {told}, the golden one is {COMPLETED}")
