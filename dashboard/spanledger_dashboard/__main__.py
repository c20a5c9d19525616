"""Runs the dashboard as its own process: ``python -m spanledger_dashboard --port 8501``."""

from __future__ import annotations

import argparse
import gc
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from spanledger_dashboard.access.settings import AccessSettings, check_listening
from spanledger_dashboard.settings import DashboardSettings, SettingsError

if TYPE_CHECKING:
    from streamlit.components.v2.manifest_scanner import ComponentManifest
    from streamlit.web.server.starlette import App

_FOLDER = Path(__file__).parent


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status."""
    options = _parser().parse_args(argv)
    try:
        DashboardSettings.from_environment()
        access = AccessSettings.from_environment()
        check_listening(options.host, access.auth)
        gc.disable()  # what is loaded is no garbage, and looking for some takes a sixth of the time
        app = _app(access, options.host)
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 (the process has no log yet)
        return 2
    # Uvicorn stops on these by itself, then raises them again for whoever handled them before:
    # without a handler of ours the process would die of the signal instead of ending well.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    _serve(app, options)
    return 0


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="spanledger_dashboard", description=__doc__)
    parser.add_argument("--port", type=int, default=8501, help="port to listen on")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--tls-cert", help="certificate, PEM; default: no TLS")
    parser.add_argument("--tls-key", help="private key of the certificate, PEM")
    return parser


def _app(access: AccessSettings, host: str) -> App:
    # Slow imports come after the arguments were found good.
    import streamlit as st
    from starlette.middleware import Middleware
    from streamlit.logger import get_logger

    # Of each function with a cache it would say that nothing is served yet.
    get_logger("streamlit.runtime.caching.cache_data_api").setLevel(logging.ERROR)

    from spanledger_dashboard.access.doorkeeper import doorkeeper
    from spanledger_dashboard.access.gate import Gate
    from spanledger_dashboard.access.media import track
    from spanledger_dashboard.access.routes import Entrance
    from spanledger_dashboard.failures import show_fault
    from spanledger_dashboard.front_page import FrontPage
    from spanledger_dashboard.static_compression import StaticCompression

    # Streamlit looks for .streamlit/config.toml beside the program it believes it runs.
    sys.argv = [str(_FOLDER / "__main__.py")]
    keeper = None if access.is_open else doorkeeper(access)
    if keeper:
        track(keeper.owners)
    hosts = {host, urlsplit(access.public_url).hostname or host}
    return st.App(
        _FOLDER / "app.py",
        routes=Entrance(keeper).routes() if keeper else [],
        on_script_error=show_fault,
        middleware=[
            Middleware(Gate, keeper=keeper, hosts=hosts),
            Middleware(StaticCompression),
            Middleware(FrontPage),
        ],
    )


def _no_packages(max_workers: int | None = None) -> list[tuple[ComponentManifest, Path]]:
    """Return no components: Streamlit asks all that is installed for them, and ours is in none."""
    return []


def _serve(app: App, options: argparse.Namespace) -> None:
    from streamlit.components.v2 import manifest_scanner

    from spanledger_dashboard.warm_up import import_pages

    manifest_scanner.scan_component_manifests = _no_packages  # which took a third of a second
    import_pages()
    gc.freeze()
    gc.enable()
    config = {"server.address": options.host, "server.port": options.port}
    if options.tls_cert:
        config |= {"server.sslCertFile": options.tls_cert, "server.sslKeyFile": options.tls_key}
    app.run(config=config)


if __name__ == "__main__":
    sys.exit(main())
