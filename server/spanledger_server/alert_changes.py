"""What ``spanledger alerts`` changes, and what it checks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from spanledger_alerts import channels as alert_channels
from spanledger_alerts.checking import check
from spanledger_alerts.errors import AlertsError
from spanledger_alerts.facts import incident_key
from spanledger_alerts.notification import DeliveryError
from spanledger_alerts.silences import matcher_of
from spanledger_alerts.state_machine import Instance
from spanledger_alerts.stored import instance_of
from spanledger_server.alert_moments import NS_PER_S, length_s, settings_of
from spanledger_server.errors import UsageError
from spanledger_server.periods import parse_moment
from spanledger_server.prices.session import now_ns, user
from spanledger_server.run_file import running_instance
from spanledger_storage.alert_rows import SilenceRow
from spanledger_storage.alert_state import AlertState
from spanledger_storage.price_state import StateEngine
from spanledger_storage.projects import Projects

REPEATS = {"": 0, "daily": 86_400, "weekly": 7 * 86_400}


@dataclass(frozen=True, slots=True)
class Asked:
    """A silence as typed."""

    matchers: tuple[str, ...]
    reason: str
    last: str
    start: str = ""
    repeats: str = ""
    timezone: str = "UTC"


def check_place(place: Path | None, data: Path) -> None:
    """Print what a folder or file holds; by default, what the worker of this instance reads.

    Raises:
        AlertsError: something in it cannot be; one line for each mistake.
    """
    used = settings_of(data).folder
    assert used is not None
    found = check(place or used, is_used=place is None or place.absolute() == used.absolute())
    if found.mistakes:
        raise AlertsError("\n".join(found.mistakes))
    rules, channels = len(found.rules), len(found.channels or ())
    print(f"{rules} rules and {channels} channels: all is well.")
    for note in found.notes:
        print(note)


def send_test(channel: str, data: Path) -> None:
    """Send a test.

    Raises:
        UsageError: there is no such channel, or it did not take the test.
    """
    settings = settings_of(data)
    assert settings.channels_file is not None
    found = alert_channels.load_channels(settings.channels_file)
    if channel not in found:
        there = ", ".join(sorted(found)) or f"none; describe some in {settings.channels_file}"
        raise UsageError(f"There is no channel {channel!r}; there are {there}.")
    try:
        alert_channels.send_test(found[channel].channel, settings.base_url or _dashboard_of(data))
    except DeliveryError as error:
        raise UsageError(f"The test was not taken: {error}") from None
    print(f"A test was sent to {channel}.")


def _dashboard_of(data: Path) -> str:
    """Return the address of the dashboard that runs on a directory; empty: none does."""
    try:
        return running_instance(data.expanduser()).dashboard_url
    except UsageError:
        return ""


def acknowledge(state: StateEngine, project: str, incident: str, by: str, note: str) -> None:
    """Note that somebody looks after an incident.

    Raises:
        UsageError: nothing that fires is called so, or several begin so.
    """
    Projects(state).get(project)
    kept = AlertState(state)
    rule, found = find_firing(kept, project, incident)
    key = incident_key(project, found)
    if not kept.acknowledge(project, rule, key, user(by), now_ns(), note):
        print(f"{kept.acks(project)[key]} acknowledged it before.")
        return
    print(f"{found.instance_id} is acknowledged.")


def find_firing(kept: AlertState, project: str, begins: str) -> tuple[str, Instance]:
    """Return rule and instance of what fires and has an id that begins so.

    Raises:
        UsageError: there is none, or there are several.
    """
    rows = [row for row in kept.instances(project) if row.instance_id.startswith(begins)]
    firing = [(row.rule, one) for row in rows if (one := instance_of(row)).is_firing]
    if len(firing) != 1:
        what = "Several incidents begin so" if firing else "Nothing that fires is called so"
        raise UsageError(f"{what}: {begins[:40]!r}; see `spanledger alerts list`.")
    return firing[0]


def silence(state: StateEngine, project: str, asked: Asked, by: str) -> None:
    """Add a silence.

    Raises:
        AlertsError: a matcher is none.
        UsageError: the times or the zone cannot be.
    """
    Projects(state).get(project)
    made = AlertState(state).silence(_row(project, asked, user(by)))
    print(f"Silence {made.id} is made.")


def _row(project: str, asked: Asked, who: str) -> SilenceRow:
    if asked.repeats not in REPEATS:
        raise UsageError("--repeat is daily or weekly.")
    try:
        zone = ZoneInfo(asked.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise UsageError(f"{asked.timezone[:40]!r} is no time zone, as Europe/Berlin is.") from None
    lasts_s = length_s("--for", asked.last)
    if not lasts_s or (asked.repeats and lasts_s >= REPEATS[asked.repeats]):
        raise UsageError("--for is longer than nothing, and shorter than what it repeats in.")
    matchers = [matcher_of(text) for text in asked.matchers]
    now = now_ns()
    starts_ns = parse_moment("--from", asked.start, now // NS_PER_S, zone) * NS_PER_S
    return SilenceRow(
        id="",
        project=project,
        matchers=tuple((one.label, one.op, one.value) for one in matchers),
        starts_at_ns=starts_ns,
        ends_at_ns=starts_ns + lasts_s * NS_PER_S,
        repeats=asked.repeats,
        timezone=asked.timezone,
        author=who,
        reason=asked.reason[:2_000],
        created_at_ns=now,
    )


def unsilence(state: StateEngine, project: str, silence_id: str, by: str) -> None:
    """End a silence.

    Raises:
        UsageError: there is none that holds.
    """
    if not AlertState(state).lift(project, silence_id, user(by), now_ns()):
        raise UsageError(f"There is no silence {silence_id[:40]!r} that holds.")
    print(f"Silence {silence_id} is over.")
