"""The one line that every message begins with."""

from __future__ import annotations

from spanledger_alerts.notification import Incident, Notification
from spanledger_alerts.text import one_line

_MARKS = {"critical": "\U0001f534", "warning": "\U0001f7e0", "info": "\U0001f535"}
_LONGEST = 200
_DONE, _SEEN = "\u2705", "\U0001f440"


def mark(incident: Incident) -> str:
    """Return a sign for how an incident stands."""
    return _MARKS[incident.severity] if incident.ended_ns is None else _DONE


def headline(notification: Notification) -> str:
    """Return one line: how it stands, and what or how many it is about."""
    incidents = notification.incidents
    firing = [one for one in incidents if one.ended_ns is None]
    if notification.transition == "resolve" or not firing:
        sign, state = _DONE, "Resolved"
    elif notification.transition == "acknowledge":
        sign, state = _SEEN, "Acknowledged"
    else:
        sign, state = _MARKS[firing[0].severity], firing[0].severity.capitalize()
    more, more_ended = notification.left_out, notification.ended_left_out
    count = len(incidents) + more + more_ended
    if count == 1:
        return f"{sign} {state}: {one_line(incidents[0].title, _LONGEST)}"
    group = one_line(notification.group, _LONGEST)
    ended = len(incidents) - len(firing) + more_ended
    if state == "Resolved" or not ended:
        return f"{sign} {state}: {count} of {group}"
    return f"{sign} {state}: {len(firing) + more} of {group}; {ended} resolved"
