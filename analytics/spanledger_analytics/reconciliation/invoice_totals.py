"""Invoices as a whole: what they come to, against the sum of a month's lines and the ledger.

The difference is a cell of its own on the last day of the month, so that all cells of a provider
add up to its invoice. What the ledger has of days of which no report tells is the ledger's side of
that cell, because no other cell compares it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, localcontext
from typing import cast

from spanledger_analytics.invoices.line import TokenClass
from spanledger_analytics.invoices.reports import month_of
from spanledger_analytics.invoices.rules import Rules
from spanledger_analytics.invoices.totals import Billed, Sums, read_month
from spanledger_analytics.reconciliation.causes.invoice_total import Difference, explain_total
from spanledger_analytics.reconciliation.cells import cell_id
from spanledger_analytics.reconciliation.days import DAY_NS, start_ns
from spanledger_analytics.reconciliation.ledger_side import provider_id
from spanledger_analytics.reconciliation.pico import from_pico
from spanledger_analytics.reconciliation.result import Cause, CauseShare, Cell, CellKey
from spanledger_analytics.reconciliation.tolerance import invoice_limit
from spanledger_analytics.reconciliation.writing import write_cells
from spanledger_storage.store import Store

_ZERO = Decimal(0)
_STEP = Decimal("1e-12")
_DIGITS = 60  # of money in any currency, with nothing cut off


@dataclass(frozen=True, slots=True)
class InvoiceCheck:
    """An invoice of a month against its lines and the ledger.

    Attributes:
        provider: as its lines name it.
        account: at the provider; empty: of all of them.
        month: its first day.
        amount, currency: what the invoice comes to.
        amount_usd: the same in dollars; None: no exchange rate is known, so nothing is compared.
        lines: how many lines of reports count.
        lines_usd: what they add up to.
        ledger_usd: what the ledger says the month cost; None: accounts are not told apart there.
        beyond_ledger_usd: of it, on days of which no report tells.
        limit_usd: by how much an invoice may differ from its lines (FOCUS).
        invoice_ids: a few.
        cell: the difference; None: there is none, or it cannot be told.
    """

    provider: str
    account: str
    month: date
    amount: Decimal
    currency: str
    amount_usd: Decimal | None
    lines: int
    lines_usd: Decimal
    ledger_usd: Decimal | None
    beyond_ledger_usd: Decimal
    limit_usd: Decimal
    invoice_ids: Sequence[str] = ()
    cell: Cell | None = None

    @property
    def variance_usd(self) -> Decimal | None:
        """What the invoice says beyond its lines and the ledger's days without; None: unknown."""
        if self.amount_usd is None:
            return None
        return self.amount_usd - self.lines_usd - self.beyond_ledger_usd

    @property
    def is_within_tolerance(self) -> bool:
        """Whether the difference is what FOCUS allows for rounding."""
        return self.variance_usd is not None and abs(self.variance_usd) <= self.limit_usd


@dataclass(frozen=True, slots=True)
class _Compared:
    """What a provider's month adds up to on the other side of its invoices."""

    name: str
    billed_usd: Decimal
    ledger_usd: Decimal
    is_final: bool


def check_invoices(store: Store, project: str, rules: Rules, day: date) -> list[InvoiceCheck]:
    """Return the invoices of the month of a day by provider and account; write nothing.

    The cells of the month are those that are stored.

    Raises:
        StoreError: the store refused or did not answer.
    """
    with localcontext(prec=_DIGITS):
        return list(_checks(store, project, rules, *month_of(day)))


def _checks(
    store: Store, project: str, rules: Rules, first: date, last: date
) -> Iterator[InvoiceCheck]:
    found = read_month(store, project, first, rules.rates)
    if not found.totals:
        return
    cells = _compared(store, project, first, last)
    ledger = _ledger(store, project, first, last)
    has_moved = any(mappings.moves_lines for mappings in rules.mappings.values())
    for name in sorted({billed.provider_id for billed in found.totals}):
        totals = {one: sums for one, sums in found.totals.items() if one.provider_id == name}
        lines = {one: sums for one, sums in found.lines.items() if one.provider_id == name}
        shown = next(iter(totals.values())).provider
        place = cells.get(name, _Compared(shown, _ZERO, _ZERO, True))
        known = None if has_moved else ledger.get(name, _ZERO)
        of = _several if len(totals) > 1 or _is_stranger(next(iter(totals)), lines) else _only
        yield from (_check(project, (first, last), *one) for one in of(totals, lines, place, known))


