"""``spanledger replay``: golden trajectories and checks against them. Thin: options only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spanledger_server.options import DEFAULT_DATA, By, Data, Output, StateUrl, StoreUrl
from spanledger_server.output import Format

app = typer.Typer(
    name="replay",
    help="Golden trajectories: save runs that went well, and check that others are no worse.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="As `replay list` shows it.")]
Project = Annotated[str, typer.Option(help="Whose trajectories.")]
_AS_IT_LIKES = "none: as it likes."


@app.command(name="save")
def save(
    trajectory: Annotated[str, typer.Argument(metavar="ID", help="Trajectory, or a trace of it.")],
    name: Annotated[
        str, typer.Option(show_default=False, help="Default: as the trajectory is called.")
    ] = "",
    project: Project = "default",
    by: By = "",
    data: Data = DEFAULT_DATA,
    store_url: StoreUrl = "",
    state_url: StateUrl = "",
) -> None:
    """Save a trajectory as golden: its steps, costs and outcome, and no content."""
    from spanledger_server.replay_changes import save_and_say

    save_and_say(data, store_url, state_url, project, trajectory, name, by)


@app.command(name="list")
def list_golden(
    project: Project = "default",
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """List the golden trajectories of a project, also those saved on the page of a trace."""
    from spanledger_server.replay import GOLDEN
    from spanledger_server.replay_changes import views_of
    from spanledger_server.replay_report import print_list

    print_list(views_of(data, state_url).of(GOLDEN, project), output)


@app.command(name="show")
def show(
    name: Name,
    project: Project = "default",
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Show the steps of a golden trajectory."""
    from spanledger_server.replay import goldens
    from spanledger_server.replay_changes import views_of
    from spanledger_server.replay_report import print_steps

    print_steps(goldens(views_of(data, state_url), project, [name])[name], output)


@app.command(name="remove")
def remove(
    name: Name,
    project: Project = "default",
    data: Data = DEFAULT_DATA,
    state_url: StateUrl = "",
) -> None:
    """Remove a golden trajectory; the trajectory it was made of stays."""
    from spanledger_server.replay_changes import remove_and_say

    remove_and_say(data, state_url, project, name)


@app.command(name="check")
def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME …", show_default=False, help="Default: all that are saved."),
    ] = None,
    since: Annotated[
        str,
        typer.Option(
            metavar="TIME|AGE",
            show_default=False,
            help="Candidates began then or later: a time, or 30m, 2h, 1d; default: 1h, but any "
            "time with --candidate, --task or --session.",
        ),
    ] = "",
    candidate: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", show_default=False, help="This trajectory; repeat it for more."),
    ] = None,
    task: Annotated[str, typer.Option(metavar="ID", show_default=False)] = "",
    session: Annotated[str, typer.Option(metavar="ID", show_default=False)] = "",
    by: Annotated[
        str,
        typer.Option(
            metavar="DIMENSION",
            help="Candidates have the golden trajectory's name in it, unless they are chosen by "
            "--candidate, --task or --session.",
        ),
    ] = "golden",
    dimension: Annotated[
        str, typer.Option(metavar="NAME=VALUE", show_default=False, help="Candidates have this.")
    ] = "",
    max_cost_increase: Annotated[
        str, typer.Option(metavar="PERCENT|none", help=_AS_IT_LIKES)
    ] = "10%",
    max_token_increase: Annotated[str, typer.Option(metavar="PERCENT|none")] = "none",
    max_extra_calls: Annotated[
        str, typer.Option(metavar="N|none", help="Model calls more than the golden one.")
    ] = "1",
    max_extra_steps: Annotated[
        str, typer.Option(metavar="N|none", help="Steps that the golden one does not have.")
    ] = "2",
    max_missing_steps: Annotated[
        str, typer.Option(metavar="N|none", help="Steps that only the golden one has.")
    ] = "none",
    max_loops: Annotated[
        str, typer.Option(metavar="N|none", help="Tool calls more that repeat a pattern.")
    ] = "0",
    wait: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="For candidates to arrive and end.")
    ] = 0.0,
    junit: Annotated[
        Path | None,
        typer.Option(metavar="FILE", show_default=False, help="Write JUnit XML there as well."),
    ] = None,
    project: Project = "default",
    output: Output = Format.table,
    data: Data = DEFAULT_DATA,
    store_url: StoreUrl = "",
    state_url: StateUrl = "",
) -> None:
    """Compare trajectories with golden ones; exit with 1 when one is worse.

    Exit codes: 0: none is worse. 1: one is worse. 2: nothing could be judged, or one of the golden
    trajectories has no candidate.
    """
    from spanledger_server.replay_changes import CheckOptions, check_and_say

    options = CheckOptions(
        names=names or [],
        since=since,
        ids=candidate or [],
        task=task,
        session=session,
        by=by,
        dimension=dimension,
        limits={
            "cost_increase": max_cost_increase,
            "token_increase": max_token_increase,
            "extra_calls": max_extra_calls,
            "extra_steps": max_extra_steps,
            "missing_steps": max_missing_steps,
            "loops": max_loops,
        },
        wait_s=wait,
        junit=junit,
    )
    code = check_and_say(data, store_url, state_url, project, options, output)
    if code:
        raise typer.Exit(code)
