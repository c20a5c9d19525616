"""Measures that rules name: each returns rows of labels and a value, of one project at one time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial

from spanledger_alerts.sample import Sample
from spanledger_alerts.sampling import samples_of, store_time
from spanledger_storage.budget_accounts import BudgetAccounts
from spanledger_storage.budget_amounts import Amounts, Forecasts
from spanledger_storage.collector_spools import Waiting
from spanledger_storage.finding_state import FindingStates
from spanledger_storage.store import Store

Params = Mapping[str, Decimal | int]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where measures read.

    Attributes:
        store: the telemetry store, of a user that can only read where there is one.
        budgets: figures of budgets.
        findings: what people say of findings.
        spool: returns what waits in the spools of collectors; None: none told.
    """

    store: Store
    budgets: BudgetAccounts
    findings: FindingStates
    spool: Callable[[], Waiting | None] = field(default=lambda: None)


Read = Callable[[Sources, str, int, Params], list[Sample]]


@dataclass(frozen=True, slots=True)
class Measure:
    """What a rule can look at.

    Attributes:
        read: returns the rows of a project at a time (UTC nanoseconds).
        params: its parameters and their defaults; ``…_s`` are seconds, ``…_h`` hours.
        has_history: whether it can tell of a time that is over.
        is_of_instance: it is about this installation, not about a project.
    """

    read: Read
    params: Params = field(default_factory=dict[str, Decimal | int])
    has_history: bool = True
    is_of_instance: bool = False


def _statement(
    name: str, sources: Sources, project: str, t_ns: int, params: Params
) -> list[Sample]:
    given = {key: int(value) for key, value in params.items()}
    rows = sources.store.rows(name, {"project": project, "t": store_time(t_ns), **given})
    return samples_of(rows)


def _measure(name: str, *, has_history: bool = True, **params: int) -> Measure:
    return Measure(partial(_statement, name), params, has_history)


def _budget_labels(amounts: Amounts) -> dict[str, str]:
    terms = amounts.budget.terms
    labels = {"budget": terms.name, "scope": terms.scope}
    return labels | ({"of": terms.selector} if terms.selector else {})


def _budget_sample(amounts: Amounts, part: Decimal, limit: Decimal, what: str) -> Sample:
    terms = amounts.budget.terms
    is_money = terms.measure == "usd"
    said = f"{what}: {amount(part, terms.measure)} of {amount(limit, terms.measure)}."
    return Sample(
        _budget_labels(amounts),
        part / limit,
        usd=part if is_money else None,
        explanation=said,
    )


def amount(value: Decimal, measure: str) -> str:
    """Return an amount of a budget as it reads."""
    return f"${value:,.2f}" if measure == "usd" else f"{value:,.0f} {measure.replace('_', ' ')}"


def _budgets(
    of_one: Callable[[Amounts, Forecasts], Sample | None],
    sources: Sources,
    project: str,
    t_ns: int,
    params: Params,
) -> list[Sample]:
    found = [
        of_one(amounts, ahead)
        for amounts, ahead in sources.budgets.state(project, t_ns)
        if amounts.budget.terms.is_active
    ]
    return [sample for sample in found if sample is not None]


def _spent_of_hard(amounts: Amounts, ahead: Forecasts) -> Sample | None:
    limit = amounts.budget.terms.hard_limit
    return _budget_sample(amounts, amounts.spent, limit, "Spent") if limit else None


def _spent_of_soft(amounts: Amounts, ahead: Forecasts) -> Sample | None:
    limit = amounts.budget.terms.soft_limit
    return _budget_sample(amounts, amounts.spent, limit, "Spent") if limit else None


def _forecast(amounts: Amounts, ahead: Forecasts) -> Sample | None:
    terms = amounts.budget.terms
    limit = terms.soft_limit if terms.hard_limit is None else terms.hard_limit
    middle = ahead["forecast_mid"]
    if not limit or middle is None:
        return None
    return _budget_sample(amounts, middle, limit, "Foreseen for the end of the window")


def _burn(amounts: Amounts, ahead: Forecasts) -> Sample | None:
    """Return how many times the pace that just uses up the limit the last two hours spent."""
    terms = amounts.budget.terms
    limit = terms.soft_limit if terms.hard_limit is None else terms.hard_limit
    per_hour = ahead["burn_per_hour"]
    hours = Decimal(amounts.window.end_s - amounts.window.start_s) / 3_600
    if not limit or per_hour is None or hours <= 0:
        return None
    said = f"Now {amount(per_hour, terms.measure)} an hour; the limit allows "
    said += f"{amount(limit / hours, terms.measure)}."
    return Sample(_budget_labels(amounts), per_hour * hours / limit, explanation=said)


def _budget_measure(of_one: Callable[[Amounts, Forecasts], Sample | None]) -> Measure:
    return Measure(partial(_budgets, of_one), has_history=False)


def _spool_age(sources: Sources, project: str, t_ns: int, params: Params) -> list[Sample]:
    waiting = sources.spool()
    if waiting is None:
        return []
    said = f"{waiting.requests:,} requests were accepted and are not stored yet."
    return [Sample({}, Decimal(str(waiting.oldest_seconds)), explanation=said)]


MEASURES: dict[str, Measure] = {
    "budget_spent": _budget_measure(_spent_of_hard),
    "budget_soft_spent": _budget_measure(_spent_of_soft),
    "budget_forecast": _budget_measure(_forecast),
    "budget_burn": _budget_measure(_burn),
    "cache_drop": _measure("alerts_cache_drop", window_h=2, history_h=168),
    "data_quality": _measure("alerts_data_quality"),
    "dead_letters": _measure("alerts_dead_letters"),
    "error_rate": _measure("alerts_error_rate", window_s=900),
    "gpu_faults": _measure("alerts_gpu_faults", window_s=900),
    "gpu_idle": _measure("alerts_gpu_idle", window_s=3_600),
    "gpu_throttled": _measure("alerts_gpu_throttled", window_s=900),
    "invoice_variance": _measure(
        "alerts_invoice_variance", has_history=False, min_usd=1, unexplained=0
    ),
    "provider_errors": _measure("alerts_provider_errors", window_s=300),
    "quiet": _measure("alerts_quiet", busy_hours=12),
    "spool_age": Measure(_spool_age, has_history=False, is_of_instance=True),
    "ttft": _measure("alerts_ttft", window_s=900, history_s=604_800),
    "unpriced": _measure("alerts_unpriced", window_h=24),
}
"""By name, as rules call them; described in docs/alerts.md."""

_SHOWN_S = 600
_OLDEST_S = 86_400


def read_findings(sources: Sources, project: str, t_ns: int, kinds: Sequence[str]) -> list[Sample]:
    """Return findings that are news, without those that people are done with or muted."""
    rows = sources.store.rows(
        "alerts_findings",
        {
            "project": project,
            "t": store_time(t_ns),
            "kinds": list(kinds),
            "shown_s": _SHOWN_S,
            "oldest_s": _OLDEST_S,
        },
    )
    if not rows:
        return []
    said = sources.findings.of(project, [str(row["identity"]) for row in rows])
    muted = {mute.pattern for mute in sources.findings.mutes(project) if mute.holds(t_ns)}
    done = {key for key, one in said.items() if one.state not in ("open", "acknowledged")}
    left = [
        {name: value for name, value in row.items() if name != "pattern"}
        for row in rows
        if row["identity"] not in done and row["pattern"] not in muted
    ]
    return samples_of(left)
