"""Alert rules as people write them, in YAML: what is looked at, and when it asks for somebody."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from spanledger_alerts.errors import RuleError
from spanledger_alerts.measures import MEASURES
from spanledger_alerts.notification import Severity, Unit
from spanledger_alerts.rule_mistakes import Mistake, mistakes_of
from spanledger_alerts.sample import Sample

_DURATION = re.compile(r"(\d{1,6})\s*(s|m|h|d)", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.]{0,63}", re.ASCII)
RANKS: Mapping[Severity, int] = {"info": 0, "warning": 1, "critical": 2}
FINDING_KINDS = (
    *("loop", "silent_failure", "error_cascade", "context_bloat", "latency_growth"),
    *("amplification", "cost_anomaly", "drift", "regression"),
)
Op = Literal[">=", ">", "<=", "<"]


def seconds_of(text: object) -> object:
    """Return a duration as 30s, 5m, 2h or 7d in seconds; 0 is 0.

    Raises:
        ValueError: it is written otherwise.
    """
    if text == 0:
        return 0
    found = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    if not found:
        raise ValueError("a duration is written 30s, 5m, 2h or 7d")
    return int(found[1]) * _SECONDS[found[2]]


def _named(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("a name has up to 64 of a-z, 0-9 and -, and does not begin with -")
    return text


def _labelled(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise ValueError("a label has up to 64 letters, digits, _ and ., and begins with a letter")
    return text


def _known_kind(text: str) -> str:
    if text not in FINDING_KINDS:
        raise ValueError(f"a kind of finding is one of {', '.join(FINDING_KINDS)}")
    return text


Duration = Annotated[int, BeforeValidator(seconds_of), Field(ge=0, le=31 * 86_400)]
Name = Annotated[str, AfterValidator(_named)]
Label = Annotated[str, AfterValidator(_labelled)]
FindingKind = Annotated[str, AfterValidator(_known_kind)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Inhibition(_Part):
    """Stay quiet while another rule of the project fires with the same values of labels."""

    rule: Name
    equal: tuple[Label, ...] = ()


class Escalation(_Part):
    """Tell further channels when nobody acknowledged in time."""

    after: Annotated[Duration, Field(ge=60)]
    channels: Annotated[tuple[Name, ...], Field(min_length=1)]


class Rule(_Part):
    """One rule. Durations are written 30s, 5m, 2h or 7d and held in seconds.

    Attributes:
        measure, sql, finding: exactly one says what is looked at: a measure by its name, a
            statement, or kinds of findings.
        params: of the measure.
        warn, critical: thresholds; of findings may be left out: their own severity decides.
        recovery: once it fires, it does until the value is beyond this; default: the lowest
            threshold.
        for_s: how long a threshold must be passed before it fires.
        keep_firing_for: how long it must be back before it ends, or is less severe.
        every: the grid on which it is evaluated.
        delay: how much older than the time of evaluation data must be to count.
        min_points: a row with fewer ``points`` is as good as none.
        no_data: when rows are missing: ``ok``: as if all were well; ``keep``: as before;
            ``alert``: after ``no_data_after`` times in a row.
        error: the same when the rule cannot be evaluated.
        severity: of findings at most, and of no data and errors.
    """

    name: Name
    title: Annotated[str, Field(min_length=1, max_length=150)]
    description: Annotated[str, Field(max_length=2_000)] = ""
    measure: str = ""
    sql: str = ""
    finding: tuple[FindingKind, ...] = ()
    params: Mapping[str, Decimal | int] = Field(default_factory=dict)
    op: Op = ">="
    warn: Decimal | None = None
    critical: Decimal | None = None
    recovery: Decimal | None = None
    for_s: Annotated[Duration, Field(alias="for")] = 0
    keep_firing_for: Duration = 0
    every: Annotated[Duration, Field(ge=5, le=86_400)] = 60
    delay: Duration = 60
    min_points: Annotated[int, Field(ge=0)] = 0
    no_data: Literal["ok", "keep", "alert"] = "ok"
    no_data_after: Annotated[int, Field(ge=1, le=1_000)] = 3
    error: Literal["keep", "alert"] = "alert"
    error_after: Annotated[int, Field(ge=1, le=1_000)] = 3
    severity: Severity = "critical"
    unit: Unit = "count"
    group_by: tuple[Label, ...] = ()
    group_wait: Duration = 30
    group_interval: Annotated[Duration, Field(ge=5)] = 300
    repeat_interval: Annotated[Duration, Field(ge=60)] = 14_400
    channels: tuple[Name, ...] = ("default",)
    escalation: Escalation | None = None
    inhibited_by: tuple[Inhibition, ...] = ()
    projects: tuple[str, ...] = ()
    max_instances: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    owner: Annotated[str, Field(max_length=128)] = ""
    runbook: Annotated[str, Field(max_length=1_000)] = ""
    view: Annotated[str, Field(max_length=500)] = ""
    enabled: bool = True

    @model_validator(mode="after")
    def _fits(self) -> Rule:
        if sum(map(bool, (self.measure, self.sql, self.finding))) != 1:
            raise ValueError("give exactly one of measure, sql and finding")
        if self.measure and self.measure not in MEASURES:
            raise ValueError(f"measure is one of {', '.join(sorted(MEASURES))}")
        if self.measure:
            self._check_params()
        elif self.params:
            raise ValueError("params belong to a measure")
        if self.sql and "{project:String}" not in self.sql:
            raise ValueError("sql reads one project: it must compare with {project:String}")
        if self.runbook and not self.runbook.startswith(("https://", "http://")):
            raise ValueError("runbook is a link: https://…")
        self._check_thresholds()
        return self

    def _check_params(self) -> None:
        known = MEASURES[self.measure].params
        if unknown := [name for name in self.params if name not in known]:
            allowed = ", ".join(sorted(known)) or "none"
            raise ValueError(f"params.{unknown[0]} is not known; {self.measure} has {allowed}")

    def _check_thresholds(self) -> None:
        given = [value for value in (self.warn, self.critical) if value is not None]
        if not given and not self.finding:
            raise ValueError("give warn, critical, or both")
        if len(given) == 2 and not self._passes(given[1], given[0]):
            raise ValueError(f"with {self.op}, critical must be beyond warn")
        if self.recovery is not None and not (given and self._passes(given[0], self.recovery)):
            raise ValueError(f"with {self.op}, recovery must be on the good side of the thresholds")

    def _passes(self, value: Decimal, threshold: Decimal) -> bool:
        if self.op[0] == ">":
            return value > threshold or (self.op == ">=" and value == threshold)
        return value < threshold or (self.op == "<=" and value == threshold)

    def level(self, sample: Sample) -> Severity | None:
        """Return how severe a sample is; None: all is well."""
        if self.warn is None and self.critical is None:
            said = sample.severity
            if said is None or RANKS[said] < RANKS["warning"]:
                return None
            return said if RANKS[said] < RANKS[self.severity] else self.severity
        if sample.value is None:
            return None
        if self.critical is not None and self._passes(sample.value, self.critical):
            return "critical"
        if self.warn is not None and self._passes(sample.value, self.warn):
            return "warning"
        return None

    def holds(self, sample: Sample) -> bool:
        """Return whether what fires goes on: it has not come back beyond ``recovery``."""
        if self.recovery is None or sample.value is None:
            return self.level(sample) is not None
        return self._passes(sample.value, self.recovery)

    def worse(self, one: Decimal | None, other: Decimal | None) -> Decimal | None:
        """Return which of two values is farther on the bad side; None: neither is known."""
        known = [value for value in (one, other) if value is not None]
        if not known:
            return None
        return max(known) if self.op[0] == ">" else min(known)

    @property
    def lowest(self) -> Severity | None:
        """The least severe level that a threshold stands for; None: there is no threshold."""
        if self.warn is not None:
            return "warning"
        return None if self.critical is None else "critical"

    def threshold(self, severity: Severity) -> Decimal | None:
        """Return what was passed at a severity."""
        if severity == "critical" and self.critical is not None:
            return self.critical
        return self.critical if self.warn is None else self.warn


def read_rule(fields: object) -> Rule | list[Mistake]:
    """Return the rule that a document describes, or every mistake in it."""
    if not isinstance(fields, dict):
        said = f"a rule is a mapping of fields, not {type(fields).__name__}."
        return [Mistake((), said)]
    try:
        return Rule.model_validate(fields)
    except ValidationError as error:
        known = [info.alias or name for name, info in Rule.model_fields.items()]
        return mistakes_of(error, known)


def rule_of(fields: object, where: str) -> Rule:
    """Return the rule that a document describes.

    Args:
        fields: what the YAML says.
        where: file and place, for messages.

    Raises:
        RuleError: something cannot be; says what and what can.
    """
    found = read_rule(fields)
    if isinstance(found, Rule):
        return found
    raise RuleError("\n".join(f"{where}: {one.text}" for one in found))
