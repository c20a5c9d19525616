"""Fixtures of the dashboard's tests."""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Iterator, Mapping

import plotly.graph_objects as go  # type: ignore[import-untyped]  # it ships no types
import plotly.io  # type: ignore[import-untyped]  # it ships no types
import pytest
import sqlalchemy as sa
import streamlit as st
from streamlit.components.v2 import manifest_scanner

from spanledger_dashboard.plain_figures import PlainFigure
from spanledger_storage.store import Store, StoreSettings
from tests.dashboard import process
from tests.dashboard.alerted import alert_app, alert_state
from tests.dashboard.seed import Seeder
from tests.dashboard.visiting import (
    base,
    browser,
    context,
    dashboard_with_traces,
    own_dashboard,
    traces,
    visit,
)

__all__ = [  # fixtures
    "alert_app",
    "alert_state",
    "base",
    "browser",
    "context",
    "dashboard_with_traces",
    "own_dashboard",
    "traces",
    "visit",
]


@pytest.fixture
def now_s() -> int:
    """The pages read the real clock, so rows have to lie close to it."""
    return int(time.time())


@pytest.fixture
def seed(store: Store, now_s: int) -> Seeder:
    return Seeder(store, now_s)


@pytest.fixture
def state(state: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    """The state database of the dashboard."""
    monkeypatch.setenv("SPANLEDGER_STATE_URL", str(state.url))
    return state


@pytest.fixture
def store_url(store_settings: StoreSettings, monkeypatch: pytest.MonkeyPatch) -> str:
    url = process.store_url(store_settings)
    monkeypatch.setenv("SPANLEDGER_STORE_URL", url)
    return url


@pytest.fixture(scope="session", autouse=True)
def _packages_searched_once() -> Iterator[None]:
    """Each AppTest looks for components in all that is installed: most of what a page takes."""
    with pytest.MonkeyPatch.context() as patch:
        search = functools.cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", search)
        yield


@pytest.fixture(autouse=True)
def _same_main_module() -> Iterator[None]:
    """Streamlit puts the script in its place, which processes that other tests start would run."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


@pytest.fixture(autouse=True)
def _no_cached_answers() -> None:
    """Answers of another test's database must not be shown."""
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture(autouse=True)
def _figures_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every figure a test draws is what plotly makes of it, and holds no property it lacks."""
    written = PlainFigure.to_dict

    def checked(figure: PlainFigure) -> dict[str, object]:
        plain = written(figure)
        first = _as_read(plain)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(plotly.io.templates, "default", None)  # some come without a look
            second = _as_read(go.Figure(first, skip_invalid=False).to_dict())
        assert first == second
        return plain

    monkeypatch.setattr(PlainFigure, "to_dict", checked)


def _as_read(figure: Mapping[str, object]) -> object:
    """Return a figure as the browser reads it: an array is a list, whatever held it here."""
    return json.loads(str(plotly.io.to_json(figure, validate=False)))
