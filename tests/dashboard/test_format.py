"""Numbers as text: exact, unambiguous, and the same in Python and in the browser."""

from __future__ import annotations

import json
import shutil
import subprocess
from decimal import Decimal

import pytest

from spanledger_dashboard import format as fmt
from spanledger_dashboard.charts import dollar_format
from spanledger_dashboard.trace.view import javascript

USD = [
    ("0", "$0.00"),
    ("0.000000000001", "$0.000000000001"),
    ("0.00042", "$0.000420"),
    ("0.0421", "$0.0421"),
    ("0.42", "$0.420"),
    ("0.4266", "$0.427"),
    ("0.9999", "$1.00"),
    ("12.34", "$12.34"),
    ("999.99", "$999.99"),
    ("999.996", "$1,000"),
    ("1234.4", "$1,234"),
    ("1234567", "$1,234,567"),
]
COUNTS = [
    (0, "0"),
    (9_999, "9,999"),
    (10_000, "10.0k"),
    (12_345, "12.3k"),
    (99_960, "100k"),
    (999_400, "999k"),
    (999_999, "1.00M"),
    (1_234_567, "1.23M"),
    (5_672_000_000, "5.67B"),
]
DURATIONS = [
    (0, "0ns"),
    (850, "850ns"),
    (12_345, "12.3µs"),
    (999_600, "1ms"),
    (345_000_000, "345ms"),
    (999_600_000, "1.00s"),
    (2_490_000_000, "2.49s"),
    (59_994_000_000, "60.0s"),
    (59_996_000_000, "1m"),
    (2_076_000_000_000, "34m 36s"),
    (11_520_000_000_000, "3h 12m"),
    (90_000_000_000_000, "1d 1h"),
]


@pytest.mark.parametrize(("amount", "text"), USD)
def test_dollars_show_the_digits_that_matter(amount: str, text: str) -> None:
    assert fmt.usd(Decimal(amount)) == text


def test_a_negative_amount_keeps_its_sign_before_the_dollar() -> None:
    assert fmt.usd(Decimal("-3.2")) == "-$3.20"


def test_exact_dollars_keep_every_digit() -> None:
    assert fmt.usd_exact(Decimal("0.000123456789")) == "$0.000123456789"
    assert fmt.usd_exact(Decimal("1234.500000000000")) == "$1,234.50"


@pytest.mark.parametrize(("number", "text"), COUNTS)
def test_large_counts_are_short(number: int, text: str) -> None:
    assert fmt.short_count(number) == text


@pytest.mark.parametrize(("ns", "text"), DURATIONS)
def test_durations_choose_their_unit(ns: int, text: str) -> None:
    assert fmt.duration(ns) == text


def test_unknown_is_a_dash_and_never_zero() -> None:
    unknown = [
        fmt.usd(None), fmt.usd_exact(None), fmt.count(None), fmt.short_count(None),
        fmt.duration(None), fmt.percent(None, 10), fmt.percent(1, 0),
    ]  # fmt: skip
    assert set(unknown) == {"—"}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "just now"),
        (3, "3 s ago"),
        (300, "5 min ago"),
        (7_300, "2 h ago"),
        (260_000, "3 d ago"),
    ],
)
def test_moments_are_told_from_now(seconds: float, text: str) -> None:
    assert fmt.ago(seconds) == text


def test_change_is_told_against_what_was_before() -> None:
    assert fmt.change(108, 100) == "+8.0%"
    assert fmt.change(50, 100) == "-50%"
    assert fmt.change(5, 0) is None
    assert fmt.change(10_000, 1) == ">+999%"
    assert fmt.points(Decimal("0.052"), Decimal("0.04")) == "+1.2 pp"
    assert fmt.points(Decimal("0.0399"), Decimal("0.04")) == "0.0 pp"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_browser_writes_numbers_the_same_way() -> None:
    samples = {
        "usd": [str(Decimal(a) * 10**12) for a, _ in USD],
        "shortCount": [str(n) for n, _ in COUNTS],
        "duration": [str(n) for n, _ in DURATIONS],
    }
    calls = ";".join(
        f"out.{name} = [{','.join(values)}].map({name})" for name, values in samples.items()
    )
    program = f"{javascript()}\nconst out = {{}};{calls};console.log(JSON.stringify(out));"
    run = subprocess.run(
        ["node", "--input-type=module", "-"],
        input=program,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    written = json.loads(run.stdout)
    assert written["usd"] == [text for _, text in USD]
    assert written["shortCount"] == [text for _, text in COUNTS]
    assert written["duration"] == [text for _, text in DURATIONS]


@pytest.mark.parametrize(
    ("peak", "step"),
    [(0.034, 0.005), (0.09, 0.01), (0.02, 0.002), (0.011, 0.002), (0.01, 0.001), (0.0006, 0.0001),
     (0.25, 0.05), (30.0, 5.0)],
)  # fmt: skip
def test_ticks_of_dollars_differ_and_say_what_they_are(peak: float, step: float) -> None:
    """The steps are those plotly takes for such a peak; its formats of numbers are Python's."""
    ticks = [n * step for n in range(int(peak / step) + 1)]
    shown = [format(tick, dollar_format(peak)) for tick in ticks]
    assert len(set(shown)) == len(ticks)
    assert [float(text) for text in shown] == pytest.approx(ticks)


def test_ticks_of_many_dollars_are_short() -> None:
    """Some axes are as wide as a phone."""
    assert [dollar_format(p) for p in (9_999, 10_000, 1e8, 1e9)] == [",.0f", "~s", "~s", ",.0f"]


def test_an_axis_without_dollars_has_cents() -> None:
    assert dollar_format(0) == dollar_format(-1) == dollar_format(float("nan")) == ",.2f"
