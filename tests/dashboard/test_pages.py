"""What all pages have in common."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import spanledger_dashboard

APP = Path(spanledger_dashboard.__file__).parent / "app.py"


@pytest.fixture
def app(store_url: str) -> AppTest:
    assert store_url
    return AppTest.from_file(str(APP), default_timeout=30)


def text(app: AppTest) -> str:
    """Everything written as text on the page."""
    blocks = [*app.markdown, *app.caption, *app.text, *app.warning, *app.info, *app.error]
    blocks += [*app.subheader, *app.title, *app.code]
    return "\n".join(str(b.value) for b in blocks).replace("\\", "")


def test_a_store_that_does_not_answer_is_explained(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPANLEDGER_STORE_URL", "clickhouse://u:secret@127.0.0.1:9/spanledger")
    app.run()
    assert not app.exception
    shown = text(app)
    assert "The store did not answer" in shown
    assert "secret" not in shown
