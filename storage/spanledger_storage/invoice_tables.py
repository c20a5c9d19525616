"""Tables of invoices in the state database, and what a row of each says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

import sqlalchemy as sa

from spanledger_storage.state import metadata

MappingKind = Literal["line", "scope", "api_key"]
UploadState = Literal["waiting", "done", "failed"]

imports = sa.Table(
    "invoice_imports",
    metadata,
    sa.Column("import_id", sa.String(32), primary_key=True),
    sa.Column("project", sa.String(64), nullable=False),
    sa.Column("format", sa.String(64), nullable=False),
    sa.Column("provider", sa.String(255), nullable=False, comment="several: by commas"),
    sa.Column("name", sa.Text, nullable=False, comment="file, address, or what was pulled"),
    sa.Column("sha256", sa.String(64), nullable=False, comment="of what was read"),
    sa.Column("who", sa.String(128), nullable=False),
    sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("fetched_at_ns", sa.BigInteger, nullable=False, comment="of what it is as of"),
    sa.Column("line_count", sa.BigInteger, nullable=False),
    sa.Column("skipped_count", sa.BigInteger, nullable=False, comment="of other services"),
    sa.Column("unmapped_count", sa.BigInteger, nullable=False),
    sa.Column("unconverted_count", sa.BigInteger, nullable=False, comment="no exchange rate"),
    sa.Column("amounts", sa.Text, nullable=False, comment="JSON: decimal text by currency"),
    sa.Column("days", sa.Text, nullable=False, comment="JSON: source: day: 1 when final"),
    sa.Column("mapping", sa.Text, nullable=False, comment="of a generic file, as it was given"),
    sa.Column("deleted_by", sa.String(128), nullable=False),
    sa.Column("deleted_at_ns", sa.BigInteger, comment="since then no day counts it"),
    sa.Index("invoice_imports_of_project", "project", "at_ns"),
)

mappings = sa.Table(
    "invoice_mappings",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("project", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False, comment="line scope api_key"),
    sa.Column("provider", sa.String(128), nullable=False),
    sa.Column("pattern", sa.Text, nullable=False, comment="text, meter id, scope or key"),
    sa.Column("target", sa.Text, nullable=False, comment="JSON: what it is mapped to"),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("created_by", sa.String(128), nullable=False),
    sa.Column("created_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("removed_by", sa.String(128), nullable=False),
    sa.Column("removed_at_ns", sa.BigInteger, comment="since then it maps nothing"),
    sa.Index("invoice_mappings_of_project", "project", "kind"),
    sqlite_autoincrement=True,
)

pulls = sa.Table(
    "invoice_pulls",
    metadata,
    sa.Column("project", sa.String(64), primary_key=True),
    sa.Column("report", sa.String(64), primary_key=True),
    sa.Column("last_try_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("last_success_ns", sa.BigInteger, comment="NULL: it never succeeded"),
    sa.Column("next_try_ns", sa.BigInteger, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False, comment="in a row"),
    sa.Column("error", sa.Text, nullable=False, comment="of the last try; empty: none"),
    sa.Column("resume_day", sa.String(10), nullable=False, comment="first day not yet pulled"),
)

uploads = sa.Table(
    "invoice_uploads",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("project", sa.String(64), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("options", sa.Text, nullable=False, comment="JSON: format, account, mapping"),
    sa.Column("content", sa.LargeBinary, nullable=False, comment="empty once it was read"),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("who", sa.String(128), nullable=False),
    sa.Column("at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("state", sa.String(16), nullable=False, comment="waiting done failed"),
    sa.Column("outcome", sa.Text, nullable=False, comment="what became of it"),
    sa.Index("invoice_uploads_of_project", "project", "at_ns"),
)


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One import: what was read, when, and the days it covers.

    Attributes:
        import_id: 32 hex digits.
        provider: as the ledger names it; several are separated by commas.
        name: of the file or address, or what was pulled.
        sha256: of what was read, decompressed.
        at_ns: when it was imported, UTC nanoseconds.
        fetched_at_ns: as of when it is: no later than ``at_ns``.
        skipped_count: rows of services that are not ours to look at.
        unmapped_count: lines that wait for a mapping.
        unconverted_count: lines with money in a currency without an exchange rate.
        amounts: charged, by currency.
        days: by source and day (``2026-11-18``), whether the provider will not change it.
        mapping: the mapping file of a generic CSV; empty for others.
        deleted_at_ns: None: it was not deleted.
    """

    import_id: str
    project: str
    format: str
    provider: str
    name: str
    sha256: str
    who: str
    at_ns: int
    fetched_at_ns: int
    line_count: int = 0
    skipped_count: int = 0
    unmapped_count: int = 0
    unconverted_count: int = 0
    amounts: Mapping[str, Decimal] = field(default_factory=dict[str, Decimal])
    days: Mapping[str, Mapping[str, bool]] = field(default_factory=dict[str, Mapping[str, bool]])
    mapping: str = ""
    deleted_by: str = ""
    deleted_at_ns: int | None = None

    @property
    def first_day(self) -> str:
        """The first day it covers; empty: none."""
        return min((day for days in self.days.values() for day in days), default="")

    @property
    def last_day(self) -> str:
        """The last day it covers; empty: none."""
        return max((day for days in self.days.values() for day in days), default="")


@dataclass(frozen=True, slots=True)
class MappingRow:
    """What a text, a scope or a key of a provider stands for; ``id`` is 0 before it is stored.

    Attributes:
        kind: ``line``: free text or meter id; ``scope`` and ``api_key``: of the provider.
        provider: as lines have it.
        pattern: compared with the line's text, meter id, scope or key; as a whole.
        target: of a line: ``token_class``, ``model``, ``processing``, ``service_tier``, ``unit``,
            ``factor`` (decimal text the quantity is multiplied by); else ``project`` or
            ``dimension`` (``name=value``).
        removed_at_ns: None: it holds.
    """

    project: str
    kind: MappingKind
    provider: str
    pattern: str
    target: Mapping[str, str]
    note: str = ""
    created_by: str = ""
    created_at_ns: int = 0
    removed_by: str = ""
    removed_at_ns: int | None = None
    id: int = 0


@dataclass(frozen=True, slots=True)
class PullRow:
    """How the last pull of a report went.

    Attributes:
        report: as in ``openai.costs``.
        last_success_ns: None: it never succeeded.
        failures: in a row.
        error: of the last try; empty: it succeeded.
        resume_day: first day not yet pulled; empty: nothing was pulled.
    """

    project: str
    report: str
    last_try_ns: int
    last_success_ns: int | None
    next_try_ns: int
    failures: int = 0
    error: str = ""
    resume_day: str = ""


@dataclass(frozen=True, slots=True)
class UploadRow:
    """A file somebody handed in on the dashboard; the worker imports it.

    Attributes:
        options: ``format``, ``account`` and ``mapping`` as they were given.
        outcome: what was imported, or why nothing was.
    """

    id: str
    project: str
    name: str
    options: Mapping[str, str]
    size_bytes: int
    who: str
    at_ns: int
    state: UploadState = "waiting"
    outcome: str = ""
