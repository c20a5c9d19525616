"""``spanledger allocation check`` and ``report``: what rules make of the ledger."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.parquet

from spanledger_analytics.allocation.allocate import Allocation
from spanledger_analytics.allocation.changes import parse_condition
from spanledger_analytics.allocation.export import focus_table, plain_table
from spanledger_analytics.allocation.matching import Facts, Rule, outcome_of, rules_of
from spanledger_analytics.allocation.months import (
    Month,
    as_far,
    month_at,
    month_before,
    month_of,
    zone_of,
)
from spanledger_analytics.allocation.reading import facts_of, load_allocation
from spanledger_analytics.allocation.report import OwnerRow, report_of
from spanledger_analytics.price_book.files import csv_text
from spanledger_analytics.price_book.input import NS_PER_S
from spanledger_server.errors import UsageError
from spanledger_server.output import Format
from spanledger_server.prices.session import moment, now_ns
from spanledger_server.rows import print_rows, printable
from spanledger_storage.allocation_rules import AllocationRules
from spanledger_storage.price_state import StateEngine
from spanledger_storage.projects import Projects
from spanledger_storage.store import Store

_COLUMNS = (
    "owner", "direct_usd", "shared_usd", "total_usd", "before_usd", "calls", "tokens", "tasks",
    "completed", "unpriced_calls", "calls_without_usage",
)  # fmt: skip
_MOST_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class Asked:
    """A month of a project, as much of the one before as is over of it, and the rules."""

    project: str
    month: Month
    before: Month
    rules: Sequence[Rule]

    @classmethod
    def of(cls, state: StateEngine, project: str, month: str, timezone: str) -> Asked:
        """Return what was asked for.

        Raises:
            AllocationError: the month or the zone cannot be read.
            ConfigError: there is no such project.
        """
        Projects(state).get(project)
        zone = zone_of(timezone)
        chosen = _month(month, zone)
        rules = rules_of(AllocationRules(state).rows(project))
        before = as_far(month_before(chosen, zone), chosen, now_ns() // NS_PER_S)
        return cls(project, chosen, before, rules)

    def load(self, store: Store, month: Month, *, with_classes: bool = False) -> Allocation:
        """Return who bears the costs of a month."""
        return load_allocation(
            store, self.project, month.start_s, month.end_s, self.rules, with_classes=with_classes
        )


def print_report(store: Store, asked: Asked, by: str, output: Format) -> None:
    """Print one row per owner, what nobody bears, and the total."""
    report = report_of(asked.load(store, asked.month), asked.load(store, asked.before), by)
    rows = [_fields(row, by) for row in report.rows]
    if output is Format.table:
        total: dict[str, object] = {"owner": "Total"}
        for name in _COLUMNS[1:]:
            values = [row[name] for row in rows if row[name] is not None]
            total[name] = sum(cast("list[int]", values))
        rows.append(total)
    print_rows(_COLUMNS, rows, output)
    if output is Format.table and report.gpu_unused_usd:
        print(f"Of it {report.gpu_unused_usd:,f} USD are GPU time beside the ledger.")


def write_report(store: Store, asked: Asked, file: Path, *, is_focus: bool) -> None:
    """Write the rows of a month to a file and say how many; CSV or Parquet by its ending.

    Raises:
        UsageError: the ending is another, or the file cannot be written.
    """
    if file.suffix not in (".csv", ".parquet"):
        raise UsageError("--file ends in .csv or .parquet.")
    found = asked.load(store, asked.month, with_classes=is_focus)
    if is_focus:
        table = focus_table(found, asked.month, asked.project)
    else:
        table = plain_table(found, asked.month)
    try:
        file.write_bytes(_bytes(table, is_csv=file.suffix == ".csv"))
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}.") from None
    print(f"{table.num_rows:,} rows of {asked.month.text} in {file}.")


def check_facts(state: StateEngine, project: str, texts: Sequence[str], at: str) -> None:
    """Explain what the rules make of entries that tell what was typed.

    Raises:
        AllocationError: something of it is nothing a rule can look at.
    """
    facts = dict(parse_condition(text) for text in texts)
    unix_s = moment(at, "--at") // NS_PER_S
    _explain(rules_of(AllocationRules(state).rows(project)), facts, unix_s)


def check_trace(state: StateEngine, store: Store, project: str, trace: str, entry: str) -> None:
    """Explain what the rules make of the entries of a trace; the same facts once.

    Raises:
        UsageError: the ledger has no such entries.
    """
    params: dict[str, object] = {
        "project": project, "trace_id": trace, "entry_id": entry, "page_size": _MOST_ENTRIES,
    }  # fmt: skip
    rows = store.rows("allocation_entries", params)
    if not rows:
        raise UsageError(f"The ledger of project {project} has no such entry.")
    rules = rules_of(AllocationRules(state).rows(project))
    seen: set[frozenset[tuple[str, str]]] = set()
    for row in rows:
        facts = facts_of(row, cast("Mapping[str, str]", row["dimensions"]))
        key = frozenset(facts.items())
        if key not in seen:
            if seen:
                print()
            seen.add(key)
            print(f"Entry {row['entry_id']}: {_shown(facts)}")
            _explain(rules, facts, cast("int", row["time_s"]))


def _explain(rules: Sequence[Rule], facts: Facts, unix_s: int) -> None:
    found = outcome_of(rules, facts, unix_s)
    for rule in rules:
        if rule.holds_at(unix_s) and rule is not found.rule:
            print(f"  not {rule.name}: {printable(rule.unmet(facts))}")
        if rule is found.rule:
            break
    if found.rule is None:
        print("  no rule: it is unallocated")
    elif found.pool is not None:
        pool = found.pool
        print(f"  {found.rule.name}: shared as {pool.name}, {pool.split} among {pool.among}")
    else:
        print(f"  {found.rule.name}: {_shown(found.owner._asdict())}")


def _shown(facts: Mapping[str, str]) -> str:
    return printable(", ".join(f"{name}={value}" for name, value in facts.items() if value))


def _fields(row: OwnerRow, by: str) -> dict[str, object]:
    name = "Unallocated" if row.is_unallocated else row.name or f"(no {by.replace('_', ' ')})"
    counts = ("calls", "tokens", "tasks", "completed", "unpriced_calls", "calls_without_usage")
    money = ("direct_usd", "shared_usd", "total_usd", "before_usd")
    return {"owner": name, **{field: getattr(row, field) for field in (*money, *counts)}}


def _month(text: str, zone: tzinfo) -> Month:
    return month_of(text, zone) if text else month_at(now_ns() // NS_PER_S, zone)


def _bytes(table: pa.Table, *, is_csv: bool) -> bytes:
    if is_csv:
        return csv_text(table.column_names, table.to_pylist()).encode()
    out = io.BytesIO()
    pyarrow.parquet.write_table(table, out, compression="zstd")
    return out.getvalue()
