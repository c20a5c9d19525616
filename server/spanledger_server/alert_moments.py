"""Times and folders as the commands of alerts take them."""

from __future__ import annotations

import os
from pathlib import Path

from spanledger_alerts.rules import seconds_of
from spanledger_alerts.settings import AlertSettings, beside
from spanledger_server.errors import UsageError

NS_PER_S = 10**9


def settings_of(data: Path) -> AlertSettings:
    """Return the settings of an instance's directory."""
    return AlertSettings.of({**beside(data), **os.environ})


def length_s(name: str, text: str) -> int:
    """Return a duration such as 90m or 7d in seconds.

    Raises:
        UsageError: it is none.
    """
    try:
        found = seconds_of(text)
    except ValueError as error:
        raise UsageError(f"{name}: {error}, not {text[:40]!r}.") from None
    assert isinstance(found, int)
    return found
