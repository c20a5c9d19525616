"""A workbook of plain tables (Office Open XML), written row by row.

Texts are inline strings with a quote prefix, which no spreadsheet takes for a formula, also after
somebody edits the cell. Numbers keep every digit they have here. That is all a report needs of the
format, which is a few small files in a ZIP archive:
https://learn.microsoft.com/openspecs/office_standards/ms-xlsx (ECMA-376, part 1).
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from xml.sax.saxutils import escape, quoteattr

from spanledger_analytics.reconciliation.report.sheets import Sheet

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # equal reports are equal files
_FIRST_DAY = date(1899, 12, 30)  # day 0 of spreadsheets
_MOST_TEXT = (
    32_767  # characters of a cell: https://support.microsoft.com/office/excel-specifications
)
_MOST_ROWS = 1_048_576
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TEXT, _DAY, _HEADING = 1, 2, 3  # places in the styles
_STYLES = (
    f'<styleSheet xmlns="{_MAIN}">'
    '<fonts count="2"><font><sz val="11"/></font><font><b/><sz val="11"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border/></borders>'
    '<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="4"><xf/>'
    '<xf quotePrefix="1"/><xf numFmtId="14" applyNumberFormat="1"/>'
    '<xf fontId="1" applyFont="1" quotePrefix="1"/></cellXfs></styleSheet>'
)


def workbook(sheets: Sequence[Sheet]) -> bytes:
    """Return an .xlsx file with one sheet per table; rows beyond what a sheet holds are left out.

    Such a sheet says so in its last row.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in _frame(sheets):
            archive.writestr(_info(name), _HEAD + text)
        for number, sheet in enumerate(sheets, 1):
            with archive.open(_info(f"xl/worksheets/sheet{number}.xml"), "w") as file:
                for part in _sheet_xml(sheet):
                    file.write(part.encode())
    return out.getvalue()


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _FIXED_TIME)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _frame(sheets: Sequence[Sheet]) -> Iterator[tuple[str, str]]:
    """Return the files that say what the sheets are called and where they lie."""
    numbers = range(1, len(sheets) + 1)
    yield (
        "[Content_Types].xml",
        f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/>'
        + "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" '
            f'ContentType="{_TYPE}.worksheet+xml"/>'
            for n in numbers
        )
        + "</Types>",
    )
    yield "_rels/.rels", _links([("officeDocument", "xl/workbook.xml")])
    yield "xl/styles.xml", _STYLES
    yield (
        "xl/_rels/workbook.xml.rels",
        _links([*(("worksheet", f"worksheets/sheet{n}.xml") for n in numbers),
                ("styles", "styles.xml")]),
    )  # fmt: skip
    named = "".join(
        f'<sheet name={quoteattr(sheet.name)} sheetId="{n}" r:id="rId{n}"/>'
        for n, sheet in zip(numbers, sheets, strict=True)
    )
    yield (
        "xl/workbook.xml",
        f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{named}</sheets></workbook>',
    )


def _links(targets: Sequence[tuple[str, str]]) -> str:
    links = "".join(
        f'<Relationship Id="rId{n}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(targets, 1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{links}</Relationships>'


def _sheet_xml(sheet: Sheet) -> Iterator[str]:
    yield f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
    yield '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
    yield "</sheetView></sheetViews><sheetData>"
    yield _row(sheet.columns, _HEADING)
    most = _MOST_ROWS - 2
    for row in sheet.rows[:most]:
        yield _row([row.get(name) for name in sheet.columns], _TEXT)
    if len(sheet.rows) > most:
        yield _row([f"{len(sheet.rows) - most} more rows are in the CSV and the JSON."], _TEXT)
    yield "</sheetData></worksheet>"


def _row(values: Sequence[object], text_style: int) -> str:
    return f"<row>{''.join(_cell(value, text_style) for value in values)}</row>"


def _cell(value: object, text_style: int) -> str:
    if value is None:
        return "<c/>"
    if isinstance(value, bool):
        return f'<c t="b"><v>{int(value)}</v></c>'
    if isinstance(value, Decimal):
        return f"<c><v>{value:f}</v></c>"
    if isinstance(value, int):
        return f"<c><v>{value}</v></c>"
    if isinstance(value, date):
        return f'<c s="{_DAY}"><v>{(value - _FIRST_DAY).days}</v></c>'
    text = escape(_NOT_XML.sub("\ufffd", str(value))[:_MOST_TEXT])
    return f'<c t="inlineStr" s="{text_style}"><is><t xml:space="preserve">{text}</t></is></c>'
