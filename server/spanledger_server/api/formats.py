"""In which format rows are answered: by the parameter ``format``, else by what is accepted."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from fastapi import HTTPException


class Format(StrEnum):
    """How rows are written."""

    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    ARROW = "arrow"
    PARQUET = "parquet"


MEDIA_TYPES: Mapping[Format, str] = {
    Format.JSON: "application/json",
    Format.JSONL: "application/x-ndjson",
    Format.CSV: "text/csv",
    Format.ARROW: "application/vnd.apache.arrow.stream",
    Format.PARQUET: "application/vnd.apache.parquet",
}
"""https://www.iana.org/assignments/media-types; ndjson is not registered but in wide use."""
CONTENT_TYPES: Mapping[Format, str] = {**MEDIA_TYPES, Format.CSV: "text/csv; charset=utf-8"}
STORE_FORMATS: Mapping[Format, str] = {
    Format.JSON: "JSONEachRow",
    Format.JSONL: "JSONEachRow",
    Format.CSV: "CSVWithNames",
    Format.ARROW: "ArrowStream",
    Format.PARQUET: "ArrowStream",  # rows of several answers become one file here
}
STORE_SETTINGS: Mapping[str, object] = {
    "date_time_output_format": "iso",
    "output_format_json_quote_decimals": 1,
    "output_format_decimal_trailing_zeros": 1,
    "output_format_json_quote_64bit_integers": 1,
    "output_format_json_validate_utf8": 1,
    "format_csv_null_representation": "",
}
"""Unknown is null, and empty in CSV; an empty text in CSV is in quotes."""


def chosen_format(name: Format | None, accept: str) -> Format:
    """Return the format asked for: the parameter decides, then the header Accept, then JSON.

    Raises:
        HTTPException: 406, nothing that is accepted can be answered.
    """
    if name is not None:
        return name
    weights = _weights(accept)
    if not weights:
        return Format.JSON
    best = max(Format, key=lambda one: _weight(MEDIA_TYPES[one], weights))
    if _weight(MEDIA_TYPES[best], weights) <= 0:
        raise HTTPException(
            406, f"Accept one of {', '.join(MEDIA_TYPES.values())}, or say format={Format.CSV}."
        )
    return best


def _weights(accept: str) -> dict[str, float]:
    """Return the weight of each media range (RFC 9110, section 12.5.1)."""
    weights: dict[str, float] = {}
    for part in accept.split(","):
        media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if not media_range:
            continue
        weights[media_range] = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                weights[media_range] = _number(value)
    return weights


def _number(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0


def _weight(media_type: str, weights: Mapping[str, float]) -> float:
    for media_range in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        if media_range in weights:
            return weights[media_range]
    return 0.0
