"""What goes to a provider in a dispute: the calls, our arithmetic, their lines, the difference.

Contents of calls are no part of it: only columns of the ledger are read, which has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

from spanledger_analytics.entry_prices import TOKEN_COLUMNS, requests_of
from spanledger_analytics.errors import AnalyticsError
from spanledger_analytics.invoices.line import InvoiceLine, TokenClass
from spanledger_analytics.invoices.reading import current_lines
from spanledger_analytics.invoices.rules import Rules, rules_of
from spanledger_analytics.price_book.arithmetic import arithmetic
from spanledger_analytics.price_book.book import PriceBook, PriceKey
from spanledger_analytics.price_book.store import load_overrides
from spanledger_analytics.reconciliation.contexts import bucket_of, lower_bound
from spanledger_analytics.reconciliation.days import Days
from spanledger_analytics.reconciliation.ledger_side import (
    DAY_S,
    DimensionRule,
    Group,
    LedgerRow,
    day_of,
    provider_id,
    read_ledger,
)
from spanledger_analytics.reconciliation.models import plain_name, same_models
from spanledger_analytics.reconciliation.report.sums import by_urgency
from spanledger_analytics.reconciliation.result import Cell, CellKey, Reconciliation
from spanledger_analytics.reconciliation.run import dimension_rules
from spanledger_analytics.tokens import Tokens
from spanledger_storage.price_state import StateEngine
from spanledger_storage.store import Store

Call = Mapping[str, object]
"""A row of ``dispute_calls`` with ``price_since_ns``: None: not known any more."""

_HOUR_S = 3_600
_MOST_CALLS = 200_000  # of one read: some hundred megabytes
_ANY_SIZE = 2**62
_SAME = ("scope", "api_key", "processing", "service_tier")
_CLASSES: Mapping[str, frozenset[str]] = {
    TokenClass.CACHE_WRITE: frozenset(
        {TokenClass.CACHE_WRITE, TokenClass.CACHE_WRITE_5M, TokenClass.CACHE_WRITE_1H}
    ),
    TokenClass.TOOL: frozenset({TokenClass.TOOL, TokenClass.WEB_SEARCH}),
}
"""Classes of lines that a cell's class stands for, where these are more than itself."""


class DisputeError(AnalyticsError):
    """There is nothing of the kind to dispute; the message says what there is."""


