"""What a person writes of a channel, and how secrets get in: by reference, never as text."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo

from spanledger_alerts.errors import ChannelConfigError
from spanledger_alerts.notification import Channel, DeliveryError
from spanledger_alerts.text import web_address

_LARGEST_SECRET_BYTES = 16_384
_FORMS = "env:NAME or file:PATH"


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret by reference; what is shown of it is the reference.

    Attributes:
        source: ``env:NAME``, ``file:PATH``, or ``plain`` for an address without a secret.
    """

    source: str
    _environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    _plain: str = field(default="", repr=False)

    def read(self) -> str:
        """Return the secret; a file is read anew, so that it can be replaced.

        Raises:
            DeliveryError: it is not there, or is no single line; later it may be.
        """
        if self._plain:
            return self._plain
        kind, _, place = self.source.partition(":")
        text = self._environ.get(place, "") if kind == "env" else _file_text(place)
        text = text.strip()
        if not text.isprintable() or not text:
            raise DeliveryError(
                f"{self.source} holds no secret: one line of text is needed.", permanent=False
            )
        return text

    @classmethod
    def parse(cls, raw: object, info: ValidationInfo) -> Secret:
        """Return the secret that a configuration refers to, which has to be there."""
        return cls._found(raw, info.context)

    @classmethod
    def parse_address(cls, raw: object, info: ValidationInfo) -> Secret:
        """The same for an address, which may also be written as it is."""
        if isinstance(raw, str) and web_address(raw):
            return cls("plain", _plain=raw)
        secret = cls._found(raw, info.context)
        if not web_address(secret.read()):
            raise ValueError(f"{secret.source} holds no address that begins with https://")
        return secret

    @classmethod
    def _found(cls, raw: object, environ: Mapping[str, str] | None) -> Secret:
        if isinstance(raw, Secret):
            return raw
        if not isinstance(raw, str) or not raw.startswith(("env:", "file:")):
            raise ValueError(f"write {_FORMS}, never the secret itself")
        secret = cls(raw, os.environ if environ is None else environ)
        try:
            secret.read()
        except DeliveryError as error:
            raise ValueError(str(error)) from None
        return secret


def _file_text(place: str) -> str:
    try:
        with Path(place).open("rb") as opened:
            return opened.read(_LARGEST_SECRET_BYTES).decode()
    except (OSError, UnicodeDecodeError):
        return ""


SecretText = Annotated[Secret, BeforeValidator(Secret.parse)]
"""A field that is written ``env:NAME`` or ``file:PATH``."""
Address = Annotated[Secret, BeforeValidator(Secret.parse_address)]
"""A field that is an address, written as it is or like a secret."""


class ChannelConfig(BaseModel, ABC):
    """What every channel has.

    Attributes:
        per_s: notifications a second that it takes for long.
        burst: notifications that it takes at once.
        timeout_s: how long one step of sending may take.
    """

    # Input may be a secret at the wrong place: errors never quote it.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    per_s: float = Field(default=1.0, gt=0, le=100)
    burst: int = Field(default=5, ge=1, le=1_000)
    timeout_s: float = Field(default=10.0, gt=0, le=60)

    @abstractmethod
    def open(self) -> Channel:
        """Return the channel; nothing is connected before it sends.

        What sending imports is imported here: several channels send at once, each in a thread.

        Raises:
            ChannelConfigError: a library that it needs is not installed.
        """


def explained(name: str, error: ValidationError) -> ChannelConfigError:
    """Return what is wrong with a channel, one clause for each field."""
    said: list[str] = []
    for one in error.errors(include_input=False, include_url=False, include_context=False):
        place = ".".join(map(str, one["loc"])) or "settings"
        said.append(f"{place}: {one['msg'].removeprefix('Value error, ').rstrip('.')}")
    return ChannelConfigError(f"Channel {name}: {'; '.join(said)}.")
