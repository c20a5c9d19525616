"""What every list and export can be asked: period, filters by dimension, page, format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Query, Request

from spanledger_server.api.formats import Format, chosen_format
from spanledger_server.errors import UsageError

MOST_ROWS = 10_000
_NO_ZERO = r"^[^\x00]*$"

Start = Annotated[
    str,
    Query(
        alias="from",
        max_length=64,
        description="RFC 3339 time or date; default: one day before the end.",
        examples=["2026-11-20T00:00:00Z"],
    ),
]
End = Annotated[
    str,
    Query(
        alias="to",
        max_length=64,
        description="RFC 3339 time or date, not part of the period; default: now.",
        examples=["2026-11-21T00:00:00Z"],
    ),
]
Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="Most rows of a page.")]
CursorText = Annotated[
    str,
    Query(
        alias="cursor",
        max_length=4_096,
        description="`next` of the page before; the other parameters stay as they were.",
    ),
]
Text = Annotated[str, Query(max_length=512, pattern=_NO_ZERO)]
Hex32 = Annotated[str, Query(pattern=r"^([0-9a-fA-F]{32})?$", description="32 hexadecimal digits.")]
DimensionPairs = Annotated[
    list[Annotated[str, Query(max_length=1_024, pattern=_NO_ZERO)]] | None,
    Query(alias="dimension", max_length=16, description="`name=value`; each of them must hold."),
]


def _asked_format(
    request: Request,
    name: Annotated[
        Format | None,
        Query(alias="format", description="Default: what the header Accept says, else json."),
    ] = None,
) -> Format:
    return chosen_format(name, request.headers.get("accept", ""))


AskedFormat = Annotated[Format, Depends(_asked_format)]


async def demand_known(request: Request) -> None:  # needs no thread: others may hold them all
    """Refuse parameters that the endpoint does not have: a filter with a slip would filter nothing.

    Raises:
        UsageError: there is one, or one is given twice.
    """
    if not request.query_params:
        return
    described = request.app.openapi()["paths"][request.scope["route"].path]
    operation = described[request.method.lower()]
    params = [p for p in operation.get("parameters", ()) if p["in"] == "query"]
    given = [name for name, _ in request.query_params.multi_items()]
    known = sorted(param["name"] for param in params)
    if unknown := sorted(set(given) - set(known)):
        raise UsageError(
            f"There is no parameter {unknown[0][:80]!r} here; there are {', '.join(known)}."
        )
    for name in sorted(param["name"] for param in params if not _is_list(param["schema"])):
        if given.count(name) > 1:
            raise UsageError(f"The parameter {name} is given {given.count(name)} times: give one.")


def _is_list(schema: Mapping[str, Any]) -> bool:
    kinds: list[Mapping[str, Any]] = [schema, *schema.get("anyOf", ())]
    return any(kind.get("type") == "array" for kind in kinds)


def dimension_filters(pairs: list[str] | None) -> dict[str, object]:
    """Return dimensions as statements take them.

    Raises:
        UsageError: one is not ``name=value``.
    """
    names: list[str] = []
    values: list[str] = []
    for pair in pairs or ():
        name, found, value = pair.partition("=")
        if not (name and found):
            raise UsageError(f"A dimension is name=value, not {pair[:80]!r}.")
        names.append(name)
        values.append(value)
    return {"dimension_names": names, "dimension_values": values}
