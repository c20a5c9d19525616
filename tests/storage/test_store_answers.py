"""What answers an insert may be somebody else than the store."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pyarrow as pa
import pytest

from spanledger_storage.errors import StoreError
from spanledger_storage.store import Store


@pytest.fixture
def store_behind_a_page(store: Store) -> Iterator[Store]:
    """A store whose inserts meet the page of a balancer under maintenance, which says 200."""

    class Balancer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer, page = {}, b"<h1>We will be back soon</h1>"
            if b"INSERT" not in body and "INSERT" not in self.path:
                url = f"http://{store.settings.host}:{store.settings.port}{self.path}"
                names = ("Authorization", "Content-Type", "User-Agent")
                headers = {name: self.headers[name] for name in names if self.headers[name]}
                with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as told:
                    answer, page = dict(told.headers), told.read()
            self.send_response_only(200)
            for name, value in answer.items():
                if name.startswith("X-ClickHouse"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

    with ThreadingHTTPServer(("127.0.0.1", 0), Balancer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = Store.connect(replace(store.settings, port=server.server_address[1]))
        yield found
        found.close()
        server.shutdown()


def test_rows_are_not_stored_because_somebody_says_200(store_behind_a_page: Store) -> None:
    rows = pa.table({"project": ["p"]})
    with pytest.raises(StoreError, match="no ClickHouse server") as caught:
        store_behind_a_page.insert("touches", rows, token="one")
    assert not caught.value.permanent
