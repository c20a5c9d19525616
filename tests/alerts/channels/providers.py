"""Local servers in the place of the providers, which enforce the rules that these document.

What comes next can be scripted: refuse, be slow, reset, take it and then reset.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qs

Answer = tuple[int, dict[str, str], bytes]
Json = dict[str, Any]


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        return cast(Json, json.loads(self.body))


@dataclass
class Step:
    """What the server does with the next request instead of what it should."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_slow: bool = False
    is_reset: bool = False
    is_taken_first: bool = False


class Provider:
    """A server.

    Attributes:
        seen: what arrived; ``taken``: what it accepted.
        is_outwaited: whoever asked waited for a minute, instead of giving up.
    """

    def __init__(self, rules: Callable[[Request], Answer]) -> None:
        self.rules = rules
        self.script: list[Step] = []
        self.seen: list[Request] = []
        self.taken: list[Request] = []
        self.released = threading.Event()
        self.is_outwaited = False
        self.url = ""

    def answer(self, request: Request) -> Answer:
        answer = self.rules(request)
        if answer[0] < 300:
            self.taken.append(request)
        return answer


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        provider = self.server.provider
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.path, headers, body)
        provider.seen.append(request)
        step = provider.script.pop(0) if provider.script else Step()
        if step.is_taken_first:
            provider.answer(request)
        if step.is_slow:
            provider.is_outwaited = not provider.released.wait(60)
        if step.is_slow or step.is_reset:
            linger = struct.pack("ii", 1, 0)  # ends with RST
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            return
        status, more, text = (
            (step.status, step.headers, step.body) if step.status else provider.answer(request)
        )
        self.send_response(status)
        for name, value in {**more, "content-length": str(len(text))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    provider: Provider
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is part of the tests."""


@contextmanager
def serving(provider: Provider) -> Generator[Provider]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.provider = provider
    provider.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield provider
    finally:
        provider.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _json(status: int, body: object) -> Answer:
    return status, {"content-type": "application/json"}, json.dumps(body).encode()


# https://developer.pagerduty.com/docs/events-api-v2/trigger-events
_ACTIONS = ("trigger", "acknowledge", "resolve")


class PagerDutyRules:
    """Events API v2: required fields and sizes; alerts by key, as PagerDuty keeps them."""

    def __init__(self) -> None:
        self.alerts: dict[str, list[str]] = {}  # key → states of its alerts, the last is current

    def __call__(self, request: Request) -> Answer:
        if request.path != "/v2/enqueue":
            return _json(404, {})
        if len(request.body) > 512_000:
            return _json(413, {})
        event = request.json
        errors = _event_errors(event)
        if errors:
            said = {"status": "invalid event", "message": "Event object is invalid"}
            return _json(400, {**said, "errors": errors})
        self._count(event)
        return _json(202, {"status": "success", "message": "ok", "dedup_key": event["dedup_key"]})

    def _count(self, event: Json) -> None:
        states = self.alerts.setdefault(event["dedup_key"], [])
        is_open = bool(states) and states[-1] != "resolve"
        if event["event_action"] == "trigger" and not is_open:
            states.append("trigger")
        elif event["event_action"] != "trigger" and is_open:
            states[-1] = event["event_action"]


def _event_errors(event: Json) -> list[str]:
    errors: list[str] = []
    if not re.fullmatch("[0-9a-zA-Z]{32}", str(event.get("routing_key"))):
        errors.append("'routing_key' is invalid")
    if event.get("event_action") not in _ACTIONS:
        errors.append("'event_action' is invalid")
    if not 0 < len(str(event.get("dedup_key", ""))) <= 255:
        errors.append("'dedup_key' is invalid")
    if event.get("event_action") != "trigger":
        return errors
    payload = event.get("payload") or {}
    errors += [
        f"'payload.{name}' is missing or blank"
        for name in ("summary", "source", "severity")
        if not payload.get(name)
    ]
    if len(payload.get("summary", "")) > 1_024:
        errors.append("'payload.summary' is too long")
    if payload.get("severity") not in ("critical", "error", "warning", "info"):
        errors.append("'payload.severity' is invalid")
    for link in event.get("links", []):
        if not str(link.get("href", "")).startswith("http"):
            errors.append("'links' are invalid")
    return errors


# https://docs.slack.dev/reference/block-kit/blocks and .../composition-objects/text-object
_TEXT_LIMITS = {"header": 150, "section": 3_000}
_LINK = re.compile(r"<(https?://[^\s<>|]+)\|[^<>\n]+>")
_ENTITY = re.compile(r"&(amp|lt|gt);")


def block_errors(blocks: list[Json], text: str) -> list[str]:
    """What Slack would refuse, and what would be read as something else than text."""
    errors = [] if text else ["no_text"]
    errors += _text_errors({"type": "mrkdwn", "text": text}, 40_000, links=False)
    if len(blocks) > 50:
        errors.append("too many blocks")
    if len(json.dumps(blocks, ensure_ascii=False)) > 13_000:
        errors.append("msg_blocks_too_long")
    for block in blocks:
        errors += _block_errors(block)
    return errors


def _block_errors(block: Json) -> list[str]:
    kind = block.get("type")
    if kind in _TEXT_LIMITS:
        errors = _text_errors(block["text"], _TEXT_LIMITS[kind])
        if kind == "header" and block["text"]["type"] != "plain_text":
            errors.append("a header is plain")
        return errors
    if kind == "context":
        elements = cast(list[Json], block["elements"])
        errors = ["elements"] if not 0 < len(elements) <= 10 else []
        return errors + [one for e in elements for one in _text_errors(e, 3_000)]
    if kind == "actions":
        elements = cast(list[Json], block["elements"])
        errors = ["elements"] if not 0 < len(elements) <= 25 else []
        if len({e["action_id"] for e in elements}) < len(elements):
            errors.append("action ids twice")
        for e in elements:
            errors += _text_errors(e["text"], 75)
            if len(e.get("value", "")) > 2_000 or len(e.get("url", "")) > 3_000:
                errors.append("button too long")
        return errors
    return [f"unknown block {kind}"]


def _text_errors(text: Json, limit: int, *, links: bool = True) -> list[str]:
    said = str(text["text"])
    errors: list[str] = []
    if not 0 < len(said) <= limit:
        errors.append(f"text of {len(said)}")
    rest = said
    if text["type"] == "mrkdwn":
        rest = _LINK.sub("", said) if links else said
        if links and not text.get("verbatim"):
            errors.append("links are made from text")
    elif text["type"] != "plain_text":
        errors.append("unknown text")
    if "<" in rest or ">" in rest or "&" in _ENTITY.sub("", rest):
        errors.append(f"not escaped: {rest[:200]}")
    if re.search(r"@(channel|here|everyone)", rest, re.IGNORECASE):
        errors.append("calls everybody")
    return errors


class SlackWebhookRules:
    """An incoming webhook: one address, blocks within limits, `ok`."""

    PATH = "/services/T000/B000/SECRETSECRET"

    def __call__(self, request: Request) -> Answer:
        if request.path != self.PATH:
            return 404, {}, b"no_service"
        body = request.json
        if block_errors(body.get("blocks", []), body.get("text", "")):
            return 400, {}, b"invalid_blocks"
        return 200, {}, b"ok"


class SlackApiRules:
    """The methods that the bot uses, with tokens, scopes and messages."""

    TOKEN = "xoxb-not-a-real-token"

    def __init__(self) -> None:
        self.messages: dict[str, Json] = {}
        self.files: list[bytes] = []
        self.may_upload = True
        self.url = ""

    def __call__(self, request: Request) -> Answer:
        if request.path.startswith("/upload/"):
            self.files.append(request.body)
            return 200, {}, b"OK"
        if request.headers.get("authorization") != f"Bearer {self.TOKEN}":
            return _json(200, {"ok": False, "error": "invalid_auth"})
        method = request.path.removeprefix("/api/")
        form = "urlencoded" in request.headers["content-type"]
        body: Json = (
            {k: v[0] for k, v in parse_qs(request.body.decode()).items()} if form else request.json
        )
        return _json(200, self._call(method, body))

    def _call(self, method: str, body: Json) -> Mapping[str, object]:
        if method.startswith("files."):
            return self._file(method)
        if body.get("channel") != "C024BE91L":
            return {"ok": False, "error": "channel_not_found"}
        if block_errors(body.get("blocks") or [], body["text"]):
            return {"ok": False, "error": "invalid_blocks"}
        if method == "chat.postMessage":
            if body.get("thread_ts") and body["thread_ts"] not in self.messages:
                return {"ok": False, "error": "thread_not_found"}
            ts = f"1700000000.{len(self.messages):06d}"
            self.messages[ts] = body
            return {"ok": True, "channel": body["channel"], "ts": ts}
        if method == "chat.update":
            if body["ts"] not in self.messages:
                return {"ok": False, "error": "message_not_found"}
            self.messages[body["ts"]] = body
            return {"ok": True, "channel": body["channel"], "ts": body["ts"]}
        return {"ok": False, "error": "unknown_method"}

    def _file(self, method: str) -> Mapping[str, object]:
        if not self.may_upload:
            return {"ok": False, "error": "missing_scope"}
        if method == "files.getUploadURLExternal":
            return {"ok": True, "upload_url": f"{self.url}/upload/1", "file_id": "F1"}
        return {"ok": True, "files": [{"id": "F1"}]}


def take_all(_request: Request) -> Answer:
    """A webhook that takes everything."""
    return 204, {}, b""
