"""The ``spanledger`` command: of the SDK here, of the server where that is installed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import cast

COMMANDS = {
    "run": ("spanledger._cli:run", "Run a program with tracing on: spanledger run -- python a.py"),
    "doctor": ("spanledger._cli:examine", "Say what would be captured here, and what would not."),
    "gpu": ("spanledger._workers:gpu", "Sample the NVIDIA GPUs of this host."),
    "inference": ("spanledger._workers:inference", "Read the metrics of inference servers."),
}
"""Commands of the SDK: name to where it is, and help. Each takes arguments, returns a code."""
_SERVER = "spanledger_server"


def main() -> None:
    """Run a command and exit with its code."""
    arguments = sys.argv[1:]
    is_ours = bool(arguments) and arguments[0] in COMMANDS and arguments[0] != "doctor"
    if not is_ours and find_spec(_SERVER) is not None:
        import_module(f"{_SERVER}.__main__").main()
        return
    sys.exit(command(arguments))


def command(arguments: Sequence[str]) -> int:
    """Run one of ``COMMANDS``; return its exit code."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(_help())
        return 0
    if arguments[0] == "version":
        from spanledger import __version__

        sys.stdout.write(f"{__version__}\n")
        return 0
    found = COMMANDS.get(arguments[0])
    if found is None:
        sys.stderr.write(f"spanledger: no such command: {arguments[0]}\n{_help()}")
        return 2
    module, _, name = found[0].partition(":")
    run_it = cast("Callable[[Sequence[str]], int]", getattr(import_module(module), name))
    return run_it(arguments[1:])


def run(arguments: Sequence[str]) -> int:
    """Put this process's place under a program that calls ``init`` before its first line."""
    program = list(arguments[1:] if arguments[:1] == ["--"] else arguments)
    if not program or program[0] in ("-h", "--help"):
        sys.stdout.write("spanledger run -- COMMAND [ARGUMENT ...]\n")
        return 0 if program else 2
    hook = str(Path(__file__).with_name("_auto"))
    known = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = f"{hook}{os.pathsep}{known}" if known else hook
    sys.stdout.flush()
    try:
        os.execvp(program[0], program)
    except OSError as error:
        sys.stderr.write(f"spanledger: {program[0]}: {error.strerror}\n")
        return 127


def examine(arguments: Sequence[str]) -> int:
    """Print what would be captured; 1 when something is wrong."""
    if arguments:
        sys.stdout.write("spanledger doctor: what would be captured in this environment\n")
        return 0 if arguments[0] in ("-h", "--help") else 2
    from spanledger._doctor import doctor
    from spanledger._init import init

    try:
        init()
    except ValueError as error:
        sys.stderr.write(f"spanledger: {error}\n")
        return 2
    diagnosis = doctor()
    sys.stdout.write(f"{diagnosis}\n")
    return 1 if diagnosis.problem else 0


def _help() -> str:
    lines = [f"  {name:<12}{text}\n" for name, (_, text) in COMMANDS.items()]
    return "".join(
        [
            "spanledger COMMAND\n\n",
            *lines,
            f"  {'version':<12}Print the version.\n\n",
            "The server has more: pip install spanledger-server\n",
        ]
    )
