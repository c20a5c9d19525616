"""Where the store of a running instance is, for the commands beside it."""

from __future__ import annotations

import os
from pathlib import Path

from spanledger_server.errors import UsageError
from spanledger_server.run_file import RunFile, RunInfo, running_instance
from spanledger_storage.engine import Engine, EngineSettings
from spanledger_storage.errors import ConfigError
from spanledger_storage.store import StoreSettings


def reader_of(info: RunInfo, data: Path) -> StoreSettings:
    """Return the read-only settings: of the local engine, or from the environment.

    Raises:
        ConfigError: the environment does not say where the store is.
    """
    if info.engine_port:
        return Engine(EngineSettings(data.absolute() / "engine", info.engine_port)).reader
    url = _url_of_environment()
    if not url:
        raise ConfigError(
            "The instance keeps its data in a ClickHouse server: set SPANLEDGER_READ_STORE_URL or "
            "SPANLEDGER_STORE_URL."
        )
    return StoreSettings.from_url(url)


def reader_near(data: Path) -> StoreSettings:
    """Return settings to read with: of the instance on a directory, else from the environment.

    In containers nothing runs on a directory as `up` does, and the environment names the store.

    Raises:
        UsageError: there is neither.
    """
    if not RunFile(data).is_held() and (url := _url_of_environment()):
        return StoreSettings.from_url(url)
    return reader_of(running_instance(data), data)


def _url_of_environment() -> str:
    names = ("SPANLEDGER_READ_STORE_URL", "SPANLEDGER_STORE_URL")
    return next((url for name in names if (url := os.environ.get(name))), "")


def writer_of(data: Path, store_url: str) -> StoreSettings:
    """Return settings to write with: of a given store, or of the running instance's own engine.

    Raises:
        UsageError: neither is there.
    """
    if store_url:
        return StoreSettings.from_url(store_url)
    info = running_instance(data)
    if not info.engine_port:
        raise UsageError(
            "The instance keeps its data in a ClickHouse server: give --store-url or set "
            "SPANLEDGER_STORE_URL."
        )
    return Engine(EngineSettings(data.absolute() / "engine", info.engine_port)).writer
