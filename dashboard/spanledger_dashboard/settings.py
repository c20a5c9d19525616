"""What the dashboard reads from its environment.

| name                            | default               | meaning                          |
|---------------------------------|-----------------------|----------------------------------|
| SPANLEDGER_STORE_URL            | none, required        | clickhouse://user:password@host… |
| SPANLEDGER_STATE_URL            | none                  | state database, for the prices   |
| SPANLEDGER_OTLP_ENDPOINT        | http://127.0.0.1:4318 | where agents send; shown if none |
| SPANLEDGER_ABANDONED_AFTER_DAYS | 7                     | of silence, for a trajectory     |
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from spanledger_analytics.trajectory_status import (
    ABANDONED_AFTER_S,
    VARIABLE,
    abandoned_after_s,
)

_DEFAULT_ENDPOINT = "http://127.0.0.1:4318"


class SettingsError(Exception):
    """A setting is missing or wrong; the message says which and what it looks like."""


@dataclass(frozen=True, slots=True)
class DashboardSettings:
    """Where the data is, and what to tell people who have none yet."""

    store_url: str = field(repr=False)
    otlp_endpoint: str = _DEFAULT_ENDPOINT
    state_url: str = field(default="", repr=False)
    abandoned_after_s: int = ABANDONED_AFTER_S

    @classmethod
    def from_environment(cls) -> DashboardSettings:
        """Return the settings the environment gives.

        Raises:
            SettingsError: SPANLEDGER_STORE_URL is missing, or a number is none.
        """
        store_url = os.environ.get("SPANLEDGER_STORE_URL", "")
        if not store_url:
            raise SettingsError(
                "SPANLEDGER_STORE_URL is not set. The dashboard reads its data from there; "
                "it looks like clickhouse://reader:password@127.0.0.1:8123/spanledger."
            )
        return cls(
            store_url=store_url,
            otlp_endpoint=os.environ.get("SPANLEDGER_OTLP_ENDPOINT") or _DEFAULT_ENDPOINT,
            state_url=os.environ.get("SPANLEDGER_STATE_URL", ""),
            abandoned_after_s=_abandoned_after_s(),
        )


def _abandoned_after_s() -> int:
    try:
        return abandoned_after_s(os.environ.get(VARIABLE, ""))
    except ValueError as error:
        raise SettingsError(str(error)) from None
