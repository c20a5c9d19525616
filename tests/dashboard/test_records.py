"""Records as files: exact, in UTC, and flat."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum

import pyarrow as pa
from pydantic import BaseModel

from spanledger_dashboard.downloads import csv_bytes, parquet_bytes
from spanledger_dashboard.records import records_table

MOMENT = datetime(2026, 11, 22, 9, 5, tzinfo=UTC)


class Color(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Place:
    host: str
    gpu: str


@dataclass(frozen=True)
class Record:
    place: Place
    usd: Decimal | None
    at_ns: int | None
    from_s: int
    day: date
    color: Color
    names: tuple[str, ...]
    shares: dict[str, Decimal]
    examples: tuple[Place, ...]


def record(usd: str | None, at_ns: int | None) -> Record:
    return Record(
        Place("a", "0"), None if usd is None else Decimal(usd), at_ns, int(MOMENT.timestamp()),
        MOMENT.date(), Color.RED, ("x", "y"), {"x": Decimal("1E-12"), "y": Decimal(2)},
        (Place("b", ""), Place("c", "1")),
    )  # fmt: skip


def test_a_field_is_a_column_with_every_digit() -> None:
    at_ns = int(MOMENT.timestamp()) * 10**9
    found = records_table([record("12345678901.000000000001", at_ns), record(None, None)])
    first, second = found.to_pylist()
    assert first == {
        "host": "a", "gpu": "0", "usd": Decimal("12345678901.000000000001"),
        "at": first["at"], "from": MOMENT, "day": MOMENT.date(), "color": "red", "names": "x, y",
        "shares": "x=0.000000000001, y=2", "examples": "b, c 1",
    }  # fmt: skip
    assert first["at"].to_pydatetime() == MOMENT
    assert (second["usd"], second["at"]) == (None, None)
    assert found.schema.field("at").type == pa.timestamp("ns", "UTC")


def test_records_side_by_side_are_one_row() -> None:
    class Told(BaseModel):
        calls: int

    found = records_table([(Place("a", "0"), Told(calls=3), {"more": 1})], without=("gpu",))
    assert found.to_pylist() == [{"host": "a", "calls": 3, "more": 1}]


def test_amounts_of_all_sizes_become_both_kinds_of_file() -> None:
    found = records_table([{"usd": Decimal("0.000125")}, {"usd": Decimal("98765432.1")}])
    assert csv_bytes(found).split() == [b'"usd"', b'"0.000125"', b'"98765432.100000"']
    assert parquet_bytes(found).startswith(b"PAR1")


def test_small_amounts_in_a_csv_have_no_exponent() -> None:
    kind = pa.decimal128(38, 12)
    amounts = [Decimal("0E-12"), Decimal("1.2E-9"), None, Decimal("-98765432.000000000001")]
    lines = csv_bytes(pa.table({"usd": pa.array(amounts, kind)})).decode().splitlines()
    assert lines[1:] == [
        '"0.000000000000"',
        '"0.000000001200"',
        "",
        '"-98765432.000000000001"',
    ]


def test_a_text_that_a_spreadsheet_would_run_is_text() -> None:
    assert b'"\'=1+1"' in csv_bytes(records_table([Place("=1+1", "0")]))


def test_a_duration_stays_a_number_with_its_unit() -> None:
    rows = [{"first_ns": int(MOMENT.timestamp()) * 10**9, "wasted_ns": 5}]
    [row] = records_table(rows, durations=("wasted_ns",)).to_pylist()
    assert row["wasted_ns"] == 5
    assert row["first"].to_pydatetime() == MOMENT


def test_what_cannot_be_a_moment_keeps_its_name() -> None:
    assert records_table([{"p50_ns": 1.5}, {"p50_ns": None}]).column_names == ["p50_ns"]


def test_no_record_is_no_row() -> None:
    assert records_table([]).num_rows == 0
