"""Entry point of the engine's own process: ``python -m spanledger_storage._engine_process``.

Two forms: ``chdb CONFIG_DIRECTORY STORE_DIRECTORY`` runs the ClickHouse server inside the
chdb-core wheel; anything else is run as the command line of an installed server. Both end at
once when standard input ends, that is when the process that started them is gone. Ending a
ClickHouse server that way is as safe as a crash: whatever it acknowledged survives.
"""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable

# clickhouse-local can listen since 26.9; it does so while a query runs, so one runs for ever.
# Each row takes a second, and the block size of one makes the engine look up between rows.
_SERVE = """
SYSTEM START LISTEN HTTP;
SELECT count() FROM system.numbers WHERE sleepEachRow(1)
SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 0, max_execution_time = 0
"""


def main(argv: list[str]) -> int:
    """Run the engine until standard input ends; return its exit status."""
    if argv[0] != "chdb":
        server = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
        _at_end_of_input(server.terminate)
        return server.wait()
    _at_end_of_input(lambda: os._exit(0))
    return _serve_chdb(config_directory=argv[1], store_directory=argv[2])


def _serve_chdb(config_directory: str, store_directory: str) -> int:
    # Importing chdb opens a throw-away engine that reads ./config.xml: import it elsewhere.
    with tempfile.TemporaryDirectory() as neutral:
        os.chdir(neutral)
        from chdb import _chdb

        os.chdir(config_directory)
    # The engine reads config.xml from the working directory.
    _chdb.query(_SERVE, "TabSeparated", path=store_directory)  # type: ignore[attr-defined] # not in its stubs
    # Only an error ends the query above; the engine has written it to standard error.
    return 1


def _at_end_of_input(act: Callable[[], object]) -> None:
    def wait() -> None:
        # os.read, not sys.stdin: a buffered reader's lock would outlive the interpreter.
        while os.read(0, 1):
            pass
        act()

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
