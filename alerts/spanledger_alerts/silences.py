"""Silences and maintenance windows: which incidents are kept quiet, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from spanledger_alerts.errors import RuleError
from spanledger_storage.alert_rows import SilenceRow
from spanledger_storage.linear_regex import LinearRegex

OPS = ("=", "!=", "=~", "!~")
_NS_PER_S = 10**9
_STEPS = {"daily": timedelta(days=1), "weekly": timedelta(days=7)}


@dataclass(frozen=True, slots=True)
class Matcher:
    """A condition on one label; a label that is not there is empty.

    Attributes:
        op: ``=``, ``!=``, or ``=~``, ``!~`` with a regular expression of RE2 for the whole value.
    """

    label: str
    op: str
    value: str

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Return whether labels fulfil it."""
        found = labels.get(self.label, "")
        if self.op in ("=", "!="):
            return (found == self.value) == (self.op == "=")
        return _regex(self.value).is_in(found.encode("utf-8", "replace")) == (self.op == "=~")


@cache
def _regex(pattern: str) -> LinearRegex:
    return LinearRegex(rf"\A(?:{pattern})\z")


def matcher_of(text: str) -> Matcher:
    """Return the matcher that ``label=value``, ``label!=…``, ``label=~…`` or ``label!~…`` says.

    Raises:
        RuleError: it is none of them, or no regular expression.
    """
    for index, letter in enumerate(text):
        if letter not in "=!":
            continue
        op = text[index : index + 2]
        op = op if op in OPS else letter
        label, value = text[:index].strip(), text[index + len(op) :].strip()
        if op not in OPS or not label:
            break
        if "~" in op:
            try:
                _regex(value)
            except ValueError as error:
                raise RuleError(f"{text[:80]!r}: {error}.") from None
        return Matcher(label, op, value)
    raise RuleError(f"{text[:80]!r} is no matcher; write label=value, label!=, label=~ or label!~.")


def is_active(silence: SilenceRow, now_ns: int) -> bool:
    """Return whether a silence holds at a time; a daily or weekly one begins anew by its clock.

    Repeats go by the wall clock of its time zone: a window from 9 to 10 stays one when clocks
    change.
    """
    if silence.lifted_at_ns is not None or now_ns < silence.starts_at_ns:
        return False
    step = _STEPS.get(silence.repeats)
    if step is None:
        return now_ns < silence.ends_at_ns
    zone = ZoneInfo(silence.timezone)
    first = datetime.fromtimestamp(silence.starts_at_ns // _NS_PER_S, UTC).astimezone(zone)
    now = datetime.fromtimestamp(now_ns // _NS_PER_S, UTC).astimezone(zone)
    length = timedelta(seconds=(silence.ends_at_ns - silence.starts_at_ns) / _NS_PER_S)
    passed = now.replace(tzinfo=None) - first.replace(tzinfo=None)
    return passed % step < length


def is_silenced(
    silences: Sequence[tuple[SilenceRow, Sequence[Matcher]]], labels: Mapping[str, str]
) -> bool:
    """Return whether any of these silences is about something with such labels."""
    return any(all(one.holds(labels) for one in matchers) for _, matchers in silences)


def active_silences(
    silences: Sequence[SilenceRow], now_ns: int
) -> list[tuple[SilenceRow, Sequence[Matcher]]]:
    """Return the silences that hold now, with their matchers."""
    return [
        (one, [Matcher(*parts) for parts in one.matchers])
        for one in silences
        if is_active(one, now_ns)
    ]
