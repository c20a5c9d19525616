"""A mail server: SMTP with STARTTLS, passwords, and answers that can be scripted."""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress


class MailServer(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, certificate: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.certificate = certificate
        self.password = "correct"
        self.taken: list[bytes] = []
        self.recipients: list[list[str]] = []
        self.script: list[str] = []  # what is answered to the next message; empty: drop it
        self.quits_badly = False
        self.is_deaf = False
        self.released = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is part of the tests."""


class _Session(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        if self.server.is_deaf:
            self.server.released.wait(60)
            return
        self.is_secure = self.is_known = False
        self.to: list[str] = []
        self._say("220 test")
        with suppress(OSError, ssl.SSLError):
            while (line := self.rfile.readline()) and self._command(line.decode().strip()):
                pass
        self.request.close()

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def _command(self, line: str) -> bool:
        verb = line.split(" ")[0].upper()
        if verb == "EHLO":
            secure = self.server.certificate and not self.is_secure
            self._say(f"250-test\r\n250-{'STARTTLS' if secure else 'AUTH PLAIN'}\r\n250 8BITMIME")
        elif verb == "STARTTLS" and self.server.certificate:
            self._say("220 go")
            self.request = self.server.certificate.wrap_socket(self.request, server_side=True)
            self.setup()
            self.is_secure = True
        elif verb == "AUTH":
            given = base64.b64decode(line.split(" ")[2]).decode().split("\0")[-1]
            self.is_known = given == self.server.password
            self._say("235 ok" if self.is_known else "535 5.7.8 wrong password")
        elif verb == "RCPT":
            self.to.append(line)
            self._say("250 ok")
        elif verb == "DATA":
            return self._data()
        elif verb == "QUIT":
            self._say("451 no" if self.server.quits_badly else "221 bye")
            return False
        else:
            self._say("250 ok")
        return True

    def _data(self) -> bool:
        self._say("354 go")
        lines: list[bytes] = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line)
        answer = self.server.script.pop(0) if self.server.script else "250 ok"
        if answer.startswith("250") or not answer:
            self.server.taken.append(b"".join(lines))
            self.server.recipients.append(self.to)
        if answer:
            self._say(answer)
        return bool(answer)


@contextmanager
def mail_serving(certificate: ssl.SSLContext | None = None) -> Generator[MailServer]:
    with MailServer(certificate) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join()