@dataclass(frozen=True)
class Dispute:
    """What is disputed, and where its evidence is read from.

    Attributes:
        store: the telemetry store.
        project: whose calls.
        provider: who charged; empty: all of them.
        days: of the calls and lines.
        cells: what is compared, the most urgent first.
        cell: the one that is disputed; None: all of the provider's days.
        others: cells of the same days and provider: by them it is known which names are one model.
        book: prices, to tell since when one holds.
        rules: what users say of lines.
        dimensions: which dimension means which scope or key.
    """

    store: Store
    project: str
    provider: str
    days: Days
    cells: Sequence[Cell]
    book: PriceBook
    cell: Cell | None = None
    others: Sequence[Cell] = ()
    rules: Rules = field(default_factory=Rules)
    dimensions: Sequence[DimensionRule] = ()

    def lines(self) -> Iterator[InvoiceLine]:
        """Return the provider's lines: of the cell, or of all days.

        Raises:
            StoreError: the store refused or did not answer.
        """
        found = current_lines(
            self.store, self.project, self.days.first, self.days.last, self.provider or None,
            rules=self.rules,
        )  # fmt: skip
        for line in found:
            if self.cell is None or line_fits(line, self.cell.key):
                yield line

    def calls(self) -> Iterator[Call]:
        """Return the calls in the ledger, by time; read a day at a time, large days by the hour.

        Raises:
            StoreError: the store refused or did not answer.
        """
        since = _PriceDates(self.book)
        params = self._params(sorted({row.group for row in self._rows}))
        for from_s, to_s in self._stretches():
            table = self.store.arrow("dispute_calls", {**params, "from_s": from_s, "to_s": to_s})
            for batch in table.to_batches(max_chunksize=4_096):
                for row in cast("list[dict[str, object]]", batch.to_pylist()):
                    row["price_since_ns"] = since.of(row)
                    yield row

    @cached_property
    def _rows(self) -> list[LedgerRow]:
        """What the ledger says of the calls: by what they are found, and how many there are."""
        first, last = day_of(self.days.first), day_of(self.days.last)
        rows = read_ledger(self.store, self.project, first, last, self.dimensions)
        fitting = _Fitting(self.provider, self.cell, [*self.others, *self.cells])
        return [row for row in rows if fitting.has(row)]

    def _stretches(self) -> Iterator[tuple[int, int]]:
        """Return when calls were made, in parts of a size that memory holds; unix seconds."""
        calls: dict[int, int] = {}
        for row in self._rows:
            calls[row.day] = calls.get(row.day, 0) + row.telemetry.calls
        for day in sorted(calls):
            step_s = DAY_S if calls[day] <= _MOST_CALLS else _HOUR_S
            for from_s in range(day * DAY_S, (day + 1) * DAY_S, step_s):
                yield from_s, from_s + step_s

    def _params(self, groups: Sequence[Group]) -> dict[str, object]:
        over, up_to = self._sizes()
        return {
            "project": self.project,
            "providers": [group.provider for group in groups],
            "models": [group.model for group in groups],
            "tiers": [group.service_tier for group in groups],
            "regions": [group.region for group in groups],
            "scopes_of": [group.scope for group in groups],
            "keys_of": [group.api_key for group in groups],
            "token_class": self.cell.key.token_class if self.cell else "",
            "over_tokens": over,
            "up_to_tokens": up_to,
            "dimensions": [rule.dimension for rule in self.dimensions],
            "values": [rule.value for rule in self.dimensions],
            "scopes": [rule.scope for rule in self.dimensions],
            "keys": [rule.api_key for rule in self.dimensions],
        }

    def _sizes(self) -> tuple[int, int]:
        """Return above which size of request and up to which calls are of the cell."""
        if self.cell is None or self.cell.key.context is None:
            return -1, _ANY_SIZE
        bounds = _bounds(self.provider, [*self.others, self.cell])
        own = lower_bound(provider_id(self.provider), self.cell.key.context) or 0
        return own or -1, min((b for b in bounds if b > own), default=_ANY_SIZE)


def open_dispute(
    store: Store, state: StateEngine, result: Reconciliation, provider: str, cell_id: str = ""
) -> Dispute:
    """Return what is disputed: a cell, or a provider's days where no cell is named; or all.

    Raises:
        DisputeError: there is no such cell, or nothing of the provider.
        StateError: the state database does not answer.
    """
    cell, others = dispute_cell(result, cell_id) if cell_id else (None, [])
    if cell is not None and cell.key.token_class == TokenClass.INVOICE_TOTAL:
        # An invoice as a whole is shown by all that its provider charged.
        provider, cell, others = cell.key.provider, None, []
    cells = [c for c in result.cells if cell or provider in ("", c.key.provider)]
    if provider and not cells:
        raise DisputeError(f"Nothing of {provider[:80]!r} was reconciled in these days.")
    days = Days(cell.key.day, cell.key.day) if cell else Days(result.first_day, result.last_day)
    return Dispute(
        store=store,
        project=result.project,
        provider=cell.key.provider if cell else provider,
        days=days,
        cells=by_urgency(cells),
        book=PriceBook.bundled(load_overrides(state)),
        cell=cell,
        others=others,
        rules=rules_of(state, result.project),
        dimensions=dimension_rules(state, result.project),
    )


def dispute_cell(result: Reconciliation, cell_id: str) -> tuple[Cell, list[Cell]]:
    """Return a cell by its id, or the beginning of one, and the others of its provider and day.

    Raises:
        DisputeError: there is none, or several begin so.
    """
    found = [cell for cell in result.cells if cell.cell_id.startswith(cell_id.strip().lower())]
    if len(found) != 1 or not cell_id.strip():
        count = f"{len(found)} cells" if found else "No cell"
        begin = "begin" if found else "begins"
        raise DisputeError(
            f"{count} of {result.first_day} to {result.last_day} {begin} with {cell_id[:32]!r}; "
            "`spanledger reconcile show` and /api/v1/reconciliation-cells list them."
        )
    cell = found[0]
    same = (cell.key.day, cell.key.provider)
    return cell, [c for c in result.cells if (c.key.day, c.key.provider) == same and c is not cell]


