"""``python -m spanledger_server`` is the ``spanledger`` command."""

from __future__ import annotations

import sys
from typing import NoReturn

from spanledger_server.loading import loading


def main() -> NoReturn:
    """Run the command line."""
    try:
        with loading():
            from spanledger_server import cli
        cli.main()
    except KeyboardInterrupt:  # while modules are loaded, which takes a second
        sys.exit(130)


if __name__ == "__main__":
    main()
