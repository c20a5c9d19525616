"""Providers of models on loopback, as their real clients see them, with a bill of every call.

It answers OpenAI's chat completions, responses and embeddings, Anthropic's messages, Google's
generateContent and Bedrock's Converse. A model that is offered tools calls the first one, and
answers in words when it has a result. Every call is billed with other amounts, so that one counted
twice or under another's name shows.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.sdk.real.anthropic_protocol import messages
from tests.sdk.real.billing import Json, ModelServer
from tests.sdk.real.cloud_protocols import converse, gemini
from tests.sdk.real.openai_protocol import chat, embeddings, responses


def _answered(server: ModelServer, path: str, asked: Json) -> tuple[Json, list[Json] | None]:
    if path.endswith("/chat/completions"):
        return chat(server, asked)
    if path.endswith("/responses"):
        return responses(server, asked)
    if path.endswith("/embeddings"):
        return embeddings(server, asked)
    if path.endswith("/messages"):
        return messages(server, asked)
    if path.endswith("/converse"):
        return converse(server, asked, path)
    return gemini(server, asked, path)


@contextmanager
def serving_models() -> Iterator[ModelServer]:
    """A server of models until the block ends."""
    models = ModelServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            path = self.path.partition("?")[0]
            whole, events = _answered(models, path, asked)
            self.send_response(200)
            if events is None:
                body = json.dumps(whole).encode()
                self.send_header("Content-Type", "application/json")
            else:
                lines = [
                    (f"event: {event['type']}\n" if "type" in event else "")
                    + f"data: {json.dumps(event)}\n\n"
                    for event in events
                ]
                ends = "data: [DONE]\n\n" if path.endswith("/chat/completions") else ""
                body = ("".join(lines) + ends).encode()
                self.send_header("Content-Type", "text/event-stream")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", models.port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield models
    finally:
        server.shutdown()
        server.server_close()
