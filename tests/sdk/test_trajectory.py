"""Trajectories through processes and days."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.request import Request, urlopen

import pytest

import spanledger
from spanledger import STEP_KIND, TRAJECTORY_ID, WAIT_FOR, TokenError
from spanledger.testing import capture

_OTHER_PROCESS = """
import json, sys, spanledger
from spanledger.testing import capture
with capture() as captured:
    captured.clock.now_ns = 1_700_300_000_000_000_000
    with spanledger.resume(sys.argv[1]), spanledger.tool("book"):
        pass
print(json.dumps([json.loads(span.to_json()) for span in captured.spans]))
"""


def test_a_paused_trajectory_goes_on_in_another_process_days_later() -> None:
    with (
        capture() as captured,
        spanledger.session("s-1", user="ann"),
        spanledger.task("T-1"),
        spanledger.agent("planner"),
    ):
        token = spanledger.pause(reason="approve the trip")
    assert len(token) < 1000
    ours = captured.span("pause").get_span_context()
    agent = captured.span("invoke_agent planner").get_span_context()
    assert ours is not None
    assert agent is not None
    paused_ns = captured.span("pause").start_time
    done = subprocess.run(
        [sys.executable, "-c", _OTHER_PROCESS, token], capture_output=True, text=True, check=True
    )
    wait, book, resumed = json.loads(done.stdout)
    assert wait["name"] == "wait for human"
    assert wait["context"]["trace_id"] == f"0x{ours.trace_id:032x}"
    assert wait["parent_id"] == f"0x{agent.span_id:016x}"
    assert wait["attributes"][STEP_KIND] == "wait"
    assert wait["attributes"][WAIT_FOR] == "human"
    assert paused_ns == 1_700_000_000_002_000_000
    assert wait["start_time"].startswith("2023-11-14T22:13:20.002")
    assert wait["end_time"].startswith("2023-11-18")
    assert resumed["name"] == "invoke_agent planner"
    assert resumed["parent_id"] is None
    assert resumed["links"][0]["context"]["span_id"] == f"0x{ours.span_id:016x}"
    for span in (book, resumed):
        found = span["attributes"]
        assert found[TRAJECTORY_ID] == f"{ours.trace_id:032x}"
        assert (found["session.id"], found["user.id"]) == ("s-1", "ann")
        assert found["spanledger.task.id"] == "T-1"


def test_a_trajectory_keeps_its_id_over_many_pauses() -> None:
    with capture() as captured:
        with spanledger.agent("a"):
            token = spanledger.pause()
        for _ in range(3):
            with spanledger.resume(token):
                token = spanledger.pause()
    ids = {
        str((span.attributes or {}).get(TRAJECTORY_ID))
        for span in captured.spans
        if span.name == "invoke_agent a" and span.links
    }
    assert ids == {f"{1:032x}"}


@pytest.mark.parametrize("token", ["", "x", "e30", "bm90IGpzb24", "W10", "é"])
def test_other_texts_are_no_tokens(token: str) -> None:
    with pytest.raises(TokenError), spanledger.resume(token):
        raise AssertionError("it was entered")


class _Service(BaseHTTPRequestHandler):
    """A service that goes on with the trace of whoever calls it, and puts a job into a queue."""

    jobs: ClassVar[queue.Queue[dict[str, str]]] = queue.Queue()

    def do_POST(self) -> None:
        with spanledger.extract(dict(self.headers)), spanledger.agent("service"):
            self.jobs.put(spanledger.inject({"job": "book"}))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


def test_a_trace_goes_through_http_and_a_queue() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Service)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    try:
        with capture() as captured:
            with (
                spanledger.session("s-1", user="ann"),
                spanledger.dimensions(team="travel"),
                spanledger.agent("caller"),
            ):
                url = f"http://127.0.0.1:{server.server_port}"
                asked = Request(url, b"", headers=spanledger.inject({}), method="POST")
                with urlopen(asked, timeout=10):
                    pass
            job = _Service.jobs.get(timeout=10)
            with spanledger.extract(job), spanledger.agent("worker"):
                pass
    finally:
        server.shutdown()
        server.server_close()
    caller, service, worker = (
        captured.span(f"invoke_agent {name}") for name in ("caller", "service", "worker")
    )
    for above, below in ((caller, service), (service, worker)):
        context = above.get_span_context()
        assert context is not None
        assert below.parent is not None
        assert (below.parent.trace_id, below.parent.span_id) == (context.trace_id, context.span_id)
        found = below.attributes or {}
        assert (found["session.id"], found["user.id"]) == ("s-1", "ann")
        assert found["spanledger.dimension.team"] == "travel"


def test_carriers_take_trace_and_dimensions_along() -> None:
    with capture() as captured:
        with spanledger.session("s"), spanledger.agent("sender"):
            carrier: dict[str, str] = spanledger.inject({})
        with (
            spanledger.extract({key.upper(): value for key, value in carrier.items()}),
            spanledger.agent("receiver"),
        ):
            pass
        with spanledger.extract(None), spanledger.agent("alone"):
            pass
    sender = captured.span("invoke_agent sender").get_span_context()
    receiver = captured.span("invoke_agent receiver")
    assert sender is not None
    assert receiver.parent is not None
    assert receiver.parent.span_id == sender.span_id
    assert (receiver.attributes or {})["session.id"] == "s"
    assert captured.span("invoke_agent alone").parent is None
