"""A table of one's own is read as its mapping says."""

from __future__ import annotations

from datetime import date

import pytest

from spanledger_analytics.invoices.deliveries import in_memory
from spanledger_analytics.invoices.errors import InvoiceError
from spanledger_analytics.invoices.formats import format_named
from spanledger_analytics.invoices.line import InvoiceLine

MAPPING = "columns: {day: When, amount: Cost%s}\nconstants: {provider: acme, currency: USD}\n"


def read(text: str, mapping: str) -> list[InvoiceLine]:
    [one] = in_memory(text.encode(), "a.csv", "", mapping).deliveries
    with one.documents[0].records() as records:
        return list(one.format.lines(records))


@pytest.mark.parametrize(
    ("told", "processing", "tier"),
    [
        ("Standard", "sync", ""),
        ("auto", "sync", ""),
        ("On_Demand", "sync", ""),
        ("Priority", "sync", "priority"),
        ("Batch", "batch", ""),
        ("BATCH", "batch", ""),
    ],
)
def test_tiers_are_equal_in_any_case(told: str, processing: str, tier: str) -> None:
    [line] = read(f"When,Cost,Tier\n2026-11-18,1,{told}\n", MAPPING % ", service_tier: Tier")
    assert (line.processing, line.service_tier) == (processing, tier)
    [line] = read(f"When,Cost,How\n2026-11-18,1,{told}\n", MAPPING % ", processing: How")
    assert line.processing == told.lower()


@pytest.mark.parametrize(
    ("when", "more", "day"),
    [
        ("2026-11-18 20:00:00", "timezone: America/Los_Angeles", 19),
        ("2026-11-18 04:00:00", "timezone: Asia/Tokyo", 17),
        ("2026-11-18T20:00:00-08:00", "timezone: Asia/Tokyo", 19),
        ("2026-11-18T20:00:00Z", "timezone: America/Los_Angeles", 18),
        ("2026-11-18", "timezone: Asia/Tokyo", 18),
        ("18.11.2026 23:30", 'timezone: America/New_York\ndate_format: "%d.%m.%Y %H:%M"', 19),
        ("18.11.2026", 'timezone: Asia/Tokyo\ndate_format: "%d.%m.%Y"', 18),
        ("2026-11-18 23:59:59", "", 18),
        ("20261118T080000", "timezone: Asia/Tokyo", 17),
        ("2026-11-18T08", "timezone: Asia/Tokyo", 17),
        ("20261118", "timezone: Asia/Tokyo", 18),
        ("2026-11-18 08:00:00 UTC", "timezone: Asia/Tokyo", 18),
        ("1794988800", "timezone: Asia/Tokyo", 18),
        ("202611180800", 'timezone: Asia/Tokyo\ndate_format: "%Y%m%d%H%M"', 17),
        ("18.11.2026 08.00", 'timezone: Asia/Tokyo\ndate_format: "%d.%m.%Y %H.%M"', 17),
        ("18/11/2026 08 AM", 'timezone: Asia/Tokyo\ndate_format: "%d/%m/%Y %I %p"', 17),
        ("08:00 18-11-2026", 'timezone: Asia/Tokyo\ndate_format: "%H:%M %d-%m-%Y"', 17),
        ("18-11-2026", 'timezone: Asia/Tokyo\ndate_format: "%d-%m-%Y"', 18),
        ("20261118 0800Z", 'timezone: Asia/Tokyo\ndate_format: "%Y%m%d %H%MZ"', 18),
        ("20261118 0800 UTC", 'timezone: Asia/Tokyo\ndate_format: "%Y%m%d %H%M %Z"', 18),
        ("20261118 0800 +0900", 'timezone: UTC\ndate_format: "%Y%m%d %H%M %z"', 17),
    ],
)
def test_times_without_a_zone_are_of_the_tables_zone_and_days_stay(
    when: str, more: str, day: int
) -> None:
    [line] = read(f"When,Cost\n{when},1\n", MAPPING % "" + more)
    assert line.day == date(2026, 11, day)


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "America"])
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    mapping = f"columns: {{day: a, quantity: b}}\nconstants: {{provider: x}}\ntimezone: {name}"
    with pytest.raises(InvoiceError, match="America/Los_Angeles"):
        format_named("", mapping)
