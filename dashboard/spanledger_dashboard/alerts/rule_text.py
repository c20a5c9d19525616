"""A rule as somebody types it: checked as ``spanledger alerts check`` does, with lines."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import cast

import yaml

from spanledger_alerts.rule_mistakes import line_of, line_of_error, repeated
from spanledger_alerts.rules import Rule, read_rule
from spanledger_storage.console_guard import QueryRefused, canonical
from spanledger_storage.errors import StoreError
from spanledger_storage.store import Store

LENGTH_LIMIT = 32_000
NEW_RULE = """\
name: dear-users
title: A user spends much
description: What users cost in an hour.
sql: |
  SELECT user_id AS user, sum(total_cost_usd) AS value, value AS usd,
         groupUniqArray(3)(trace_id) AS trace_ids
  FROM ledger_current
  WHERE project = {project:String} AND user_id != ''
    AND time >= {t:DateTime64(9)} - INTERVAL 1 HOUR AND time < {t:DateTime64(9)}
  GROUP BY user
warn: 5
critical: 20
unit: usd
for: 2m
group_by: [user]
"""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What cannot be; ``line`` counts from 1, None: of no line."""

    text: str
    line: int | None = None


class Mistaken(Exception):
    """A rule cannot be kept; says every mistake."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("; ".join(one.text for one in mistakes))
        self.mistakes = mistakes


def checked(text: str, channels: Collection[str] | None, name: str = "") -> Rule:
    """Return the one rule of a text.

    Args:
        text: YAML.
        channels: names there are; None: nobody knows here, so none is checked.
        name: what it has to be called; empty: anything.

    Raises:
        Mistaken: it is none; with every mistake and its line.
    """
    top, fields = _document(text)
    found = read_rule(fields)
    mistakes = [Mistake(f"{field} is written twice.", line) for line, field in repeated(top)]
    if not isinstance(found, Rule):
        mistakes += [Mistake(one.text, line_of(top, one.place)) for one in found]
        raise Mistaken(sorted(mistakes, key=lambda one: one.line or 0))
    if name and found.name != name:
        said = f"name: it stays {name}; a rule of another name is a new one."
        mistakes.append(Mistake(said, line_of(top, ("name",))))
    mistakes += _unknown_channels(found, top, channels)
    if mistakes:
        raise Mistaken(mistakes)
    return found


def _document(text: str) -> tuple[yaml.Node, object]:
    """Return a text as it is written and as it is read."""
    if len(text) > LENGTH_LIMIT:
        raise Mistaken([Mistake(f"A rule has at most {LENGTH_LIMIT:,} characters.")])
    try:
        top, fields = yaml.compose(text, yaml.SafeLoader), yaml.safe_load(text)
    except yaml.YAMLError as error:
        problem = str(getattr(error, "problem", "") or "it cannot be read")
        raise Mistaken([Mistake(f"no YAML: {problem}.", line_of_error(error))]) from None
    except (RecursionError, ValueError):
        raise Mistaken([Mistake("no YAML: it cannot be read.")]) from None
    if top is None or not isinstance(fields, dict):
        raise Mistaken([Mistake("Write one rule: a mapping of fields, as in name: dear-users.")])
    return top, cast("object", fields)


def _unknown_channels(
    rule: Rule, top: yaml.Node, channels: Collection[str] | None
) -> list[Mistake]:
    named: list[tuple[str, tuple[str, ...]]] = [(one, ("channels",)) for one in rule.channels]
    if rule.escalation:
        named += [(one, ("escalation", "channels")) for one in rule.escalation.channels]
    return [
        Mistake(
            f"{'.'.join(place)}: there is no channel {one} in channels.yaml.", line_of(top, place)
        )
        for one, place in named
        if channels is not None and one != "default" and one not in channels
    ]


def check_statement(rule: Rule, text: str, store: Store) -> None:
    """Look through the statement of a rule as through a query of the SQL page.

    Raises:
        Mistaken: it cannot be parsed, or reaches beyond the tables.
        StoreError: the store does not answer.
    """
    if not rule.sql:
        return
    line = line_of(_document(text)[0], ("sql",))
    try:
        canonical(store, rule.sql.rstrip().rstrip(";"))
    except QueryRefused as error:
        raise Mistaken([Mistake(f"sql: {error}", line)]) from None
    except StoreError as error:
        if not error.code:
            raise
        raise Mistaken([Mistake(f"sql: {str(error)[:600]}", line)]) from None
