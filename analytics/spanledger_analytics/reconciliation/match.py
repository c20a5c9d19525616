"""Puts the ledger and the reports of a unit side by side, at the finest grain both tell.

A dimension that one side does not tell is dropped: of a class and model where these decide, of
the provider's day where one side has nothing of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from spanledger_analytics.invoices.line import TokenClass
from spanledger_analytics.reconciliation.bill_side import BillRow, Unit
from spanledger_analytics.reconciliation.case import Case
from spanledger_analytics.reconciliation.contexts import bucket_of, lower_bound
from spanledger_analytics.reconciliation.ledger_side import (
    TOKEN_CLASSES,
    LedgerRow,
    Sum,
)
from spanledger_analytics.reconciliation.models import same_models
from spanledger_analytics.reconciliation.pico import ONE, pro_rata
from spanledger_analytics.reconciliation.result import CellKey

DIMENSIONS = ("scope", "api_key", "processing", "service_tier", "context", "geo")
"""Dimensions besides model and class, which are compared where both sides tell them."""
_WHOLE = frozenset({*TOKEN_CLASSES, TokenClass.INPUT, TokenClass.AUDIO, TokenClass.IMAGES})
"""Classes that a line for a whole model covers."""

Place = tuple[TokenClass, str | None]
"""A class and a model, within which dimensions are kept or dropped."""


class Told(NamedTuple):
    """A row's place, and its dimensions in the order of ``DIMENSIONS``; None: not told."""

    place: Place
    values: tuple[str | None, ...]


@dataclass(slots=True)
class _Dims:
    """Which dimensions one side tells of a place, and which values."""

    told: list[bool] = field(default_factory=lambda: [True] * len(DIMENSIONS))
    values: list[set[str]] = field(default_factory=lambda: [set() for _ in DIMENSIONS])

    def add(self, rows: Iterable[Sequence[str | None]]) -> None:
        for place, column in enumerate(zip(*rows, strict=True)):
            found = set(column)
            self.told[place] &= None not in found
            self.values[place] |= {value for value in found if value is not None}


def match(unit: Unit, ledger: Iterable[LedgerRow]) -> list[Case]:
    """Return the cases of a unit: one per key that either side tells, not explained yet.

    Args:
        unit: what the provider says.
        ledger: the rows of its provider and days.
    """
    rows = list(ledger)
    return _Matching(unit, rows).cases()


