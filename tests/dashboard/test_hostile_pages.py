"""Hostile texts on every page, in a browser: they are shown, and stay text."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from spanledger_dashboard.navigation import PAGES
from spanledger_storage.state import migrate_state, open_state
from spanledger_storage.store import Store
from tests.dashboard.planted import GPU, plant
from tests.dashboard.visiting import EVIL, HOSTILE, IN_A_BROWSER, TRACE, Visit, dashboard_of

pytestmark = [*IN_A_BROWSER, pytest.mark.endurance, pytest.mark.timeout(600)]

_MADE_MARKUP = "img[src=x], script:text('hacked'), a[href^=javascript]"


def test_hostile_texts_stay_text_on_every_page(
    browser: Browser,
    store: Store,
    store_url: str,
    traces: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del traces
    monkeypatch.setenv("SPANLEDGER_STATE_URL", f"sqlite:///{tmp_path / 'state.db'}")
    state = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(state)
    ids = plant(store, state, "default", EVIL, tmp_path)
    addresses = [*PAGES, f"trace?trace_id={HOSTILE}", f"compare?a={HOSTILE}&b={TRACE}"]
    addresses += [f"invoices?import={ids['import']}", f"reconciliation?cell={ids['cell']}"]
    addresses += [f"budgets?budget={ids['budget']}", f"gpus?gpu={GPU}"]
    with dashboard_of(store_url, tmp_path) as base:
        visit = Visit(browser.new_page(), base)
        visit.watch()
        told = ""
        for address in addresses:
            visit.open(f"/{address}")
            assert visit.page.locator(_MADE_MARKUP).count() == 0, address
            told += visit.page.locator("[data-testid=stMain]").inner_text()
        assert visit.page.evaluate("window.hacked") is None
        visit.page.close()
    assert "<img src=x onerror=" in told
    assert visit.problems == []
