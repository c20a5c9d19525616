"""Settings: arguments first, then ``SPANLEDGER_*``, then ``OTEL_*``, then the default."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

Content = Literal["none", "hashes", "full"]
"""What of the conversation leaves the process."""
CONTENTS = ("none", "hashes", "full")
Redact = Callable[[str, str], "str | None"]
"""Given key and text of an attribute, returns what to send instead; ``None``: nothing."""

VARIABLES = (
    *("SPANLEDGER_ENDPOINT", "SPANLEDGER_API_KEY", "SPANLEDGER_API_URL", "SPANLEDGER_CONTENT"),
    *("SPANLEDGER_SPOOL", "SPANLEDGER_SPOOL_MAX_BYTES", "SPANLEDGER_PENDING"),
    *("SPANLEDGER_INSTRUMENT", "SPANLEDGER_SEND_UNDER_PYTEST", "SPANLEDGER_DISABLED"),
)
"""Variables of the environment that the SDK reads; docs/sdk.md says what they mean."""

_CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_TRUE = frozenset(("1", "true", "yes", "on"))
_FALSE = frozenset(("0", "false", "no", "off"))


@dataclass(frozen=True, slots=True)
class Settings:
    """What ``init`` works with; its arguments say what they mean.

    Attributes:
        endpoint: empty, like ``service_name``: as OpenTelemetry's variables say.
        spool: empty: none.
        spool_max_bytes: its size at most; the oldest spans go first.
        instrument: ``None``: all that are installed.
        is_silent: whether nothing is sent.
    """

    endpoint: str = ""
    api_key: str = ""
    service_name: str = ""
    content: Content = "hashes"
    redact: Redact | None = None
    spool: str = ""
    spool_max_bytes: int = 100_000_000
    pending: bool = False
    instrument: tuple[str, ...] | None = None
    is_silent: bool = False


def variable(name: str) -> str:
    """Return a variable of the environment, or the content of the file ``NAME_FILE`` names."""
    value = os.environ.get(name, "")
    if value or not (path := os.environ.get(f"{name}_FILE", "")):
        return value.strip()
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def switch(name: str, default: bool) -> bool:
    """Return a variable that is true or false.

    Raises:
        ValueError: it is neither.
    """
    word = variable(name).lower()
    if not word:
        return default
    if word not in _TRUE | _FALSE:
        raise ValueError(f"{name} must be true or false, not {word!r}.")
    return word in _TRUE


def content_mode(asked: str | None) -> Content:
    """Return what of the conversation leaves the process.

    Raises:
        ValueError: the argument or the variable is none of the three words.
    """
    mode = asked or variable("SPANLEDGER_CONTENT").lower()
    if not mode:
        captured = os.environ.get(_CAPTURE, "").strip().lower()
        mode = "full" if captured in _TRUE | {"span_only", "span_and_event"} else "hashes"
    if mode not in CONTENTS:
        raise ValueError(f"content must be one of {', '.join(CONTENTS)}, not {mode!r}.")
    return cast("Content", mode)  # pyright: ignore[reportUnnecessaryCast] # mypy does not narrow


def instrumented(asked: bool | list[str] | tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return the libraries to instrument; ``None``: all."""
    if asked is None:
        word = variable("SPANLEDGER_INSTRUMENT")
        if not word or word.lower() in _TRUE:
            return None
        asked = [] if word.lower() in _FALSE else word.split(",")
    if isinstance(asked, bool):
        return None if asked else ()
    return tuple(name.strip().lower() for name in asked if name.strip())


def is_under_pytest() -> bool:
    """Return whether a test run is going on."""
    return "PYTEST_CURRENT_TEST" in os.environ or "_pytest.main" in sys.modules


class _State:
    """What ``init`` decided, for what runs in the program's own calls; a fork inherits it."""

    __slots__ = ("content", "signs_later")

    def __init__(self) -> None:
        self.content: Content = "hashes"
        # Whether our own queue is where spans go: then its thread makes the signatures.
        self.signs_later = False


STATE = _State()
