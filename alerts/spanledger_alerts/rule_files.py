"""Rules of a folder, the built-in ones, and those people made in the dashboard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path

import yaml

from spanledger_alerts.errors import RuleError
from spanledger_alerts.rule_mistakes import line_of, line_of_error, repeated
from spanledger_alerts.rules import Rule, read_rule, rule_of

SUFFIXES = (".yaml", ".yml")
_LARGEST_BYTES = 1 << 20
_UNREADABLE = "no YAML: too many levels inside each other, or a date that does not exist."


def parse(text: str, where: str) -> list[Rule]:
    """Return the rules of a YAML text: one rule, a list of them, or a mapping with ``rules``.

    Raises:
        RuleError: it cannot be read; one line for each mistake.
    """
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RuleError(f"{where}: no YAML: {' '.join(str(error).split())[:300]}") from None
    except (RecursionError, ValueError):
        raise RuleError(f"{where}: {_UNREADABLE}") from None
    if isinstance(found, dict) and set(found) == {"rules"}:
        found = found["rules"]
    items = found if isinstance(found, list) else [] if found is None else [found]
    rules: list[Rule] = []
    mistakes: list[str] = []
    for number, item in enumerate(items, 1):
        try:
            rules.append(rule_of(item, f"{where}: {_called(item, number)}"))
        except RuleError as error:
            mistakes.append(str(error))
    if mistakes:
        raise RuleError("\n".join(mistakes))
    return rules


def built_in() -> list[Rule]:
    """Return the rules that come with the product, by name."""
    found: list[Rule] = []
    for entry in (files("spanledger_alerts") / "builtin").iterdir():
        if entry.name.endswith(".yaml"):
            found += parse(entry.read_text("utf-8"), f"built-in {entry.name}")
    return sorted(found, key=lambda rule: rule.name)


def of_folder(folder: Path) -> tuple[list[Rule], list[str]]:
    """Return the rules of ``*.yaml`` and ``*.yml`` in a folder, and every mistake in them.

    A folder that is not there has neither.
    """
    return of_files(sorted(p for p in folder.glob("*") if p.suffix in SUFFIXES))


def of_files(paths: Iterable[Path]) -> tuple[list[Rule], list[str]]:
    """Return the rules of files, and every mistake in them, with file and line."""
    rules: dict[str, Rule] = {}
    mistakes: list[str] = []
    for path in paths:
        try:
            found, wrong = of_file(path)
        except OSError as error:
            found, wrong = [], [f"{path.name}: it cannot be read: {error.strerror}."]
        mistakes += wrong
        for rule in found:
            if rule.name in rules:
                mistakes.append(f"{path.name}: there are two rules called {rule.name}.")
            rules[rule.name] = rule
    return list(rules.values()), mistakes


def of_file(path: Path) -> tuple[list[Rule], list[str]]:
    """Return the rules of a file, and every mistake in it, with its line.

    Raises:
        OSError: it cannot be read.
    """
    where = path.name
    if path.stat().st_size > _LARGEST_BYTES:
        return [], [f"{where}: larger than 1 MiB: divide it into several files."]
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        return [], [f"{where}: it is no text in UTF-8."]
    try:
        top, whole = yaml.compose(text, yaml.SafeLoader), yaml.safe_load(text)
    except yaml.YAMLError as error:
        line = line_of_error(error)
        problem = getattr(error, "problem", "") or "it cannot be read"
        return [], [f"{where}{f', line {line}' if line else ''}: no YAML: {problem}."]
    except (RecursionError, ValueError):
        return [], [f"{where}: {_UNREADABLE}"]
    if top is None:
        return [], []
    said = [f"{where}, line {line}: {name} is written twice." for line, name in repeated(top)]
    rules: list[Rule] = []
    for number, (item, node) in enumerate(_items(whole, top), 1):
        found = read_rule(item)
        if isinstance(found, Rule):
            rules.append(found)
            continue
        rule = _called(item, number)
        lines = sorted((line_of(node, one.place), one.text) for one in found)
        said += [f"{where}, line {line}: {rule}: {text}" for line, text in lines]
    return rules, said


def _called(item: object, number: int) -> str:
    """Return what a mistake says of whose it is: a name that is no text may be large."""
    name = item.get("name") if isinstance(item, dict) else None
    return f"rule {name if name and isinstance(name, str) else number}"


def _items(whole: object, top: yaml.Node) -> list[tuple[object, yaml.Node]]:
    """Return each rule of a text, as it is read and as it is written."""
    if isinstance(whole, dict) and set(whole) == {"rules"} and isinstance(top, yaml.MappingNode):
        whole, top = whole["rules"], top.value[-1][1]
    if isinstance(whole, list) and isinstance(top, yaml.SequenceNode):
        return list(zip(whole, top.value, strict=True))
    return [] if whole is None else [(whole, top)]


def merged(*layers: Iterable[Rule]) -> list[Rule]:
    """Return rules by name; one of a later layer stands in the place of an earlier one."""
    found: dict[str, Rule] = {}
    for layer in layers:
        found |= {rule.name: rule for rule in layer}
    return [found[name] for name in sorted(found)]


def of_texts(texts: Mapping[str, str]) -> tuple[list[Rule], list[str]]:
    """Return rules that people keep as text, by name, and every mistake in them."""
    rules: list[Rule] = []
    mistakes: list[str] = []
    for name, text in texts.items():
        try:
            rules += parse(text, f"rule {name}")
        except RuleError as error:
            mistakes.append(str(error))
    return rules, mistakes
