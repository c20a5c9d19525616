"""Which of several bills of one provider counts: none twice, and what stands back is said."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa

from spanledger_analytics.invoices.counting import counts_texts
from spanledger_analytics.invoices.reading import current_lines, sources
from spanledger_analytics.invoices.reports import Source
from spanledger_storage.invoice_state import InvoiceState
from spanledger_storage.store import Store
from tests.invoicing import NOW_NS, SAMPLES, import_path

DAY = date(2026, 11, 18)
CUR = (
    "bill_payer_account_id,line_item_usage_account_id,line_item_line_item_type,"
    "line_item_usage_start_date,line_item_usage_end_date,line_item_product_code,"
    "line_item_usage_type,line_item_operation,line_item_usage_amount,line_item_currency_code,"
    "line_item_unblended_cost,pricing_unit,product_region_code\n"
    "111111111111,111111111111,Usage,2026-11-18T10:00:00.000Z,2026-11-18T11:00:00.000Z,"
    "AmazonBedrock,USE1-Claude4.5Sonnet-input-tokens,InvokeModelInference,1000,USD,3.00,1K tokens,"
    "us-east-1\n"
)
FOCUS = (
    "BilledCost,BillingCurrency,BillingAccountId,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,"
    "ServiceName,ProviderName,InvoiceIssuerName\n"
    "50.00,USD,{payer},2026-11-18T10:00:00Z,2026-11-18T11:00:00Z,Usage,Amazon Bedrock,AWS,AWS\n"
)


@pytest.mark.parametrize(
    ("payer", "account", "usd", "notes"),
    [
        ("222222222222", "", 53, 0),
        ("111111111111", "", 3, 1),
        ("222222222222", "team-a", 3, 2),
    ],
    ids=["another payer", "the same payer", "a name that may be the same payer"],
)
def test_bills_of_two_payers_count_in_two_formats(
    store: Store, state: sa.Engine, tmp_path: Path, payer: str, account: str, usd: int, notes: int
) -> None:
    (tmp_path / "cur.csv").write_text(CUR)
    (tmp_path / "focus.csv").write_text(FOCUS.format(payer=payer))
    import_path(store, state, tmp_path / "cur.csv")
    [outcome] = import_path(store, state, tmp_path / "focus.csv", account=account)
    lines = current_lines(store, "default", DAY, DAY)
    assert sum(line.amount or 0 for line in lines) == Decimal(usd)
    said = [note for note in outcome.notes if "behind" in note or "two accounts" in note]
    assert len(said) == notes


def test_accounts_of_one_form_alone_tell_two_bills_apart() -> None:
    def compete(one: str, other: str) -> bool:
        return Source.parse(one).competes_with(Source.parse(other))

    mine = "gcp.billing/012345-ABCDEF-012345"
    assert not compete(mine, "focus@gcp.vertex_ai/FFFFFF-ABCDEF-012345")
    assert compete(mine, "focus@gcp.vertex_ai/012345-ABCDEF-012345")
    assert compete(mine, "focus@gcp.vertex_ai/Finance")
    assert compete(mine, "focus@gcp.vertex_ai")
    assert compete("azure.costs/111111111111", "focus@azure.ai.openai/222222222222")


def test_imports_tell_the_same_as_the_days_they_switched(store: Store, state: sa.Engine) -> None:
    for number, file in enumerate(sorted(SAMPLES.iterdir())):
        if file.name not in ("spans_daily_rollup.csv", "variance_report.json"):
            import_path(store, state, file, now_ns=NOW_NS + number)
    told = sources(store, "default", date(2026, 11, 1), date(2026, 11, 30))
    rows = InvoiceState(state).imports("default")
    said = counts_texts(rows)
    for row in rows:
        counted = {one.stands_back_behind for one in told if one.import_id == row.import_id}
        assert all((f"behind {one}" if one else "yes") in said[row.import_id] for one in counted)
        assert ("behind" in said[row.import_id]) == any(counted)
    assert any(text.startswith("behind") for text in said.values())
