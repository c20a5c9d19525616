"""Types of the fields of rows, as JSON has them.

Integers of 64 bits are strings, as in OTLP's JSON: many readers hold numbers as doubles, which lose
digits beyond 2^53. https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Moment = Annotated[
    str,
    Field(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,9}Z$",
        examples=["2026-11-20T08:15:30.123456789Z"],
    ),
]
"""A time in UTC."""
Big = Annotated[str, Field(pattern=r"^-?\d+$", examples=["12345"])]
"""A whole number of 64 bits."""
Money = Annotated[str, Field(pattern=r"^-?\d+\.\d{12}$", examples=["0.012345000000"])]
"""US dollars, exact."""
TraceId = Annotated[str, Field(examples=["4bf92f3577b34da6a3ce929d0e0e4736"])]
Dimensions = Annotated[dict[str, str], Field(description="team, customer … by name")]


class Row(BaseModel):
    """A row; its fields are the columns that are read and answered, in this order."""

    model_config = ConfigDict(extra="forbid")
