"""Invoices as a whole: against the sum of lines and the ledger, why they differ, sums exact."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.reconciliation_store import call, put_calls
from spanledger_analytics.invoices.deleting import delete_import
from spanledger_analytics.invoices.deliveries import in_memory
from spanledger_analytics.invoices.errors import InvoiceError
from spanledger_analytics.invoices.import_run import Asked, import_delivery
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass
from spanledger_analytics.invoices.rules import rules_of
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.price_book.store import set_exchange_rates
from spanledger_analytics.reconciliation.adjustments import post
from spanledger_analytics.reconciliation.causes.invoice_total import Difference, explain_total
from spanledger_analytics.reconciliation.days import start_ns
from spanledger_analytics.reconciliation.invoice_totals import InvoiceCheck, check_invoices
from spanledger_analytics.reconciliation.reading import read
from spanledger_analytics.reconciliation.result import Cause, Cell
from spanledger_analytics.reconciliation.run import reconcile
from spanledger_analytics.tokens import Tokens
from spanledger_storage.price_state import ExchangeRateRow, PriceState
from spanledger_storage.store import Store
from tests.invoicing import lines_of_text
from tests.reconciled import bill, line

FIRST, LAST = date(2026, 11, 1), date(2026, 11, 30)
DAYS = [date(2026, 11, day) for day in (3, 4, 5)]
AFTER_NS = start_ns(date(2026, 12, 2))


def total(
    store: Store,
    state: sa.Engine,
    amount: str,
    *,
    currency: str = "USD",
    account: str = "",
    now_ns: int = AFTER_NS,
    provider: str = "openai",
) -> str:
    """Import an invoice's total; return the id of its import."""
    text = f"provider,month,amount,currency,account\n{provider},2026-11,{amount},{currency},"
    [one] = in_memory(f"{text}{account}\n".encode(), "totals.csv").deliveries
    return import_delivery(store, state, one, Asked("default", "ann"), now_ns).row.import_id


def costs(day: date, amount: str, number: int = 1, **more: object) -> InvoiceLine:
    return line(TokenClass.OUTPUT, "1000000", amount, number=number, day=day, last_day=day, **more)


def billed_days(store: Store, amount: str = "1.5") -> None:
    """Three days of costs, and calls of the same days in the ledger."""
    bill(store, *(costs(day, amount, n) for n, day in enumerate(DAYS, 1)))
    tokens = Tokens(input=0, output=1_000_000)
    entries = [
        call(n, start_ns(day) + 10**12, "openai", "gpt-4o-mini", tokens)
        for n, day in enumerate(DAYS, 1)
    ]
    put_calls(store, entries, PriceBook.bundled(), 1)


def compared(store: Store, state: sa.Engine, now_ns: int = AFTER_NS) -> list[Cell]:
    return list(reconcile(store, state, "default", FIRST, LAST, now_ns).cells)


def checks(store: Store, state: sa.Engine) -> list[InvoiceCheck]:
    return check_invoices(store, "default", rules_of(state, "default"), FIRST)


def of_invoices(cells: list[Cell]) -> list[Cell]:
    return [one for one in cells if one.key.token_class == TokenClass.INVOICE_TOTAL]


def test_a_tax_on_the_invoice_is_a_cell_of_its_own(store: Store, state: sa.Engine) -> None:
    billed_days(store, "100.10")
    total(store, state, "357.36")  # 300.30 and 19 % of it

    [cell] = of_invoices(compared(store, state))

    assert cell.key.day == LAST
    assert (cell.billed_usd, cell.ledger_usd) == (Decimal("57.06"), Decimal(0))
    [share] = cell.causes
    assert (share.cause, share.confidence, share.usd) == (Cause.TAX, "medium", Decimal("57.06"))
    assert "19 %" in share.explanation


