"""The two bodies of a mail; nothing from outside is markup in them."""

from __future__ import annotations

from html import escape

from spanledger_alerts.channels.headline import headline
from spanledger_alerts.notification import Incident, Notification
from spanledger_alerts.text import one_line, web_address

_LONGEST_LINE = 700
_COLORS = {"critical": "#dc2626", "warning": "#d97706", "info": "#2563eb"}
_ENDED = "#16a34a"


def as_text(notification: Notification) -> str:
    """Return the body for programs that show no HTML."""
    parts = [one_line(headline(notification), _LONGEST_LINE)]
    for incident in notification.incidents:
        links = [f"{link.text}: {link.url}" for link in incident.links if web_address(link.url)]
        lines = [one_line(line, _LONGEST_LINE) for line in incident.lines]
        parts.append("\n".join([f"{_state(incident)}: {_title(incident)}", *lines, *links]))
    return "\n\n".join([*parts, *_rest(notification)]) + "\n"


def as_html(notification: Notification, chart: str = "") -> str:
    """Return the body with colors and links; ``chart`` is the id of a picture in the same mail."""
    parts = [f"<h2 style='font-size:18px'>{_text(headline(notification))}</h2>"]
    if chart:
        parts.append(
            f'<p><img src="cid:{chart}" width="480" height="120" alt="Value over time"></p>'
        )
    parts += [_block(incident) for incident in notification.incidents]
    parts += [f"<p style='color:#71717a'>{escape(line)}</p>" for line in _rest(notification)]
    body = "\n".join(parts)
    font = "font-family:system-ui,sans-serif;font-size:14px;line-height:1.5"
    return f'<!doctype html><html><body style="{font}">\n{body}\n</body></html>\n'


def _block(incident: Incident) -> str:
    color = _COLORS[incident.severity] if incident.ended_ns is None else _ENDED
    lines = "<br>\n".join(_text(line) for line in incident.lines)
    links = " · ".join(
        f'<a href="{escape(link.url)}">{_text(link.text)}</a>'
        for link in incident.links
        if web_address(link.url)
    )
    return (
        f'<div style="border-left:4px solid {color};padding-left:12px;margin:16px 0">'
        f"<b>{_state(incident)}: {_text(incident.title)}</b><br>\n{lines}<br>\n{links}</div>"
    )


def _rest(notification: Notification) -> list[str]:
    count = notification.left_out + notification.ended_left_out
    more = [f"+{count} more"] if count else []
    return [*more, f"Spanledger · {one_line(notification.group)}"]


def _state(incident: Incident) -> str:
    return "Resolved" if incident.ended_ns is not None else incident.severity.capitalize()


def _title(incident: Incident) -> str:
    return one_line(incident.title, _LONGEST_LINE)


def _text(text: str) -> str:
    return escape(one_line(text, _LONGEST_LINE))
