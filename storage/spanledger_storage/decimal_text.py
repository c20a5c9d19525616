"""Exact amounts in the state database."""

from __future__ import annotations

from decimal import Decimal

import sqlalchemy as sa


class DecimalText(sa.TypeDecorator[Decimal]):
    """A decimal kept as its digits: SQLite would make a float of it."""

    impl = sa.String(40)
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: sa.Dialect) -> str | None:
        """Return what is stored."""
        return None if value is None else f"{value:f}"

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Decimal | None:
        """Return what was stored."""
        return None if value is None else Decimal(value)
