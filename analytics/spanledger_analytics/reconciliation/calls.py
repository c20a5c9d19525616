"""Calls of the ledger looked up for single causes: told twice, in peak hours, as evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from spanledger_analytics._rows import Literal
from spanledger_analytics.invoices.line import TokenClass
from spanledger_analytics.reconciliation.bill_side import Unit
from spanledger_analytics.reconciliation.case import Case, Claim, Shown
from spanledger_analytics.reconciliation.causes.peak_hours import PEAKS
from spanledger_analytics.reconciliation.ledger_side import (
    DAY_S,
    TOKEN_CLASSES,
    DimensionRule,
    Group,
    Sum,
    day_of,
)
from spanledger_analytics.reconciliation.material import Doubles, Peaks, groups_of
from spanledger_analytics.reconciliation.pico import ONE, to_pico
from spanledger_analytics.reconciliation.result import MOST_EVIDENCE, CallRef
from spanledger_storage.store import Store

_WORTH_SHOWING = 10**10  # a cent
_FEW_GROUPS = 50
_OF_MANY_GROUPS = 20

_Key = tuple[Shown, Group]


@dataclass(frozen=True, slots=True)
class CallFinder:
    """Looks up the calls of a unit.

    Attributes:
        store: the telemetry store.
        project: whose calls.
        unit: of which provider and days.
        rules: which dimension means which scope or key of the provider.
    """

    store: Store
    project: str
    unit: Unit
    rules: Sequence[DimensionRule]

    def doubles(self, models: frozenset[str]) -> Doubles:
        """Return the calls that look like a second telling of another one."""
        found: dict[Group, tuple[int, Mapping[TokenClass, Sum]]] = {}
        params = {**self._params(), "models": sorted(models)}
        for row in self._rows("reconciliation_doubles", params):
            sums = {
                name: Sum(
                    int(cast("int", row[name])) * ONE, to_pico(cast("Decimal", row[f"{name}_usd"]))
                )
                for name in TOKEN_CLASSES
            }
            found[_group(row)] = int(cast("int", row["calls"])), sums
        return found

    def peaks(self) -> Peaks:
        """Return what calls cost in the provider's peak hours."""
        params = {**self._params(), "hours": list(PEAKS[self.unit.provider_id])}
        return {
            _group(row): {
                name: Sum(usd=to_pico(cast("Decimal", row[name]))) for name in TOKEN_CLASSES
            }
            for row in self._rows("reconciliation_peaks", params)
        }

    def evidence(self, cases: Iterable[Case]) -> dict[int, list[Sequence[CallRef]]]:
        """Return the calls that show each claim, by ``id`` of the case, in the claims' order.

        Claims of less than a cent have none.
        """
        wanted: dict[Shown, set[Group]] = {}
        shown = [case for case in cases if any(map(_is_shown, case.claims))]
        for case in shown:
            for claim in filter(_is_shown, case.claims):
                wanted.setdefault(claim.shown, set()).update(groups_of(case))
        calls: dict[_Key, list[CallRef]] = {}
        for kind, groups in wanted.items():
            self._read(kind, groups, calls)
        return {id(case): [_refs(claim, case, calls) for claim in case.claims] for case in shown}

    def _read(self, kind: Shown, groups: set[Group], calls: dict[_Key, list[CallRef]]) -> None:
        models = sorted({group.model for group in groups})
        most = MOST_EVIDENCE if len(groups) <= _FEW_GROUPS else _OF_MANY_GROUPS
        pairs = sorted({(group.scope, group.api_key) for group in groups})
        params = {
            **self._params(),
            "shown": kind,
            "models": models,
            "most": most,
            "wanted_scopes": Literal([scope for scope, _ in pairs]),
            "wanted_keys": Literal([api_key for _, api_key in pairs]),
        }
        for row in self._rows("reconciliation_calls", params):
            group = _group(row)
            if group in groups:
                ref = CallRef(*(str(row[name]) for name in CallRef.__slots__))
                calls.setdefault((kind, group), []).append(ref)

    def _params(self) -> dict[str, object]:
        rules = self.rules
        return {
            "project": self.project,
            "from_s": day_of(self.unit.first) * DAY_S,
            "to_s": (day_of(self.unit.last) + 1) * DAY_S,
            "dimensions": [rule.dimension for rule in rules],
            "values": [rule.value for rule in rules],
            "scopes": [rule.scope for rule in rules],
            "keys": [rule.api_key for rule in rules],
        }

    def _rows(self, name: str, params: Mapping[str, object]) -> Iterable[dict[str, object]]:
        for batch in self.store.arrow(name, params).to_batches(max_chunksize=4_096):
            yield from cast("list[dict[str, object]]", batch.to_pylist())


def _is_shown(claim: Claim) -> bool:
    return bool(claim.shown) and abs(claim.usd) >= _WORTH_SHOWING


def _refs(claim: Claim, case: Case, calls: Mapping[_Key, list[CallRef]]) -> Sequence[CallRef]:
    if not _is_shown(claim):
        return ()
    groups = sorted(groups_of(case))
    found = [ref for group in groups for ref in calls.get((claim.shown, group), ())]
    return found[:MOST_EVIDENCE]


def _group(row: Mapping[str, object]) -> Group:
    return Group(*(str(row[name]) for name in Group._fields))
