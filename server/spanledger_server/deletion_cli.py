"""``spanledger delete``: one trace, session or user, from every table. Thin: options only."""

from __future__ import annotations

from typing import Annotated

import typer

from spanledger_server.options import DEFAULT_DATA, By, Data, StateUrl, StoreUrl

app = typer.Typer(
    name="delete",
    help="Delete one trace, session or user for good (privacy requests), and prove it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Id = Annotated[str, typer.Argument(metavar="ID")]
ProjectName = Annotated[str, typer.Option("--project", help="The project.")]
IsDry = Annotated[bool, typer.Option("--dry-run", help="Say what would go, delete nothing.")]
IsAgreed = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
KeepCost = Annotated[
    bool,
    typer.Option("--keep-cost", help="Keep what calls cost, under pseudonyms, so totals stay."),
]
IsWaiting = Annotated[
    bool,
    typer.Option("--wait/--no-wait", help="Wait until old files are gone: up to 20 minutes."),
]


def _add(kind: str, what: str) -> None:
    """Register the command that deletes one kind of thing."""

    def run(
        id_: Id,
        project: ProjectName = "default",
        is_dry: IsDry = False,
        is_agreed: IsAgreed = False,
        keep_cost: KeepCost = False,
        is_waiting: IsWaiting = True,
        by: By = "",
        data: Data = DEFAULT_DATA,
        store_url: StoreUrl = "",
        state_url: StateUrl = "",
    ) -> None:
        from spanledger_server.deletion_run import Options, delete

        options = Options(is_dry, is_agreed, keep_cost, is_waiting, by)
        delete(kind, id_, project, options, data, store_url, state_url)

    app.command(name=kind, help=f"Delete {what}.")(run)


_add("trace", "one trace")
_add("session", "every trace in which a span carries this session")
_add("user", "every trace in which a span carries this user")


@app.command(name="log")
def show_log(data: Data = DEFAULT_DATA, state_url: StateUrl = "") -> None:
    """Show who deleted what, when, and what it cost; ids are keyed hashes."""
    from spanledger_server.deletion_run import print_log

    print_log(data, state_url)