def test_cells_add_up_to_the_invoice_and_the_ledger_to_its_month(
    store: Store, state: sa.Engine
) -> None:
    billed_days(store)
    tokens = Tokens(input=0, output=5_000_000)
    alone = call(9, start_ns(date(2026, 11, 20)), "openai", "gpt-4o-mini", tokens)
    priced = put_calls(store, [alone], PriceBook.bundled(), 2)
    total(store, state, "7.77")

    cells = compared(store, state)

    assert sum(one.billed_usd for one in cells) == Decimal("7.77")
    in_ledger = 3 * Decimal("0.6") + (priced[0].total_cost_usd or 0)
    assert sum(one.ledger_usd for one in cells) == in_ledger
    [cell] = of_invoices(cells)
    assert cell.ledger_usd == Decimal(3)  # the day without a report
    assert sum(one.usd for one in cell.causes) == cell.variance_usd == Decimal("0.27")
    posted = post(store, read(store, "default", FIRST, LAST), "", AFTER_NS)
    assert posted.usd + in_ledger == Decimal("7.77")


def test_an_invoice_that_equals_its_lines_needs_no_cell(store: Store, state: sa.Engine) -> None:
    billed_days(store)
    total(store, state, "4.5")

    assert not of_invoices(compared(store, state))
    [check] = checks(store, state)
    assert (check.amount_usd, check.lines_usd, check.lines) == (Decimal("4.5"), Decimal("4.5"), 3)
    assert check.variance_usd == 0
    assert check.is_within_tolerance


def test_a_newer_total_replaces_and_a_deleted_one_falls_back(
    store: Store, state: sa.Engine
) -> None:
    billed_days(store)
    total(store, state, "5")
    [first] = of_invoices(compared(store, state))
    newer = total(store, state, "6", now_ns=AFTER_NS + 1)
    [second] = of_invoices(compared(store, state, AFTER_NS + 2))
    delete_import(store, state, "default", newer, "ann", AFTER_NS + 3)
    [third] = of_invoices(compared(store, state, AFTER_NS + 4))

    assert [one.billed_usd for one in (first, second, third)] == [
        Decimal("0.5"), Decimal("1.5"), Decimal("0.5"),
    ]  # fmt: skip


def test_the_last_total_taken_back_takes_its_cell_away(store: Store, state: sa.Engine) -> None:
    billed_days(store)
    only = total(store, state, "5")
    compared(store, state)
    delete_import(store, state, "default", only, "ann", AFTER_NS + 3)

    compared(store, state, AFTER_NS + 4)

    assert not of_invoices(list(read(store, "default", FIRST, LAST).cells))


def test_comparing_a_day_again_leaves_the_cell_of_the_invoice(
    store: Store, state: sa.Engine
) -> None:
    bill(store, costs(LAST, "1"))
    total(store, state, "3")
    compared(store, state)

    reconcile(store, state, "default", LAST, LAST, AFTER_NS + 1)

    assert len(of_invoices(list(read(store, "default", LAST, LAST).cells))) == 1


def test_totals_of_accounts_are_compared_with_their_own_lines(
    store: Store, state: sa.Engine
) -> None:
    bill(store, costs(DAYS[0], "10"), source="openai.costs/a")
    bill(store, costs(DAYS[0], "20"), source="openai.costs/b")
    total(store, state, "12", account="a")
    total(store, state, "20", account="b")

    cells = compared(store, state)

    assert [(one.account, one.lines_usd) for one in checks(store, state)] == [
        ("a", Decimal(10)), ("b", Decimal(20)),
    ]  # fmt: skip
    [cell] = of_invoices(cells)
    assert (cell.key.scope, cell.billed_usd) == ("a", Decimal(2))
    assert sum(one.billed_usd for one in cells) == Decimal(32)


def alone(store: Store, day: date, tokens: int) -> None:
    """A call of a day of which no report tells; a million tokens of it cost 0.6 USD."""
    one = call(99, start_ns(day), "openai", "gpt-4o-mini", Tokens(input=0, output=tokens))
    put_calls(store, [one], PriceBook.bundled(), 3)