class _Matching:
    def __init__(self, unit: Unit, ledger: list[LedgerRow]) -> None:
        self._unit = unit
        self._ledger = ledger
        reported = {row.key.model for row in (*unit.billed, *unit.usage) if row.key.model}
        self._names = same_models({row.names.model for row in ledger}, reported)
        self._has_models = {row.key.token_class for row in unit.billed if row.key.model is not None}
        self._without_models = {row.key.token_class for row in unit.billed} - self._has_models
        self._bounds = self._context_bounds()
        self._collapsed = self._models_told_whole()
        self._tells_searches = any(
            row.key.token_class is TokenClass.WEB_SEARCH for row in unit.billed
        )
        self._shown_models = _shown_models(unit, ledger, self._names)

    def cases(self) -> list[Case]:
        """Match."""
        ledger = [
            (row, token_class, amount, Told(self._place_in_ledger(row, token_class), values))
            for row in self._ledger
            for values in [self._values_in_ledger(row)]
            for token_class, amount in row.sums.items()
        ]
        billed = [(row, self._told_by_report(row)) for row in self._unit.billed]
        kept = _Kept([told for *_, told in ledger], [told for _, told in billed])
        cases = _Cases(self._unit, self._shown_models)
        for ledger_row, _, amount, told in ledger:
            case = cases.of(told.place, kept.of(told))
            case.ledger = case.ledger.plus(amount)
            case.telemetry = case.telemetry.plus(ledger_row.telemetry)
            case.ledger_rows.append(ledger_row)
        for bill_row, told in billed:
            cases.of(told.place, kept.of(told)).billed_rows.append(bill_row)
        usage = [(row, self._told_by_report(row)) for row in self._unit.usage]
        self._add_usage(cases, usage, kept)
        for case in cases.found():
            self._settle(case)
        return [*cases.found(), *self._requests(), *map(self._other, self._unit.other)]

    def _place_in_ledger(self, row: LedgerRow, token_class: TokenClass) -> Place:
        model = self._names[row.names.model]
        if token_class is TokenClass.WEB_SEARCH and not self._tells_searches:
            token_class = TokenClass.TOOL
        token_class = self._class_of(token_class, model)
        is_call = token_class in _WHOLE or token_class is TokenClass.MODEL
        return token_class, self._model_of(token_class, model, is_call=is_call)

    def _values_in_ledger(self, row: LedgerRow) -> tuple[str | None, ...]:
        names = row.names
        model = self._names[names.model]
        bounds = self._bounds.get(model) or self._bounds.get(None, ())
        context = str(bucket_of(bounds, row.bucket)) if bounds else None
        return (
            row.scope or None, row.api_key or None, names.processing, names.service_tier, context,
            names.geo or None,
        )  # fmt: skip

    def _told_by_report(self, row: BillRow) -> Told:
        key = row.key
        token_class = self._class_of(key.token_class, key.model)
        bound = (
            lower_bound(self._unit.provider_id, key.context) if key.context is not None else None
        )
        return Told(
            (token_class, self._model_of(token_class, key.model, is_call=True)),
            (
                key.scope,
                key.api_key,
                key.processing,
                key.service_tier,
                None if bound is None else str(bound),
                key.geo,
            ),
        )

    def _class_of(self, token_class: TokenClass, model: str | None) -> TokenClass:
        is_whole = token_class in _WHOLE and (model in self._collapsed or None in self._collapsed)
        return TokenClass.MODEL if is_whole else token_class

    def _model_of(self, token_class: TokenClass, model: str | None, *, is_call: bool) -> str | None:
        if token_class in self._without_models:
            return None
        # A call without a model and a line that tells none are the same.
        return (model or None) if is_call or token_class in self._has_models else None

    def _context_bounds(self) -> dict[str | None, tuple[int, ...]]:
        found: defaultdict[str | None, set[int]] = defaultdict(set)
        for row in self._unit.billed:
            if row.key.context:
                bound = lower_bound(self._unit.provider_id, row.key.context)
                if bound is not None:
                    found[row.key.model].add(bound)
                    found[None].add(bound)
        return {model: tuple(sorted(bounds)) for model, bounds in found.items()}

    def _models_told_whole(self) -> set[str | None]:
        """Return models whose classes one side does not tell apart."""
        media = {self._names[row.names.model] for row in self._ledger if row.media}
        whole: set[str | None] = {
            self._names[row.names.model] for row in self._ledger if TokenClass.MODEL in row.sums
        }
        apart = {TokenClass.AUDIO, TokenClass.IMAGES}
        for row in self._unit.billed:
            token_class, model = row.key.token_class, row.key.model
            if token_class in (TokenClass.MODEL, TokenClass.INPUT) or (
                token_class in apart and model in media
            ):
                whole.add(model)
        told = {(row.key.model, row.key.token_class) for row in self._unit.billed}
        # A cost told as a whole on both sides is a class of its own.
        for model in {row.names.model for row in self._ledger if TokenClass.MODEL in row.sums}:
            name = self._names[model]
            if (name, TokenClass.MODEL) in told and (name, TokenClass.UNCACHED) in told:
                whole.discard(name)
        return whole

    def _add_usage(self, cases: _Cases, usage: list[tuple[BillRow, Told]], kept: _Kept) -> None:
        """Add quantities of usage reports to the cases they can be told of."""
        classes = {told.place[0] for _, told in usage}
        finer: set[Place] = set()
        for row, told in usage:
            if row.key.token_class is TokenClass.REQUESTS:
                continue
            values = kept.of(told)
            if any(kept.keeps(told.place, i) and v is None for i, v in enumerate(values)):
                finer.add(told.place)
                continue
            case = cases.of(told.place, values)
            case.usage_rows.append(row)
            case.usage_quantity = (case.usage_quantity or 0) + (row.quantity or 0)
        for case in cases.found():
            if (
                case.usage_quantity is None
                and case.token_class in classes
                and (case.token_class, _model_in(case)) not in finer
                and not self._is_spotty(case)
            ):
                case.usage_quantity = 0

    def _is_spotty(self, case: Case) -> bool:
        """Return whether usage reports tell nothing of a case's model at all."""
        model = case.billed_rows[0].key.model if case.billed_rows else None
        if model is None and case.ledger_rows:
            model = self._names[case.ledger_rows[0].names.model]
        return all(row.key.model not in (None, model) for row in self._unit.usage)

    def _settle(self, case: Case) -> None:
        rows = case.billed_rows
        quantities = [row.quantity for row in rows if row.quantity is not None]
        if len(quantities) == len(rows):
            case.billed_quantity = sum(quantities)
        case.billed_usd = sum([row.usd for row in rows])
        if self._unit.is_derived:
            case.billed_quantity = None
            case.usage_quantity = sum(row.quantity or 0 for row in rows)
            case.billed_usd = _derived(case)
        case.split()

    def _other(self, row: BillRow) -> Case:
        key = row.key
        # The currency and text keep apart what would be one line of a kind.
        case = Case(
            CellKey(
                self._unit.first, self._unit.provider, key.token_class.value, scope=key.scope,
                api_key=key.api_key, model=row.model or None, processing=key.processing,
                service_tier=key.service_tier, context=key.context, geo=key.geo,
            ),
            key.token_class,
        )  # fmt: skip
        case.billed_rows.append(row)
        case.billed_quantity = row.quantity
        case.billed_usd = row.usd
        case.split()
        return case

    def _requests(self) -> list[Case]:
        """Return cases of numbers of requests: no money, but they show which calls are missing."""
        reported = [
            (row, self._told_by_report(row))
            for row in self._unit.usage
            if row.key.token_class is TokenClass.REQUESTS
        ]
        if not reported:
            return []
        has_model = any(row.key.model is not None for row, _ in reported)
        ledger = [
            (row, Told((TokenClass.REQUESTS, model), self._values_in_ledger(row)))
            for row in self._ledger
            if row.telemetry.calls
            for _, named in [self._place_in_ledger(row, TokenClass.UNCACHED)]
            for model in [named if has_model else None]
        ]
        kept = _Kept([told for _, told in ledger], [told for _, told in reported])
        cases = _Cases(self._unit, self._shown_models)
        for ledger_row, told in ledger:
            case = cases.of(told.place, kept.of(told))
            case.ledger = case.ledger.plus(Sum(ledger_row.telemetry.calls * ONE))
            case.telemetry = case.telemetry.plus(ledger_row.telemetry)
        for row, told in reported:
            case = cases.of(told.place, kept.of(told))
            case.usage_quantity = (case.usage_quantity or 0) + (row.quantity or 0)
        for case in cases.found():
            case.usage_quantity = case.usage_quantity or 0
            case.quantity = case.usage_quantity - case.ledger.quantity
        return cases.found()


