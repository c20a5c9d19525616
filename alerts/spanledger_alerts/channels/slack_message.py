"""A notification as blocks of Slack, for both ways to send there.

Text from outside stands in fields of type ``plain_text`` alone, which know no links, mentions or
formatting; ``mrkdwn`` holds our own words and addresses. Limits:
https://docs.slack.dev/reference/block-kit/blocks and
https://github.com/slackapi/bolt-js/issues/2509 (all blocks of a message together).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spanledger_alerts.channels.headline import headline, mark
from spanledger_alerts.notification import Incident, Link, Notification
from spanledger_alerts.text import one_line

ACKNOWLEDGE, SILENCE, OPEN = "spanledger_acknowledge", "spanledger_silence", "spanledger_open"
"""Ids of the buttons; their value is JSON with ``project``, ``rule`` and ``incidents``."""
SILENCE_S = 3_600

_LONGEST_HEADER = 150
_LONGEST_SECTION = 2_900
_LONGEST_LINE = 700
_LONGEST_FALLBACK = 1_000
_LONGEST_LABEL = 100
_LONGEST_ADDRESS = 2_000
_LARGEST_MESSAGE = 10_000
"""Characters of all blocks as JSON: Slack refuses more than about 13,000."""
_LONGEST_VALUE = 2_000
_MOST_INCIDENTS = 8

Block = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Message:
    """What is posted: blocks, and a line for notifications and screen readers."""

    text: str
    blocks: Sequence[Block]


def message(notification: Notification, *, has_buttons: bool = False) -> Message:
    """Return a notification as blocks; buttons need a bot that hears of a click."""
    head = headline(notification)
    tail = _tail(notification, has_buttons=has_buttons)
    blocks: list[Block] = [{"type": "header", "text": _plain(head, _LONGEST_HEADER)}]
    room = _LARGEST_MESSAGE - _size(blocks) - _size(tail) - 200
    shown = 0
    for incident in notification.incidents[:_MOST_INCIDENTS]:
        part = _incident(incident, is_alone=len(notification.incidents) == 1)
        if _size(part) > room:
            if shown:
                break
            part = [_section(incident.title, 300)]  # of the first there is always something
        blocks += part
        room -= _size(part)
        shown += 1
    more = len(notification.incidents) - shown
    more += notification.left_out + notification.ended_left_out
    if more:
        blocks.append(_context(f"+{more} more"))
    return Message(text=escaped(one_line(head, _LONGEST_FALLBACK)), blocks=[*blocks, *tail])


def escaped(text: str) -> str:
    """Return text in which Slack finds no links, mentions or dates.

    https://docs.slack.dev/messaging/formatting-message-text#escaping
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _incident(incident: Incident, *, is_alone: bool) -> list[Block]:
    lines = [one_line(line, _LONGEST_LINE) for line in incident.lines]
    if not is_alone:
        lines.insert(0, f"{mark(incident)} {one_line(incident.title, 200)}")
    text = "\n".join(lines) or one_line(incident.title, 200)
    blocks: list[Block] = [_section(text, _LONGEST_SECTION)]
    links = " · ".join(_link(link) for link in incident.links if len(link.url) < _LONGEST_ADDRESS)
    if links and len(links) < _LONGEST_SECTION:
        blocks.append({"type": "context", "elements": [_mrkdwn(links)]})
    return blocks


def _tail(notification: Notification, *, has_buttons: bool) -> list[Block]:
    blocks: list[Block] = []
    firing = [one for one in notification.incidents if one.ended_ns is None]
    if has_buttons and firing and notification.transition != "resolve":
        blocks.append({"type": "actions", "elements": _buttons(notification, firing)})
    # The key tells a message that was sent twice from two incidents.
    key = notification.incidents[0].key if notification.incidents else notification.group_key
    blocks.append(_context(f"Spanledger · {one_line(notification.group, 150)} · {one_line(key)}"))
    return blocks


def _buttons(notification: Notification, firing: Sequence[Incident]) -> list[Block]:
    value = _meant(firing)
    buttons: list[Block] = []
    if notification.transition != "acknowledge" and not all(o.acknowledged_by for o in firing):
        buttons.append(_button("Acknowledge", ACKNOWLEDGE, value=value))
    buttons.append(_button("Silence 1 h", SILENCE, value=value))
    links = firing[0].links
    if links and len(links[0].url) < _LONGEST_ADDRESS:
        buttons.append(_button("Open", OPEN, url=links[0].url))
    return buttons


def _meant(firing: Sequence[Incident]) -> str:
    """Return which incidents a button is about: as many as its value has room for."""
    project, rule = firing[0].key.partition("/")[0], firing[0].rule
    meant: dict[str, object] = {"project": project, "rule": rule}
    keys = [one.key for one in firing if one.key.startswith(f"{project}/") and one.rule == rule]
    while len(value := json.dumps({**meant, "incidents": keys})) > _LONGEST_VALUE:
        keys = keys[: len(keys) * 9 // 10]
    return value


def _button(text: str, action_id: str, **more: str) -> Block:
    return {"type": "button", "action_id": action_id, "text": _plain(text, 75), **more}


def _link(link: Link) -> str:
    text = one_line(link.text, _LONGEST_LABEL).replace("|", "/").replace("`", "'")
    return f"<{escaped(link.url)}|{escaped(text)}>"


def _section(text: str, limit: int) -> Block:
    return {"type": "section", "text": _plain(text, limit)}


def _context(text: str) -> Block:
    return {"type": "context", "elements": [_plain(text, 1_000)]}


def _plain(text: str, limit: int) -> Block:
    # Without ``emoji`` a name such as :fire: stays as it is. Entities count as they are sent.
    cut = text if len(escaped(text)) <= limit else _cut(text, limit)
    return {"type": "plain_text", "text": escaped(cut), "emoji": False}


def _cut(text: str, limit: int) -> str:
    """Return as much of a text as fits with its entities, which are never cut in two."""
    room, kept = limit - 1, list[str]()
    for character in text[:limit]:
        room -= len(escaped(character))
        if room < 0:
            break
        kept.append(character)
    return "".join(kept) + "…"


def _mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _size(blocks: Sequence[Block]) -> int:
    return len(json.dumps(blocks, ensure_ascii=False))
