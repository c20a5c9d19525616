"""What ``spanledger projects`` shows and changes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from spanledger_analytics.price_book.input import time_text
from spanledger_server.errors import UsageError
from spanledger_server.output import Format
from spanledger_server.prices.session import now_ns, user
from spanledger_server.rows import print_rows
from spanledger_storage.price_state import StateEngine
from spanledger_storage.project_settings import Pattern, ProjectSettings
from spanledger_storage.projects import Keys, ProjectLogRow, ProjectRow, Projects

CLEAR = "none"
"""Instead of a value: back to the default."""
_LIST_COLUMNS = (
    "name",
    "created",
    "live_keys",
    "items_per_s",
    "bytes_per_s",
    "content",
    "content_days",
    "spans_days",
    "metrics_days",
    "ledger_days",
)
_LOG_WORDS = ("revision", "at", "who", "action", "object", "what")
_LOG_COLUMNS = ("revision", "at", "who", "action", "object", "before", "after")
Given = Mapping[str, str | list[str]]
"""Options of ``projects set`` as typed; those left out are empty."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an option belongs in the settings."""

    section: str
    field: str


PLACES: dict[str, _Place] = {
    "--items-per-s": _Place("limits", "items_per_s"),
    "--bytes-per-s": _Place("limits", "bytes_per_s"),
    "--content": _Place("privacy", "content"),
    "--content-sample-rate": _Place("privacy", "content_sample_rate"),
    "--drop-key": _Place("privacy", "drop_keys"),
    "--hash-key": _Place("privacy", "hash_keys"),
    "--redact": _Place("privacy", "presets"),
    "--pattern": _Place("privacy", "patterns"),
    "--content-days": _Place("retention", "content_days"),
    "--spans-days": _Place("retention", "spans_days"),
    "--metrics-days": _Place("retention", "metrics_days"),
    "--ledger-days": _Place("retention", "ledger_days"),
    "--max-llm-calls-per-request": _Place("findings", "max_llm_calls_per_request"),
    "--max-usd-per-request": _Place("findings", "max_usd_per_request"),
    "--max-usd-per-session": _Place("findings", "max_usd_per_session"),
    "--max-usd-per-user-day": _Place("findings", "max_usd_per_user_day"),
    "--poll-tool": _Place("findings", "poll_tools"),
    "--mutating-tool": _Place("findings", "mutating_tools"),
    "--disable-detector": _Place("findings", "disabled_detectors"),
    "--tolerance-cell-usd": _Place("reconciliation", "cell_usd"),
    "--tolerance-cell-percent": _Place("reconciliation", "cell_percent"),
    "--tolerance-day-percent": _Place("reconciliation", "day_percent"),
    "--tolerance-month-percent": _Place("reconciliation", "month_percent"),
}


def print_projects(state: StateEngine, output: Format) -> None:
    """Print all projects with what is special about them."""
    now = now_ns()
    live = [row.project for row in Keys(state).all() if row.is_live(now)]
    rows = [
        {
            "name": row.project.name,
            "created": time_text(row.created_at_ns),
            "live_keys": live.count(row.project.name),
            **row.project.settings.limits.model_dump(),
            "content": row.project.settings.privacy.content,
            **row.project.settings.retention.model_dump(),
        }
        for row in Projects(state).all()
    ]
    print_rows(_LIST_COLUMNS, rows, output)


def print_project(state: StateEngine, name: str, output: Format) -> None:
    """Print every setting of a project; raises ConfigError when there is none of the name."""
    row = Projects(state).get(name)
    if output is Format.json:
        print(row.project.settings.model_dump_json(indent=2))
        return
    rows = [{"setting": key, "value": text} for key, text in _leaves(row.project.settings)]
    print_rows(("setting", "value"), rows, output)


def print_log(state: StateEngine, limit: int, output: Format) -> None:
    """Print the newest changes, newest first; as a table in words, else with the whole rows."""
    columns = _LOG_WORDS if output is Format.table else _LOG_COLUMNS
    rows = [_log_fields(row) for row in Projects(state).log(limit)]
    print_rows(columns, rows, output, "Nothing has been changed.")


