"""Settings of alerts, from the environment.

| variable                        | default             | what                              |
|---------------------------------|---------------------|-----------------------------------|
| SPANLEDGER_ALERTS_FOLDER        | DATA/alerts         | rules/*.yaml and channels.yaml    |
| SPANLEDGER_ALERTS_BASE_URL      | none                | address of the dashboard in links |
| SPANLEDGER_ALERTS_HEARTBEAT_URL | none                | fetched once a minute             |
| SPANLEDGER_SLACK_SIGNING_SECRET | none                | of Slack's app, for the API alone |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from spanledger_storage.errors import ConfigError

FOLDER = "SPANLEDGER_ALERTS_FOLDER"
BASE_URL = "SPANLEDGER_ALERTS_BASE_URL"
HEARTBEAT_URL = "SPANLEDGER_ALERTS_HEARTBEAT_URL"
SLACK_SECRET = "SPANLEDGER_SLACK_SIGNING_SECRET"
VARIABLES = (FOLDER, BASE_URL, HEARTBEAT_URL, SLACK_SECRET)
_PUBLIC_URL = "SPANLEDGER_PUBLIC_URL"


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """Where rules and channels are, and what is said of the dashboard's address.

    Attributes:
        folder: None: the built-in rules and those of the dashboard alone, and no channels.
        base_url: without a slash at its end; empty: alerts have no links.
        heartbeat_url: a secret; empty: there is no heartbeat.
    """

    folder: Path | None = None
    base_url: str = ""
    heartbeat_url: str = field(default="", repr=False)

    @property
    def channels_file(self) -> Path | None:
        """The file of channels."""
        return None if self.folder is None else self.folder / "channels.yaml"

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> AlertSettings:
        """Return the settings of an environment.

        Raises:
            ConfigError: an address is none.
        """
        folder = environ.get(FOLDER, "")
        base_url = environ.get(_PUBLIC_URL) or environ.get(BASE_URL, "")
        heartbeat_url = environ.get(HEARTBEAT_URL, "")
        for name, url in ((BASE_URL, base_url), (HEARTBEAT_URL, heartbeat_url)):
            if url and not url.startswith(("https://", "http://")):
                raise ConfigError(f"{name} must be an address that begins with https://.")
        return cls(
            Path(folder).expanduser() if folder else None,
            base_url.rstrip("/"),
            heartbeat_url,
        )


def beside(data: Path) -> dict[str, str]:
    """Return the variables that stand for the places in an instance's directory."""
    place = data.expanduser().absolute()
    return {FOLDER: str(place / "alerts")}
