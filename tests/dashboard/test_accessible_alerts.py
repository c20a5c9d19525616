"""The pages of alerts with none, one and many, read by axe-core, contrast of colours included."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Literal

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser

from spanledger_storage.alert_rows import SilenceRow
from tests.dashboard.accessible import findings
from tests.dashboard.alerted import AWAY, EVIL, REFUSED, Alerted, S, rule
from tests.dashboard.visiting import IN_A_BROWSER, Visit, dashboard_of

pytestmark = [*IN_A_BROWSER, pytest.mark.endurance, pytest.mark.timeout(900)]

PAGES = ("incidents", "rules", "silences", "channels")


def plant(state: sa.Engine, folder: Path, count: int) -> str:
    """Let so many agents be dear, one after some that are over; return the address of one."""
    told, now_s = Alerted(state, [rule(group_by=["agent"])]), int(time.time()) // 10 * 10
    told.ops.failures = [REFUSED, AWAY] * (count // 2) or [REFUSED]
    told.say(now_s - 900, over=20)
    told.say(now_s - 800, over=1)
    told.say(
        now_s - 600, **{f"{EVIL if n % 5 == 0 else 'agent'} {n}": 20 + n for n in range(count)}
    )
    rows = told.state.instances("default", "costly", ("firing",))
    for number, one in enumerate(rows):
        key = f"default/{one.instance_id}/{one.generation}"
        if number % 3 == 1:
            told.state.acknowledge("default", "costly", key, EVIL, (now_s - 300) * S, EVIL)
        matchers = (("agent", "=", f"agent {number}"),)
        span_s = 3_600 if number % 2 else 60
        told.state.silence(
            SilenceRow("", "default", matchers, (now_s - 90) * S, (now_s - 90 + span_s) * S,
                       "", "UTC", "ann", EVIL, now_s * S)
        )  # fmt: skip
    told.say(now_s)
    channels = {"ops": {"kind": "webhook", "url": "https://example.com"}, "bad": {"kind": "none"}}
    (folder / "alerts" / "channels.yaml").write_text(json.dumps({"channels": channels}))
    return f"incidents?incident={rows[0].instance_id}%2F{rows[0].generation}"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("count", [0, 1, 30])
def test_pages_of_alerts_have_no_serious_findings(
    browser: Browser,
    store_url: str,
    alert_state: sa.Engine,
    tmp_path: Path,
    count: int,
    theme: Literal["light", "dark"],
) -> None:
    pages = [*PAGES, "rules?rule=error-rate"]
    if count:
        pages.append(plant(alert_state, tmp_path, count))
    context = browser.new_context(
        viewport={"width": 1440, "height": 900}, color_scheme=theme, reduced_motion="reduce"
    )
    found: list[str] = []
    with dashboard_of(store_url, tmp_path) as base:
        visit = Visit(context.new_page(), base)
        for page in pages:
            visit.open(f"/{page}")
            found += [f"{page}: {said}" for said in findings(visit.page)]
        context.close()
    assert found == []
