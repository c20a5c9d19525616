"""A conversation that only grows: what later calls pay for carrying it along.

Of each run of an agent with six calls or more: the slope of the prompt (Theil-Sen), how many times
as large as at first it is, what that cost, whether it was compacted, and after how many further
calls a compaction would have paid for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from statistics import fmean, median
from typing import NamedTuple

from spanledger_analytics.context_growth import theil_sen
from spanledger_analytics.findings.finding import Finding, Json, SpanRef
from spanledger_analytics.findings.growth import FEWEST_CALLS, main_calls, subject_of, thirds
from spanledger_analytics.findings.lanes import Lane, ModelCall, TraceView
from spanledger_analytics.findings.spending import told, total
from spanledger_analytics.price_book.windows import context_window

KIND = "context_bloat"
_STEP = Decimal("1e-12")
_LOOK_AHEAD = 3


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a prompt has grown too much.

    Attributes:
        bloat: times as large as the median of the first three …
        prompt_tokens: … and at least so large …
        slower: … and the first token takes so many times as long as in the first third.
        window_ratio: or it fills so much of the model's window,
        compactions: or it was compacted so often,
        dearer: or a call costs so many times as much as in the first third, prompt as above,
        least_usd: and carrying it cost at least so much.
        drop: a prompt so much smaller than the one before was compacted …
        compacted_tokens: … if that was at least so large.
        summary_tokens: what a compaction is assumed to write.
    """

    bloat: float = 4
    prompt_tokens: int = 32_000
    slower: float = 2
    window_ratio: float = 0.8
    compactions: int = 3
    dearer: float = 3
    least_usd: Decimal = Decimal("0.01")
    drop: float = 0.3
    compacted_tokens: int = 4_000
    summary_tokens: int = 2_000


DEFAULTS = Thresholds()


def detect(view: TraceView, thresholds: Thresholds = DEFAULTS) -> list[Finding]:
    """Return a finding for each run of an agent whose prompt grew beyond the thresholds."""
    found = (_of_lane(view, lane, thresholds) for lane in view.lanes)
    return [one for one in found if one is not None]


def compactions(prompts: Sequence[int], thresholds: Thresholds = DEFAULTS) -> list[int]:
    """Return the places of prompts that are smaller because the conversation was compacted.

    Small prompts between large ones belong to some other conversation: what follows them goes on
    where the large ones were, in one step. The last prompt may be such a one.
    """
    places: list[int] = []
    for at in range(1, len(prompts) - 1):
        before = prompts[at - 1]
        is_drop = prompts[at] <= (1 - thresholds.drop) * before
        if is_drop and before >= thresholds.compacted_tokens:
            following = prompts[at : at + 1 + _LOOK_AHEAD]
            steps = zip(following, following[1:], strict=False)
            if not any(a <= 1.3 * prompts[at] and b >= 0.9 * before for a, b in steps):
                places.append(at)
    return places


def _of_lane(view: TraceView, lane: Lane, thresholds: Thresholds) -> Finding | None:
    calls = main_calls(lane)
    if len(calls) < FEWEST_CALLS:
        return None
    prompts = [call.input_tokens or 0 for call in calls]
    base = float(median(prompts[:3]))
    carried = _carried_usd(calls, base)
    compacted = compactions(prompts, thresholds)
    window = context_window(calls[-1].provider, calls[-1].model)
    reasons = _reasons(calls, prompts, base, carried, compacted, window, thresholds)
    if not reasons:
        return None
    growing = [n for n, prompt in enumerate(prompts) if prompt >= thresholds.bloat * base]
    ripe = growing[0] if growing else prompts.index(max(prompts))
    saving = _compaction(calls, base, ripe, thresholds)
    return Finding(
        kind=KIND,
        code="prompt",
        anchor=lane.ref,
        severity="warning",
        title=f"The prompt grew from {base:,.0f} to {max(prompts):,} tokens in {len(calls)} calls",
        explanation=_explanation(reasons, carried, saving, ripe),
        first_seen_ns=calls[ripe].start_ns,
        last_seen_ns=calls[-1].end_ns,
        subject=subject_of(view, lane, calls[-1].model),
        evidence=_evidence(calls, prompts, base),
        direct_usd=Decimal(0),
        carried_usd=carried,
        avoidable_usd=saving.saved_usd if saving else None,
        is_open=lane.is_open,
        is_sure=carried is not None,
        details={
            "reasons": list(reasons),
            "window_tokens": window,
            "compactions": len(compacted),
            **_figures(prompts, base, ripe, saving),
        },
    )


def _evidence(
    calls: Sequence[ModelCall], prompts: Sequence[int], base: float
) -> tuple[SpanRef, ...]:
    """Return the calls with more than the prompt at first, the largest first."""
    larger = [(prompt, -n) for n, prompt in enumerate(prompts) if prompt > base]
    return tuple(calls[-n].ref for _, n in sorted(larger, reverse=True))


def _figures(
    prompts: Sequence[int], base: float, ripe: int, saving: _Saving | None
) -> dict[str, Json]:
    return {
        "calls": len(prompts),
        "first_prompt_tokens": base,
        "last_prompt_tokens": prompts[-1],
        "max_prompt_tokens": max(prompts),
        "bloat": prompts[-1] / base,
        "tokens_per_call": theil_sen(prompts),
        "ripe_at_call": ripe + 1,
        "break_even_calls": saving.calls if saving else None,
        "compaction_usd": str(saving.cost_usd) if saving else None,
    }


