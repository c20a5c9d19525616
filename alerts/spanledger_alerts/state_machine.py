"""From samples to states: a pure function of a rule, what was before, and the time.

inactive → pending → firing → recovering → inactive
                            ↘ firing
no_data and error: instances of the rule itself, which fire until it can be evaluated again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from hashlib import sha256
from typing import Literal

from spanledger_alerts.notification import Severity
from spanledger_alerts.rules import RANKS, Rule
from spanledger_alerts.sample import Failure, Outcome, Sample

State = Literal["inactive", "pending", "firing", "recovering", "no_data", "error"]
FIRING: frozenset[State] = frozenset({"firing", "recovering", "no_data", "error"})
Change = Literal["fired", "rose", "fell", "resolved"]
LABEL_OF_RULE = "evaluation"
"""The only label of the instances that stand for the rule itself."""
_NS_PER_S = 10**9
_LONGEST_MISSING_NS = 24 * 3_600 * _NS_PER_S


@dataclass(frozen=True, slots=True)
class Instance:
    """One label set of a rule; times in UTC nanoseconds.

    Attributes:
        generation: of its incident: the first is 1; 0: it never fired.
        active_at_ns: since when a threshold is passed.
        recovering_since_ns: since when it is back.
        lower_since_ns: since when it is less severe than it is called.
        missing_since_ns: since when it has no row.
        escalated_at_ns: when further channels were told.
        worst_value, worst_usd: farthest beyond the threshold, and dearest, since it became active.
    """

    instance_id: str
    labels: Mapping[str, str]
    state: State
    severity: Severity
    generation: int
    active_at_ns: int
    sample: Sample
    fired_at_ns: int | None = None
    resolved_at_ns: int | None = None
    recovering_since_ns: int | None = None
    lower_since_ns: int | None = None
    missing_since_ns: int | None = None
    escalated_at_ns: int | None = None
    worst_value: Decimal | None = None
    worst_usd: Decimal | None = None

    @property
    def is_firing(self) -> bool:
        """Whether people should know of it."""
        return self.state in FIRING


@dataclass(frozen=True, slots=True)
class Counts:
    """How often in a row a rule had no data, or failed."""

    empty: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True)
class Transition:
    """What changed of an incident."""

    instance: Instance
    change: Change


@dataclass(slots=True)
class Evaluated:
    """What an evaluation came to.

    Attributes:
        instances: those that are not as before, by id; inactive ones among them.
        counts: of the rule.
        transitions: what people may have to be told.
        left_out: instances beyond ``max_instances``, which were not begun.
    """

    instances: dict[str, Instance] = field(default_factory=dict[str, Instance])
    counts: Counts = Counts()
    transitions: list[Transition] = field(default_factory=list[Transition])
    left_out: int = 0


def instance_id(rule: str, labels: Mapping[str, str]) -> str:
    """Return 16 hex digits of a rule's name and sorted labels."""
    parts = [rule, *(part for pair in sorted(labels.items()) for part in pair)]
    told = "".join(f"{len(part)}:{part}" for part in parts)
    return sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def evaluate(
    rule: Rule, outcome: Outcome, before: Mapping[str, Instance], counts: Counts, t_ns: int
) -> Evaluated:
    """Return what is new at a time.

    Args:
        rule: with its policies.
        outcome: what its measure returned, or why it did not.
        before: instances by id: at least all that are not inactive, and those that once fired.
        counts: as the last evaluation left them.
        t_ns: the time of the grid it stands for, UTC nanoseconds.
    """
    return _Evaluation(rule, before, t_ns).run(outcome, counts)


