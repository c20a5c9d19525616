"""The front end's files come compressed, and are the same when they are unpacked."""

from __future__ import annotations

import gzip
import sys

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from spanledger_dashboard.static_compression import StaticCompression

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SCRIPT = b"const a = 1;\n" * 1000
READ = {"gzip": gzip.decompress, "zstd": zstd.decompress}


@pytest.fixture
def served() -> list[str]:
    return []


@pytest.fixture
def client(served: list[str]) -> TestClient:
    async def answer(request: Request) -> Response:
        served.append(request.url.path)
        if request.url.path.endswith("missing.js"):
            return Response("no", 404, media_type="text/plain")
        kind = "font/woff2" if request.url.path.endswith("woff2") else "text/javascript"
        headers = {"cache-control": "public, immutable", "etag": "x", "accept-ranges": "bytes"}
        return Response(SCRIPT, headers=headers, media_type=kind)

    app = Starlette(
        routes=[Route("/{path:path}", answer)], middleware=[Middleware(StaticCompression)]
    )
    return TestClient(app)


def raw(client: TestClient, path: str, **headers: str) -> tuple[bytes, dict[str, str]]:
    """The answer's bytes as they were sent, and its headers."""
    sent = {"accept-encoding": "identity", **{k.replace("_", "-"): v for k, v in headers.items()}}
    with client.stream("GET", path, headers=sent) as answer:
        return b"".join(answer.iter_raw()), dict(answer.headers)


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip, deflate, br, zstd", "zstd"), ("gzip, deflate, br", "gzip"), ("zstd", "zstd")],
)
def test_a_file_is_compressed_once_as_the_browser_takes_it(
    client: TestClient, served: list[str], accepted: str, encoding: str
) -> None:
    for _ in range(2):
        body, headers = raw(client, "/static/a.js", accept_encoding=accepted)
        assert headers["content-encoding"] == encoding
        assert READ[encoding](body) == SCRIPT
        assert int(headers["content-length"]) == len(body) < len(SCRIPT) / 10
        assert headers["vary"] == "accept-encoding"
        assert headers["cache-control"] == "public, immutable"
        assert "etag" not in headers
    assert served == ["/static/a.js"]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/static/a.js", {"accept_encoding": "br"}),
        ("/static/a.js", {"accept_encoding": "gzip", "range": "bytes=0-3"}),
        ("/static/a.js", {"accept_encoding": "gzip", "if_none_match": "x"}),
        ("/static/a.woff2", {"accept_encoding": "gzip, zstd"}),
        ("/media/a.js", {"accept_encoding": "gzip, zstd"}),
        ("/static/missing.js", {"accept_encoding": "gzip, zstd"}),
    ],
)
def test_everything_else_is_left_as_it_is(
    client: TestClient, served: list[str], path: str, headers: dict[str, str]
) -> None:
    for _ in range(2):
        body, answered = raw(client, path, **headers)
        assert "content-encoding" not in answered
        assert body in {SCRIPT, b"no"}
    assert served == [path, path]
