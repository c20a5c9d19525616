"""Whatever happened to a file: it becomes lines, or one sentence that says where it is wrong."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from spanledger_analytics.invoices.errors import InvoiceError
from spanledger_analytics.invoices.rows import Place, table_of
from tests.invoicing import SAMPLES, lines_of_text

FILES = sorted(
    file.name
    for file in SAMPLES.iterdir()
    if file.name not in ("spans_daily_rollup.csv", "variance_report.json")
)
_LONGEST = 4_000
VALUES = (
    b"null", b"true", b"-1", b"1e999", b"1e99999999999999999999", b'"x"', b"[]", b"{}", b"NaN",
    b"9" * 5_000, b"\xff\xfe", b"\x00", b"[" * 2_000, b"2026-99-99", b'"', b",", b"\n", b"",
)  # fmt: skip


def damaged(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(content))
    until = min(len(content), at + chance.randrange(1, 12))
    if chance.random() < 0.2:
        return content[:at]
    return content[:at] + chance.choice(VALUES) + content[until:]


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_report_is_read_or_refused_never_half_understood(name: str) -> None:
    content, chance = (SAMPLES / name).read_bytes(), random.Random(name)
    refused: list[str] = []
    for _ in range(60):
        try:
            lines = lines_of_text(damaged(content, chance), name)
        except InvoiceError as error:
            refused.append(str(error))
            continue
        # What was read can be stored, and every amount is a number.
        table_of([(Place("p", "i", "s", 0), line) for line in lines])
        assert all((line.amount or Decimal(0)).is_finite() for line in lines)
    assert len(refused) > 5
    assert all(name in said and len(said) < _LONGEST for said in refused)
