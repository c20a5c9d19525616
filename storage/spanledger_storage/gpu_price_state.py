"""Rows of what GPUs cost."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

import sqlalchemy as sa

from spanledger_storage.decimal_text import DecimalText
from spanledger_storage.state import metadata

RENTED, SPOT, OWNED = "rented", "spot", "owned"
TERMS = (RENTED, SPOT, OWNED)
COMPUTE, MEMORY = "compute", "memory"
MIG_SLICES = (COMPUTE, MEMORY)

gpu_prices = sa.Table(
    "gpu_prices",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("project", sa.String(128), nullable=False, comment="empty: every project"),
    sa.Column("gpu_model", sa.String(128), nullable=False, comment="or a prefix with *"),
    sa.Column("host", sa.String(256), nullable=False, comment="empty: any"),
    sa.Column("gpu", sa.String(128), nullable=False, comment="UUID; empty: any"),
    sa.Column("terms", sa.String(16), nullable=False, comment="rented spot owned"),
    sa.Column("usd_per_hour", DecimalText, nullable=False, comment="decimal text"),
    sa.Column("purchase_usd", DecimalText, comment="decimal text; of an owned GPU"),
    sa.Column("amortization_years", DecimalText, comment="decimal text"),
    sa.Column("usd_per_kwh", DecimalText, comment="decimal text; NULL: energy is included"),
    sa.Column("pue", DecimalText, comment="decimal text; facility energy per GPU energy"),
    sa.Column("mig_slices", sa.String(16), nullable=False, comment="compute memory"),
    sa.Column("effective_from_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("effective_to_ns", sa.BigInteger, comment="first instant it no longer holds"),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("created_at_ns", sa.BigInteger, nullable=False, comment="UTC nanoseconds"),
    sa.Column("withdrawn_at_ns", sa.BigInteger, comment="since then it prices nothing"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class GpuPriceRow:
    """A row of ``gpu_prices``; ``id`` and ``created_at_ns`` are 0 before it is stored.

    ``usd_per_hour`` is what an hour of one whole GPU costs; of an owned one, what it costs besides
    its purchase and its energy (space, service). Empty scope fields mean any.
    """

    kind: ClassVar[str] = "GPU price"
    terms: str
    usd_per_hour: Decimal
    effective_from_ns: int
    effective_to_ns: int | None = None
    project: str = ""
    gpu_model: str = ""
    host: str = ""
    gpu: str = ""
    purchase_usd: Decimal | None = None
    amortization_years: Decimal | None = None
    usd_per_kwh: Decimal | None = None
    pue: Decimal | None = None
    mig_slices: str = COMPUTE
    note: str = ""
    id: int = 0
    created_at_ns: int = 0
    withdrawn_at_ns: int | None = None

    @property
    def scope(self) -> tuple[str, str, str, str]:
        """What it is a price of: for one scope, one price at a time."""
        return self.project, self.gpu_model.lower(), self.host.lower(), self.gpu.lower()

    @property
    def changed_at_ns(self) -> int:
        """When it was last written, as far as the row tells."""
        return max(self.created_at_ns, self.withdrawn_at_ns or 0)