class _Cases:
    """The cases of a unit, by what they are told apart by."""

    def __init__(self, unit: Unit, shown_models: Mapping[str, str]) -> None:
        self._unit = unit
        self._shown_models = shown_models
        # Most keys come from both sides: what a side tells is faster to look up than its key.
        self._by_told: dict[tuple[Place, tuple[str | None, ...]], Case] = {}
        self._by_key: dict[CellKey, Case] = {}

    def of(self, place: Place, values: tuple[str | None, ...]) -> Case:
        """Return the case of a place and dimensions, a new one if there is none."""
        told = place, values
        case = self._by_told.get(told)
        if case is None:
            key = self._key(place, values)
            case = self._by_key.get(key)
            if case is None:
                case = self._by_key[key] = Case(key, place[0])
            self._by_told[told] = case
        return case

    def found(self) -> list[Case]:
        """Return all, in the order in which they were asked for first."""
        return list(self._by_key.values())

    def _key(self, place: Place, values: tuple[str | None, ...]) -> CellKey:
        token_class, model = place
        scope, api_key, processing, service_tier, context, geo = values
        shown = None if model is None else self._shown_models.get(model, model)
        size = None if context is None else _context_name(context)
        return CellKey(
            self._unit.first, self._unit.provider, token_class.value, scope, api_key, shown,
            processing, service_tier, size, geo,
        )  # fmt: skip


