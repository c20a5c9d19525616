"""Somebody who looks at pages of the dashboard, without the work that a browser does for them.

It speaks what Streamlit's own front end speaks: protobuf messages over one websocket.
"""

from __future__ import annotations

import time

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect
from websockets.typing import Subprotocol

_TIMEOUT_S = 60
_MAX_MESSAGE_BYTES = 200_000_000


class PageError(Exception):
    """A page showed an error, or was not there."""


class PageClient:
    """One viewer's connection, kept open from page to page as a browser tab keeps it."""

    def __init__(self, base: str) -> None:
        self._socket = connect(
            base.replace("http", "ws", 1) + "/_stcore/stream",
            subprotocols=[Subprotocol("streamlit")],
            max_size=_MAX_MESSAGE_BYTES,
        )

    def close(self) -> None:
        """Leave the dashboard."""
        self._socket.close()

    def open(self, page: str, query: str = "") -> float:
        """Ask for a page (its part of the URL) and return the seconds until all of it came.

        Raises:
            PageError: it showed an error, or there is no such page.
            TimeoutError: nothing came for a minute.
        """
        asked = BackMsg()
        asked.rerun_script.page_name = page
        asked.rerun_script.query_string = query
        asked.rerun_script.context_info.timezone = "UTC"
        started = time.perf_counter()
        self._socket.send(asked.SerializeToString())
        while True:
            received = self._socket.recv(_TIMEOUT_S)
            assert isinstance(received, bytes)
            message = ForwardMsg.FromString(received)
            kind = message.WhichOneof("type")
            if kind == "page_not_found" or message.delta.new_element.HasField("exception"):
                raise PageError(f"{page or 'the first page'}: {message}")
            if (
                kind == "script_finished"
                and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN
            ):
                return time.perf_counter() - started
