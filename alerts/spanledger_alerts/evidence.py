"""What shows an incident, and why it is so: asked once when it begins, and when it gets worse.

Rows of a measure come every few seconds, of everything there is; this is for the few that fire.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import cast

from spanledger_alerts.measures import MEASURES, Params, Sources, amount
from spanledger_alerts.rules import RANKS, Rule
from spanledger_alerts.sample import Sample
from spanledger_alerts.state_machine import Evaluated
from spanledger_storage.budget_amounts import Amounts

log = logging.getLogger(__name__)

_NS_PER_S = 10**9
_HOUR_S = 3_600
_DAY_S = 86_400
_MOST_ASKED = 5
_LONGEST_LOOK_S = 2.0
_TRACES = 3


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why it is so, in a sentence; up to three traces; what it cost, where the row does not say."""

    cause: str
    trace_ids: tuple[str, ...] = ()
    usd: Decimal | None = None


Ask = Callable[[Sources, str, int, Params, Sample], Evidence | None]


def add_evidence(
    rule: Rule, sources: Sources, project: str, slot_ns: int, found: Evaluated
) -> None:
    """Put evidence into the instances that began to fire or got worse, the most severe first.

    No more are asked for after two seconds or five instances; one without it is told as it is.
    """
    ask = ASKS.get(rule.measure)
    changed = [one.instance for one in found.transitions if one.change in ("fired", "rose")]
    if ask is None or not changed:
        return
    params = {**MEASURES[rule.measure].params, **rule.params}
    t_ns, until_s = slot_ns - rule.delay * _NS_PER_S, time.monotonic() + _LONGEST_LOOK_S
    changed.sort(key=lambda one: -RANKS[one.severity])
    for instance in changed[:_MOST_ASKED]:
        try:
            shown = ask(sources, project, t_ns, params, instance.sample)
        except Exception as error:  # whatever it is: people have to be told all the same
            log.info("no evidence for rule %s: %s", rule.name, type(error).__name__)
            return
        if shown is not None:
            sample = replace(
                instance.sample,
                cause=shown.cause,
                trace_ids=shown.trace_ids or instance.sample.trace_ids,
                usd=shown.usd if instance.sample.usd is None else instance.sample.usd,
            )
            found.instances[instance.instance_id] = replace(instance, sample=sample)
        if time.monotonic() > until_s:
            return


def _of_budget(
    sources: Sources, project: str, t_ns: int, params: Params, sample: Sample
) -> Evidence | None:
    """Return who spent most of a budget in its window, of which the last day is looked at."""
    amounts = _budget(sources, project, t_ns, sample)
    if amounts is None:
        return None
    terms, to_s = amounts.budget.terms, t_ns // _NS_PER_S + 1
    from_s = max(amounts.window.start_s, to_s - _DAY_S)
    asked: dict[str, object] = {
        "project": project,
        "scope": terms.scope,
        "selector": terms.selector,
        "measure": terms.measure,
        "from_s": from_s,
        "to_s": to_s,
    }
    found: dict[str, list[tuple[str, Decimal]]] = {}
    for row in sources.store.rows("alerts_budget_spenders", asked):
        pair = str(row["name"]), Decimal(str(row["amount"]))
        found.setdefault(str(row["kind"]), []).append(pair)
    if "" not in found:
        return None
    [(_, total)] = found[""]
    most = [
        f"{kind} {name} ({amount(part, terms.measure)}, {100 * part / total:.0f} %)"
        for kind in ("agent", "user", "model")
        if kind != terms.scope
        for name, part in found.get(kind, ())[:1]
    ]
    traces = tuple(name for name, _ in found.get("trace", ()))
    span = "the last day" if from_s > amounts.window.start_s else "the window"
    tail = f", most by {', '.join(most)}" if most else ""
    return Evidence(f"{amount(total, terms.measure)} in {span}{tail}.", traces)


def _budget(sources: Sources, project: str, t_ns: int, sample: Sample) -> Amounts | None:
    labels = sample.labels
    asked = labels.get("budget", ""), labels.get("scope", ""), labels.get("of", "")
    for amounts, _ in sources.budgets.state(project, t_ns):
        terms = amounts.budget.terms
        if (terms.name, terms.scope, terms.selector) == asked:
            return amounts
    return None


def _of_cache(
    sources: Sources, project: str, t_ns: int, params: Params, sample: Sample
) -> Evidence | None:
    """Return why caches were hit less, with the traces that lost most."""
    to_s = t_ns // _NS_PER_S
    from_s = (to_s // _HOUR_S - int(params["window_h"]) + 1) * _HOUR_S
    labels = {name: sample.labels.get(name, "") for name in ("provider", "model", "agent")}
    asked = {"project": project, **labels, "from_s": from_s, "to_s": to_s}
    rows = sources.store.rows("alerts_cache_losses", asked)
    if not rows:
        return None
    priced = [cast("Decimal", row["lost_usd"]) for row in rows if row["lost_usd"] is not None]
    causes = ", ".join(
        f"{str(row['cause']).replace('_', ' ')} ({row['lost_tokens']:,} tokens paid again)"
        for row in rows
    )
    traces = [one for row in rows for one in cast("Sequence[str]", row["trace_ids"])]
    usd = sum(priced, Decimal(0)) if priced else None
    return Evidence(f"{causes}.", tuple(dict.fromkeys(traces))[:_TRACES], usd)


def _of_unpriced(
    sources: Sources, project: str, t_ns: int, params: Params, sample: Sample
) -> Evidence | None:
    """Return who makes the calls without a price, and how much they use."""
    to_s = t_ns // _NS_PER_S
    from_s = (to_s // _HOUR_S - int(params["window_h"]) + 1) * _HOUR_S
    labels = {name: sample.labels.get(name, "") for name in ("provider", "model")}
    asked = {"project": project, **labels, "from_s": from_s, "to_s": to_s}
    [row] = sources.store.rows("alerts_unpriced_calls", asked)
    traces = tuple(cast("Sequence[str]", row["trace_ids"]))
    if not traces and not row["tokens"]:
        return None
    said = f"No price list and no rate of your own knows it. {row['tokens']:,} tokens"
    if agents := cast("Sequence[str]", row["agents"]):
        said += f", of agent {', '.join(sorted(agents))}"
    if names := cast("Sequence[str]", row["asked"]):
        said += f"; asked for as {', '.join(sorted(names))}"
    return Evidence(f"{said}.", traces)


ASKS: dict[str, Ask] = {
    **dict.fromkeys(("budget_spent", "budget_soft_spent"), _of_budget),
    **dict.fromkeys(("budget_forecast", "budget_burn"), _of_budget),
    "cache_drop": _of_cache,
    "unpriced": _of_unpriced,
}
"""By measure; those whose rows say it themselves are not here."""
