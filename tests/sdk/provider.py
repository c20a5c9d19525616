"""A provider of models in the test process: OpenAI's chat completions, with exact usage."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.ports import free_port

INPUT_TOKENS, CACHED_TOKENS, OUTPUT_TOKENS, REASONING_TOKENS = 1000, 400, 200, 50
MODEL = "gpt-4o-mini"
USAGE = {
    "prompt_tokens": INPUT_TOKENS,
    "completion_tokens": OUTPUT_TOKENS,
    "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS},
    "completion_tokens_details": {"reasoning_tokens": REASONING_TOKENS},
}


class Provider:
    """Answers every request alike; a model named ``broken`` breaks its streams off."""

    def __init__(self) -> None:
        self.port = free_port()
        self.requests: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.requests.append(asked)
        message = {"role": "assistant", "content": "Paris", "refusal": None}
        return {
            "id": f"chatcmpl-{len(self.requests):04}",
            "object": "chat.completion",
            "created": 1_790_000_000,
            "model": f"{MODEL}-2024-07-18",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": USAGE,
        }

    def chunks(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        whole = self.answer(asked)
        same = {key: whole[key] for key in ("id", "created", "model")}
        same["object"] = "chat.completion.chunk"
        parts: list[tuple[dict[str, str], str | None]] = [
            ({"role": "assistant", "content": "Pa"}, None),
            ({"content": "ris"}, None),
            ({}, "stop"),
        ]
        made = [
            {**same, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
            for delta, reason in parts
        ]
        if asked["model"] == "broken":
            return made[:1]
        if (asked.get("stream_options") or {}).get("include_usage"):
            made.append({**same, "choices": [], "usage": USAGE})
        return made


@contextmanager
def providing() -> Iterator[Provider]:
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            if not asked.get("stream"):
                body = json.dumps(provider.answer(asked)).encode()
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                return
            self.send_header("Content-Type", "text/event-stream")
            if asked["model"] == "broken":
                self.send_header("Content-Length", "100000")  # more than will come
            self.end_headers()
            for chunk in provider.chunks(asked):
                self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            if asked["model"] != "broken":
                self.wfile.write(b"data: [DONE]\n\n")

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", provider.port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
