"""What goes wrong inside the SDK: logged once for each place, never raised into the program."""

from __future__ import annotations

import logging

log = logging.getLogger("spanledger")
_told: set[str] = set()


def told(place: str, error: BaseException | str) -> None:
    """Log a failure, the first time it happens at this place."""
    if place not in _told:
        _told.add(place)
        name = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        log.warning("spanledger: %s: %s (said once)", place, name)


def forget() -> None:
    """Let every place speak again; for tests."""
    _told.clear()
