"""Who or what is to be deleted, and what is stored of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b

from spanledger_analytics import _rows
from spanledger_storage.project_settings import Project
from spanledger_storage.store import Store

_KEYS = {
    "session": r"(?i)(^|[._-])(session|conversation|thread)([._-]?id)?$",
    "user": (
        r"(?i)(^|[._-])(end)?user(([._-]|$)|[._-]?id$)|(^|[._-])account[._-]?(uu)?id$"
        r"|(^|[._-])e?mail$"
    ),
}
"""Attribute keys (RE2) that name a session or a user; only under these does a value count."""

_TRACE_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


class Kind(StrEnum):
    """What a deletion is about."""

    TRACE = "trace"
    SESSION = "session"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Subject:
    """One trace, session or user of one project.

    ``hashes`` are what may be stored in place of the id where the project hashes it.
    """

    project: Project
    kind: Kind
    id: str
    hashes: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The texts by which it is known."""
        return (self.id, *self.hashes)

    @property
    def digest(self) -> str:
        """A hash of the id, keyed with the project's secret: 32 hex digits. Logs hold only this."""
        # Projects that nobody made share a secret.
        text = f"{self.project.name}\0{self.kind}\0{self.id}".encode()
        return blake2b(text, key=self.project.salt[:64], digest_size=16).hexdigest()

    @property
    def params(self) -> dict[str, object]:
        """Parameters of the statements that look for it."""
        return {
            "project": self.project.name,
            "kind": str(self.kind),
            "ids": _rows.Literal(self.ids),
            "keys": _KEYS.get(self.kind, ""),
        }


@dataclass(frozen=True, slots=True)
class Targets:
    """Ids of what is to go, and UTC start hours (UNIX seconds) whose sums change with it.

    ``messages`` are hex hashes that the spans refer to, of which the last was received at
    ``newest_s`` (UNIX seconds); ``letters`` are dead letters, ``findings`` those about no single
    trace. ``partners`` are other traces that saw one of the calls; ``mates`` are other traces of
    the trajectories these are part of.
    """

    traces: list[str] = field(default_factory=list[str])
    logs: list[str] = field(default_factory=list[str])
    series: list[str] = field(default_factory=list[str])
    entries: list[str] = field(default_factory=list[str])
    letters: list[str] = field(default_factory=list[str])
    findings: list[str] = field(default_factory=list[str])
    messages: list[str] = field(default_factory=list[str])
    newest_s: int = 0
    hours: set[int] = field(default_factory=set[int])
    partners: set[str] = field(default_factory=set[str])
    mates: set[str] = field(default_factory=set[str])

    def by_what(self) -> dict[str, list[str]]:
        """Return the ids as the table of targets names them."""
        return {
            "trace": self.traces,
            "log": self.logs,
            "series": self.series,
            "entry": self.entries,
            "letter": self.letters,
            "finding": self.findings,
            "candidate": self.messages,
            "newest": [str(self.newest_s)],
            "hour": [str(hour) for hour in sorted(self.hours)],
            "partner": sorted(self.partners),
            "mate": sorted(self.mates),
        }


