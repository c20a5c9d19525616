"""What is wrong with a rule, in words that say what to write instead, and where in its file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import yaml
from pydantic import ValidationError

_INSTEAD = {
    "missing": "is needed",
    "tuple_type": "write a list, such as [a, b]",
    "string_type": "write text; in quotes where it looks like a number",
    "decimal_type": "write a number",
    "decimal_parsing": "write a number",
    "int_type": "write a whole number",
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "mapping_type": "write names and values below it",
    "dict_type": "write names and values below it",
    "model_type": "write names and values below it",
    "model_attributes_type": "write names and values below it",
}


@dataclass(frozen=True, slots=True)
class Mistake:
    """What cannot be; ``place`` leads to it, as names of fields and numbers of list items."""

    place: tuple[str | int, ...]
    text: str


def mistakes_of(error: ValidationError, known: Collection[str]) -> list[Mistake]:
    """Return the mistakes of a rule.

    Args:
        error: what was found.
        known: names of the fields of a rule.
    """
    found: list[Mistake] = []
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        place = one["loc"]
        shown = ".".join(str(part) for part in place)
        if one["type"] == "extra_forbidden":
            text = f"{shown} is not known; {_meant(place, known)}."
        else:
            said = _INSTEAD.get(one["type"]) or one["msg"].removeprefix("Value error, ")
            text = f"{shown}: {said}." if shown else f"{said}."
        found.append(Mistake(place, text))
    return found


def _meant(place: Sequence[str | int], known: Collection[str]) -> str:
    name = str(place[-1])
    if len(place) > 1:
        return "see docs/alerts.md for what stands there"
    [near] = get_close_matches(name, sorted(known), n=1) or [""]
    guess = f"did you mean {near}? " if near else ""
    return f"{guess}a rule has {', '.join(sorted(known))}"


def line_of(node: yaml.Node, place: Sequence[str | int]) -> int:
    """Return the line, from 1, of what a place leads to, or of the last part of it there is."""
    line = node.start_mark.line + 1
    for part in place:
        if isinstance(node, yaml.MappingNode):
            pairs = {key.value: (key, value) for key, value in node.value}
            if part not in pairs:
                break
            key, node = pairs[part]
            line = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            if part >= len(node.value):
                break
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line


def repeated(top: yaml.Node) -> list[tuple[int, str]]:
    """Return lines and names of fields that are written twice: YAML takes the last one silently.

    An alias is the node that it names, perhaps one around itself: each node is looked at once.
    """
    found: list[tuple[int, str]] = []
    met: set[int] = set()
    waiting = [top]
    while waiting:
        node = waiting.pop()
        if id(node) in met:
            continue
        met.add(id(node))
        if isinstance(node, yaml.MappingNode):
            found += _repeated_fields(node)
            waiting += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
    return sorted(found)


def _repeated_fields(node: yaml.MappingNode) -> list[tuple[int, str]]:
    names = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
    seen: set[str] = set()
    found: list[tuple[int, str]] = []
    for key in names:
        if key.value in seen:
            found.append((key.start_mark.line + 1, key.value))
        seen.add(key.value)
    return found


def line_of_error(error: yaml.YAMLError) -> int | None:
    """Return the line, from 1, at which a text is no YAML; None: it is not known."""
    mark = getattr(error, "problem_mark", None)
    return None if mark is None else int(mark.line) + 1
