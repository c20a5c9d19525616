"""The report as files, by the names of their formats."""

from __future__ import annotations

from collections.abc import Mapping

from spanledger_analytics.reconciliation.report.markdown import to_markdown
from spanledger_analytics.reconciliation.report.model import Report, to_json
from spanledger_analytics.reconciliation.report.sheets import sheets_of, to_csv
from spanledger_analytics.reconciliation.report.workbook import workbook

MEDIA_TYPES: Mapping[str, str] = {
    "markdown": "text/markdown",
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "json": "application/json",
}
ENDINGS: Mapping[str, str] = {"markdown": "md", "csv": "csv", "xlsx": "xlsx", "json": "json"}


def report_file(report: Report, form: str) -> bytes:
    """Return a report in one of the formats of ``MEDIA_TYPES``."""
    if form == "xlsx":
        return workbook(sheets_of(report))
    return {"markdown": to_markdown, "csv": to_csv, "json": to_json}[form](report).encode()
