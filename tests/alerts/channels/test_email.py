"""E-mail: encrypted, one conversation for each group, headers that nobody outside can write."""

from __future__ import annotations

import ssl
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
import trustme

from spanledger_alerts.channels import read_channel
from spanledger_alerts.errors import ChannelConfigError
from spanledger_alerts.notification import Channel, DeliveryError
from tests.alerts.channels.incidents import HOSTILE, hostile, notification
from tests.alerts.channels.mail_server import MailServer, mail_serving


def channel(server: MailServer, **changes: object) -> Channel:
    raw = {
        "kind": "email",
        "host": "localhost",
        "port": server.port,
        "security": "none",
        "sender": "ledger@example.com",
        "to": ["ops@example.com", "cto@example.com"],
        "timeout_s": 60,
        **changes,
    }
    return read_channel("mail", raw, {"PASSWORD": "correct"}).channel


def mails(server: MailServer) -> list[EmailMessage]:
    read = [message_from_bytes(one, policy=default) for one in server.taken]
    return [one for one in read if isinstance(one, EmailMessage)]


@contextmanager
def encrypted(tmp_path: Path) -> Generator[tuple[MailServer, Path]]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(trusted)
    with mail_serving(context) as server:
        yield server, trusted


def failed(sender: Channel) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        sender.send(notification())
    return caught.value


def test_a_connection_is_encrypted_before_the_password(tmp_path: Path) -> None:
    signed_in = {"username": "ledger", "password": "env:PASSWORD", "security": "starttls"}
    with encrypted(tmp_path) as (server, trusted):
        channel(server, ca_file=str(trusted), **signed_in).send(notification())
        (recipients,) = server.recipients
        assert recipients == ["rcpt TO:<ops@example.com>", "rcpt TO:<cto@example.com>"]
        error = failed(channel(server, **signed_in))  # by a certificate that nobody knows
        assert not error.is_doubtful
        server.certificate = None
        error = failed(channel(server, ca_file=str(trusted), **signed_in))
        assert error.permanent
        assert len(server.taken) == 1


def test_mails_of_a_group_are_one_conversation() -> None:
    with mail_serving() as server:
        sender = channel(server)
        receipt = sender.send(notification())
        sender.send(notification())  # after a doubtful attempt
        sender.send(notification("resolve", receipt=receipt))
        first, repeated, last = mails(server)
    assert first["Message-ID"] == repeated["Message-ID"] != last["Message-ID"]
    assert first["References"] == last["References"] == last["In-Reply-To"]
    assert last["Subject"] == f"Re: {first['Subject']}"
    body = last.get_body(("plain",))
    assert body is not None
    assert "Resolved" in body.get_content()


def test_a_mail_has_text_html_and_the_chart() -> None:
    with mail_serving() as server:
        channel(server).send(notification())
        (mail,) = mails(server)
    kinds = [part.get_content_type() for part in mail.walk() if not part.is_multipart()]
    assert kinds == ["text/plain", "text/html", "image/png"]
    html = mail.get_body(("html",))
    assert html is not None
    assert '<a href="https://wiki.example.com/cost">Runbook</a>' in html.get_content()


def test_no_hostile_text_writes_a_header_or_markup() -> None:
    with mail_serving() as server:
        sent = hostile()
        channel(server).send(sent)
        for text in HOSTILE:  # as subjects of their own
            only = replace(sent.incidents[0], title=text)
            channel(server).send(replace(sent, incidents=[only], left_out=0))
        read = mails(server)
    wanted = {"Subject", "From", "To", "Date", "Message-ID", "References", "In-Reply-To"}
    wanted |= {"Auto-Submitted", "MIME-Version", "Content-Type"}
    for mail in read:
        assert set(mail.keys()) == wanted
        assert mail["To"] == "ops@example.com, cto@example.com"
        html = mail.get_body(("html",))
        assert html is not None
        assert "<script>" not in html.get_content()
        assert "<&>" not in html.get_content()


@pytest.mark.parametrize(
    ("answer", "is_permanent"), [("451 later", False), ("552 5.2.2 full", True)]
)
def test_an_answer_says_whether_to_try_again(answer: str, is_permanent: bool) -> None:
    with mail_serving() as server:
        server.script = [answer]
        error = failed(channel(server))
    assert (error.permanent, error.is_doubtful) == (is_permanent, False)


def test_a_wrong_password_is_permanent() -> None:
    with mail_serving() as server:
        server.password = "another"
        error = failed(channel(server, username="ledger", password="env:PASSWORD"))
    assert error.permanent
    assert "535" in str(error)


def test_a_connection_that_ends_behind_the_mail_is_doubtful() -> None:
    with mail_serving() as server:
        server.script = [""]
        error = failed(channel(server))
        assert (error.permanent, error.is_doubtful) == (False, True)


def test_a_server_that_says_nothing_is_given_up() -> None:
    with mail_serving() as server:
        server.is_deaf = True
        error = failed(channel(server, timeout_s=0.5))
        server.released.set()
    assert (error.permanent, error.is_doubtful) == (False, False)


def test_a_bad_goodbye_does_not_send_a_mail_again() -> None:
    with mail_serving() as server:
        server.quits_badly = True
        channel(server).send(notification())
        assert len(server.taken) == 1


@pytest.mark.parametrize(
    "address", ["a@b.c\nBcc: x@y.z", "two@example.com, x@y.z", "nobody", "Name <a@b.c>", "a@é.com"]
)
def test_what_is_no_single_address_is_refused(address: str) -> None:
    with mail_serving() as server, pytest.raises(ChannelConfigError, match="name@example.com"):
        channel(server, to=[address])
