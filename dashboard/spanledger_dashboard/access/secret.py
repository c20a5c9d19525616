"""The secret that signs sessions, one per data directory."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from spanledger_dashboard.settings import SettingsError

_FILE = "session.secret"


def secret_of(data: Path) -> str:
    """Return the secret of a data directory, making it the first time, readable by its owner only.

    Raises:
        SettingsError: it can neither be read nor made.
    """
    path = data / _FILE
    try:
        data.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return path.read_text(encoding="ascii").strip()
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"The secret for sessions cannot be kept in {path} ({type(error).__name__}); name "
            "another directory with --data, or set SPANLEDGER_SESSION_SECRET."
        ) from None
