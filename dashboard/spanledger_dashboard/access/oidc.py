"""Signing in with an identity provider (OpenID Connect, code flow with PKCE).

Streamlit's own ``st.login`` would need a page to run for strangers, and its cookie is not marked
as one for TLS alone. The library below it does the same in a request before any page runs.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

from spanledger_dashboard.access.settings import OidcSettings
from spanledger_dashboard.settings import SettingsError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

CALLBACK = "/login/callback"

_log = logging.getLogger(__name__)


class ProviderError(Exception):
    """Somebody could not be signed in; the message is for them. ``status``: of the answer."""

    def __init__(self, message: str, status: int = 403) -> None:
        super().__init__(message)
        self.status = status


class Provider:
    """The identity provider.

    Raises:
        SettingsError: the library for it is not installed.
    """

    def __init__(self, settings: OidcSettings, public_url: str) -> None:
        try:
            from authlib.integrations.starlette_client import (  # type: ignore[import-untyped]  # none
                OAuth,
            )
        except ImportError:
            raise SettingsError(
                "Signing in by OIDC needs Authlib: pip install 'spanledger-server[oidc]'."
            ) from None
        self._back = public_url + CALLBACK
        self._client: Any = OAuth().register(
            "provider",
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            server_metadata_url=settings.metadata_url,
            client_kwargs={"scope": "openid email profile", "code_challenge_method": "S256"},
        )

    async def start(self, request: Request) -> Response:
        """Return the redirect to the provider.

        Raises:
            ProviderError: it does not answer.
        """
        try:
            return cast("Response", await self._client.authorize_redirect(request, self._back))
        except Exception as error:  # of the transport's library, whichever Authlib uses
            raise _failure("does not answer, or not as one", error, 502) from error

    async def email(self, request: Request) -> str:
        """Return the verified e-mail address of whoever comes back.

        Raises:
            ProviderError: the provider refused, what came is not its answer to this browser, or
                the address is not verified.
        """
        from authlib.common.errors import AuthlibBaseError  # type: ignore[import-untyped]  # none

        try:
            token = await self._client.authorize_access_token(request)
        except AuthlibBaseError as error:
            raise _failure(f"refused: {error.error}", error, 403) from error
        except Exception as error:  # of the libraries below it: a wrong token, no connection
            raise _failure("gave no answer that can be trusted", error, 403) from error
        claims = cast("dict[str, object]", token.get("userinfo") or {})
        if claims and "email" not in claims:
            claims = await self._user_info(token, claims)
        if not claims.get("email"):
            raise ProviderError("The identity provider does not tell your e-mail address.")
        if claims.get("email_verified") not in (True, "true"):
            raise ProviderError("The identity provider has not verified your e-mail address.")
        return str(claims["email"])

    async def _user_info(self, token: object, claims: dict[str, object]) -> dict[str, object]:
        """Return what the UserInfo endpoint tells, where many providers tell the address alone.

        OpenID Connect Core 5.3 and 5.4; what it says of another subject must not be used.
        """
        metadata = await self._client.load_server_metadata()
        if not metadata.get("userinfo_endpoint"):
            return claims
        try:
            told = cast("dict[str, object]", await self._client.userinfo(token=token))
        except Exception as error:  # of the libraries below it: a wrong answer, no connection
            raise _failure("did not tell who you are", error, 403) from error
        return told if told.get("sub") == claims.get("sub") else claims


def _failure(what: str, error: Exception, status: int) -> ProviderError:
    _log.warning("Nobody was let in: the identity provider %s (%r)", what, error)
    return ProviderError(f"The identity provider {what} ({type(error).__name__}).", status)
