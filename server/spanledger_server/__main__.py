"""``python -m spanledger_server`` is the ``spanledger`` command."""

from __future__ import annotations

from typing import NoReturn

from spanledger_server.loading import loading


def main() -> NoReturn:
    """Run the command line."""
    with loading():
        from spanledger_server import cli
    cli.main()


if __name__ == "__main__":
    main()
