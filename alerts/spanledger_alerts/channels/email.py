"""E-mail by SMTP: text and HTML, one conversation for each group."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from contextlib import suppress
from email.headerregistry import Address as MailAddress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from spanledger_alerts.channels.answers import silence
from spanledger_alerts.channels.chart import charted_of, png
from spanledger_alerts.channels.config import ChannelConfig, SecretText
from spanledger_alerts.channels.email_body import as_html, as_text
from spanledger_alerts.channels.headline import headline
from spanledger_alerts.channels.receipt import read_receipt, write_receipt
from spanledger_alerts.notification import DeliveryError, Notification
from spanledger_alerts.text import one_line

_WHO = "The mail server"
_LONGEST_SUBJECT = 180
_CHART = "chart@spanledger"


def _mailbox(text: str) -> str:
    """Return an address of the form name@domain; RFC 5321 leaves no room for anything else here.

    Raises:
        ValueError: it is none.
    """
    try:
        parsed = MailAddress(addr_spec=text)
    except (ValueError, IndexError):
        raise ValueError("an address is written name@example.com") from None
    if not parsed.domain or not text.isascii() or not text.isprintable():
        raise ValueError("an address is written name@example.com")
    return text


Mailbox = Annotated[str, Field(max_length=254), AfterValidator(_mailbox)]


class Config(ChannelConfig):
    """A mail server, and who gets mail.

    Attributes:
        host: of the server.
        port: 587 for ``starttls``, 465 for ``ssl``, 25 for ``none``.
        security: ``starttls``, ``ssl``, or ``none`` for a relay on the same machine.
        ca_file: certificates to trust beside the system's own.
        username: None: the server asks for none.
        password: for it.
        sender: ``name@example.com``.
        to: one or more of these.
    """

    host: str = Field(pattern=r"^[A-Za-z0-9._:-]{1,255}$")
    port: int = Field(default=587, ge=1, le=65_535)
    security: Literal["starttls", "ssl", "none"] = "starttls"
    ca_file: Path | None = None
    username: str | None = Field(default=None, max_length=256)
    password: SecretText | None = None
    sender: Mailbox
    to: list[Mailbox] = Field(min_length=1, max_length=50)

    def open(self) -> Email:
        """Return the channel."""
        return Email(self)


class Email:
    """Sends one mail for each notification."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def send(self, notification: Notification) -> str:
        """Send a mail; return the subject of its conversation.

        It counts as taken when the server takes it for one of the recipients.
        """
        mail = letter(notification, self._config)
        is_sent = False
        try:
            server = self._connection()
            is_sent = True
            try:
                server.send_message(mail, self._config.sender, list(self._config.to))
            finally:
                _leave(server)
        except smtplib.SMTPResponseException as error:
            raise _refused(error.smtp_code) from None
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise _refused(min(codes, default=550)) from None
        except smtplib.SMTPNotSupportedError:
            raise DeliveryError(
                f"{_WHO} offers no {self._config.security}", permanent=True
            ) from None
        except (OSError, smtplib.SMTPException) as error:
            raise silence(_WHO, error, is_sent=is_sent) from None
        return write_receipt(subject=str(mail["Subject"]).removeprefix("Re: "))

    def _connection(self) -> smtplib.SMTP:
        """Return a connection that is encrypted and signed in, as far as it is configured."""
        config = self._config
        if config.security == "ssl":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                config.host, config.port, timeout=config.timeout_s, context=_trusted(config.ca_file)
            )
        else:
            server = smtplib.SMTP(config.host, config.port, timeout=config.timeout_s)
        try:
            if config.security == "starttls":
                server.starttls(context=_trusted(config.ca_file))
            if config.username and config.password:
                server.login(config.username, config.password.read())
        except BaseException:
            server.close()
            raise
        return server


def _trusted(ca_file: Path | None) -> ssl.SSLContext:
    trusted = ssl.create_default_context()
    if ca_file:
        trusted.load_verify_locations(ca_file)
    return trusted


def _leave(server: smtplib.SMTP) -> None:
    """Say goodbye; how the server takes that says nothing of the mail."""
    with suppress(OSError, smtplib.SMTPException):
        server.quit()
    server.close()


def letter(notification: Notification, config: Config) -> EmailMessage:
    """Return the mail for a notification.

    ``Message-ID`` is the same at every attempt, so that mail programs show a repeated one once;
    ``References`` names the group, so that they show its mails together (RFC 5322, 3.6.4).
    """
    mail = EmailMessage(policy=SMTP.clone(cte_type="7bit"))  # not every server takes 8 bits
    domain = config.sender.rpartition("@")[2]
    kept = one_line(read_receipt(notification.receipt).get("subject", ""), _LONGEST_SUBJECT)
    subject = one_line(headline(notification), _LONGEST_SUBJECT)
    mail["Subject"] = f"Re: {kept}" if kept else subject
    mail["From"] = MailAddress("Spanledger", addr_spec=config.sender)
    mail["To"] = ", ".join(config.to)
    mail["Date"] = formatdate(usegmt=True)
    mail["Message-ID"] = f"<{_hashed(notification.id)}@{domain}>"
    mail["References"] = f"<{_hashed(notification.group_key)}.group@{domain}>"
    mail["In-Reply-To"] = str(mail["References"])
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no absence notes in answer
    charted = charted_of(notification)
    mail.set_content(as_text(notification))
    mail.add_alternative(as_html(notification, _CHART if charted else ""), subtype="html")
    if charted:
        html = mail.get_payload()[1]  # type: ignore[index]  # text and HTML, as put in above
        picture = png(charted.series, charted.limit)
        html.add_related(picture, "image", "png", cid=f"<{_CHART}>")  # type: ignore[union-attr]
    return mail


def _refused(code: int) -> DeliveryError:
    """Return the error for an answer of the server: 4xx passes, 5xx stays (RFC 5321, 4.2.1)."""
    return DeliveryError(f"{_WHO} answered {code}", permanent=code >= 500)


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