def line_fits(line: InvoiceLine, key: CellKey) -> bool:
    """Return whether a line is of a cell, as far as both tell."""
    classes = _CLASSES.get(key.token_class, frozenset({key.token_class}))
    is_whole = key.token_class == TokenClass.MODEL
    if line.day != key.day or not (is_whole or line.token_class in classes):
        return False
    model = None if line.model is None else plain_name(line.model)
    if key.model is not None and model not in (None, plain_name(key.model)):
        reported = plain_name(line.reported_model or "")
        if same_models({plain_name(key.model)}, {model or "", reported})[
            plain_name(key.model)
        ] not in (model, reported):
            return False
    told = [(getattr(key, name), getattr(line, name)) for name in _SAME]
    told.append((key.geo, None if line.geo is None else line.geo.lower()))
    if key.context is not None and line.context is not None:
        whose = provider_id(key.provider)
        told.append((lower_bound(whose, key.context), lower_bound(whose, line.context)))
    return all(ours is None or theirs is None or ours == theirs for ours, theirs in told)


class _Fitting:
    """Which rows of the ledger are of a cell; of all, where none is given."""

    def __init__(self, provider: str, cell: Cell | None, cells: Iterable[Cell]) -> None:
        self._provider = provider_id(provider)
        self._cell = cell
        self._models = {plain_name(c.key.model) for c in cells if c.key.model}
        self._bounds = _bounds(provider, [cell] if cell else [])

    def has(self, row: LedgerRow) -> bool:
        """Return whether a row fits."""
        is_of = self._provider in ("", row.names.provider_id)
        return is_of and (self._cell is None or self._fits(row, self._cell.key))

    def _fits(self, row: LedgerRow, key: CellKey) -> bool:
        names = row.names
        same = same_models({names.model}, self._models)[names.model]
        told = (
            (key.model and plain_name(key.model), same),
            (key.scope, row.scope),
            (key.api_key, row.api_key),
            (key.processing, names.processing),
            (key.service_tier, names.service_tier),
            (key.geo, names.geo),
        )
        if any(wanted is not None and wanted != is_ for wanted, is_ in told):
            return False
        if key.context is None or not self._bounds:
            return True
        own = lower_bound(self._provider, key.context) or 0
        return own == 0 or bucket_of(self._bounds, row.bucket) == own


def _bounds(provider: str, cells: Iterable[Cell]) -> list[int]:
    whose = provider_id(provider)
    found = {lower_bound(whose, c.key.context) or 0 for c in cells if c.key.context is not None}
    return sorted(found)


class _PriceDates:
    """Since when the price of a call holds, looked up once for each price and model."""

    def __init__(self, book: PriceBook) -> None:
        self._book = book
        self._known: dict[tuple[object, ...], int | None] = {}

    def of(self, row: Call) -> int | None:
        key = PriceKey(*(str(row[name]) for name in PriceKey._fields))
        place = (*key, row["price_id"])
        if place not in self._known:
            self._known[place] = self._found(key, row)
        return self._known[place]

    def _found(self, key: PriceKey, row: Call) -> int | None:
        if row["kind"] == "tool" or not row["price_id"]:
            return None
        tokens = Tokens(*(cast("int | None", row[TOKEN_COLUMNS[n]]) for n in Tokens._fields))
        attempts = cast("int | None", row["attempts"])
        requests = requests_of(str(row["usage_source"]), attempts)
        found = arithmetic(self._book, key, cast("int", row["time_ns"]), tokens, requests)
        if found is None or found.price_id != row["price_id"]:
            return None
        begins = [found.from_ns, *(rate.effective_from_ns for rate in found.own_rates)]
        return max((ns for ns in begins if ns is not None), default=None)
