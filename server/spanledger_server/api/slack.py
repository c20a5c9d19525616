"""Buttons of alerts in Slack: a click acknowledges or silences.

Slack signs what it sends; there is no key.
https://docs.slack.dev/interactivity/handling-user-interaction
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import time_ns
from typing import Annotated, Literal, cast
from urllib.parse import parse_qs

import httpx
from fastapi import APIRouter, BackgroundTasks, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.concurrency import run_in_threadpool

from spanledger_alerts.channels.slack_message import ACKNOWLEDGE, SILENCE, SILENCE_S
from spanledger_alerts.text import one_line
from spanledger_server.api.access import SLACK_PATH
from spanledger_storage.alert_rows import SilenceRow
from spanledger_storage.alert_state import AlertState

_LARGEST_BODY_BYTES = 256 << 10
_NS_PER_S = 1_000_000_000
_ANSWER_PLACES = ("https://hooks.slack.com/", "https://hooks.slack-gov.com/")
_TIMEOUT_S = 5
_LONGEST_NAME = 80
_SIGNATURE_HEADERS = ("x-slack-request-timestamp", "x-slack-signature")
_log = logging.getLogger(__name__)

Name = Annotated[str, StringConstraints(min_length=1, max_length=512)]
Reply = Callable[[str, str], None]


class _Meant(BaseModel):
    """What a button is about: its value, as our message put it there."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    project: Name
    rule: Name
    incidents: list[Name] = Field(min_length=1, max_length=100)


@dataclass(frozen=True, slots=True)
class _Click:
    """Who clicked on what.

    Attributes:
        who: name and id of the person in Slack.
        answer_url: where a word to that person alone is sent.
    """

    action: Literal["acknowledge", "silence"]
    meant: _Meant
    who: str
    answer_url: str


def slack_router(state: AlertState, secret: str, reply: Reply | None = None) -> APIRouter:
    """Return the endpoint that Slack calls.

    Args:
        state: what alerts remember.
        secret: the signing secret of the app in Slack.
        reply: sends a text to an address of Slack; None: over the network.
    """
    router = APIRouter(tags=["alerts"])
    tell = reply or _reply

    @router.post(SLACK_PATH, include_in_schema=False)
    async def clicked(request: Request, tasks: BackgroundTasks) -> Response:
        """Do what the button says; Slack waits three seconds at most."""
        body = await _body(request)
        now_ns = time_ns()
        if not is_signed(body, request.headers, secret, now_ns):
            raise HTTPException(401, "The request is not signed by Slack, or too long ago.")
        for click in _clicks(body):
            said = await run_in_threadpool(_do, state, click, now_ns)
            if click.answer_url.startswith(_ANSWER_PLACES):
                tasks.add_task(tell, click.answer_url, said)
        return Response(status_code=200, background=tasks)

    return router


def is_signed(body: bytes, headers: Mapping[str, str], secret: str, now_ns: int) -> bool:
    """Return whether Slack signed a request within the last five minutes.

    https://docs.slack.dev/authentication/verifying-requests-from-slack
    """
    from slack_sdk.signature import Clock, SignatureVerifier

    class Now(Clock):
        def now(self) -> float:
            return now_ns / _NS_PER_S

    found = {name: headers.get(name, "") for name in _SIGNATURE_HEADERS}
    if not all(value.isascii() for value in found.values()):
        return False
    if not found[_SIGNATURE_HEADERS[0]].isdigit():
        return False
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return False
    return SignatureVerifier(secret, Now()).is_valid_request(text, found)


async def _body(request: Request) -> bytes:
    read = b""
    async for part in request.stream():
        read += part
        if len(read) > _LARGEST_BODY_BYTES:
            raise HTTPException(413, "Slack sends less than this.")
    return read


def _clicks(body: bytes) -> list[_Click]:
    """Return the clicks on our buttons; those on others, such as links, mean nothing to us.

    Raises:
        HTTPException: the request is not as Slack documents it.
    """
    try:
        payload = json.loads(parse_qs(body.decode(), strict_parsing=True)["payload"][0])
        user, actions = payload["user"], payload["actions"]
        who = f"{user.get('username') or user.get('name') or ''} ({user['id']}, Slack)"
        answer_url = str(payload.get("response_url") or "")
        found = [(str(one["action_id"]), str(one.get("value", ""))) for one in actions]
        names: Mapping[str, Literal["acknowledge", "silence"]] = {
            ACKNOWLEDGE: "acknowledge",
            SILENCE: "silence",
        }
        return [
            _Click(
                names[action_id],
                _Meant.model_validate_json(value),
                one_line(who, _LONGEST_NAME),
                answer_url,
            )
            for action_id, value in found
            if action_id in names
        ]
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError):
        raise HTTPException(400, "This is no click on a button of an alert.") from None


def _do(state: AlertState, click: _Click, now_ns: int) -> str:
    """Acknowledge or silence; return what was done, for whoever clicked."""
    meant = click.meant
    keys = [key for key in meant.incidents if key.startswith(f"{meant.project}/")]
    if click.action == "acknowledge":
        done = [
            key
            for key in keys
            if state.acknowledge(meant.project, meant.rule, key, click.who, now_ns)
        ]
        if not done:
            return "Somebody looks after it already."
        return "Acknowledged." if len(done) == 1 else f"{len(done)} incidents acknowledged."
    return _silence(state, click, keys, now_ns)


def _silence(state: AlertState, click: _Click, keys: Sequence[str], now_ns: int) -> str:
    meant = click.meant
    ids = {key.split("/")[-2] for key in keys if key.count("/") >= 2}
    rows = [one for one in state.instances(meant.project, meant.rule) if one.instance_id in ids]
    if not rows:
        return "There is nothing left to silence."
    shared = _shared([cast("dict[str, str]", json.loads(one.labels)) for one in rows])
    matchers = (("rule", "=", meant.rule), *((name, "=", value) for name, value in shared.items()))
    row = SilenceRow(
        id="",
        project=meant.project,
        matchers=matchers,
        starts_at_ns=now_ns,
        ends_at_ns=now_ns + SILENCE_S * _NS_PER_S,
        repeats="",
        timezone="UTC",
        author=click.who,
        reason="Silenced in Slack",
        created_at_ns=now_ns,
    )
    made = state.silence(row)
    return f"Silenced for 1 h: {meant.rule} (silence {made.id})."


def _shared(labels: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the labels that all have alike: what is silenced is these, and no other."""
    first = labels[0]
    return {
        name: value
        for name, value in sorted(first.items())
        if all(one.get(name) == value for one in labels)
    }


def _reply(url: str, text: str) -> None:
    """Tell the person who clicked; a failure changes nothing of what was done."""
    body = {"response_type": "ephemeral", "replace_original": False, "text": text}
    try:
        httpx.post(url, json=body, timeout=_TIMEOUT_S)
    except httpx.HTTPError as error:
        _log.warning("Slack did not take an answer (%s)", type(error).__name__)