def test_accounts_without_lines_are_compared_with_the_days_without_a_report_together(
    store: Store, state: sa.Engine
) -> None:
    bill(store, costs(DAYS[0], "10"), source="openai.costs/a")
    alone(store, date(2026, 11, 20), 50_000_000)
    total(store, state, "10", account="a")
    total(store, state, "20", account="b")
    total(store, state, "12", account="c")

    cells = compared(store, state)

    [cell] = of_invoices(cells)
    assert (cell.key.scope, cell.billed_usd, cell.ledger_usd) == ("b, c", Decimal(32), Decimal(30))
    assert sum(one.billed_usd for one in cells) == Decimal(42)
    assert sum(one.ledger_usd for one in cells) == Decimal(30)


def test_days_without_a_report_are_told_though_every_account_has_its_lines(
    store: Store, state: sa.Engine
) -> None:
    bill(store, costs(DAYS[0], "10"), source="openai.costs/a")
    bill(store, costs(DAYS[0], "20"), source="openai.costs/b")
    alone(store, date(2026, 11, 20), 5_000_000)
    total(store, state, "10", account="a")
    total(store, state, "20", account="b")

    [cell] = of_invoices(compared(store, state))

    assert (cell.key.scope, cell.billed_usd, cell.ledger_usd) == (None, Decimal(0), Decimal(3))
    [share] = cell.causes
    assert (share.cause, share.usd) == (Cause.UNEXPLAINED, Decimal(-3))
    assert "does not say of which" in share.explanation


def test_an_invoice_is_not_compared_with_the_lines_of_another_account(
    store: Store, state: sa.Engine
) -> None:
    billed_days(store)  # of no account
    bill(store, costs(DAYS[0], "1.5"), source="openai.costs/b")
    total(store, state, "1.5", account="b")
    assert not of_invoices(compared(store, state))

    total(store, state, "7", account="b")
    [cell] = of_invoices(compared(store, state))
    assert (cell.key.scope, cell.billed_usd) == ("b", Decimal("5.5"))


def test_an_invoice_whose_account_has_no_line_says_so(store: Store, state: sa.Engine) -> None:
    bill(store, costs(DAYS[0], "10"), source="openai.costs/b")
    total(store, state, "10", account="a")

    [cell] = of_invoices(compared(store, state))

    assert (cell.key.scope, cell.billed_usd) == ("a", Decimal(10))
    assert "No line of a report is imported for this invoice" in cell.causes[0].explanation


def test_an_invoice_in_another_currency_tells_the_exchange_rate_apart(
    store: Store, state: sa.Engine
) -> None:
    with PriceState(state).change("ann", 1) as prices:
        rates = [
            ExchangeRateRow(currency="EUR", usd=Decimal(usd), effective_from_ns=start_ns(day))
            for day, usd in ((FIRST, "1.1"), (DAYS[1], "1.2"))
        ]
        set_exchange_rates(prices, rates)
    bill(store, *(costs(day, "10", n, currency="EUR", amount_usd=None)
                  for n, day in enumerate(DAYS, 1)))  # fmt: skip
    total(store, state, "33.6", currency="EUR")  # 12 % more than 30 EUR

    [cell] = of_invoices(compared(store, state))

    by_cause = {one.cause: one.usd for one in cell.causes}
    # 33.60 EUR are 36.96 USD; the lines 11 + 12 + 12.
    assert by_cause == {Cause.TAX: Decimal("3.96"), Cause.CURRENCY: Decimal(-2)}
    assert sum(by_cause.values()) == cell.variance_usd == Decimal("1.96")


