"""Commands of the SDK, which are also those of the server's command line."""

from __future__ import annotations

import typer

from spanledger._cli import COMMANDS, command
from spanledger._settings import VARIABLES as SDK_VARIABLES

VARIABLES = frozenset(SDK_VARIABLES)
"""Settings that the SDK reads."""
_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def add_commands(app: typer.Typer) -> None:
    """Add the SDK's commands, but for those the server has under the same name."""
    own = {one.name or getattr(one.callback, "__name__", "") for one in app.registered_commands}
    for name, (_, text) in COMMANDS.items():
        if name not in own and name != "doctor":
            _add(app, name, text)


def _add(app: typer.Typer, name: str, text: str) -> None:
    def passed_on(context: typer.Context) -> None:
        code = command([name, *context.args])
        if code:
            raise typer.Exit(code)

    app.command(name=name, help=text, context_settings=dict(_PASSED_ON))(passed_on)


def print_captured() -> None:
    """Print which libraries of this environment an agent that runs in it would have captured."""
    from spanledger._doctor import doctor as captured  # OpenTelemetry's SDK is slow to load

    for line in captured().libraries():
        print(line)
