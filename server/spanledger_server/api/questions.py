"""What every list and export can be asked: period, filters by dimension, page, format."""

from __future__ import annotations

from typing import Annotated, get_args, get_origin

from fastapi import Depends, Query, Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query as QueryParam
from fastapi.routing import APIRoute

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
    route: APIRoute = request.scope["route"]
    known = query_params(route)
    given = [name for name, _ in request.query_params.multi_items()]
    if unknown := sorted(set(given) - set(known)):
        raise UsageError(
            f"There is no parameter {unknown[0][:80]!r} here; "
            f"there are {', '.join(sorted(known)) or 'none'}."
        )
    for name in sorted(name for name, is_list in known.items() if not is_list):
        if given.count(name) > 1:
            raise UsageError(f"The parameter {name} is given {given.count(name)} times: give one.")


def query_params(route: APIRoute) -> dict[str, bool]:
    """Return the parameters of an endpoint by name: whether each may be given several times.

    The description of the API tells the same, and takes a second to make.
    """
    params = [p for p in get_flat_params(route.dependant) if isinstance(p.field_info, QueryParam)]
    return {param.alias: _is_list(param.field_info.annotation) for param in params}


def _is_list(annotation: object) -> bool:
    """Return whether a type is a list, or may be one."""
    return get_origin(annotation) is list or any(map(_is_list, get_args(annotation)))


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
