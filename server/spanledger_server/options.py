"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spanledger_server.output import Format

Data = Annotated[
    Path, typer.Option("--data", envvar="SPANLEDGER_DATA", help="Directory of the instance.")
]
StoreUrl = Annotated[
    str,
    typer.Option(
        "--store-url",
        envvar="SPANLEDGER_STORE_URL",
        help="clickhouse://user:password@host:8123/database",
        show_default=False,
    ),
]
StateUrl = Annotated[
    str,
    typer.Option(
        "--state-url",
        envvar="SPANLEDGER_STATE_URL",
        help="sqlite:///FILE or postgresql+psycopg://user:password@host/database",
        show_default=False,
    ),
]
Output = Annotated[Format, typer.Option("--format", help="How to print.")]
At = Annotated[
    str,
    typer.Option(
        "--at", metavar="TIME", show_default=False, help="Date or RFC 3339; default: now."
    ),
]
From = Annotated[
    str,
    typer.Option(
        "--from", metavar="TIME", show_default=False, help="Date or RFC 3339; default: now."
    ),
]
To = Annotated[
    str,
    typer.Option("--to", metavar="TIME", show_default=False, help="First instant without it."),
]
By = Annotated[
    str, typer.Option("--by", show_default=False, help="Who; default: the user of the system.")
]
Note = Annotated[str, typer.Option("--note", show_default=False, help="Why, or where it is from.")]
Entirely = Annotated[
    bool, typer.Option("--entirely", help="As if it had never been; not only from --from on.")
]
All = Annotated[bool, typer.Option("--all", help="With those that were withdrawn.")]

DEFAULT_DATA = Path("~/.spanledger")
