"""Files as they come: exact numbers, encodings, archives; and what is refused, with its place."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger_analytics.invoices.errors import InvoiceError
from spanledger_analytics.invoices.line import InvoiceLine
from spanledger_analytics.invoices.record_files import MOST_LINE_CHARS
from tests.invoicing import SAMPLES, charged, lines_of_text

COSTS = SAMPLES / "openai_dashboard_costs.csv"
HEADER = "start_time,end_time,amount_value,amount_currency,line_item,project_id\n"
amounts = st.decimals(
    min_value=-(10**9), max_value=10**9, places=18, allow_nan=False, allow_infinity=False
)


def cents_page(amount: str) -> str:
    return json.dumps({"data": [{
        "starting_at": "2026-11-18T00:00:00Z", "ending_at": "2026-11-19T00:00:00Z", "results": [
            {"currency": "USD", "amount": amount, "cost_type": "tokens", "workspace_id": None,
             "token_type": "output_tokens", "description": "x", "model": "m"}]}]})  # fmt: skip


def row(amount: str, item: str = "x, input") -> str:
    return HEADER + f'1794960000,1795046400,{amount},usd,"{item}",p\n'


def only(lines: list[InvoiceLine]) -> Decimal:
    [line] = lines
    assert line.amount is not None
    return line.amount


@given(amounts)
def test_cents_are_a_hundredth_to_the_last_digit(amount: Decimal) -> None:
    assert only(lines_of_text(cents_page(f"{amount:f}"))) * 100 == amount


@given(amounts)
def test_a_number_of_json_is_read_as_its_digits_never_as_a_float(amount: Decimal) -> None:
    page = (SAMPLES / "openai_costs.json").read_text().replace("25.0", f"{amount:f}", 1)
    found = lines_of_text(page)
    assert found[0].amount == amount
    assert str(found[0].amount) == str(Decimal(f"{amount:f}"))


@given(st.decimals(min_value=0, max_value=10**12, places=9), st.sampled_from(["1K", "1M", ""]))
def test_units_are_multiplied_exactly(quantity: Decimal, unit: str) -> None:
    header, first, *_ = (SAMPLES / "bedrock_cur2.csv").read_text().splitlines()
    named = f"{unit} tokens".strip() if unit else ""
    text = first.replace(",29.481,1K tokens,", f",{quantity:f},{named},")
    [line] = lines_of_text(f"{header}\n{text}\n")
    assert line.quantity == quantity * {"1K": 1_000, "1M": 1_000_000, "": 1_000}[unit]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings_say_the_same(encoding: str) -> None:
    text = COSTS.read_text().replace("proj_demoSearch", "Projekt Süd")
    lines = lines_of_text(text.encode(encoding))
    assert charged(lines) == charged(lines_of_text(COSTS.read_bytes()))
    assert {line.scope for line in lines} == {"Projekt Süd"}


def test_another_encoding_is_refused_with_what_to_do() -> None:
    text = COSTS.read_text().replace("proj_demoSearch", "Projekt Süd").encode("latin-1")
    line = text[: text.index("\xfc".encode("latin-1"))].count(b"\n") + 1
    assert line > 1
    with pytest.raises(InvoiceError, match=rf"line {line}: .*neither UTF-8 nor UTF-16.*iconv"):
        lines_of_text(text)


@pytest.mark.parametrize("packed", [bytes, gzip.compress])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_the_line_that_is_no_text_is_named_also_far_into_a_file(
    packed: Callable[[bytes], bytes], encoding: str
) -> None:
    text = (HEADER + row("1").splitlines()[1] + "\n" + "\n" * 200_000).encode(encoding)
    broken = text + (b"\xff" if encoding == "utf-8" else b"\x00\xdc")
    with pytest.raises(InvoiceError, match="line 200003: the text is neither"):
        lines_of_text(packed(broken))


def test_tabs_and_crlf_are_a_table_too() -> None:
    text = (
        "\t".join(HEADER.strip().split(",")) + "\r\n1794960000\t1795046400\t1.5\tusd\tx, input\tp"
    )
    assert charged(lines_of_text(text)) == {"USD": Decimal("1.5")}


def test_rows_of_the_same_group_add_up() -> None:
    text = row("1.25") + row("1.25").splitlines()[1] + "\n"
    assert charged(lines_of_text(text)) == {"USD": Decimal("2.50")}


def test_an_archive_holds_several_reports() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in ("amount", "cost"):
            file = SAMPLES / f"deepseek_{name}-2026-11.csv"
            archive.writestr(f"usage_data_2026_11/{name}-2026-11.csv", file.read_bytes())
    assert charged(lines_of_text(out.getvalue())) == {"CNY": Decimal("37.8")}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"  \n \n", "is empty"),
        (row("1,234.50".replace(",", ";")).encode(), r"line 2, field amount_value: '1;234.50'"),
        (row('"1,234.50"').encode(), r"line 2, field amount_value: '1,234.50' is no plain"),
        (row('"10,50"').encode(), "decimals take a point, without thousands marks, currency signs"),
        (row("NaN").encode(), "is no plain number"),
        (row("1e400").encode(), "larger than any amount"),
        (row("$5").encode(), "is no plain number"),
        (row("1").replace("usd", "dollars").encode(), "is no currency"),
        (row("1").replace("1794960000", "yesterday").encode(), "'yesterday' is no time"),
        (row("1").replace("1794960000", "1").encode(), "no time|outside"),
        (row("1").encode()[:-3], r"line 2 has 5 fields|line 2"),
        (row("1", 'a"b').encode(), "line 2: the CSV cannot be read|line 2"),
        (HEADER.replace("project_id", "line_item").encode() + b"1,2\n", "names the column"),
        (b"%PDF-1.7 invoice", "no report we can read"),
        (b"a,b\n1,2\n", "no format we know"),
        (b'{"data": []}', "no format we know"),
        (cents_page("1").replace('"1"', "NaN").encode(), "no number"),
        (cents_page("12")[:-20].encode(), "is no JSON"),
        (cents_page("twelve").encode(), r"field data.results.amount: 'twelve'"),
        (gzip.compress(COSTS.read_bytes())[:-30], "damaged or cut off"),
        (b"PAR1 no parquet", "Parquet file cannot be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_its_place(content: bytes, expected: str) -> None:
    with pytest.raises(InvoiceError, match=expected):
        lines_of_text(content)


def test_an_endless_line_is_refused_before_memory_is_full() -> None:
    with pytest.raises(InvoiceError, match=r"line 3 has more than"):
        lines_of_text(row("1") + "x" * (MOST_LINE_CHARS + 1))


def test_a_quote_that_never_ends_is_refused() -> None:
    with pytest.raises(InvoiceError, match=r"line \d+"):
        lines_of_text(row("1") + '1794960000,1795046400,1,usd,"x' + "\n1,2\n" * 100_000)


def test_a_workbook_is_refused_by_name() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
    with pytest.raises(InvoiceError, match="workbook"):
        lines_of_text(out.getvalue())


def test_a_damaged_member_of_an_archive_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("costs.csv", COSTS.read_bytes())
    content = out.getvalue().replace(b"25.0000000000000000", b"95.0000000000000000")
    with pytest.raises(InvoiceError, match="damaged"):
        lines_of_text(content)


@pytest.mark.parametrize(
    ("offset", "value", "said"),
    [(6, 1, "encrypted.*unpack it first"), (8, 9, "unpack it first")],
    ids=["encrypted", "packed in an unknown way"],
)
def test_an_archive_that_cannot_be_unpacked_is_refused(offset: int, value: int, said: str) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("costs.csv", COSTS.read_bytes())
    content = bytearray(out.getvalue())
    directory = content.rindex(b"PK\x01\x02")
    # The field stands in the header of the member, and two bytes further in the directory.
    content[offset] = content[directory + offset + 2] = value
    with pytest.raises(InvoiceError, match=said):
        lines_of_text(bytes(content))