def create(state: StateEngine, name: str, by: str, make_key: str) -> ProjectRow:
    """Make a project and say what comes next; raises ConfigError when it cannot be.

    ``make_key`` is the command that makes a key for it.
    """
    row = Projects(state).create(name, user(by), now_ns())
    print(f"Project {name} is there. A key to send with: {make_key}")
    return row


def change(state: StateEngine, name: str, given: Given, by: str) -> None:
    """Change settings of a project and print what changed.

    Raises:
        UsageError: nothing to change is given, or a value is none that may be.
        ConfigError: there is no such project.
    """
    given = {option: value for option, value in given.items() if value}
    if not given:
        raise UsageError(f"Give at least one of {', '.join(PLACES)}.")
    projects = Projects(state)
    before = projects.get(name).project.settings
    after = _changed(before, given)
    projects.set(name, after, user(by), now_ns())
    was = dict(_leaves(before))
    lines = [f"{key}: {was[key]} -> {text}" for key, text in _leaves(after) if text != was[key]]
    print("\n".join(lines) if lines else "Nothing changes: it is set so already.")
    if lines:
        print("Collectors that run know it within 2 seconds.")


def _changed(settings: ProjectSettings, given: Given) -> ProjectSettings:
    values = settings.model_dump()
    for option, value in given.items():
        place = PLACES[option]
        if value in (CLEAR, [CLEAR]):
            del values[place.section][place.field]
        elif option == "--pattern":
            values[place.section][place.field] = [_pattern(text) for text in value]
        elif option == "--disable-detector":
            values[place.section][place.field] = [_detector(text) for text in value]
        else:
            values[place.section][place.field] = value
    try:
        after = ProjectSettings.model_validate(values)
    except ValidationError as error:
        raise UsageError("; ".join(_complaints(error)) + ".") from None
    slow = (
        [one.name for one in after.privacy.patterns if one.is_slow] if "--pattern" in given else []
    )
    if slow:
        raise UsageError(
            f"--pattern: {', '.join(slow)}: texts may take too long, because too much is repeated "
            "a counted number of times; write + or {512,} rather than {512,1000}."
        )
    return after


def _pattern(text: str) -> dict[str, str]:
    name, equals, regex = text.partition("=")
    if not equals:
        raise UsageError(f"--pattern must be NAME=REGEX, not {text[:80]!r}.")
    return {"name": name, "regex": regex}


def _detector(name: str) -> str:
    from spanledger_analytics.findings.cascades.job import NAME  # slow to load
    from spanledger_analytics.findings.detectors import DETECTORS

    names = (*DETECTORS, NAME)
    if name not in names:
        raise UsageError(f"--disable-detector is one of {', '.join(names)}, not {name[:80]!r}.")
    return name


def _complaints(error: ValidationError) -> Iterator[str]:
    options = {(place.section, place.field): option for option, place in PLACES.items()}
    for found in error.errors(include_url=False):
        section, field = (*map(str, found["loc"]), "")[:2]
        message = found["msg"].removeprefix("Value error, ")
        yield f"{options.get((section, field), field)}: {message[0].lower()}{message[1:]}"


def _leaves(settings: ProjectSettings) -> Iterator[tuple[str, str]]:
    """Yield every setting, as ``section.field``, with its value as text."""
    for section in type(settings).model_fields:
        model: BaseModel = getattr(settings, section)
        for field in type(model).model_fields:
            yield f"{section}.{field}", _text(getattr(model, field))


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_text, value)) or CLEAR
    if isinstance(value, Pattern):
        return f"{value.name}={value.regex}"
    return CLEAR if value is None else str(value)


def _log_fields(row: ProjectLogRow) -> dict[str, object]:
    fields: dict[str, object] = {name: getattr(row, name, None) for name in _LOG_COLUMNS}
    return {**fields, "at": time_text(row.at_ns), "what": _what(row)}


def _what(row: ProjectLogRow) -> str:
    """Return what differs between before and after, in words."""
    before, after = _flat(json.loads(row.before or "{}")), _flat(json.loads(row.after))
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return "; ".join(f"{n}: {before.get(n, CLEAR)} -> {after.get(n, CLEAR)}" for n in names)


def _flat(values: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        elif value is not None:
            flat[prefix + name] = json.dumps(value, ensure_ascii=False)
    return flat