_Pair = tuple[Billed, Sums, Sums, _Compared, Decimal | None]
"""An invoice, what it comes to, its lines, the other side, and the ledger; None: not compared."""


def _is_stranger(billed: Billed, lines: Mapping[Billed, Sums]) -> bool:
    """Return whether all lines of a provider are of other accounts than an invoice."""
    of_any = Billed(billed.provider_id, "")
    return bool(billed.account and lines) and billed not in lines and of_any not in lines


def _only(
    totals: Mapping[Billed, Sums], lines: Mapping[Billed, Sums], place: _Compared,
    ledger_usd: Decimal | None,
) -> Iterator[_Pair]:  # fmt: skip
    """Return a provider's only invoice, against what the ledger says of the whole month."""
    [(billed, total)] = totals.items()
    own = lines.get(billed)
    if not billed.account or own is None:
        own = _together(billed.provider_id, lines.values())
    # Only where nothing of the provider is left aside do cells say the same as lines.
    is_whole = not billed.account or billed not in lines or set(lines) <= {billed}
    yield billed, total, own, place, ledger_usd if is_whole else None


def _several(
    totals: Mapping[Billed, Sums], lines: Mapping[Billed, Sums], place: _Compared,
    ledger_usd: Decimal | None,
) -> Iterator[_Pair]:  # fmt: skip
    """Return the invoices of several accounts: each against its own lines.

    The ledger does not tell accounts apart. What it has of days of which no report tells stands
    against the invoices without lines together, for no other invoice can be for it.
    """
    for billed, total in sorted(totals.items()):
        if billed in lines:
            yield billed, total, lines[billed], place, None
    left = {billed: total for billed, total in sorted(totals.items()) if billed not in lines}
    beyond = ledger_usd is not None and ledger_usd != place.ledger_usd
    if left or beyond:
        name = next(iter(totals)).provider_id
        whose = Billed(name, ", ".join(one.account or "no account" for one in left))
        rest = _Compared(place.name, _ZERO, place.ledger_usd, place.is_final)
        yield whose, _together(place.name, left.values()), Sums(name), rest, ledger_usd


def _together(name: str, parts: Iterable[Sums]) -> Sums:
    whole = Sums(name)
    for part in parts:
        for currency, amount in part.amounts.items():
            whole.amounts[currency] = whole.amounts.get(currency, _ZERO) + amount
        whole.usd += part.usd
        whole.is_known &= part.is_known
        whole.taxes += part.taxes
        whole.credits += part.credits
        whole.lines += part.lines
        whole.invoice_ids |= part.invoice_ids
        whole.is_final &= part.is_final
    return whole


def _check(
    project: str,
    month: tuple[date, date],
    billed: Billed,
    total: Sums,
    lines: Sums,
    place: _Compared,
    ledger_usd: Decimal | None,
) -> InvoiceCheck:
    """Return an invoice with its cell; ``ledger_usd`` None: its lines alone are compared."""
    is_whole = ledger_usd is not None
    amount, currency = _one_currency(total)
    amount_usd = total.usd if total.is_known else None
    lines_usd = place.billed_usd if is_whole else lines.usd
    beyond = ledger_usd - place.ledger_usd if ledger_usd is not None else _ZERO
    rate = amount_usd / amount if amount_usd and amount else Decimal(1)
    limit = from_pico(invoice_limit(lines.lines, currency))
    check = InvoiceCheck(
        provider=place.name, account=billed.account, month=month[0], amount=amount,
        currency=currency, amount_usd=amount_usd, lines=lines.lines, lines_usd=lines_usd,
        ledger_usd=ledger_usd, beyond_ledger_usd=beyond,
        limit_usd=(limit * rate).quantize(_STEP),
        invoice_ids=sorted(total.invoice_ids)[:3],
    )  # fmt: skip
    if amount_usd is None or not (amount_usd - lines_usd or beyond):
        return check
    causes = _causes(check, total, lines, rate)
    key = CellKey(month[1], check.provider, TokenClass.INVOICE_TOTAL, scope=billed.account or None)
    cell = Cell(
        cell_id=cell_id(project, key), key=key, ledger_quantity=None, usage_quantity=None,
        billed_quantity=None, ledger_usd=beyond.quantize(_STEP),
        billed_usd=(amount_usd - lines_usd).quantize(_STEP),
        volume_usd=(amount_usd - lines_usd - beyond).quantize(_STEP), price_usd=_ZERO,
        is_within_tolerance=check.is_within_tolerance, causes=causes,
        is_final=total.is_final and place.is_final and lines.is_final,
    )  # fmt: skip
    return replace(check, cell=cell)


