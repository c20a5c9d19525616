"""``python -m spanledger_server`` is the ``spanledger`` command."""

from spanledger_server.cli import main

if __name__ == "__main__":
    main()
