"""What a rule sees now and would have done: by the engine's own functions, reading only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from spanledger_alerts.backtest import Backtest, backtest
from spanledger_alerts.looking import look
from spanledger_alerts.measures import MEASURES, Sources
from spanledger_alerts.rule_files import parse
from spanledger_alerts.rules import Rule
from spanledger_alerts.sample import Failure, Sample
from spanledger_dashboard.connection import state, store
from spanledger_storage.budget_accounts import BudgetAccounts
from spanledger_storage.errors import ConfigError, StoreError
from spanledger_storage.finding_state import FindingStates

_NS_PER_S = 10**9


@dataclass(frozen=True, slots=True)
class Measured:
    """What a rule saw at a time (UNIX seconds).

    Attributes:
        samples: the worst first.
        failure: why there are none; empty: there is no reason.
    """

    at_s: int
    samples: Sequence[Sample]
    failure: str = ""


def is_measurable(rule: Rule) -> bool:
    """Return whether this process can see what the rule looks at: a spool is on its own machine."""
    return not (rule.measure and MEASURES[rule.measure].is_of_instance)


def has_history(rule: Rule) -> bool:
    """Return whether the rule can tell of a time that is over."""
    return not (rule.measure and not MEASURES[rule.measure].has_history)


def measure(rule: Rule, project: str, now_s: int) -> Measured:
    """Return what a rule sees at the last time of its grid.

    Raises:
        StoreError: the store does not answer.
        StateError: the state database does not answer.
    """
    at_s = now_s // rule.every * rule.every
    try:
        found = look(rule, _sources(), project, at_s * _NS_PER_S)
    except StoreError as error:
        if not error.code:
            raise
        return Measured(at_s, (), str(error)[:600])
    except ValueError as error:
        return Measured(at_s, (), str(error)[:600])
    if isinstance(found, Failure):
        return Measured(at_s, (), found.reason)
    return Measured(at_s, sorted(found, key=lambda one: _badness(rule, one)))


@st.cache_data(ttl=600, max_entries=50, show_spinner="Evaluating the past …")
def run_backtest(text: str, name: str, project: str, from_s: int, to_s: int) -> Backtest:
    """Return when a rule would have fired; ``text`` is its YAML.

    Raises:
        AlertsError: what it looks at has no history, or it cannot be evaluated.
        StorageError: a database does not answer.
    """
    [rule] = [one for one in parse(text, "rule") if one.name == name]
    return backtest(rule, _sources(), project, from_s * _NS_PER_S, to_s * _NS_PER_S)


def _sources() -> Sources:
    engine = state()
    if engine is None:
        raise ConfigError("Set SPANLEDGER_STATE_URL: rules look at budgets and findings there.")
    return Sources(store(), BudgetAccounts(engine), FindingStates(engine))


def _badness(rule: Rule, one: Sample) -> tuple[int, float]:
    level = rule.level(one)
    rank = {"critical": 0, "warning": 1, "info": 2}.get(level or "", 3)
    value = 0.0 if one.value is None else float(one.value)
    return rank, -value if rule.op[0] == ">" else value