class _Evaluation:
    def __init__(self, rule: Rule, before: Mapping[str, Instance], t_ns: int) -> None:
        self._rule = rule
        self._before = before
        self._t_ns = t_ns
        self._keep_ns = rule.keep_firing_for * _NS_PER_S
        self._found = Evaluated()

    def run(self, outcome: Outcome, counts: Counts) -> Evaluated:
        rule, found = self._rule, self._found
        by_id = _by_id(rule, outcome)
        if isinstance(by_id, Failure):
            found.counts = Counts(counts.empty, counts.errors + 1)
            is_told = rule.error == "alert" and found.counts.errors >= rule.error_after
            self._of_rule("error", is_told, by_id.reason)
            return found
        found.counts = Counts(0 if by_id else counts.empty + 1, 0)
        self._of_rule("error", False, "")
        is_told = rule.no_data == "alert" and found.counts.empty >= rule.no_data_after
        self._of_rule("no_data", is_told, "")
        self._step_all(by_id)
        return found

    def _step_all(self, by_id: Mapping[str, Sample]) -> None:
        active = {
            key: one
            for key, one in self._before.items()
            if one.state != "inactive" and LABEL_OF_RULE not in one.labels
        }
        for key, instance in active.items():
            if key in by_id:
                self._continue(instance, by_id[key])
            else:
                self._miss(instance)
        new = [(key, sample) for key, sample in by_id.items() if key not in active]
        room = self._rule.max_instances - len(active)
        for key, sample in new:
            level = self._rule.level(sample)
            if level is None:
                continue
            if room <= 0:
                self._found.left_out += 1
                continue
            room -= 1
            self._begin(key, sample, level)

    def _begin(self, key: str, sample: Sample, level: Severity) -> None:
        before = self._before.get(key)
        pending = Instance(
            instance_id=key,
            labels=sample.labels,
            state="pending",
            severity=level,
            generation=before.generation if before else 0,
            active_at_ns=self._t_ns,
            sample=sample,
            worst_value=sample.value,
            worst_usd=sample.usd,
        )
        self._wait(pending)

    def _continue(self, instance: Instance, sample: Sample) -> None:
        known = instance.sample
        if known.cause and not sample.cause:  # asked for once
            traces = sample.trace_ids or known.trace_ids
            usd = known.usd if sample.usd is None else sample.usd
            sample = replace(sample, cause=known.cause, trace_ids=traces, usd=usd)
        instance = replace(
            instance,
            labels=sample.labels,
            sample=sample,
            missing_since_ns=None,
            worst_value=self._rule.worse(instance.worst_value, sample.value),
            worst_usd=max(filter(None, (instance.worst_usd, sample.usd)), default=sample.usd),
        )
        level = self._rule.level(sample)
        if instance.state == "pending":
            if level is None:
                self._put(replace(instance, state="inactive"))
            else:
                self._wait(replace(instance, severity=level))
        elif level is None and not self._rule.holds(sample):
            self._recover(instance)
        else:
            self._hold(instance, level or self._rule.lowest or instance.severity)

    def _wait(self, pending: Instance) -> None:
        if self._t_ns - pending.active_at_ns < self._rule.for_s * _NS_PER_S:
            self._put(pending)
            return
        fired = replace(
            pending,
            state="firing",
            generation=pending.generation + 1,
            fired_at_ns=self._t_ns,
            resolved_at_ns=None,
            escalated_at_ns=None,
        )
        self._put(fired, "fired")

    def _hold(self, instance: Instance, level: Severity) -> None:
        """Keep it firing: more severe at once, less severe only when that lasts."""
        if instance.state != "firing" or instance.recovering_since_ns is not None:
            instance = replace(instance, state="firing", recovering_since_ns=None)
        if RANKS[level] > RANKS[instance.severity]:
            self._put(replace(instance, severity=level, lower_since_ns=None), "rose")
        elif RANKS[level] == RANKS[instance.severity]:
            is_lower = instance.lower_since_ns is not None
            self._put(replace(instance, lower_since_ns=None) if is_lower else instance)
        else:
            since_ns = self._since(instance.lower_since_ns)
            if self._t_ns - since_ns >= self._keep_ns:
                self._put(replace(instance, severity=level, lower_since_ns=None), "fell")
            else:
                self._put(replace(instance, lower_since_ns=since_ns))

    def _recover(self, instance: Instance) -> None:
        since_ns = self._since(instance.recovering_since_ns)
        if self._t_ns - since_ns >= self._keep_ns:
            self._resolve(instance)
        else:
            self._put(replace(instance, state="recovering", recovering_since_ns=since_ns))

    def _miss(self, instance: Instance) -> None:
        """Go on without a row: as if all were well, or as before for a day at most."""
        since_ns = self._since(instance.missing_since_ns)
        instance = replace(instance, missing_since_ns=since_ns)
        is_kept = self._rule.no_data != "ok" and self._t_ns - since_ns < _LONGEST_MISSING_NS
        if is_kept:
            self._put(instance)
        elif instance.state == "pending":
            self._put(replace(instance, state="inactive"))
        else:
            self._recover(instance)

    def _of_rule(self, state: Literal["no_data", "error"], is_told: bool, reason: str) -> None:
        labels = {LABEL_OF_RULE: state.replace("_", " ")}
        key = instance_id(self._rule.name, labels)
        before = self._before.get(key)
        if before is not None and before.is_firing:
            if not is_told:
                # A failed evaluation says nothing of data, and one that works ends both.
                self._resolve(before)
        elif is_told:
            sample = Sample(labels, None, explanation=reason)
            generation = before.generation + 1 if before else 1
            fired = Instance(
                *(key, labels, state, self._rule.severity, generation, self._t_ns, sample),
                fired_at_ns=self._t_ns,
            )
            self._put(fired, "fired")

    def _resolve(self, instance: Instance) -> None:
        ended = replace(
            instance,
            state="inactive",
            resolved_at_ns=self._t_ns,
            recovering_since_ns=None,
            lower_since_ns=None,
            missing_since_ns=None,
        )
        self._put(ended, "resolved")

    def _since(self, since_ns: int | None) -> int:
        return self._t_ns if since_ns is None else since_ns

    def _put(self, instance: Instance, change: Change | None = None) -> None:
        if instance != self._before.get(instance.instance_id):
            self._found.instances[instance.instance_id] = instance
        if change:
            self._found.transitions.append(Transition(instance, change))


def resolve_all(before: Mapping[str, Instance], t_ns: int) -> Evaluated:
    """Return the end of everything a rule had: it is gone, or switched off."""
    found = Evaluated()
    for key, one in before.items():
        if one.state == "inactive":
            continue
        ended = replace(one, state="inactive", resolved_at_ns=t_ns)
        found.instances[key] = ended
        if one.is_firing:
            found.transitions.append(Transition(ended, "resolved"))
    return found


def _by_id(rule: Rule, outcome: Outcome) -> dict[str, Sample] | Failure:
    if isinstance(outcome, Failure):
        return outcome
    found: dict[str, Sample] = {}
    for sample in outcome:
        if sample.points is not None and sample.points < rule.min_points:
            continue
        told = {"": sample.identity} if sample.identity else sample.labels
        key = instance_id(rule.name, told)
        if key in found:
            return Failure("Two rows have the same labels: labels must tell instances apart.")
        found[key] = sample
    return found
