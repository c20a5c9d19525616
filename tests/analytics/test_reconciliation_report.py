"""The report: sums, shares, files that are safe to open, JSON that comes back as it was."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger_analytics.reconciliation.corrections import suggest
from spanledger_analytics.reconciliation.days import Days
from spanledger_analytics.reconciliation.report import sums
from spanledger_analytics.reconciliation.report.build import build_report
from spanledger_analytics.reconciliation.report.markdown import to_markdown
from spanledger_analytics.reconciliation.report.model import (
    ImportInput,
    LedgerInput,
    Report,
    from_json,
    to_json,
)
from spanledger_analytics.reconciliation.report.sheets import sheets_of, to_csv
from spanledger_analytics.reconciliation.report.workbook import workbook
from spanledger_analytics.reconciliation.result import Cause, Cell
from spanledger_analytics.reconciliation.tolerance import Tolerance
from tests.reconciled import MONTH, cell, result, share

SCHEMA = Path(__file__).parents[2] / "docs" / "reconciliation-report.schema.json"
EVIL = ('=cmd|"/C calc"!A0', "+1", "-1", "@SUM(A1)", "\tx", "\rx", "| a | <b>b</b>\n# c")
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
CELLS = (
    cell("10", "12", share("price_book", "1.5"), share("unexplained", "0.5", "low"), scope="a"),
    cell("5", "4.25", share("double_counted", "-0.75", "medium", calls=7), model="gpt-4o"),
    cell("3", "3", provider="anthropic", is_final=True),
    cell("0", "-2", share("credit", "-2"), token_class="credit", model=None, is_final=True),
)


def report(*cells: Cell) -> Report:
    imports = [ImportInput(source=text, name=text, sha256="f" * 64, rows=1, imported_at="t")
               for text in EVIL]  # fmt: skip
    ledger = LedgerInput(
        handled_until=None, calls=3, unpriced_calls=1, calls_without_usage=0, estimated_calls=0,
        unpriced_share=Decimal(1) / 3, estimated_share=Decimal(0),
    )  # fmt: skip
    return build_report(
        result(*cells), imports, ledger, 1_796_000_000 * 10**9, corrections=suggest(cells)
    )


def evil() -> Report:
    return report(*(cell("1", "2", share("unexplained", "1", said=text), scope=text)
                    for text in EVIL))  # fmt: skip


def test_totals_match_what_is_added_up_by_hand() -> None:
    found = report(*CELLS)
    totals = found.totals
    assert totals.billed_usd == Decimal("17.25")
    assert totals.ledger_usd == 18
    assert totals.variance_usd == Decimal("-0.75")
    assert totals.matched_usd == 10 + Decimal("4.25") + 3
    assert totals.matched_share == Decimal("17.25") / (12 + 5 + 3 + 2)
    assert totals.unexplained_usd == totals.unexplained_size_usd == Decimal("0.5")
    assert [(row.cause, row.usd) for row in found.causes] == [
        (Cause.UNEXPLAINED, Decimal("0.5")), (Cause.CREDIT, -2),
        (Cause.PRICE_BOOK, Decimal("1.5")), (Cause.DOUBLE_COUNTED, Decimal("-0.75")),
    ]  # fmt: skip
    assert found.causes[3].calls == 7
    assert found.cells[0].scope == "a", "unexplained first"
    assert [(f.provider, f.final_days, f.first_open_day) for f in found.finality] == [
        ("anthropic", 1, None), ("openai", 0, date(2026, 11, 18)),
    ]  # fmt: skip
    assert (found.is_final, found.is_within_tolerance) == (False, False)


_MONEY = st.decimals(-100, 100, places=12)


@given(st.lists(st.tuples(_MONEY, _MONEY, st.lists(_MONEY, max_size=3)), max_size=8))
def test_causes_groups_and_rows_add_up_to_the_difference(
    made: list[tuple[Decimal, Decimal, list[Decimal]]],
) -> None:
    causes = [Cause.PRICE_BOOK, Cause.TAX, Cause.UNEXPLAINED]
    cells = [
        cell(f"{ledger:f}", f"{billed:f}",
             *(share(c, f"{usd:f}") for c, usd in zip(causes, told, strict=False)), scope=str(n))
        for n, (ledger, billed, told) in enumerate(made)
    ]  # fmt: skip
    found = report(*cells)
    variance = found.totals.variance_usd
    assert sum(row.usd for row in found.causes) == variance
    for groups in (found.providers, found.scopes, found.models):
        assert sum(row.variance_usd for row in groups) == variance
    share_ = found.totals.matched_share
    assert share_ is None or 0 <= share_ <= 1
    assert from_json(to_json(found)) == found


def test_small_differences_that_add_up_are_told_of_the_day_and_the_month() -> None:
    # $0.90 of $30 are 3 % of a day, $0.50 of $25 just 2 %; together they are 2.5 % of the month.
    first, second = date(2026, 11, 1), date(2026, 11, 2)
    cells = [
        *(cell("9.70", "10", scope=str(n), day=first, is_fine=True) for n in range(3)),
        cell("24.50", "25", day=second, is_fine=True),
        cell("1.01", "1", provider="anthropic", day=second, is_fine=True),
    ]

    def told(days: Days) -> list[tuple[object, ...]]:
        return [
            (one.provider, one.first_day, one.last_day, one.variance_usd, one.limit_usd)
            for one in sums.beyond_tolerance(cells, days, Tolerance())
        ]

    day = ("openai", first, first, Decimal("0.9"), Decimal("0.6"))
    assert told(Days(first, second)) == [day]
    assert told(Days(*MONTH)) == [
        ("anthropic", *MONTH, Decimal("-0.01"), Decimal("0.005")),
        ("openai", *MONTH, Decimal("1.4"), Decimal("0.275")),
        day,
    ]
    looser = Tolerance(day_ratio=30_000, month_ratio=30_000)
    assert sums.beyond_tolerance(cells, Days(*MONTH), looser) == []
    assert "\n| openai | 2026-11-01 |" in to_markdown(report(*cells))


def test_two_errors_do_not_hide_each_other() -> None:
    cells = [cell("1", "2", share("unexplained", "1")), cell("2", "1", share("unexplained", "-1"))]
    totals = sums.totals_of(cells)
    assert totals.unexplained_usd == 0
    assert totals.unexplained_size_usd == 2


def test_json_follows_its_schema_and_comes_back(tmp_path: Path) -> None:
    schema = json.loads(SCHEMA.read_text())
    assert schema == Report.model_json_schema(mode="serialization")
    for found in (report(*CELLS), report(), evil()):
        text = to_json(found)
        jsonschema.validate(json.loads(text), schema)
        assert from_json(text) == found


def test_what_to_do_is_in_every_file_with_how_it_is_done() -> None:
    missing = [cell("1", "2", share("missing_telemetry", "1"), scope=text) for text in EVIL]
    found = report(*CELLS[:1], *missing)
    ways = {one.way: one for one in found.corrections}
    assert ways.keys() == {"apply", "dispute", "by_hand"}
    text = to_markdown(found)
    assert f"`{ways['apply'].correction_id}`" in text
    assert "| +1.50 | command or click | Price output of gpt-5.5 at" in text
    assert "<b>" not in text
    sheet = next(one for one in sheets_of(found) if one.name == "Corrections")
    assert [row["way"] for row in sheet.rows] == [one.way for one in found.corrections]
    archive = zipfile.ZipFile(io.BytesIO(workbook(sheets_of(found))))
    part = f"xl/worksheets/sheet{1 + sheets_of(found).index(sheet)}.xml"
    assert not list(ElementTree.fromstring(archive.read(part)).iter(f"{MAIN}f")), "no formula"
    jsonschema.validate(json.loads(to_json(found)), json.loads(SCHEMA.read_text()))


def test_no_text_of_the_csv_is_a_formula_and_numbers_stay_numbers() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(evil()), newline="")))
    assert len(rows) == len(EVIL)
    for row in rows:
        for name in ("scope", "explanation"):
            assert not re.match(r"[=+\-@\t\r]", row[name]), row[name]
        assert Decimal(row["cause_usd"]) == Decimal(row["variance_usd"]) == 1
    credits_ = csv.DictReader(io.StringIO(to_csv(report(CELLS[3]))))
    assert next(credits_)["variance_usd"] == "-2", "a number below zero is no formula"


def test_the_workbook_holds_texts_as_texts_and_exact_numbers() -> None:
    archive = zipfile.ZipFile(io.BytesIO(workbook(sheets_of(evil()))))
    assert archive.testzip() is None
    sheet = ElementTree.fromstring(archive.read("xl/worksheets/sheet12.xml"))
    rows = list(sheet.iter(f"{MAIN}row"))
    assert len(rows) == len(EVIL) + 1
    assert not list(sheet.iter(f"{MAIN}f")), "no formula"
    texts = {t.text for t in sheet.iter(f"{MAIN}t")}
    assert set(EVIL) - {"\rx"} <= {text or "" for text in texts}
    for cell_ in sheet.iter(f"{MAIN}c"):
        if cell_.get("t") == "inlineStr":
            assert cell_.get("s") in ("1", "3"), "the styles with a quote prefix"
    exact = report(cell("0", "0.123456789012", share("tax", "0.123456789012")))
    archive = zipfile.ZipFile(io.BytesIO(workbook(sheets_of(exact))))
    assert b"<v>0.123456789012</v>" in archive.read("xl/worksheets/sheet12.xml")


def test_equal_reports_are_equal_files() -> None:
    assert workbook(sheets_of(evil())) == workbook(sheets_of(evil()))


def test_markdown_says_the_answer_first_and_texts_stay_texts() -> None:
    text = to_markdown(report(*CELLS))
    assert text.index("| Billed | 17.25 |") < text.index("## Why")
    assert "| unexplained | +0.50 |" in text
    assert "| **Total** | -0.75 |" in text
    hostile = to_markdown(evil())
    assert "<b>" not in hostile
    assert "\n# c" not in hostile
    assert "No provider's report" not in text
    assert "no provider's report is imported" in to_markdown(report())


@pytest.mark.parametrize("usd", ["0.004", "-0.000000000001"])
def test_a_difference_below_a_cent_is_not_shown_as_none(usd: str) -> None:
    text = to_markdown(report(cell("0", usd, share("rounding", usd))))
    assert f"| Difference | {Decimal(usd):+f} |" in text
