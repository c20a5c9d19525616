"""Runs the dashboard as its own process: ``python -m spanledger_dashboard --port 8501``."""

from __future__ import annotations

import argparse
import gc
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from spanledger_dashboard.settings import DashboardSettings, SettingsError

_FOLDER = Path(__file__).parent


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status."""
    options = _parser().parse_args(argv)
    try:
        DashboardSettings.from_environment()
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 (the process has no log yet)
        return 2
    # Uvicorn stops on these by itself, then raises them again for whoever handled them before:
    # without a handler of ours the process would die of the signal instead of ending well.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    _serve(options.host, options.port)
    return 0


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="spanledger_dashboard", description=__doc__)
    parser.add_argument("--port", type=int, default=8501, help="port to listen on")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    return parser


def _serve(host: str, port: int) -> None:
    # Slow imports come after the arguments were found good.
    import streamlit as st
    from starlette.middleware import Middleware

    from spanledger_dashboard.static_gzip import StaticGzip
    from spanledger_dashboard.warm_up import import_pages

    # Streamlit looks for .streamlit/config.toml beside the program it believes it runs.
    sys.argv = [str(_FOLDER / "__main__.py")]
    app = st.App(_FOLDER / "app.py", middleware=[Middleware(StaticGzip)])
    import_pages()
    gc.collect()
    gc.freeze()
    app.run(config={"server.address": host, "server.port": port})


if __name__ == "__main__":
    sys.exit(main())
