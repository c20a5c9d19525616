"""The lint refuses imports against the flow of data."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    ("folder", "module", "is_refused"),
    [
        ("sdk", "spanledger_storage", True),
        ("storage", "spanledger_collector", True),
        ("storage", "clickhouse_connect", False),
        ("collector", "spanledger_analytics.price_book.book", True),
        ("collector", "clickhouse_connect", True),
        ("collector", "spanledger_storage.store", False),
        ("analytics", "opentelemetry.proto", True),
        ("analytics", "spanledger_dashboard", True),
        ("alerts", "spanledger_dashboard", True),
        ("dashboard", "spanledger_collector", True),
        ("dashboard", "spanledger_analytics", False),
        ("dashboard", "spanledger_server", True),
        ("server", "spanledger_dashboard", False),
    ],
)
def test_an_import_is_refused_where_it_does_not_belong(
    folder: str, module: str, is_refused: bool
) -> None:
    package = "spanledger" if folder == "sdk" else f"spanledger_{folder}"
    checked = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--select", "TID251", "--output-format=concise",
         "--stdin-filename", str(ROOT / folder / package / "example.py"), "-"],
        input=f"import {module}\n",
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )  # fmt: skip
    assert ("TID251" in checked.stdout) == is_refused, checked.stdout + checked.stderr
