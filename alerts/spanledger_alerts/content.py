"""What a notification says: what happened, since when, how much, why, and where to look.

Plain text and addresses; how it looks is the channels' affair.
"""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import urlencode

from spanledger_alerts.notification import Facts, Incident, Link
from spanledger_alerts.text import duration, figure, moment, one_line, usd, web_address

MOST_TRACES = 3
VIEW = "Open view"
"""What the link to the rule's view is called."""
_NS_PER_S = 1_000_000_000
_SAID_BY_FINDING = frozenset({"kind", "code", "trace"})  # in its title and its links
_LONGEST_TITLE = 200
_LONGEST_LABEL = 80
_LONGEST_LABELS = 300
_LONGEST_CAUSE = 700
_WORDS = {">=": "from", ">": "above", "<=": "down to", "<": "below"}


def incident(facts: Facts, base_url: str = "") -> Incident:
    """Return what channels are given.

    Args:
        facts: what the engine knows.
        base_url: where people open the dashboard; empty: there are no links to it.
    """
    return Incident(
        key=facts.key,
        rule=facts.rule,
        labels=facts.labels,
        severity=facts.severity,
        title=_title(facts),
        lines=tuple(_lines(facts)),
        value=_shown(facts, facts.value),
        threshold="" if facts.threshold is None else figure(facts.threshold, facts.unit),
        usd="" if facts.usd is None else usd(facts.usd),
        started_ns=facts.started_ns,
        ended_ns=facts.ended_ns,
        links=tuple(_links(facts, base_url.rstrip("/"))),
        owner=one_line(facts.owner, _LONGEST_LABEL),
        series=tuple(facts.series),
        limit=None if facts.threshold is None else float(facts.threshold),
        acknowledged_by=one_line(facts.acknowledged_by, _LONGEST_LABEL),
    )


def _shown(facts: Facts, value: Decimal | None) -> str:
    return "" if value is None else figure(value, facts.unit)


def _worst(facts: Facts) -> Decimal | None:
    """Return the value that tells how bad it is, or was where it is over."""
    return facts.value if facts.worst is None else facts.worst


def _limit(facts: Facts) -> str:
    if facts.threshold is None:
        return ""
    return f"{_WORDS.get(facts.op, facts.op)} {figure(facts.threshold, facts.unit)}"


def _title(facts: Facts) -> str:
    whom = _whom(facts)
    tail = f" ({whom})" if whom else ""
    if facts.headline:  # names whom it is about
        return one_line(facts.headline, _LONGEST_TITLE)
    said = one_line(facts.title or facts.rule, 100)
    if facts.cause == "no_data":
        return one_line(f"No data: {said}{tail}", _LONGEST_TITLE)
    if facts.cause == "error":
        return one_line(f"Rule cannot be evaluated: {said}{tail}", _LONGEST_TITLE)
    shown = _shown(facts, _worst(facts))
    return one_line(f"{said}{f': {shown}' if shown else ''}{tail}", _LONGEST_TITLE)


def _whom(facts: Facts, left_out: frozenset[str] = frozenset()) -> str:
    named = (
        f"{one_line(name, 40)} {one_line(value, _LONGEST_LABEL)}"
        for name, value in sorted(facts.labels.items())
        if value and name != "project" and name not in left_out
    )
    return one_line(", ".join(named), _LONGEST_LABELS)


def _lines(facts: Facts) -> list[str]:
    lines = [one_line(facts.description, 300)] if facts.description else []
    lines.append(_when(facts))
    lines += _figures(facts)
    lines += _cost(facts)
    whom = _whom(facts, _SAID_BY_FINDING)
    if whom and facts.headline:
        lines.append(f"Where: {whom}")
    if facts.explanation:
        word = "Error" if facts.cause == "error" else "Likely cause"
        lines.append(f"{word}: {one_line(facts.explanation, _LONGEST_CAUSE)}")
    if facts.owner:
        lines.append(f"Owner: {one_line(facts.owner, _LONGEST_LABEL)}")
    if facts.acknowledged_by:
        lines.append(f"Acknowledged by {one_line(facts.acknowledged_by, _LONGEST_LABEL)}")
    return lines


def _when(facts: Facts) -> str:
    if facts.ended_ns is None:
        return f"Since {moment(facts.started_ns)}."
    lasted = duration((facts.ended_ns - facts.started_ns) // _NS_PER_S)
    return f"From {moment(facts.started_ns)} to {moment(facts.ended_ns)} ({lasted})."


def _figures(facts: Facts) -> list[str]:
    """Return the value with what it is compared with: the limit, and what is usual."""
    shown, limit, lines = _shown(facts, facts.value), _limit(facts), list[str]()
    if shown:
        word = "Last value" if facts.ended_ns else "Value"
        worst = _shown(facts, facts.worst)
        peak = f", at its worst {worst}" if worst and facts.worst != facts.value else ""
        lines.append(f"{word} {shown}{peak}{f'; it alerts {limit}' if limit else ''}.")
    if facts.baseline is not None:
        times = ""
        if facts.value is not None and facts.baseline > 0 and facts.value > facts.baseline:
            times = f"; this is {figure(facts.value / facts.baseline, 'count')} times as much"
        lines.append(f"Usual {figure(facts.baseline, facts.unit)}{times}.")
    return lines


def _cost(facts: Facts) -> list[str]:
    """Return what it costs, unless the value says so; of what is over, the most that it did."""
    if facts.usd is None or (facts.unit == "usd" and _worst(facts) == facts.usd):
        return []
    if facts.ended_ns is None:
        return [f"Cost: {usd(facts.usd)}."]
    when = "in all" if facts.cause == "finding" else "at its worst"
    return [f"Cost: {usd(facts.usd)} {when}."]


def _view(facts: Facts) -> str:
    """Return path and query of the view, with the project where the rule does not name it."""
    view = facts.view.lstrip("/")
    if "project=" in view:
        return view
    return f"{view}{'&' if '?' in view else '?'}{urlencode({'project': facts.project})}"


def _links(facts: Facts, base: str) -> list[Link]:
    about = {"incident": facts.key.partition("/")[2], "project": facts.project}
    links = [Link("Open incident", f"{base}/incidents?{urlencode(about)}")]
    if facts.view:
        links.append(Link(VIEW, f"{base}/{_view(facts)}"))
    for number, trace_id in enumerate(facts.trace_ids[:MOST_TRACES], 1):
        query = urlencode({"trace_id": trace_id, "project": facts.project})
        links.append(Link(f"Trace {number}", f"{base}/trace?{query}"))
    links.append(Link("Runbook", facts.runbook))
    return [link for link in links if web_address(link.url)]
