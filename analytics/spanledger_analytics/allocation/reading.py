"""Grouped sums of a period from the smallest table that tells what rules look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from spanledger_analytics.allocation.allocate import (
    COST_CLASSES,
    GPU_UNUSED,
    TOKEN_CLASSES,
    Allocation,
    Group,
    Sums,
    TaskGroup,
    allocate,
)
from spanledger_analytics.allocation.matching import (
    DIMENSION,
    FIELDS,
    REDUCED_FIELDS,
    Rule,
    Wanted,
    changes_within,
    wanted_of,
)
from spanledger_analytics.gpu_cost.arithmetic import picodollars
from spanledger_storage.store import Store

Row = Mapping[str, object]

_HOUR_S = 3_600
_NAMES = {column: name for name, column in FIELDS.items()}


def load_allocation(
    store: Store,
    project: str,
    from_s: int,
    to_s: int,
    rules: Sequence[Rule],
    *,
    with_classes: bool = False,
) -> Allocation:
    """Return who bears the costs of a period, UTC seconds, half open.

    Args:
        store: to read from.
        project: whose costs.
        from_s: first second.
        to_s: first second after it.
        rules: in the order they are asked in.
        with_classes: also sums by class of token, for exports.

    Raises:
        StoreError: the store does not answer.
    """
    rules = [rule for rule in rules if rule.from_s < to_s and (rule.to_s or to_s) > from_s]
    starts = changes_within(rules, from_s, to_s)
    wanted = wanted_of(rules)
    period: dict[str, object] = {
        "project": project, "from_s": from_s, "to_s": to_s, "starts": starts,
    }  # fmt: skip
    looked_at = {**period, **_looked_at(wanted)}
    is_aligned = all(moment % _HOUR_S == 0 for moment in (*starts, to_s))
    if wanted.is_hourly and is_aligned and not with_classes:
        rows = store.rows("allocation_hourly", period)
    else:
        rows = store.rows("allocation_groups", looked_at)
    groups = [_group(row, wanted, with_classes=with_classes) for row in rows]
    groups += [_gpu_group(row) for row in store.rows("allocation_gpu_unused", period)]
    tasks = [_task_group(row, wanted) for row in store.rows("allocation_tasks", looked_at)]
    return allocate(groups, rules, tasks)


def facts_of(row: Row, dimensions: Mapping[str, str]) -> dict[str, str]:
    """Return what a row tells, by field; what is empty is left out."""
    found = {_NAMES[column]: str(value) for column, value in row.items() if column in _NAMES}
    found |= {DIMENSION + name: value for name, value in dimensions.items()}
    return {name: value for name, value in found.items() if value}


def _looked_at(wanted: Wanted) -> dict[str, object]:
    params: dict[str, object] = {
        "fields": sorted(FIELDS[name] for name in wanted.fields),
        "dimensions": list(wanted.dimensions),
    }
    for name in REDUCED_FIELDS:
        params[f"{name}_exact"] = list(wanted.exact.get(name, ()))
        params[f"{name}_prefixes"] = list(wanted.prefixes.get(name, ()))
    return params


def _group(row: Row, wanted: Wanted, *, with_classes: bool) -> Group:
    sums = Sums(
        picodollars=_pico(row, "total_cost_usd"),
        calls=_int(row, "calls"),
        tokens=_int(row, "tokens"),
        unpriced_calls=_int(row, "unpriced_calls"),
        calls_without_usage=_int(row, "calls_without_usage"),
        self_hosted_calls=_int(row, "self_hosted_calls"),
    )
    if with_classes:
        sums = sums._replace(
            list_picodollars=_pico(row, "list_cost_usd"),
            cost_parts=tuple(_pico(row, f"{name}_cost_usd") for name in COST_CLASSES),
            token_parts=tuple(_int(row, f"{name}_tokens") for name in TOKEN_CLASSES),
        )
    return Group(_int(row, "since_s"), facts_of(row, _dimensions(row, wanted)), sums)


def _gpu_group(row: Row) -> Group:
    facts = {"kind": "gpu", "unused": "gpu"}
    return Group(_int(row, "since_s"), facts, Sums(_pico(row, "total_cost_usd")), GPU_UNUSED)


def _task_group(row: Row, wanted: Wanted) -> TaskGroup:
    facts = facts_of(row, _dimensions(row, wanted))
    return TaskGroup(_int(row, "since_s"), facts, _int(row, "tasks"), _int(row, "completed"))


def _dimensions(row: Row, wanted: Wanted) -> dict[str, str]:
    values = cast("Sequence[str]", row.get("dimension_values") or ())
    return dict(zip(wanted.dimensions, values, strict=False))


def _int(row: Row, name: str) -> int:
    return cast("int", row[name])


def _pico(row: Row, name: str) -> int:
    return picodollars(row[name])  # type: ignore[arg-type]  # a Decimal: the column is one
