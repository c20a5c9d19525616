"""What the commands on golden trajectories do with what was typed."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from spanledger_analytics.golden.judge import Tolerances
from spanledger_server.errors import UsageError
from spanledger_server.output import Format
from spanledger_server.periods import parse_since
from spanledger_server.prices.session import open_store, user
from spanledger_server.replay import GOLDEN, Judged, Wanted, check, goldens, save_golden
from spanledger_server.replay_report import print_check, write_junit
from spanledger_server.rows import printable
from spanledger_server.state_database import state_reader_of, state_writer_of
from spanledger_storage.errors import StorageError
from spanledger_storage.saved_views import SavedViews

FINE, WORSE, NOT_JUDGED = 0, 1, 2

_OPTIONS = {
    "cost_increase": "--max-cost-increase",
    "token_increase": "--max-token-increase",
    "extra_calls": "--max-extra-calls",
    "extra_steps": "--max-extra-steps",
    "missing_steps": "--max-missing-steps",
    "loops": "--max-loops",
}
_RATIOS = ("cost_increase", "token_increase")


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """What was typed behind ``replay check``; ``limits`` by field of Tolerances."""

    names: Sequence[str]
    since: str
    ids: Sequence[str]
    task: str
    session: str
    by: str
    dimension: str
    limits: Mapping[str, str]
    wait_s: float
    junit: Path | None


def views_of(data: Path, state_url: str) -> SavedViews:
    """Return what is saved, to read."""
    return SavedViews(state_reader_of(data, state_url))


def save_and_say(
    data: Path, store_url: str, state_url: str, project: str, wanted_id: str, name: str, by: str
) -> None:
    """Save a trajectory as golden and say what was saved.

    Raises:
        UsageError: there is no such trajectory, or it cannot be saved.
    """
    views = SavedViews(state_writer_of(data, state_url))
    with open_store(data, store_url) as store:
        side = save_golden(views, store, project, wanted_id, name, user(by))
    cost = "unknown" if side.totals.cost_usd is None else f"${side.totals.cost_usd:f}"
    print(
        f"Saved {printable(name or side.name)}: {len(side.steps):,} steps, "
        f"{side.totals.llm_calls:,} model calls, {cost}."
    )


def remove_and_say(data: Path, state_url: str, project: str, name: str) -> None:
    """Remove a golden trajectory.

    Raises:
        UsageError: there is none of this name.
    """
    views = SavedViews(state_writer_of(data, state_url))
    goldens_known = [view.name for view in views.of(GOLDEN, project)]
    if name not in goldens_known or not views.remove(GOLDEN, project, name):
        raise UsageError(f"No golden trajectory {name[:128]!r} in {project}.")
    print(f"Removed {printable(name)}.")


def check_and_say(
    data: Path,
    store_url: str,
    state_url: str,
    project: str,
    options: CheckOptions,
    output: Format,
) -> int:
    """Compare candidates with golden trajectories, print how, and return the exit code.

    Raises:
        UsageError: an option cannot be read, nothing golden is saved, or the store does not answer:
            a failure that is not the candidates' must not look like one of theirs.
    """
    tolerances = tolerances_of(options.limits)
    wanted = _wanted(options, int(time.time()))
    try:
        golden = goldens(views_of(data, state_url), project, options.names)
        if not golden:
            raise UsageError(
                f"No golden trajectory is saved in {project}: `spanledger replay save`."
            )
        if not wanted.by and len(golden) > 1:
            raise UsageError("With candidates of your own choice, name one golden trajectory.")
        with open_store(data, store_url) as store:
            judged = check(store, project, golden, wanted, tolerances, options.wait_s)
    except StorageError as error:
        raise UsageError(str(error)) from error
    print_check(judged, output)
    if options.junit:
        write_junit(judged, options.junit)
    return _code(judged)


def tolerances_of(limits: Mapping[str, str]) -> Tolerances:
    """Return tolerances as they were typed: a count, percent, or none.

    Raises:
        UsageError: one of them cannot be read.
    """
    ratios = {name: _ratio(name, text) for name, text in limits.items() if name in _RATIOS}
    counts = {name: _count(name, text) for name, text in limits.items() if name not in _RATIOS}
    return Tolerances(
        cost_increase=ratios["cost_increase"],
        token_increase=ratios["token_increase"],
        extra_calls=counts["extra_calls"],
        extra_steps=counts["extra_steps"],
        missing_steps=counts["missing_steps"],
        loops=counts["loops"],
    )


def _ratio(name: str, text: str) -> Decimal | None:
    if text == "none":
        return None
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)%?", text.strip())
    if not match:
        raise UsageError(f"{_OPTIONS[name]} is percent, as in 10%, or none, not {text[:40]!r}.")
    return Decimal(match[1]) / 100


def _count(name: str, text: str) -> int | None:
    if text == "none":
        return None
    if not re.fullmatch(r"\d{1,9}", text):
        raise UsageError(f"{_OPTIONS[name]} is a whole number or none, not {text[:40]!r}.")
    return int(text)


def _wanted(options: CheckOptions, now_s: int) -> Wanted:
    name, equals, value = options.dimension.partition("=")
    if options.dimension and not (name and equals and value):
        raise UsageError(f"--dimension is NAME=VALUE, not {options.dimension[:80]!r}.")
    return Wanted(
        from_s=_from_s(options, now_s),
        ids=tuple(one.strip().lower() for one in options.ids),
        task=options.task,
        session=options.session,
        by="" if _are_chosen(options) else options.by,
        dimension=name,
        dimension_value=value,
    )


def _are_chosen(options: CheckOptions) -> bool:
    return bool(options.ids or options.task or options.session)


def _from_s(options: CheckOptions, now_s: int) -> int:
    since = options.since
    if not since:
        # Whoever names one means it, however old it is.
        return 0 if _are_chosen(options) else now_s - 3_600
    return parse_since("since", since, now_s)


def _code(judged: Sequence[Judged]) -> int:
    verdicts = [verdict for one in judged for _, verdict in one.verdicts]
    if not all(verdict.passed for verdict in verdicts):
        return WORSE
    return FINE if all(one.verdicts for one in judged) else NOT_JUDGED
