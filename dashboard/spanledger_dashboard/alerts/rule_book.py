"""All rules as they hold now, each with where it comes from and its YAML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import cast

import yaml

from spanledger_alerts.errors import AlertsError
from spanledger_alerts.measures import MEASURES
from spanledger_alerts.rule_files import parse
from spanledger_alerts.rules import Rule, rule_of
from spanledger_alerts.settings import AlertSettings
from spanledger_storage.alert_rules import StoredRule
from spanledger_storage.project_settings import DEFAULT_PROJECT

BUILT_IN, FILE, DASHBOARD = "Built-in", "File", "Dashboard"


@dataclass(frozen=True, slots=True)
class Entry:
    """A rule that holds.

    Attributes:
        source: ``BUILT_IN``, ``FILE`` or ``DASHBOARD``.
        place: name of the file; of a rule of the dashboard who changed it last.
        text: its YAML.
        stands_for: sources of rules of the same name in whose place it stands.
    """

    rule: Rule
    source: str
    place: str
    text: str
    stands_for: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it is called."""
        return self.rule.name


@dataclass(frozen=True, slots=True)
class RuleBook:
    """The rules by name, and what is wrong with some of them; empty: nothing is."""

    entries: Mapping[str, Entry]
    problem: str = ""

    def of_project(self, project: str) -> list[Entry]:
        """Return the rules that are evaluated for a project, by name."""
        return [one for one in self.entries.values() if is_of(one.rule, project)]

    def rule(self, name: str) -> Rule:
        """Return a rule; what stands for it where it is gone, or not known here."""
        found = self.entries.get(name)
        return found.rule if found else _gone(name)


def load_book(settings: AlertSettings, stored: Mapping[str, StoredRule]) -> RuleBook:
    """Return the rules: built-in ones, then those of the folder, then those of the dashboard.

    A file or a stored rule that cannot be read is left out and named in the problem.
    """
    entries: dict[str, Entry] = {}
    problems: list[str] = []
    for source, place, text in _texts(settings, stored, problems):
        where = f"rule {place}" if source == DASHBOARD else place
        try:
            found = _read_rules(text, where)
        except AlertsError as error:
            problems.append(str(error))
            continue
        by = stored[place].changed_by if source == DASHBOARD else place
        for rule, own in found:
            before = entries.get(rule.name)
            under = (*before.stands_for, before.source) if before else ()
            entries[rule.name] = Entry(rule, source, by, own, under)
    return RuleBook({name: entries[name] for name in sorted(entries)}, "\n".join(problems))


def is_of(rule: Rule, project: str) -> bool:
    """Return whether a rule is evaluated for a project."""
    if rule.measure and MEASURES[rule.measure].is_of_instance:
        return project == DEFAULT_PROJECT
    return not rule.projects or project in rule.projects


def with_field(text: str, name: str, value: object) -> str:
    """Return the YAML of one rule with another value of a field; comments go."""
    fields = cast("dict[str, object]", yaml.safe_load(text))
    return dumped({**fields, name: value})


def dumped(fields: Mapping[str, object]) -> str:
    """Return a rule as YAML, in the order of its fields."""
    return str(
        yaml.safe_dump(
            dict(fields), sort_keys=False, allow_unicode=True, width=90, default_flow_style=None
        )
    )


def _texts(
    settings: AlertSettings, stored: Mapping[str, StoredRule], problems: list[str]
) -> Iterator[tuple[str, str, str]]:
    """Give source, place and text of all that holds rules, the weakest first."""
    for entry in sorted((files("spanledger_alerts") / "builtin").iterdir(), key=lambda e: e.name):
        if entry.name.endswith(".yaml"):
            yield BUILT_IN, entry.name, entry.read_text("utf-8")
    folder = None if settings.folder is None else settings.folder / "rules"
    for path in sorted(folder.glob("*")) if folder is not None else ():
        if path.suffix in (".yaml", ".yml"):
            text = _read(path, problems)
            if text is not None:
                yield FILE, path.name, text
    for one in stored.values():
        yield DASHBOARD, one.name, one.text


@lru_cache(maxsize=256)
def _read_rules(text: str, where: str) -> tuple[tuple[Rule, str], ...]:
    """Return the rules of a text, each with its YAML; kept, because reading YAML is slow."""
    rules = parse(text, where)
    return tuple(zip(rules, _own_texts(text, rules), strict=True))


def _read(path: Path, problems: list[str]) -> str | None:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{path.name} cannot be read: {type(error).__name__}.")
        return None


def _own_texts(text: str, rules: list[Rule]) -> list[str]:
    """Return the YAML of each rule of a text; of a single one as people wrote it."""
    found: object = yaml.safe_load(text)
    if isinstance(found, dict) and set(cast("dict[object, object]", found)) == {"rules"}:
        found = cast("dict[str, object]", found)["rules"]
    if isinstance(found, list):
        return [dumped(fields) for fields in cast("list[dict[str, object]]", found)]
    return [text] * len(rules)


def _gone(name: str) -> Rule:
    fields = {"name": name, "title": name, "finding": ["loop"]}
    try:
        return rule_of(fields, name)
    except AlertsError:  # rows of the engine's own, and of what an older version allowed
        return rule_of({**fields, "name": "unknown"}, name)
