"""The report as tables: what CSV and the sheets of a workbook hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from spanledger_analytics.reconciliation.report.model import (
    CoverageTotal,
    Finality,
    GroupTotal,
    ImportInput,
    InvoiceTotal,
    PeriodTotal,
    Report,
    ReportCell,
    Suggestion,
)
from spanledger_analytics.reconciliation.report.safe_csv import heading, safe_csv

Row = Mapping[str, object]
_CELL_COLUMNS = (*(n for n in ReportCell.model_fields if n != "causes"),)
_CAUSE_COLUMNS = ("cause", "cause_usd", "confidence", "calls", "explanation")
_CAUSE_TITLES = {
    "cause": "cause",
    "usd": "net_usd",
    "size_usd": "size_usd_without_signs",
    "high_usd": "of_size_high_confidence_usd",
    "medium_usd": "of_size_medium_confidence_usd",
    "low_usd": "of_size_low_confidence_usd",
    "cells": "cells",
    "calls": "calls",
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table: texts, numbers and days; None is unknown."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Row]


def sheets_of(report: Report) -> list[Sheet]:
    """Return the tables of a report, the summary first."""
    return [
        _summary(report),
        _causes(report),
        _sheet("Providers", GroupTotal, report.providers, left_out=("scope", "model")),
        _sheet("Projects", GroupTotal, report.scopes, left_out=("model",)),
        _sheet("Models", GroupTotal, report.models, left_out=("scope",)),
        _sheet("Beyond tolerance", PeriodTotal, report.beyond_tolerance),
        _invoices(report),
        _sheet("Corrections", Suggestion, report.corrections),
        _sheet("Coverage", CoverageTotal, report.coverage),
        _sheet("Finality", Finality, report.finality),
        _sheet("Imports", ImportInput, report.imports),
        cells_sheet(report),
    ]


def cells_sheet(report: Report) -> Sheet:
    """Return one row per cell and cause, so that ``cause_usd`` adds up to the difference.

    A cell without a cause has one row.
    """
    rows: list[Row] = []
    for cell in report.cells:
        own = {name: getattr(cell, name) for name in _CELL_COLUMNS}
        for share in cell.causes:
            rows.append(
                {
                    **own,
                    "cause": share.cause,
                    "cause_usd": share.usd,
                    "confidence": share.confidence,
                    "calls": share.calls,
                    "explanation": share.explanation,
                }
            )
        if not cell.causes:
            rows.append(own)
    return Sheet("Cells", (*_CELL_COLUMNS, *_CAUSE_COLUMNS), rows)


def to_csv(report: Report) -> str:
    """Return the cells as CSV; unknown is empty, and no text is a spreadsheet's formula."""
    sheet = cells_sheet(report)
    return heading(sheet.columns) + safe_csv(sheet.columns, sheet.rows)


def _sheet(
    name: str, kind: type[BaseModel], items: Sequence[BaseModel], left_out: Sequence[str] = ()
) -> Sheet:
    columns = [column for column in kind.model_fields if column not in left_out]
    return Sheet(name, columns, [{c: getattr(item, c) for c in columns} for item in items])


def _causes(report: Report) -> Sheet:
    """Return causes with headings that say which dollars have a sign and which have none."""
    rows = [
        {title: getattr(row, name) for name, title in _CAUSE_TITLES.items()}
        for row in report.causes
    ]
    return Sheet("Causes", list(_CAUSE_TITLES.values()), rows)


def _invoices(report: Report) -> Sheet:
    """Return invoices as wholes, one row each; several causes are one text."""
    sheet = _sheet("Invoices", InvoiceTotal, report.invoices, left_out=("invoice_ids", "causes"))
    rows = [
        {
            **row,
            "invoice_ids": ", ".join(one.invoice_ids),
            "causes": "; ".join(f"{s.cause} {s.usd:+f}: {s.explanation}" for s in one.causes),
        }
        for row, one in zip(sheet.rows, report.invoices, strict=True)
    ]
    return Sheet(sheet.name, [*sheet.columns, "invoice_ids", "causes"], rows)


def _summary(report: Report) -> Sheet:
    figures: dict[str, object] = {
        "project": report.project,
        "first_day": report.first_day,
        "last_day": report.last_day,
        "made_at": report.made_at,
        "is_final": report.is_final,
        "is_within_tolerance": report.is_within_tolerance,
        **{name: getattr(report.totals, name) for name in type(report.totals).model_fields},
        **{f"ledger_{n}": getattr(report.ledger, n) for n in type(report.ledger).model_fields},
    }
    rows = [{"figure": name, "value": value} for name, value in figures.items()]
    return Sheet("Summary", ("figure", "value"), rows)
