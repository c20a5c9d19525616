"""Names of models: what a report and the ledger call the same thing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

# us.anthropic.claude-… and claude-…-v1:0 of Bedrock, …@20251101 of Vertex AI.
_REGION = re.compile(r"^(?:us|eu|apac|jp|au|global)\.(?=[a-z0-9-]+\.)")
_VENDOR = re.compile(r"^(?:ai21|amazon|anthropic|cohere|deepseek|google|meta|mistral|openai)\.")
_BEDROCK_VERSION = re.compile(r"-v\d+(?::\d+)?$")
_SPELLING = re.compile(r"[\s._:()]+")
_DATE = re.compile(r"-(?:20\d{2}-?[01]\d-?[0-3]\d|[01]\d[0-3]\d|latest)$")
_PART = re.compile(r"\d+|[a-z]+")


class Family(NamedTuple):
    """What names of one model have in common: its words in any order, its numbers in theirs."""

    words: tuple[str, ...]
    numbers: tuple[str, ...]


@lru_cache(maxsize=8192)
def plain_name(model: str) -> str:
    """Return a model's name without prefixes, in one spelling: a key, not for people.

    ``us.anthropic.claude-sonnet-4-5-v1:0``, ``anthropic/claude-sonnet-4.5`` and "Claude Sonnet
    4.5" are one; a date that names a snapshot stays.
    """
    name = model.strip().lower().rpartition("/")[2]
    name = _VENDOR.sub("", _REGION.sub("", name))
    name = _BEDROCK_VERSION.sub("", name).replace("@", "-")
    return _SPELLING.sub("-", name).strip("-")


@lru_cache(maxsize=8192)
def family(model: str) -> Family:
    """Return what a model's snapshots and aliases share."""
    name = _DATE.sub("", plain_name(model))
    parts = _PART.findall(name)
    words = tuple(sorted(part for part in parts if not part.isdigit()))
    return Family(words, tuple(part for part in parts if part.isdigit()))


def same_models(ledger: Iterable[str], reports: Iterable[str]) -> dict[str, str]:
    """Return, by plain name in the ledger, the report's plain name of the same model.

    A name both know means itself. Another is an alias or a snapshot of the one model of its family
    that the reports name; where they name several of a family, it cannot be said which.
    """
    known = set(reports)
    families: defaultdict[Family, set[str]] = defaultdict(set)
    for name in known:
        families[family(name)].add(name)
    found: dict[str, str] = {}
    for name in ledger:
        candidates = families.get(family(name), set()) if name not in known else set()
        found[name] = next(iter(candidates)) if len(candidates) == 1 else name
    return found
