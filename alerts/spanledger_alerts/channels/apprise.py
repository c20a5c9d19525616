"""Everything else that the library Apprise knows: Teams, Telegram, Matrix, ntfy and a hundred more.

https://github.com/caronc/apprise/wiki. It says only whether a message was taken, so a channel has
one address: with two, one that failed would bring the other its message again.
"""

from __future__ import annotations

import logging
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from spanledger_alerts.channels.answers import quiet
from spanledger_alerts.channels.config import ChannelConfig, SecretText
from spanledger_alerts.channels.email_body import as_text
from spanledger_alerts.channels.headline import headline
from spanledger_alerts.errors import ChannelConfigError
from spanledger_alerts.notification import DeliveryError, Notification
from spanledger_alerts.text import one_line

if TYPE_CHECKING:
    from apprise import NotifyType

_LONGEST_TITLE = 200


class Config(ChannelConfig):
    """A service by its Apprise address.

    Attributes:
        url: such as ``ntfy://topic``; it holds tokens, so it is a secret.
    """

    url: SecretText

    def open(self) -> Apprise:
        """Return the channel."""
        if find_spec("apprise") is None:
            raise ChannelConfigError(
                "This channel needs a library: pip install 'spanledger-server[apprise]'."
            )
        import_module("apprise")
        return Apprise(self)


class Apprise:
    """Hands a notification to Apprise."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def send(self, notification: Notification) -> str:
        """Send a message; there is no receipt."""
        from apprise import Apprise as Library
        from apprise import AppriseAsset, NotifyFormat

        quiet("apprise", logging.CRITICAL)  # it logs addresses
        library = Library(asset=AppriseAsset(app_id="Spanledger", async_mode=False))
        if not library.add(self._config.url.read()):
            raise DeliveryError("Apprise does not know this kind of address", permanent=True)
        is_taken = library.notify(
            title=one_line(headline(notification), _LONGEST_TITLE),
            body=as_text(notification),
            notify_type=_type(notification),
            body_format=NotifyFormat.TEXT,
        )
        if not is_taken:
            raise DeliveryError("Apprise did not deliver", permanent=False, is_doubtful=True)
        return ""


def _type(notification: Notification) -> NotifyType:
    from apprise import NotifyType

    firing = {one.severity for one in notification.incidents if one.ended_ns is None}
    if notification.transition == "resolve" or not firing:
        return NotifyType.SUCCESS
    if "critical" in firing:
        return NotifyType.FAILURE
    return NotifyType.WARNING if "warning" in firing else NotifyType.INFO
