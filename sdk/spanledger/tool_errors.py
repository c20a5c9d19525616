"""How the error of a tool call is known: rules that the SDK and the collector share.

Many tools answer that they failed in a result that their span calls a success: Slack's API says
``{"ok": false}`` with HTTP 200. A ladder, from what is certain to what only looks like it:

* ``declared``: the span says so, or the result of an MCP tool does (``isError``,
  https://modelcontextprotocol.io/specification/2025-06-18/server/tools#error-handling);
* ``payload``: a field of the result says so;
* ``suspected``: a short text begins like an error message.

Only the outermost fields of a result count: deeper ones are about something else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import cast

DECLARED, PAYLOAD, SUSPECTED = "declared", "payload", "suspected"
EVIDENCE = (DECLARED, PAYLOAD, SUSPECTED)
"""From the most certain to the least."""
_LONGEST_MESSAGE = 2_000
"""Characters: what is longer and only begins like an error is a document about errors."""
_SUSPICIOUS = re.compile(
    r"""[\s"'\[(<*\#]*(?:
      (?-i:(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception))\s*[:(]
    | (?:error|exception|failure|fatal|panic)\s*(?:[:!.,\])>]|[-\u2013]\s|$)
    | error\s+(?:executing|calling|invoking|running|while|when|occurred|processing|fetching
        |reading|writing|opening|parsing|\d{3}\b)
    | an?\s(?:unexpected\s|internal\s)?error\s(?:has\s)?occurred
    | traceback\s\(most\srecent\scall\slast\)
    | (?:permission|access)\sdenied | unauthori[sz]ed\b | forbidden\b
    | (?:failed|unable)\sto\s | (?:the\s)?tool\s(?:call\s)?failed
    | (?:request\s|operation\s|connection\s)?timed?[\s-]?out\b
    | connection\s(?:refused|reset|error|aborted)
    | (?:http\s?)?(?:status\s)?(?:code\s)?[45]\d\d\s(?:bad\srequest|unauthori[sz]ed|forbidden
        |not\sfound|internal\sserver\serror|bad\sgateway|service\sunavailable|gateway\stime-?out
        |too\smany\srequests|client\serror|server\serror)
    | (?:http\s)?(?:error|status)\s(?:code\s)?[45]\d\d\b
    | rate\slimit(?:ed|\sexceeded)?\b | too\smany\srequests | internal\s(?:server\s)?error
    | invalid\s(?:argument|parameter|input|request|api\skey)
    | (?:bash|zsh|sh):\s | no\ssuch\sfile\sor\sdirectory | command\snot\sfound
    | exit(?:ed\swith)?\s(?:code|status):?\s[1-9]
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_NO_ERROR = frozenset(("", "none", "null", "no", "false", "0", "no error", "ok", "success"))
_STARTS = ("[", "{", " ", "\n")


def error_evidence(said: str, parsed: object) -> str:
    """Return how the result of a tool tells of an error: a word of ``EVIDENCE``; empty: not at all.

    Args:
        said: the result.
        parsed: the list or map that it is as JSON; None: it is neither.
    """
    if isinstance(parsed, dict):
        result = cast("dict[object, object]", parsed)
        return _of_fields(result) or _of_parts(result.get("content"))
    if isinstance(parsed, list):
        return _of_parts(cast("list[object]", parsed))
    return _of_text(said)


def evidence_of_text(said: str) -> str:
    """Return the same of a result that nobody has parsed."""
    return error_evidence(said, _parsed(said))


def _of_fields(result: Mapping[object, object]) -> str:
    if _TOLD.isdisjoint(result):
        return ""
    if result.get("isError") is True or result.get("is_error") is True:
        return DECLARED
    found = any(says(result[key]) for key, says in _FIELDS.items() if key in result)
    return PAYLOAD if found else ""


def _of_parts(parts: object) -> str:
    """Judge a result that is wrapped in one part of a message, as MCP and LangChain do."""
    if not isinstance(parts, list) or len(cast("list[object]", parts)) != 1:
        return ""
    part = cast("list[object]", parts)[0]
    text = cast("dict[str, object]", part).get("text") if isinstance(part, dict) else None
    if not isinstance(text, str):
        return ""
    parsed = _parsed(text)
    if isinstance(parsed, dict):
        return _of_fields(cast("dict[object, object]", parsed))
    return "" if parsed is not None else _of_text(text)


def _of_text(said: str) -> str:
    is_like = len(said) <= _LONGEST_MESSAGE and _SUSPICIOUS.match(said) is not None
    return SUSPECTED if is_like else ""


def _parsed(said: str) -> object:
    if not said.startswith(_STARTS):
        return None
    try:
        parsed: object = json.loads(said, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return cast("object", parsed) if isinstance(parsed, (list, dict)) else None


def _refuse(word: str) -> object:
    raise ValueError(word)  # NaN is not JSON


def _is_false(value: object) -> bool:
    return value is False


def _is_failure(value: object) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in {"error", "failed", "failure"}
    return _is_http_error(value)


def _is_message(value: object) -> bool:
    """Tell an error that is there: a text, a map, a list, ``true``; a number may be a measure."""
    if isinstance(value, str):
        return value.strip().lower() not in _NO_ERROR
    if isinstance(value, (list, tuple, dict)):
        return len(cast("list[object]", value)) > 0
    return value is True


def _is_http_error(value: object) -> bool:
    if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdigit():
        value = int(value)
    return type(value) is int and 400 <= value < 600


def _is_exit(value: object) -> bool:
    return type(value) is int and value != 0


_FIELDS: dict[str, Callable[[object], bool]] = {
    **dict.fromkeys(("ok", "success"), _is_false),
    "status": _is_failure,
    **dict.fromkeys(("error", "errors"), _is_message),
    **dict.fromkeys(("status_code", "statusCode", "http_status", "httpStatus"), _is_http_error),
    **dict.fromkeys(("exit_code", "exitCode", "returncode", "return_code"), _is_exit),
}
_TOLD = frozenset((*_FIELDS, "isError", "is_error"))