def find(store: Store, subject: Subject, known_traces: Iterable[str] = ()) -> Targets:
    """Return everything that is stored of a subject; reads only.

    A trace belongs to a session or user when any of its spans, log records or ledger entries
    carries the id. It goes as a whole, also when others took part in it. A trace counts, too, of
    which nothing is left but a trajectory that carries the id.

    Args:
        store: The telemetry store.
        subject: What to look for.
        known_traces: Traces that an interrupted deletion found already.

    Raises:
        StoreError: the store refused or did not answer.
    """
    params = subject.params
    targets = Targets(traces=sorted(set(known_traces)))
    if subject.kind is Kind.TRACE:
        targets.traces[:] = [subject.id]
    else:
        found = _rows.strings(store.arrow("deletion_find_traces", params), "trace_id")
        targets.traces[:] = sorted({*found, *targets.traces})
        targets.logs.extend(_rows.strings(store.arrow("deletion_find_logs", params), "log_id"))
        targets.entries.extend(
            _rows.strings(store.arrow("deletion_find_entries", params), "entry_id")
        )
        targets.findings.extend(
            _rows.strings(store.arrow("deletion_find_findings", params), "finding_id")
        )
        for row in store.rows("deletion_find_series", params):
            targets.series.append(str(row["series_id"]))
            targets.hours.update(row["hours"])  # type: ignore[arg-type]  # a list of numbers
    if subject.kind is Kind.USER:
        targets.hours.update(_rows.integers(store.arrow("deletion_find_usage", params), "hour"))
    _find_letters(store, subject, targets)
    for part in _rows.batches(targets.traces):
        asked = {"project": subject.project.name, "trace_ids": _rows.Literal(part)}
        found = _rows.strings(store.arrow("deletion_shared_entries", asked), "trace_id")
        targets.partners.update(found)
        mates = store.arrow("deletion_mates", asked)
        targets.mates.update(_rows.strings(mates, "trace_id"))
    targets.partners.difference_update(targets.traces)
    targets.mates.difference_update(targets.traces)
    return targets


def uses_of(store: Store, project: str, traces: list[str]) -> tuple[Counter[str], int]:
    """Return how often these traces refer to which messages (hex), and when their last span came.

    The time is in UNIX seconds; 0 when they have no spans.
    """
    uses: Counter[str] = Counter()
    newest_s = 0
    for part in _rows.batches(traces):
        asked = {"project": project, "trace_ids": _rows.Literal(part)}
        table = store.arrow("deletion_messages", asked)
        counts = zip(_rows.strings(table, "hash"), _rows.integers(table, "uses"), strict=True)
        uses.update(dict(counts))
        newest_s = max(newest_s, *_rows.integers(table, "newest"), 0)
    return uses, newest_s


def unreferenced(store: Store, project: str, targets: Targets) -> list[str]:
    """Return the messages that nothing but the targets refers to."""
    own, _ = uses_of(store, project, targets.traces)
    total: Counter[str] = Counter()
    for part in _rows.batches(targets.messages, 20_000):
        asked = {"project": project, "hashes": _rows.Literal(part)}
        table = store.arrow("deletion_messages_in_use", asked)
        counts = zip(_rows.strings(table, "hash"), _rows.integers(table, "uses"), strict=True)
        total.update(dict(counts))
    return [one for one in targets.messages if total[one] <= own[one]]


def needles(subject: Subject, traces: Iterable[str]) -> list[bytes]:
    """Return the byte sequences by which a raw request is known to be about a subject."""
    found = [] if subject.kind is Kind.TRACE else [_as_value(one) for one in subject.ids]
    for trace_id in filter(is_trace_id, traces):
        found += [trace_id.encode(), bytes.fromhex(trace_id)]
    return found


def naming(subject: Subject, traces: Iterable[str]) -> Callable[[str, str], bool]:
    """Return what says of a label, by its name and value, whether it names the subject."""
    gone = frozenset(traces)
    keys = re.compile(_KEYS.get(subject.kind, r"(?!)"))
    return lambda name, value: (
        value in gone or (value in subject.ids and keys.search(name) is not None)
    )


def is_trace_id(text: str) -> bool:
    """Return whether a text is the id of a trace."""
    return _TRACE_ID.fullmatch(text) is not None


def _as_value(text: str) -> bytes:
    """Return a text as the whole value of an attribute, as protobuf writes it.

    With its lengths, so that no longer text matches that only holds it, nor a key.
    """
    told = text.encode()
    value = b"\x0a" + _varint(len(told)) + told
    return b"\x12" + _varint(len(value)) + value


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])


def _find_letters(store: Store, subject: Subject, targets: Targets) -> None:
    found: set[str] = set()
    for part in _rows.batches([one.hex() for one in needles(subject, targets.traces)], 1_000):
        asked = {"project": subject.project.name, "needles": _rows.Literal(part)}
        found.update(_rows.strings(store.arrow("deletion_find_letters", asked), "letter_id"))
    targets.letters.extend(sorted(found))
