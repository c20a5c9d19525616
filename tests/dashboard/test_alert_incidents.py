"""The Incidents page with none, one and many, hostile texts, and who may do what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

import spanledger_dashboard
from spanledger_storage.state import open_state
from tests.alerts.stage import migrated
from tests.dashboard.alerted import AWAY, Alerted, costly, rule
from tests.dashboard.found import TRACE
from tests.dashboard.seed import Seeder

APP = Path(spanledger_dashboard.__file__).parent / "app.py"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sa.Engine]:
    (tmp_path / "state.db").write_bytes(migrated())
    url = f"sqlite:///{tmp_path / 'state.db'}"
    monkeypatch.setenv("SPANLEDGER_STATE_URL", url)
    engine = open_state(url)
    yield engine
    engine.dispose()


@pytest.fixture
def app(store_url: str, state: sa.Engine) -> AppTest:
    assert store_url
    assert state
    return AppTest.from_file(str(APP), default_timeout=30)


def page(app: AppTest, **params: str) -> AppTest:
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page("app_pages/incidents.py")
    app.run()
    assert not app.exception
    return app


def text(app: AppTest) -> str:
    blocks = [*app.markdown, *app.caption, *app.info, *app.subheader, *app.error, *app.warning]
    return "\n".join(str(b.value) for b in blocks).replace("\\", "").replace("\u2060", "")


def test_without_incidents_it_says_what_to_do(app: AppTest) -> None:
    print(text(page(app)))


def test_one(app: AppTest, state: sa.Engine, now_s: int, seed: Seeder) -> None:
    seed.span(TRACE, f"{1:016x}", name="run", role="agent", at_s=-60)
    seed.trace(TRACE)
    seed.insert()
    told = Alerted(state, now_s, [rule()])
    t = now_s // 10 * 10 - 100
    told.ops.failures = [AWAY]
    told.say(t, planner=costly("planner", 12.4, trace_ids=(TRACE,)))
    told.say(t + 30)
    print(told.ops.story)
    shown = page(app)
    print(text(shown))
    print([d.value for d in shown.dataframe])
    name = shown.dataframe[0]
    [row] = told.state.instances("default")
    shown = page(app, incident=f"{row.instance_id}/1")
    print(text(shown))
    print([d.value for d in shown.dataframe])
    print([m.label + " " + m.value for m in shown.metric])
    print([b.label for b in shown.button])
