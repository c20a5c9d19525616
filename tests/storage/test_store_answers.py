"""What answers may be somebody else than the store, or the store without room for its answer."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pyarrow as pa
import pytest

from spanledger_storage.errors import StoreError
from spanledger_storage.store import Store

Answer = tuple[Mapping[str, str], bytes]
"""Headers and body."""


@contextmanager
def behind(
    store: Store, answer: Callable[[bytes, Callable[[], Answer]], Answer]
) -> Generator[Store]:
    """The store behind somebody who answers by what is asked, and can ask the store."""

    class Between(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            said, page = answer(self.path.encode() + body, lambda: self.passed_on(body))
            self.send_response_only(200)
            for name, value in said.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def passed_on(self, body: bytes) -> Answer:
            url = f"http://{store.settings.host}:{store.settings.port}{self.path}"
            names = ("Authorization", "Content-Type", "User-Agent")
            headers = {name: self.headers[name] for name in names if self.headers[name]}
            with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as told:
                said = {n: v for n, v in told.headers.items() if n.startswith("X-ClickHouse")}
                return said, told.read()

    with ThreadingHTTPServer(("127.0.0.1", 0), Between) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with closing(Store.connect(replace(store.settings, port=server.server_port))) as found:
            yield found
        server.shutdown()


def test_rows_are_not_stored_because_somebody_says_200(store: Store) -> None:
    def page(asked: bytes, ask: Callable[[], Answer]) -> Answer:
        return ({}, b"<h1>We will be back soon</h1>") if b"INSERT" in asked else ask()

    rows = pa.table({"project": ["p"]})
    refused = pytest.raises(StoreError, match="no ClickHouse server")
    with behind(store, page) as balanced, refused as caught:
        balanced.insert("touches", rows, token="one")
    assert not caught.value.permanent


ASKED: dict[str, Callable[[Store], object]] = {
    "rows": lambda store: store.sql_rows("SELECT count() FROM system.parts"),
    "arrow": lambda store: store.arrow("retention_parts"),
    "csv": lambda store: store.raw("SELECT name FROM system.parts", "CSVWithNames"),
    "stream": lambda store: store.raw("SELECT name FROM system.parts", "ArrowStream"),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_an_answer_that_lost_its_rows_is_not_taken_for_one_without_rows(
    store: Store, ask: Callable[[Store], object]
) -> None:
    def emptied(asked: bytes, ask: Callable[[], Answer]) -> Answer:
        said, body = ask()
        return said, b"" if b"system.parts" in asked else body

    with behind(store, emptied) as cut:
        assert cut.sql_rows("SELECT 1 AS one WHERE 0") == []
        with pytest.raises(StoreError, match="cut off") as caught:
            ask(cut)
    assert not caught.value.permanent
