"""Greenlets of gevent, with the standard library patched: each has a trace of its own."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from tests.instance import environment
from tests.sdk.receiver import receiving

pytestmark = pytest.mark.endurance
pytest.importorskip("gevent")

GREENLETS, CALLS = 50, 5
PROGRAM = f"""
from gevent import monkey
monkey.patch_all()
import gevent, spanledger
spanledger.init(instrument=False)

@spanledger.tool
def search(n):
    gevent.sleep(0.001)
    return n

@spanledger.agent
def run(n):
    return [search(call) for call in range({CALLS})]

gevent.joinall([gevent.spawn(run, n) for n in range({GREENLETS})], raise_error=True)
"""


def test_each_greenlet_has_a_trace_of_its_own() -> None:
    with receiving() as receiver:
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            check=True,
            timeout=60,
            env={
                **environment(),
                "SPANLEDGER_SEND_UNDER_PYTEST": "true",
                "SPANLEDGER_ENDPOINT": receiver.url,
            },
        )
        traces = Counter(span.trace_id for span in receiver.spans)
    assert sorted(traces.values()) == [1 + CALLS] * GREENLETS
