"""A browser's side of a running dashboard: the live connection, without a browser."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect
from websockets.sync.connection import Connection
from websockets.typing import Origin

TIMEOUT_S = 30


@dataclass
class Shown:
    """What one run of a page sent: every byte of it, and the same as messages."""

    raw: bytes = b""
    messages: list[ForwardMsg] = field(default_factory=list)


class Live:
    """One session of the dashboard."""

    def __init__(self, socket: Connection) -> None:
        self._socket = socket
        self._session_id = ""

    def open(self, page: str, params: Mapping[str, str]) -> Shown:
        """Run a page as if its address had been opened, until it is finished."""
        asked = BackMsg()
        asked.rerun_script.page_name = page
        asked.rerun_script.query_string = urlencode(params)
        self._socket.send(asked.SerializeToString())
        return self._until("script_finished")

    def download(self, file_id: str) -> str:
        """Ask for a file that is made on demand; return its path."""
        asked = BackMsg()
        asked.backend_operation_request.request_id = "1"
        asked.backend_operation_request.session_id = self._session_id
        asked.backend_operation_request.deferred_file.file_id = file_id
        self._socket.send(asked.SerializeToString())
        answer = self._until("backend_operation_response").messages[-1].backend_operation_response
        assert not answer.error_msg, answer.error_msg
        return str(answer.deferred_file.url)

    def _until(self, kind: str) -> Shown:
        shown = Shown()
        while True:
            frame = self._socket.recv(timeout=TIMEOUT_S)
            assert isinstance(frame, bytes)
            message = ForwardMsg()
            message.ParseFromString(frame)
            if message.HasField("new_session"):
                self._session_id = message.new_session.initialize.session_id
            shown.raw += frame
            shown.messages.append(message)
            if message.WhichOneof("type") == kind:
                return shown


@contextlib.contextmanager
def live(base: str, cookie: str = "") -> Iterator[Live]:
    """Connect as the browser of whoever has a cookie."""
    with connect(
        base.replace("http", "ws", 1) + "/_stcore/stream",
        additional_headers={"Cookie": f"spanledger_session={cookie}"} if cookie else {},
        origin=Origin(base),
        max_size=2**27,
        open_timeout=TIMEOUT_S,
    ) as socket:
        yield Live(socket)


def deferred_files(shown: Shown) -> list[str]:
    """The ids of the downloads that are made on demand."""
    elements = [m.delta.new_element for m in shown.messages]
    return [
        e.download_button.deferred_file_id
        for e in elements
        if e.WhichOneof("type") == "download_button" and e.download_button.deferred_file_id
    ]
