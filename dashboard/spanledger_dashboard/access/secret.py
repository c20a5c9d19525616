"""The secret that signs sessions, one per data directory."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

from spanledger_dashboard.access.settings import MIN_SECRET
from spanledger_dashboard.settings import SettingsError

_FILE = "session.secret"


def secret_of(data: Path) -> str:
    """Return the secret of a data directory, making it the first time, readable by its owner only.

    Raises:
        SettingsError: it can neither be read nor made, or it is too short.
    """
    path = data / _FILE
    try:
        data.mkdir(parents=True, exist_ok=True)
        secret = _read(path)
        if not secret:
            _make(path)
            secret = _read(path)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"The secret for sessions cannot be kept in {path} ({type(error).__name__}); name "
            "another directory with --data, or set SPANLEDGER_SESSION_SECRET."
        ) from None
    if len(secret) < MIN_SECRET:
        raise SettingsError(
            f"{path} signs the sessions and must have at least {MIN_SECRET} characters. Remove it, "
            "and the next start makes another; everybody signs in again."
        )
    return secret


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""


def _make(path: Path) -> None:
    """Put a secret there, all of it at once; of two that do, one wins."""
    descriptor, made = tempfile.mkstemp(dir=path.parent, prefix=f"{_FILE}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(made, path)
        except OSError:  # an empty file is in the way, or there are no links here
            if not _read(path):
                os.replace(made, path)
    finally:
        Path(made).unlink(missing_ok=True)
