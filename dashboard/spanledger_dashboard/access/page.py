"""The page to sign in on: one file of HTML, without scripts and without anything from elsewhere."""

from __future__ import annotations

import secrets
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from urllib.parse import quote

from starlette.responses import HTMLResponse


def sign_in_page(content: str, *, status: int = 200, title: str = "Sign in") -> HTMLResponse:
    """Return the page with ``content``, which is HTML; whoever makes it escapes what is in it."""
    nonce = secrets.token_urlsafe(16)
    text = _template().substitute(
        nonce=nonce, icon=quote(_logo()), logo=_logo(), title=escape(title), content=content
    )
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    headers = {
        "cache-control": "no-store",
        "content-security-policy": policy,
        "x-frame-options": "DENY",
    }
    return HTMLResponse(text, status, headers)


def password_form(
    *, action_token: str, wanted: str, name: str = "", complaint: str = "", note: str = ""
) -> str:
    """Return the form for name and password; ``wanted`` is where to go afterwards."""
    focus = ("", " autofocus") if name else (" autofocus", "")
    return (
        f"{_complaint(complaint)}"
        '<form method="post" action="/login">'
        f'<input type="hidden" name="token" value="{escape(action_token)}">'
        f'<input type="hidden" name="next" value="{escape(wanted)}">'
        '<label for="name">Name or e-mail</label>'
        f'<input id="name" name="name" value="{escape(name)}" maxlength="80" required '
        f'autocomplete="username" autocapitalize="none" spellcheck="false"{focus[0]}>'
        '<label for="password">Password</label>'
        '<input id="password" name="password" type="password" maxlength="1000" required '
        f'autocomplete="current-password"{focus[1]}>'
        '<button type="submit">Sign in</button>'
        f"</form>{_note(note)}"
    )


def provider_link(wanted: str, complaint: str = "") -> str:
    """Return the way to the identity provider."""
    place = f"/login/start?next={quote(wanted, safe='')}"
    return f'{_complaint(complaint)}<a class="button" href="{escape(place)}">Continue</a>'


def sign_out_form(token: str) -> str:
    """Return the question whether to sign out."""
    return (
        '<form method="post" action="/logout">'
        f'<input type="hidden" name="token" value="{escape(token)}">'
        '<button type="submit" autofocus>Sign out</button></form>'
    )


def _complaint(text: str) -> str:
    return f'<p class="error" role="alert">{escape(text)}</p>' if text else ""


def _note(html: str) -> str:
    return f'<p class="quiet">{html}</p>' if html else ""


@cache
def _template() -> Template:
    return Template(
        (files("spanledger_dashboard.access") / "page.html").read_text(encoding="utf-8")
    )


@cache
def _logo() -> str:
    return (files("spanledger_dashboard") / "logo.svg").read_text(encoding="utf-8").strip()