def test_the_largest_amount_a_file_may_say_is_exact(store: Store, state: sa.Engine) -> None:
    bill(store, costs(DAYS[0], "0.000000000001"))
    total(store, state, "99999999999999999999.99")

    [cell] = of_invoices(compared(store, state))

    assert cell.billed_usd == Decimal("99999999999999999999.989999999999")


def test_without_an_exchange_rate_nothing_is_guessed(store: Store, state: sa.Engine) -> None:
    billed_days(store)
    total(store, state, "33.6", currency="EUR")

    assert not of_invoices(compared(store, state))
    assert checks(store, state)[0].amount_usd is None


def test_a_focus_invoice_beside_daily_costs_is_a_total(store: Store, state: sa.Engine) -> None:
    bill(store, *(costs(date(2026, 11, d), "2", d) for d in (1, 2)))
    invoice = line(
        TokenClass.MODEL, "1", "5", day=FIRST, last_day=LAST, dataset=Dataset.INVOICE,
        invoice_id="INV-1",
    )  # fmt: skip
    bill(store, invoice, source="focus.invoice@openai")

    [cell] = of_invoices(compared(store, state))

    assert cell.billed_usd == Decimal(1)
    assert checks(store, state)[0].invoice_ids == ["INV-1"]


@pytest.mark.parametrize(
    ("amount", "base", "more", "cause", "confidence"),
    [
        ("100.00", "99.996", {}, Cause.ROUNDING, "high"),
        ("100.00", "119.00", {"taxes": Decimal(19)}, Cause.TAX, "high"),
        ("119.00", "100.00", {}, Cause.TAX, "medium"),
        ("1081.00", "1000.00", {}, Cause.TAX, "low"),
        ("500.00", "437.12", {"credits": Decimal("-62.88")}, Cause.CREDIT, "high"),
        ("0", "437.12", {}, Cause.CREDIT, "medium"),
        ("410.95", "460.95", {}, Cause.CREDIT, "low"),
        ("1000.00", "900.00", {"lines": 40_000, "taxes": Decimal(9)}, Cause.DISCOUNT, "low"),
        ("90.00", "100.00", {}, Cause.DISCOUNT, "medium"),
        ("5000.00", "1234.56", {}, Cause.DISCOUNT, "low"),
        ("100.80", "100.00", {}, Cause.ROUNDING, "low"),
        ("104.00", "101.23", {"is_converted": True}, Cause.CURRENCY, "low"),
        ("431.71", "217.93", {}, Cause.UNEXPLAINED, "low"),
    ],
)
def test_the_first_cause_that_fits_takes_the_difference(
    amount: str, base: str, more: dict[str, Decimal | int | bool], cause: Cause, confidence: str
) -> None:
    said = {"lines": 10, **more}
    found = explain_total(Difference(Decimal(amount), Decimal(base), "USD", **said))  # type: ignore[arg-type]  # fields by name

    assert found[:2] == (cause, confidence)


@given(
    st.decimals("-1e6", "1e6", places=4, allow_nan=False),
    st.decimals("-1e6", "1e6", places=9, allow_nan=False),
    st.integers(0, 10**6),
)
def test_no_figures_of_an_invoice_are_an_error(amount: Decimal, base: Decimal, lines: int) -> None:
    cause, confidence, text = explain_total(Difference(amount, base, "USD", lines))

    assert cause in Cause
    assert confidence in ("high", "medium", "low")
    assert text


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("openai,2026-13,1,USD", "month"),
        ("openai,2026-11,1.000,5", "currency"),
        ("openai,2026-11,,USD", "amount"),
        ("openai,2026-11,12,dollars", "currency"),
        (",2026-11,12,USD", "provider"),
        ("open/ai,2026-11,12,USD", "provider"),
    ],
)
def test_a_total_that_is_none_is_refused_with_its_line(row: str, said: str) -> None:
    with pytest.raises(InvoiceError, match=rf"totals.csv, line 2.*{said}"):
        lines_of_text(f"provider,month,amount,currency\n{row}\n", "totals.csv")
