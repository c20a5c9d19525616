"""What a project tells detectors: its limits, its tools, and which detectors it does without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from spanledger_storage.project_settings import Findings, Project

LIMITS = (
    "max_llm_calls_per_request",
    "max_usd_per_request",
    "max_usd_per_session",
    "max_usd_per_user_day",
)
"""Names in ``TraceView.limits``; those of the project's settings."""


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """What detectors are told of a project.

    Attributes:
        limits: by name, those that are set.
        poll_tools: tools that ask again and again on purpose.
        mutating_tools: tools that change something.
        disabled: detectors that do not look.
    """

    limits: Mapping[str, float] = field(default_factory=dict[str, float])
    poll_tools: frozenset[str] = frozenset()
    mutating_tools: frozenset[str] = frozenset()
    disabled: frozenset[str] = frozenset()


def detector_settings(project: Project) -> DetectorSettings:
    """Return what detectors are told of a project."""
    said: Findings = project.settings.findings
    set_limits = {name: getattr(said, name) for name in LIMITS}
    return DetectorSettings(
        limits={name: float(limit) for name, limit in set_limits.items() if limit is not None},
        poll_tools=frozenset(said.poll_tools),
        mutating_tools=frozenset(said.mutating_tools),
        disabled=frozenset(said.disabled_detectors),
    )