class _Kept:
    """Which dimensions both sides tell, place by place."""

    def __init__(self, ledger: list[Told], billed: list[Told]) -> None:
        self._sides = (_dims_by_place(ledger), _dims_by_place(billed))
        self._whole = (_all_dims(ledger), _all_dims(billed))
        self._masks: dict[Place, tuple[bool, ...]] = {}

    def of(self, told: Told) -> tuple[str | None, ...]:
        """Return a row's dimensions without those that are dropped."""
        mask = self._mask(told.place)
        values = zip(told.values, mask, strict=True)
        return tuple([value if is_kept else None for value, is_kept in values])

    def keeps(self, place: Place, dimension: int) -> bool:
        """Return whether a dimension is told apart."""
        return self._mask(place)[dimension]

    def _mask(self, place: Place) -> tuple[bool, ...]:
        mask = self._masks.get(place)
        if mask is None:
            sides = [
                by_place.get(place, whole)
                for by_place, whole in zip(self._sides, self._whole, strict=True)
            ]
            mask = self._masks[place] = tuple(
                self._is_kept(dimension, *sides) for dimension in range(len(DIMENSIONS))
            )
        return mask

    def _is_kept(self, dimension: int, ledger: _Dims, billed: _Dims) -> bool:
        if not (ledger.told[dimension] and billed.told[dimension]):
            return False
        name = DIMENSIONS[dimension]
        if name in ("processing", "service_tier", "context"):
            return True
        # Names the sides do not share are of another kind: comparing them finds nothing.
        ours, theirs = (whole.values[dimension] for whole in self._whole)
        return not ours or not theirs or bool(ours & theirs)


def _dims_by_place(rows: Iterable[Told]) -> dict[Place, _Dims]:
    values: defaultdict[Place, list[tuple[str | None, ...]]] = defaultdict(list)
    for told in rows:
        values[told.place].append(told.values)
    found: dict[Place, _Dims] = {}
    for place, told_there in values.items():
        found[place] = _Dims()
        found[place].add(told_there)
    return found


def _all_dims(rows: list[Told]) -> _Dims:
    """Return what a side tells of tokens; of anything, where it has none."""
    found = _Dims()
    tokens = [told for told in rows if told.place[0] in _WHOLE or told.place[0] is TokenClass.MODEL]
    found.add(told.values for told in tokens or rows)
    return found


def _derived(case: Case) -> int:
    """Return what a quantity that nobody charged yet comes to at the ledger's price."""
    if not case.priced_quantity:
        return 0
    return pro_rata(case.ledger.usd, case.usage_quantity or 0, case.priced_quantity)


def _context_name(bound: str) -> str:
    size = int(bound)
    return "short" if not size else f"> {size // 1_000}k"


def _model_in(case: Case) -> str | None:
    return case.billed_rows[0].key.model if case.billed_rows else None


def _shown_models(unit: Unit, ledger: Iterable[LedgerRow], names: dict[str, str]) -> dict[str, str]:
    """Return by plain name how a model is shown: as the ledger calls it, else as the report."""
    shown = {
        row.key.model: row.model
        for row in (*unit.usage, *unit.billed)
        if row.key.model and row.model
    }
    own: dict[str, str] = {}
    for row in ledger:
        if row.model:
            own[names[row.names.model]] = min(row.model, own.get(names[row.names.model], row.model))
    return {**shown, **own}
