"""How often agents report success after a tool failed: a rate to watch, by agent and day.

A failed call says little about one run, so a single run asks for nobody. What asks for somebody is
an agent that does it far more often than it usually does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from spanledger_analytics._rows import columns_of
from spanledger_analytics.findings.cascades.rates import wilson_lower
from spanledger_analytics.findings.finding import Finding, SpanRef, Subject
from spanledger_analytics.findings.spending import told
from spanledger_storage.store import Store

KIND, CODE = "silent_failure", "rate"
DAY_NS = 86_400 * 10**9


class SilentRate(NamedTuple):
    """One agent on one UTC day; field names are the columns of ``findings_silent_by_day``.

    ``silent`` of ``traces`` closed traces have a silent failure, ``certain`` one that is sure,
    ``failed`` one that is more than suspected, and ``examples`` are up to 20 of these;
    ``direct_usd``: None where no price is known.
    """

    day: date
    agent: str
    traces: int
    silent: int
    certain: int
    failed: int
    examples: tuple[str, ...]
    direct_usd: Decimal | None

    @property
    def rate(self) -> float:
        """Return the share of the traces with a silent failure, sure or not."""
        return self.silent / self.traces if self.traces else 0.0


@dataclass(frozen=True, slots=True)
class RateThresholds:
    """When an agent's rate is told; the same bars as for errors of tools.

    Attributes:
        fewest_failed: traces of a day.
        times_usual: the lower bound of the rate (Wilson, 95 %) is so many times the usual rate.
        days: before, which say what is usual.
        prior_traces: of history, so many that are made up …
        prior_failed: … so many of them with a failure: what is new or rare is trusted less.
        fewest_traces: of history, below which it is not sure.
    """

    fewest_failed: int = 5
    times_usual: float = 3
    days: int = 14
    prior_traces: float = 20
    prior_failed: float = 1
    fewest_traces: int = 100


DEFAULTS = RateThresholds()


def silent_rates(store: Store, project: str, from_s: int, to_s: int) -> list[SilentRate]:
    """Return a row for each UTC day and outermost agent with closed traces, by day and agent.

    Raises:
        StoreError: the store refused or did not answer.
    """
    params: dict[str, object] = {"project": project, "from_s": from_s, "to_s": to_s}
    table = store.arrow("findings_silent_by_day", params)
    return [SilentRate._make(row) for row in columns_of(table, SilentRate._fields)]


class Raised(NamedTuple):
    """An agent's day with far more silent failures than usual, and the days before as one."""

    now: SilentRate
    usual_traces: int
    usual_failed: int
    usual_rate: float


def raised(
    rates: Iterable[SilentRate], days: Sequence[date], thresholds: RateThresholds = DEFAULTS
) -> list[Raised]:
    """Return where agents hid failures far more often than in the days before.

    Args:
        rates: of the days, and of those before.
        days: which are judged.
        thresholds: when it is told.
    """
    by_agent: dict[str, list[SilentRate]] = {}
    for rate in rates:
        by_agent.setdefault(rate.agent, []).append(rate)
    found: list[Raised] = []
    for of_agent in by_agent.values():
        for now in of_agent:
            if now.day not in days or now.failed < thresholds.fewest_failed:
                continue
            first = now.day - timedelta(days=thresholds.days)
            before = [one for one in of_agent if first <= one.day < now.day]
            traces, failed = sum(o.traces for o in before), sum(o.failed for o in before)
            usual = (failed + thresholds.prior_failed) / (traces + thresholds.prior_traces)
            if wilson_lower(now.failed, now.traces) > thresholds.times_usual * usual:
                found.append(Raised(now, traces, failed, usual))
    return found


def finding(
    one: Raised,
    tools: Sequence[str],
    evidence: Sequence[SpanRef],
    now_ns: int,
    thresholds: RateThresholds = DEFAULTS,
) -> Finding:
    """Return what is written of an agent's day.

    Args:
        one: the day.
        tools: that failed, the most frequent first.
        evidence: spans of some of its failures.
        now_ns: the clock: a day that is not over goes on.
        thresholds: as it was judged with.
    """
    now = one.now
    start_ns = int(datetime(*now.day.timetuple()[:3], tzinfo=UTC).timestamp()) * 10**9
    share = f"{now.failed / now.traces:.0%}"
    is_known = one.usual_traces >= thresholds.fewest_traces
    usual = f"usually {one.usual_failed / one.usual_traces:.1%}" if one.usual_traces else "new"
    named = f" Tools that failed: {', '.join(tools)}." if tools else ""
    compared = (
        f"In the {thresholds.days} days before it was {one.usual_failed:,} of "
        f"{one.usual_traces:,} runs."
        if is_known
        else "Too few runs are known from before to say what is usual."
    )
    return Finding(
        kind=KIND,
        code=CODE,
        anchor=(now.agent, now.day.isoformat()),
        severity="warning",
        title=f"{now.agent or 'Unnamed agent'} hid a failed tool in {share} of its runs ({usual})",
        explanation=(
            f"{now.failed:,} of {now.traces:,} runs of the day reported success although a tool "
            f"had failed and nothing made up for it. {compared}{named} The turns of the failed "
            f"calls cost {told(now.direct_usd)}. Look at what the tools return, and at what the "
            "agent is told to do when one fails."
        ),
        first_seen_ns=start_ns,
        last_seen_ns=min(max(now_ns, start_ns), start_ns + DAY_NS),
        subject=Subject(agent_name=now.agent),
        evidence=tuple(evidence),
        is_open=now_ns < start_ns + DAY_NS,
        is_sure=is_known,
        details={
            "day": now.day.isoformat(),
            "runs": now.traces,
            "failed_runs": now.failed,
            "usual_runs": one.usual_traces,
            "usual_failed_runs": one.usual_failed,
            "usual_rate": round(one.usual_rate, 6),
            "tools": list(tools),
            "failed_usd": None if now.direct_usd is None else str(now.direct_usd),
            "examples": list(now.examples),
        },
    )
