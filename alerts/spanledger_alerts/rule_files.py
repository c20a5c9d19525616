"""Rules of a folder, the built-in ones, and those people made in the dashboard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path

import yaml

from spanledger_alerts.errors import RuleError
from spanledger_alerts.rules import Rule, rule_of

_LARGEST_BYTES = 1 << 20


def parse(text: str, where: str) -> list[Rule]:
    """Return the rules of a YAML text: one rule, a list of them, or a mapping with ``rules``.

    Raises:
        RuleError: it cannot be read; one line for each mistake.
    """
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RuleError(f"{where}: no YAML: {' '.join(str(error).split())[:300]}") from None
    if isinstance(found, dict) and set(found) == {"rules"}:
        found = found["rules"]
    items = found if isinstance(found, list) else [] if found is None else [found]
    rules: list[Rule] = []
    mistakes: list[str] = []
    for number, item in enumerate(items, 1):
        name = item.get("name") if isinstance(item, dict) else None
        try:
            rules.append(rule_of(item, f"{where}: rule {name if name else number}"))
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


def of_folder(folder: Path) -> list[Rule]:
    """Return the rules of ``*.yaml`` and ``*.yml`` in a folder; of one that is not there, none.

    Raises:
        RuleError: files that cannot be read, or two rules of one name; one line for each mistake.
    """
    rules: dict[str, Rule] = {}
    mistakes: list[str] = []
    paths = sorted(p for p in folder.glob("*") if p.suffix in (".yaml", ".yml"))
    for path in paths:
        try:
            if path.stat().st_size > _LARGEST_BYTES:
                raise RuleError(f"{path.name}: larger than 1 MiB.")
            found = parse(path.read_text("utf-8"), path.name)
        except (RuleError, OSError, UnicodeDecodeError) as error:
            mistakes.append(str(error))
            continue
        for rule in found:
            if rule.name in rules:
                mistakes.append(f"{path.name}: there are two rules called {rule.name}.")
            rules[rule.name] = rule
    if mistakes:
        raise RuleError("\n".join(mistakes))
    return list(rules.values())


def merged(*layers: Iterable[Rule]) -> list[Rule]:
    """Return rules by name; one of a later layer stands in the place of an earlier one."""
    found: dict[str, Rule] = {}
    for layer in layers:
        found |= {rule.name: rule for rule in layer}
    return [found[name] for name in sorted(found)]


def of_texts(texts: Mapping[str, str]) -> list[Rule]:
    """Return rules that people keep as text, by name.

    Raises:
        RuleError: one cannot be read.
    """
    return [rule for name, text in texts.items() for rule in parse(text, f"rule {name}")]
