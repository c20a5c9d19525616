"""What a project decides for itself: limits, privacy, how long its data is kept."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from spanledger_storage.linear_regex import LinearRegex, size_in_letters

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
"""Names of projects."""
NAME_RULE = (
    "must be 1 to 64 letters, digits, '-', '_' or '.', and begin with a letter or digit, not"
)
DEFAULT_PROJECT = "default"
_MOST_RULES = 100
_MOST_DAYS = 36_500  # a century: later dates are beyond what the store can hold
_MOST_NAMES = 200
_MOST_SIZE = (
    2_000  # of a pattern, for at worst some 10 µs a byte; RE2 takes a hundred times as much
)
KeyGlob = Annotated[str, Field(min_length=1, max_length=256)]
Name = Annotated[str, Field(min_length=1, max_length=256)]
Dollars = Annotated[Decimal, Field(gt=0, max_digits=18, decimal_places=6)]

Percent = Annotated[Decimal, Field(ge=0, le=100, max_digits=7, decimal_places=4)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Content(StrEnum):
    """Whether prompts, answers, tool arguments and results are kept."""

    FULL = "full"
    OFF = "off"


class Preset(StrEnum):
    """Patterns of personal data and secrets that come with the product."""

    EMAIL = "email"
    CARD = "card"
    API_KEY = "api_key"
    PHONE = "phone"


class Pattern(_Model):
    """An own regular expression; what it matches is replaced by ``[name]``."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    regex: str = Field(min_length=1, max_length=1_000)

    @property
    def is_slow(self) -> bool:
        """Whether a text may take too long; those set by earlier versions are kept nevertheless."""
        return size_in_letters(self.regex) > _MOST_SIZE

    @field_validator("regex")
    @classmethod
    def _compiles(cls, regex: str) -> str:
        if LinearRegex(regex).is_all_of(b""):
            raise ValueError("it matches the empty text, so it would match everywhere")
        return regex

    @model_validator(mode="after")
    def _ends(self) -> Pattern:
        placeholders = (f"[{name}]".encode() for name in (self.name, *Preset, "removed"))
        if any(map(LinearRegex(self.regex).is_in, placeholders)):
            raise ValueError(
                "it matches what replaces a text, for example [email]; be more exact, so that "
                "telemetry sent twice stays the same"
            )
        return self


class Privacy(_Model):
    """What is taken out of telemetry before anything touches a disk.

    Attributes:
        content: OFF keeps nothing that was said; counts, hashes and signatures stay.
        content_sample_rate: share of traces that keep their content, chosen by trace id.
        drop_keys: attribute keys to remove; ``*`` stands for any characters.
        hash_keys: attribute keys whose value is replaced by a keyed hash of it.
        presets: patterns of the product to replace in every text.
        patterns: patterns of one's own to replace in every text.
    """

    content: Content = Content.FULL
    content_sample_rate: float = Field(default=1.0, ge=0, le=1)
    drop_keys: tuple[KeyGlob, ...] = Field(default=(), max_length=_MOST_RULES)
    hash_keys: tuple[KeyGlob, ...] = Field(default=(), max_length=_MOST_RULES)
    presets: tuple[Preset, ...] = ()
    patterns: tuple[Pattern, ...] = Field(default=(), max_length=_MOST_RULES)

    @property
    def is_inactive(self) -> bool:
        """Whether everything is kept as it comes."""
        return (
            self.content is Content.FULL
            and self.content_sample_rate >= 1
            and not (self.drop_keys or self.hash_keys or self.presets or self.patterns)
        )


class Limits(_Model):
    """How much a project may send; None: as much as it likes. Over it: 429, to be sent again."""

    items_per_s: int | None = Field(default=None, gt=0)
    bytes_per_s: int | None = Field(default=None, gt=0)


class Retention(_Model):
    """Days for which data is kept; None: for ever.

    Attributes:
        content_days: messages, tool arguments and results, logs' texts.
        spans_days: spans, logs, trajectories.
        metrics_days: metric points.
        ledger_days: ledger entries and usage: what bills are compared with.
    """

    content_days: int | None = Field(default=None, gt=0, le=_MOST_DAYS)
    spans_days: int | None = Field(default=None, gt=0, le=_MOST_DAYS)
    metrics_days: int | None = Field(default=None, gt=0, le=_MOST_DAYS)
    ledger_days: int | None = Field(default=None, gt=0, le=_MOST_DAYS)


class Findings(_Model):
    """What detectors are told: limits that are findings when exceeded, and what tools do.

    Attributes:
        max_llm_calls_per_request: calls of models in one trace; None: what is usual decides.
        max_usd_per_request: dollars of one trace; None: no limit, as of the following.
        max_usd_per_session: of a session.
        max_usd_per_user_day: of a user in one UTC day.
        poll_tools: tools that ask again and again on purpose.
        mutating_tools: tools that change something, so that the same call after one is no repeat.
        disabled_detectors: names of detectors that do not look at this project.
    """

    max_llm_calls_per_request: int | None = Field(default=None, gt=0)
    max_usd_per_request: Dollars | None = None
    max_usd_per_session: Dollars | None = None
    max_usd_per_user_day: Dollars | None = None
    poll_tools: tuple[Name, ...] = Field(default=(), max_length=_MOST_NAMES)
    mutating_tools: tuple[Name, ...] = Field(default=(), max_length=_MOST_NAMES)
    disabled_detectors: tuple[Name, ...] = Field(default=(), max_length=_MOST_NAMES)


class Reconciliation(_Model):
    """How much the ledger may differ from what providers charge before it matters.

    Attributes:
        cell_usd: dollars, of a cell of any size.
        cell_percent: of what is billed in a cell; the larger of both decides.
        day_percent: of all a provider bills for a day.
        month_percent: of all it bills for a month.
    """

    cell_usd: Decimal = Field(default=Decimal(1), ge=0, max_digits=18, decimal_places=6)
    cell_percent: Percent = Decimal(1)
    day_percent: Percent = Decimal(2)
    month_percent: Percent = Decimal("0.5")


class ProjectSettings(_Model):
    """All settings of a project; the defaults keep everything, unlimited and unchanged."""

    limits: Limits = Limits()
    privacy: Privacy = Privacy()
    retention: Retention = Retention()
    findings: Findings = Findings()
    reconciliation: Reconciliation = Reconciliation()


@dataclass(frozen=True, slots=True)
class Project:
    """A tenant: its data and keys are its own.

    Attributes:
        name: as stored in the column ``project`` of every table.
        settings: what it decides for itself.
        salt: secret of the project that keyed hashes are made with.
    """

    name: str
    settings: ProjectSettings = ProjectSettings()
    salt: bytes = field(default=b"", repr=False)