def _one_currency(total: Sums) -> tuple[Decimal, str]:
    """Return what an invoice comes to; of several currencies, in dollars."""
    if len(total.amounts) == 1:
        [(currency, amount)] = total.amounts.items()
        return amount, currency
    return total.usd, "USD"


def _causes(check: InvoiceCheck, total: Sums, lines: Sums, rate: Decimal) -> Sequence[CauseShare]:
    """Return why, in parts that add up to the difference exactly."""
    variance = cast("Decimal", check.variance_usd).quantize(_STEP)
    if not variance:
        return ()
    if not total.lines:
        text = (
            "The invoices are those of accounts whose lines are imported; on days without a report "
            f"the ledger has {_money(check.beyond_ledger_usd)} USD, and does not say of which."
        )
        return (CauseShare(Cause.UNEXPLAINED, variance, "low", text),)
    is_same = set(lines.amounts) <= {check.currency} and check.currency in total.amounts
    own_lines = lines.amounts.get(check.currency, _ZERO)
    by_rate = _ZERO
    if is_same and check.currency != "USD":
        # Days have their own exchange rates, and the invoice has one.
        own_usd = ((check.amount - own_lines) * rate).quantize(_STEP)
        by_rate = variance + check.beyond_ledger_usd - own_usd
    base = own_lines if is_same and check.currency != "USD" else check.lines_usd / rate
    said = Difference(
        check.amount, base + check.beyond_ledger_usd / rate, check.currency, check.lines,
        lines.taxes if is_same else _ZERO, lines.credits if is_same else _ZERO,
        is_converted=not is_same,
    )  # fmt: skip
    cause, confidence, text = explain_total(said)
    figures = (
        f"The invoice is {_money(check.amount)} {check.currency}, its {check.lines:,} lines add up "
        f"to {_money(base)}"
    )
    if check.beyond_ledger_usd:
        figures += f", and days without a report cost {_money(check.beyond_ledger_usd)} USD"
    shares = [CauseShare(cause, variance - by_rate, confidence, f"{figures}. {text}")]
    if by_rate:
        text = "Lines are converted by the rates of their days, the invoice by that of its month."
        shares.append(CauseShare(Cause.CURRENCY, by_rate, "medium", text))
    return tuple(share for share in shares if share.usd)


def _money(amount: Decimal) -> str:
    rounded = amount.quantize(Decimal("0.01"))
    return f"{rounded:,f}" if rounded == amount else f"{amount.quantize(_STEP).normalize():,f}"


def write_invoices(
    store: Store, project: str, rules: Rules, days: Iterable[date], now_ns: int
) -> list[Cell]:
    """Compare the invoices of the months of some days, and keep their cells; return these.

    The same again writes nothing; the cell of an invoice that is gone is removed.

    Raises:
        StoreError: the store refused or did not answer; running again is safe.
    """
    found: list[Cell] = []
    for first in sorted({month_of(day)[0] for day in days}):
        checks = check_invoices(store, project, rules, first)
        cells = [one.cell for one in checks if one.cell is not None]
        write_cells(store, project, month_of(first)[1], cells, now_ns, of_invoices=True)
        found += cells
    return found


def _compared(store: Store, project: str, first: date, last: date) -> dict[str, _Compared]:
    params = {"project": project, "first_day": first, "last_day": last}
    found: dict[str, _Compared] = {}
    for row in store.rows("reconciliation_month_sums", params):
        name = str(row["provider"])
        one = _Compared(
            name, cast("Decimal", row["billed_usd"]), cast("Decimal", row["ledger_usd"]),
            bool(row["is_final"]),
        )  # fmt: skip
        before = found.get(provider_id(name))
        found[provider_id(name)] = one if before is None else _Compared(
            min(name, before.name), before.billed_usd + one.billed_usd,
            before.ledger_usd + one.ledger_usd, before.is_final and one.is_final,
        )  # fmt: skip
    return found


def _ledger(store: Store, project: str, first: date, last: date) -> dict[str, Decimal]:
    from_s, to_s = start_ns(first) // 10**9, (start_ns(last) + DAY_NS) // 10**9
    params = {"project": project, "from_s": from_s, "to_s": to_s}
    found: dict[str, Decimal] = {}
    for row in store.rows("ledger_month_by_provider", params):
        name = provider_id(str(row["provider"]))
        found[name] = found.get(name, _ZERO) + cast("Decimal", row["total_usd"])
    return found
