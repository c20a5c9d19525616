"""What ``spanledger keys`` shows and changes."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

from spanledger_analytics.price_book.input import parse_time, time_text
from spanledger_server.errors import UsageError
from spanledger_server.output import Format
from spanledger_server.prices.session import now_ns, user
from spanledger_server.rows import print_rows
from spanledger_storage.api_keys import PREFIX, Scope, scopes_text
from spanledger_storage.price_state import StateEngine
from spanledger_storage.projects import KeyRow, Keys, Projects

_COLUMNS = ("id", "project", "label", "scopes", "created", "created_by", "expires", "status")
_SPAN = re.compile(r"(\d{1,5})([hdw])", re.ASCII)
_SECONDS = {"h": 3_600, "d": 86_400, "w": 7 * 86_400}


def print_keys(
    state: StateEngine, project: str, output: Format, make_key: str, *, with_dead: bool
) -> None:
    """Print the keys of a project (empty: of all), never a secret; ``with_dead``: also over ones.

    Where there is none, ``make_key`` is the command that is shown.

    Raises:
        ConfigError: there is no such project.
    """
    if project:
        Projects(state).get(project)
    now = now_ns()
    rows = [
        _fields(row, now)
        for row in Keys(state).all()
        if (not project or row.project == project) and (with_dead or row.is_live(now))
    ]
    print_rows(_COLUMNS, rows, output, f"No keys. Make one: {make_key}")


def create(
    state: StateEngine,
    project: str,
    scopes: Sequence[Scope],
    label: str,
    expires: str | None,
    by: str,
) -> None:
    """Make a key: the key alone on standard output, words about it on standard error.

    Without ``expires`` it is good for ever.

    Raises:
        UsageError: ``expires`` is not a time to come.
        ConfigError: there is no such project.
    """
    now = now_ns()
    expires_at_ns = None if expires is None else _expiry(expires, now)
    row, key = Keys(state).create(
        project, scopes, user(by), now, label=label, expires_at_ns=expires_at_ns
    )
    until = "" if expires_at_ns is None else f", until {time_text(expires_at_ns)}"
    print(
        f"Key {row.id} of project {project}, scope {scopes_text(row.scopes)}{until}. It is shown "
        "this once; send it as `Authorization: Bearer KEY` or `x-api-key: KEY`.",
        file=sys.stderr,
    )
    print(key.text)


def revoke(state: StateEngine, key_id: str, by: str) -> None:
    """Let a key open nothing any more; raises ConfigError when there is none of this id."""
    # Whoever pastes the whole key means its id.
    public = key_id.removeprefix(PREFIX).partition("_")[0]
    row = Keys(state).revoke(public, user(by), now_ns())
    print(
        f"Key {row.id} of project {row.project} is revoked since "
        f"{time_text(row.revoked_at_ns or 0)}; every process refuses it within 2 seconds."
    )


def _expiry(text: str, now: int) -> int:
    match = _SPAN.fullmatch(text.strip())
    moment = now + int(match[1]) * _SECONDS[match[2]] * 10**9 if match else _time(text)
    if moment <= now:
        raise UsageError(f"--expires must be in the future, not {text!r}.")
    return moment


def _time(text: str) -> int:
    if not re.match(r"\d{4}-", text):
        raise UsageError(f"--expires must be like 90d, 12h, 4w, or a date, not {text[:80]!r}.")
    return parse_time(text, "--expires")


def _fields(row: KeyRow, now: int) -> dict[str, object]:
    return {
        "id": row.id,
        "project": row.project,
        "label": row.label,
        "scopes": scopes_text(row.scopes),
        "created": time_text(row.created_at_ns),
        "created_by": row.created_by,
        "expires": "" if row.expires_at_ns is None else time_text(row.expires_at_ns),
        "status": _status(row, now),
    }


def _status(row: KeyRow, now: int) -> str:
    if row.revoked_at_ns is not None:
        return f"revoked {time_text(row.revoked_at_ns)}"
    return "expired" if row.is_expired(now) else "live"