def _reasons(
    calls: Sequence[ModelCall],
    prompts: Sequence[int],
    base: float,
    carried: Decimal | None,
    compacted: Sequence[int],
    window: int | None,
    thresholds: Thresholds,
) -> dict[str, str]:
    """Return why a prompt is reported, by name; empty: it is not."""
    reasons: dict[str, str] = {}
    is_large = prompts[-1] >= thresholds.prompt_tokens
    waits = [call.ttft_ns for call in calls if call.ttft_ns]
    if is_large and prompts[-1] >= thresholds.bloat * base and len(waits) >= FEWEST_CALLS:
        first, last = thirds(waits)
        if last >= thresholds.slower * first:
            reasons["slower"] = (
                f"the first token takes {last / first:.1f} times as long as at first"
            )
    if window and max(prompts) >= thresholds.window_ratio * window:
        reasons["window"] = f"it fills {max(prompts) / window:.0%} of the model's window"
    if len(compacted) >= thresholds.compactions:
        reasons["compactions"] = f"it was compacted {len(compacted)} times"
    costs = [float(call.total_cost_usd) for call in calls if call.total_cost_usd is not None]
    if is_large and len(costs) == len(calls) and carried and carried >= thresholds.least_usd:
        size = len(costs) // 3
        first, last = fmean(costs[:size]), fmean(costs[-size:])
        if first > 0 and last >= thresholds.dearer * first and prompts[-1] > 2 * base:
            reasons["dearer"] = f"a call costs {last / first:.1f} times as much as at first"
    return reasons


def _input_usd(call: ModelCall) -> Decimal | None:
    """Return what a call paid for its prompt, caches included, fees not; None: unknown."""
    if call.total_cost_usd is None:
        return None
    return call.total_cost_usd - (call.output_cost_usd or 0) - (call.fees_cost_usd or 0)


def _excess_usd(call: ModelCall, base: float) -> Decimal | None:
    """Return what a call paid for the tokens of its prompt beyond ``base``, at its own mix."""
    paid, prompt = _input_usd(call), call.input_tokens or 0
    if paid is None or not prompt:
        return None
    share = Decimal(max(0, prompt - base)) / prompt
    return (paid * share).quantize(_STEP)


def _carried_usd(calls: Sequence[ModelCall], base: float) -> Decimal | None:
    return total(_excess_usd(call, base) for call in calls)


class _Saving(NamedTuple):
    """A compaction right after the call at which the prompt had grown too much."""

    calls: int | None  # further calls after which it pays; None: it never did
    cost_usd: Decimal
    saved_usd: Decimal  # by the end of the run, after its own cost


def _compaction(
    calls: Sequence[ModelCall], base: float, ripe: int, thresholds: Thresholds
) -> _Saving | None:
    """Return what a compaction would have saved; None: prices are not known.

    It reads the prompt once more, writes a summary, and what is left is read uncached once; from
    then on each call reads so many tokens fewer, at its own mix of cached and uncached.
    """
    at = calls[ripe]
    prompt = at.input_tokens or 0
    removed = prompt - base - thresholds.summary_tokens
    reading, out_rate = _input_usd(at), _output_rate(calls)
    if removed <= 0 or reading is None or out_rate is None:
        return None
    kept = Decimal(base) + thresholds.summary_tokens
    following = calls[ripe + 1 :]
    cost = reading + thresholds.summary_tokens * out_rate
    if following:
        cost += _uncached_again(following[0], kept)
    saved, pays_after = -cost, None
    for number, call in enumerate(following, 1):
        paid, size = _input_usd(call), call.input_tokens or 0
        if paid is None or not size:
            continue
        # What the run itself compacted later is in no prompt either way.
        saved += paid * max(Decimal(0), min(Decimal(removed), size - kept)) / size
        if pays_after is None and saved >= 0:
            pays_after = number
    if pays_after is None and len(following) >= 1 and saved > -cost:
        each = (saved + cost) / len(following)
        pays_after = ceil(cost / each)
    gain = max(Decimal(0), saved)
    return _Saving(pays_after, cost.quantize(_STEP), gain.quantize(_STEP))


def _uncached_again(call: ModelCall, kept: Decimal) -> Decimal:
    """Return what reading ``kept`` tokens costs more without a cache than as the call read them."""
    prompt, cached = call.input_tokens or 0, call.cache_read_tokens or 0
    uncached = prompt - cached - (call.cache_write_tokens or 0)
    if not cached or uncached <= 0 or not call.uncached_cost_usd or not call.cache_read_cost_usd:
        return Decimal(0)
    rate = call.uncached_cost_usd / uncached - call.cache_read_cost_usd / cached
    return max(Decimal(0), rate * min(kept, Decimal(cached)))


def _output_rate(calls: Sequence[ModelCall]) -> Decimal | None:
    """Return what an output token cost in these calls; None: unknown."""
    pairs = [
        (call.output_cost_usd, call.output_tokens)
        for call in calls
        if call.output_cost_usd is not None and call.output_tokens
    ]
    tokens = sum(tokens for _, tokens in pairs)
    return sum((cost for cost, _ in pairs), Decimal(0)) / tokens if tokens else None


def _explanation(
    reasons: dict[str, str], carried: Decimal | None, saving: _Saving | None, ripe: int
) -> str:
    why = "; ".join(reasons.values())
    said = f"Reported because {why}. Carrying what was added cost {told(carried)} (estimate). "
    if saving is None:
        return said + "Keep results of tools short, or compact the conversation."
    if saving.calls is None:
        return said + "It grew at the end: a compaction would not have paid for itself."
    return (
        f"{said}A compaction after call {ripe + 1} would have cost {told(saving.cost_usd)}, paid "
        f"for itself after {saving.calls} further calls, and saved {told(saving.saved_usd)} by the "
        "end of the run."
    )
