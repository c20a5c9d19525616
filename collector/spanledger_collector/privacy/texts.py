"""Texts without what patterns match; JSON in a text stays JSON, and all else stays as it was."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence

import orjson

from spanledger_collector.privacy.escapes import Escapes
from spanledger_collector.privacy.hashing import is_hashed
from spanledger_collector.privacy.patterns import (
    PRESETS,
    SECRET_LENGTH,
    TextPattern,
    is_card,
    is_secret,
)
from spanledger_storage.project_settings import Pattern, Preset

_Replace = Callable[[TextPattern, bytes], tuple[bytes, int]]

_JSON_STARTS = frozenset({b"{", b"[", b'"'})
_WHITESPACE = b" \t\r\n"
_LITERAL = re.compile(rb'"(?:[^"\\]|\\.)*"|(?<![\w."\-])\d{12,19}(?![\w."])')
_DEEPEST = 16  # texts in texts; each level doubles its backslashes


class TextRedactor:
    """Replaces what the patterns of a project match; it has no state of its own."""

    def __init__(self, presets: Sequence[Preset], own: Sequence[Pattern]) -> None:
        """Compile the patterns; ValueError if an own one is none."""
        chosen = [pattern for preset, pattern in PRESETS.items() if preset in presets]
        chosen += [TextPattern.own(own.name, own.regex) for own in own]
        self._use(tuple(chosen))

    def _use(self, patterns: tuple[TextPattern, ...]) -> None:
        self._patterns = patterns
        self._finds_cards = any(pattern is PRESETS[Preset.CARD] for pattern in patterns)
        self._finds_keys = any(pattern is PRESETS[Preset.API_KEY] for pattern in patterns)

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def within(self, serialised: bytes) -> TextRedactor:
        """Return a redactor of the patterns that may match in any text of a serialised message."""
        escapes = Escapes.of(serialised)
        chosen = tuple(p for p in self._patterns if p.may_be_in(serialised, escapes))
        if len(chosen) == len(self._patterns):
            return self
        made = TextRedactor((), ())
        made._use(chosen)
        return made

    def text(self, text: str, found: Counter[str]) -> str:
        """Return a text without what the patterns match; counts it by kind in ``found``."""
        raw = text.encode()
        clean = self.data(raw, found)
        return text if clean is raw else clean.decode()

    def value(self, key: str, text: str, found: Counter[str]) -> str:
        """Return a text as ``text`` does; its key may tell that all of it is a secret."""
        if len(text) == SECRET_LENGTH and self._is_secret(text.encode(), key.encode(), found):
            return "[api_key]"
        return self.text(text, found)

    def data(self, raw: bytes, found: Counter[str], depth: int = 0) -> bytes:
        """Return the bytes of a text as ``text`` does; the same object if nothing was found."""
        begins = raw.lstrip(_WHITESPACE)[:1] if raw[:1] in _WHITESPACE else raw[:1]
        if begins not in _JSON_STARTS or depth >= _DEEPEST:
            return self._plain(raw, found)
        escapes = Escapes.of(raw)
        if not any(pattern.may_be_in(raw, escapes) for pattern in self._patterns):
            return raw
        return self._json(raw, found, depth) if _is_json(raw) else self._plain(raw, found)

    def _plain(self, raw: bytes, found: Counter[str]) -> bytes:
        if len(raw) < 64 and is_hashed(raw.decode("utf-8", "replace")):
            return raw
        if Escapes.of(raw) is Escapes.ODD:  # JSON that was cut off, or several lines of it
            raw = self._replaced(raw, TextPattern.replace_unescaped, found)
        return self._replaced(raw, TextPattern.replace, found)

    def _replaced(self, raw: bytes, replace: _Replace, found: Counter[str]) -> bytes:
        for pattern in self._patterns:
            raw, times = replace(pattern, raw)
            if times:
                found[pattern.kind] += times
        return raw

    def _json(self, raw: bytes, found: Counter[str], depth: int) -> bytes:
        """Replace inside the texts of JSON, one by one; whatever is not replaced stays as it is."""
        last: re.Match[bytes] | None = None

        def clean(match: re.Match[bytes]) -> bytes:
            nonlocal last
            before, last = last, match
            literal = match[0]
            if literal[:1] != b'"':
                return self._number(literal, found)
            said = literal[1:-1]
            if b"\\" in said:
                said = str(orjson.loads(literal)).encode()
            if len(said) == SECRET_LENGTH and self._is_secret(said, _key(match, before), found):
                return b'"[api_key]"'
            rest = self.data(said, found, depth + 1)
            return literal if rest is said or rest == said else _written(rest, literal)

        replaced = _LITERAL.sub(clean, raw)
        return raw if replaced == raw else replaced

    def _is_secret(self, said: bytes, key: bytes, found: Counter[str]) -> bool:
        if not self._finds_keys or not is_secret(said, key):
            return False
        found["api_key"] += 1
        return True

    def _number(self, literal: bytes, found: Counter[str]) -> bytes:
        """Return a number of JSON, or what stands for it as a text: digits that are a card's."""
        if not self._finds_cards or not is_card(literal):
            return literal
        found["card"] += 1
        return b'"[card]"'


def _key(value: re.Match[bytes], before: re.Match[bytes] | None) -> bytes:
    """Return the key of a value of JSON, given the literal before it; nothing if it has none."""
    if before is None:
        return b""
    between = value.string[before.end() : value.start()]
    return str(orjson.loads(before[0])).encode() if between.strip(_WHITESPACE) == b":" else b""


def _written(text: bytes, like: bytes) -> bytes:
    """Return a text as JSON, with escapes for letters beyond ASCII where another had none."""
    if like.isascii() and not text.isascii():
        return json.dumps(text.decode()).encode()
    return orjson.dumps(text.decode())


def _is_json(raw: bytes) -> bool:
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError:
        return False
    return True
