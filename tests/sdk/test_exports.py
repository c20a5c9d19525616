"""The public surface: one sorted list, loaded when it is used."""

from __future__ import annotations

import subprocess
import sys

import spanledger
from spanledger._settings import VARIABLES
from tests.server.test_docs import ROOT


def test_names_are_sorted_and_exist() -> None:
    assert spanledger.__all__ == sorted(spanledger.__all__)
    assert [name for name in spanledger.__all__ if not hasattr(spanledger, name)] == []
    assert set(spanledger.__all__) <= set(dir(spanledger))


def test_importing_loads_no_opentelemetry() -> None:
    code = "import spanledger, sys; sys.exit('opentelemetry' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_setting_and_name_is_documented() -> None:
    text = (ROOT / "docs" / "sdk.md").read_text()
    assert [name for name in VARIABLES if f"`{name}`" not in text] == []
    functions = [name for name in spanledger.__all__ if name.islower() and name[0] != "_"]
    assert [name for name in functions if f"{name}" not in text] == []
