"""Where the store of a running instance is, for the commands beside it."""

from __future__ import annotations

import os
from pathlib import Path

from spanledger_server.run_file import RunInfo
from spanledger_storage.engine import Engine, EngineSettings
from spanledger_storage.store import StoreSettings


def reader_of(info: RunInfo, data: Path) -> StoreSettings:
    """Return the read-only settings: of the local engine, or from the environment."""
    if info.engine_port:
        return Engine(EngineSettings(data.absolute() / "engine", info.engine_port)).reader
    url = os.environ.get("SPANLEDGER_READ_STORE_URL") or os.environ.get("SPANLEDGER_STORE_URL", "")
    return StoreSettings.from_url(url)
