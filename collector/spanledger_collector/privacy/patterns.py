r"""The product's own patterns of personal data and secrets.

Each is a linear regular expression over UTF-8 bytes whose only condition on what stands around it
is ``\b``: without that, it finds in a whole serialised span whatever it finds in one of its texts.
What is rather a number, a time or a file than what it looks like is told apart by a check.
"""

from __future__ import annotations

import re
from array import array
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from spanledger_collector.privacy.escapes import Escapes, Unescaped
from spanledger_storage.linear_regex import LinearRegex
from spanledger_storage.project_settings import Preset

# Patterns of letters, digits and plain signs: in JSON nobody needs to escape what they match, and
# without ``\b`` they ask for nothing around it.
_PLAIN = re.compile(
    r"(?:[A-Za-z0-9 _+*?{},()|:#@=&%;~<>-]|\\[dwb.+()\[\]{}|*?-]"
    r"|\[(?:[a-z]-[a-z]|[A-Z]-[A-Z]|[0-9]-[0-9]|[A-Za-z0-9_. ]|\\[dw.-])+\])*"
)
Check = Callable[[bytes, int, int], Iterator[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class TextPattern:
    """A kind of text to replace; ``check`` narrows a match to what is replaced, or to nothing.

    Attributes:
        kind: what replaces a match, in brackets.
        regex: finds it.
        check: narrows a match.
        anywhere: also matches where other bytes surround a text; ``None``: nobody can say.
        hides_behind: escapes of JSON that may keep it from matching, and odder ones.
    """

    kind: str
    regex: LinearRegex
    check: Check | None = None
    anywhere: LinearRegex | None = None
    hides_behind: Escapes = Escapes.ODD

    @classmethod
    def of(
        cls, kind: str, source: str, check: Check | None = None, *, hint: str = ""
    ) -> TextPattern:
        """Compile a pattern of the product; ``hint``: also tells that there may be something."""
        anywhere = source.replace(r"\b", "") + (f"|{hint}" if hint else "")
        return cls(kind, LinearRegex(source), check, LinearRegex(anywhere))

    @classmethod
    def own(cls, kind: str, source: str) -> TextPattern:
        """Compile a pattern of a project; ValueError if it is none."""
        regex = LinearRegex(source)
        if not _PLAIN.fullmatch(source):
            return cls(kind, regex, hides_behind=Escapes.NEEDED)
        try:
            # An empty group, so that what is said of how often ``\b`` stands there still holds.
            return cls(kind, regex, None, LinearRegex(source.replace(r"\b", "(?:)")))
        except ValueError:  # too large with the groups
            return cls(kind, regex)

    def may_be_in(self, text: bytes, escapes: Escapes) -> bool:
        """Return False if the pattern matches nothing in a text or serialised message."""
        if self.anywhere is None or escapes >= self.hides_behind:
            return True
        return self.anywhere.is_in(text)

    def replace(self, text: bytes) -> tuple[bytes, int]:
        """Return the text with ``[kind]`` in the place of every match, and how many there were."""
        return self._replace(text, self._matches(text))

    def replace_unescaped(self, text: bytes) -> tuple[bytes, int]:
        """Do what ``replace`` does, for what matches once escapes are the letters they mean."""
        meant = Unescaped(text)
        found = [(meant.place(a), meant.place(b)) for a, b in self._matches(meant.text)]
        return self._replace(text, found)

    def _matches(self, text: bytes) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for start, end in self.regex.spans(text):
            for first, last in self.check(text, start, end) if self.check else ((start, end),):
                found.append((_after_escape(text, first, last), last))
        return found

    def _replace(self, text: bytes, found: list[tuple[int, int]]) -> tuple[bytes, int]:
        if not found:
            return text, 0
        pieces: list[bytes] = []
        done = 0
        for start, end in found:
            pieces.append(text[done:start])
            done = end
        placeholder = f"[{self.kind}]".encode()
        return placeholder.join([*pieces, text[done:]]), len(found)


def _after_escape(text: bytes, start: int, end: int) -> int:
    r"""Return where a match starts without the letters of a JSON escape, such as the n of ``\n``.

    Texts that hold JSON without being JSON, lines of it or a part of it, keep their escapes whole.
    """
    if text[start - 1 : start] != b"\\" or (start > 1 and text[start - 2 : start] == b"\\\\"):
        return start
    letter = text[start : start + 1]
    length = 5 if letter == b"u" else 1 if letter in (b"b", b"f", b"n", b"r", b"t") else 0
    return start + length if start + length < end else start


# E-mail. https://www.rfc-editor.org/rfc/rfc5322#section-3.4.1, as people write addresses; letters
# of any script: https://www.rfc-editor.org/rfc/rfc6531, with the marks that follow them (vowels of
# Hindi, accents written apart); in URLs the sign is written %40.
_EMAIL = (
    r"[\p{L}\p{N}._%+\-][\p{L}\p{N}\p{M}._%+'\-]*"
    r"(?:@|%40)(?:[\p{L}\p{N}](?:[\p{L}\p{N}\p{M}\-]*[\p{L}\p{N}\p{M}])?\.)+"
    r"\p{L}\p{M}*\p{L}[\p{L}\p{M}]*"
)
_FILES = frozenset(
    b"avif bmp css gif html ico jpeg jpg js json jsx map pdf png svg tsx webp woff".split()
)


def _is_address(text: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Pass over files whose names look like addresses: ``icon@2x.png``, ``vue@3.min.js``."""
    found = text[start:end]
    is_file = found.rpartition(b".")[2].lower() in _FILES
    # An address may stand before the file: ``a%40b.com%2Cicon%402x.png`` is one match.
    if not is_file or found.count(b"@") + found.count(b"%40") > 1:
        yield start, end


# Between digits: spaces that break no line, thin ones and those as wide as a digit; odd dashes.
_UNUSUAL = r"\x{a0}\x{2007}\x{2009}\x{202f}\x{2011}\x{2013}"

# Cards. https://en.wikipedia.org/wiki/Payment_card_number (ISO/IEC 7812)
_CARD = rf"\d(?:(?: {{1,2}}|[\-{_UNUSUAL}])?\d){{11,}}"
_GROUP = re.compile(rb"\d+")
_ISSUERS = re.compile(
    rb"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    rb"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    rb"|3[47]\d{13}"  # American Express
    rb"|(?:6011|64[4-9]\d|65\d\d)\d{12}(?:\d{3})?"  # Discover
    rb"|3(?:0[0-5]|[689]\d)\d{11}(?:\d{2})?"  # Diners Club
    rb"|35(?:2[89]|[3-8]\d)\d{12}(?:\d{3})?"  # JCB
    rb"|(?:62|81)\d{14}(?:\d{3})?"  # UnionPay
    rb"|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{9,15}"  # Maestro
    rb"|220[0-4]\d{12}"  # Mir
    rb"|(?:60|65|81|82)\d{14}"  # RuPay
)
_SEPARATORS = bytes(set(range(256)) - set(b"0123456789"))
_MOST_GROUPS = 5
_SMALLEST_GROUP = 3
_ALNUM = re.compile(rb"[0-9A-Za-z]")
_WORD = re.compile(rb"[0-9A-Za-z_]")
# An underscore stands beside a card in ``CARD_4111…`` and ``_4111…_``; next to a digit, in an id.
_NUMBER_BEFORE = re.compile(rb"\d[._]\Z")
_NUMBER_AFTER = re.compile(rb"_\d")
_ESCAPE = re.compile(rb"(?<!\\)\\(?:[bfnrt]|u[0-9A-Fa-f]{4})\Z")
_BEGUN_ESCAPE = re.compile(rb"\\u([0-9A-Fa-f]{0,3})\Z")
_FEWEST, _MOST = 12, 19  # digits
_VALUES = bytes.maketrans(b"0123456789", bytes(range(10)))
_DOUBLED = bytes.maketrans(b"0123456789", bytes(sum(divmod(2 * digit, 10)) for digit in range(10)))


def is_card(digits: bytes) -> bool:
    """Return whether digits have an issuer's start and length and the right check digit (Luhn)."""
    if not _FEWEST <= len(digits) <= _MOST or _ISSUERS.fullmatch(digits) is None:
        return False
    total = sum(digits[::-2].translate(_VALUES)) + sum(digits[-2::-2].translate(_DOUBLED))
    return total % 10 == 0


def _is_inside_word(text: bytes, start: int, letter: re.Pattern[bytes]) -> bool:
    """Return whether a letter or digit comes before, other than that of a JSON escape."""
    if not start or not letter.match(text, start - 1):
        return False
    return _ESCAPE.search(text[max(0, start - 7) : start]) is None


def _cards(text: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the cards in a run of digits and separators: all of it, or groups as printed."""
    begun = _BEGUN_ESCAPE.search(text[max(0, start - 6) : start])
    start += 4 - len(begun[1]) if begun else 0
    if _ALNUM.match(text, end) or _is_inside_word(text, start, _ALNUM):
        return  # part of a hexadecimal id
    if _NUMBER_BEFORE.search(text[max(0, start - 2) : start]) or _NUMBER_AFTER.match(text, end):
        return  # decimals, or part of an id
    run = _Run(text, start, end)
    if run.is_card(0, len(run.groups)):
        yield start, end
        return
    at = 0
    while at < len(run.groups):
        count = run.card_at(at)
        if count:
            yield run.groups[at][0], run.groups[at + count - 1][1]
        at += count or 1


class _Run:
    """Groups of digits; whether some are a card is told without reading the digits again."""

    def __init__(self, text: bytes, start: int, end: int) -> None:
        self.groups = [m.span() for m in _GROUP.finditer(text, start, end)]
        self._digits = text[start:end].translate(None, _SEPARATORS)
        self._ends = array("I", accumulate((b - a for a, b in self.groups), initial=0))
        once, twice = self._digits.translate(_VALUES), self._digits.translate(_DOUBLED)
        even, odd = bytearray(once), bytearray(twice)
        even[1::2], odd[1::2] = twice[1::2], once[1::2]
        # Up to each digit, where digits at odd, else at even places count doubled.
        self._sums = [array("I", accumulate(digits, initial=0)) for digits in (odd, even)]

    def is_card(self, at: int, count: int) -> bool:
        """Return whether some groups are a card together."""
        start, end = self._ends[at], self._ends[at + count]
        if not _FEWEST <= end - start <= _MOST:
            return False
        sums = self._sums[end % 2]
        is_luhn = (sums[end] - sums[start]) % 10 == 0
        return is_luhn and _ISSUERS.fullmatch(self._digits, start, end) is not None

    def card_at(self, at: int) -> int:
        """Return of how many groups the card is that begins with a group; 0: none does."""
        ends = self._ends
        for count in range(1, min(_MOST_GROUPS, len(self.groups) - at) + 1):
            length = ends[at + count] - ends[at]
            is_short = count > 1 and ends[at + count] - ends[at + count - 1] < _SMALLEST_GROUP
            if length > _MOST or is_short:
                return 0
            if length >= _FEWEST and self.is_card(at, count):
                return count
        return 0


# Phones. https://www.itu.int/rec/T-REC-E.164: at most 15 digits, with the country's code.
_SEP = rf"[ .\-/{_UNUSUAL}]"
_START = r"(?:\b|\\[bfnrt]|\\u[0-9A-Fa-f]{4})"  # of a word, also right after an escape of JSON
_PHONE = "|".join(
    (
        # +49 (0)30 1234-567
        rf"(?:\+|{_START}00)[1-9](?:{_SEP}?(?:\(0?\d{{0,4}}\){_SEP}?)?\d){{6,14}}",
        rf"\(\d{{2,5}}\){_SEP}?\d{{2,5}}(?:{_SEP}?\d{{2,5}}){{0,3}}",  # (555) 123-4567
        rf"{_START}(?:1[-.])?\d{{3}}[-.]\d{{3}}[-.]\d{{4}}\b",  # 555-123-4567
        rf"{_START}(?:1 )?[2-9]\d\d [2-9]\d\d \d{{4}}\b",
        # 030 1234567, 06 12 34 56 78
        rf"{_START}0[1-9]\d{{0,4}}(?:{_SEP}{{1,3}}\d{{2,8}}){{1,4}}\b",
        rf"{_START}0[1-9]\d{{8,9}}\b",
    )
)
_FEWEST_DIGITS = {"+": 8, "0": 9, "(": 9}
_MOST_DIGITS = 15
_DATE = re.compile(rb"(?:\d\d?([-./ ])\d\d?\1\d{4}|\d{4}([-./ ])\d\d?\2\d\d?)(?!\d)")
_DECIMALS = re.compile(rb"\d+\.\d+(?:[/ ]\d+\.\d+)*")
_PAIRS = re.compile(rb"\d\d(?: \d\d)+")


def _is_phone(text: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Pass over ids, dates, versions and plain numbers that are written like phones."""
    if text[start : start + 1] == b"\\":
        start += 6 if text[start + 1 : start + 2] == b"u" else 2
    found = text[start:end]
    digits = len(found.translate(None, _SEPARATORS))
    mark = found[:1].decode("ascii", "replace")
    if not _FEWEST_DIGITS.get(mark, 10) <= digits <= _MOST_DIGITS:
        return
    if _WORD.match(text, end) or _is_inside_word(text, start, _WORD):
        return
    if mark in "+(":
        yield start, end
        return
    joined = b".-/:,_ " if _PAIRS.fullmatch(found) else b".-/:,_"
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if before[-1:] in (b"#", b"$", b"-", b"/", b".") or (
        before[:1].isdigit() and before[-1:] in joined
    ):
        return
    if after[1:].isdigit() and after[:1] in joined:
        return  # part of a longer row of numbers
    if not (_DATE.match(found) or _DECIMALS.fullmatch(found)):
        yield start, end


# Keys, by the shapes their makers publish. Compared with the rules of
# https://github.com/gitleaks/gitleaks (config/gitleaks.toml); longer ones go whole.
_TOKEN = r"[A-Za-z0-9_\-]"
_AWS_KEY = r"(?i:secret[_\-]?access[_\-]?key)"
_API_KEY = "|".join(
    (
        rf"sk-(?:ant|proj|svcacct|admin|None|or|lf|lc)-{_TOKEN}{{16,}}",  # Anthropic, OpenAI, …
        rf"(?:pk-lf|lsv2_(?:pt|sk))[-_]{_TOKEN}{{16,}}",  # Langfuse, LangSmith
        r"sk-[A-Za-z0-9]{20,}",  # OpenAI's older ones, DeepSeek
        r"(?:sk|rk|pk|whsec)_(?:live_|test_)[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/]{24,}",  # Stripe
        r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}",  # AWS
        rf"(?i:aws[_\-]?)?{_AWS_KEY}[\\\"'\s:=>]{{1,12}}[A-Za-z0-9/+=]{{40}}",
        r"gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}",
        rf"gl(?:pat|dt|rt|ptt|cbt)-{_TOKEN}{{20,}}",  # GitLab
        r"xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9\-]{10,}|xapp-\d-[A-Z0-9]+-\d+-[A-Za-z0-9]+",  # Slack
        r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{20,}",
        rf"AIza{_TOKEN}{{35,}}|ya29\.{_TOKEN}{{20,}}|GOCSPX-{_TOKEN}{{20,}}",  # Google
        r"hf_[A-Za-z0-9]{30,}|gsk_[A-Za-z0-9]{40,}|xai-[A-Za-z0-9]{40,}|pplx-[A-Za-z0-9]{40,}",
        r"r8_[A-Za-z0-9]{30,}|dapi[a-f0-9]{32,}|npm_[A-Za-z0-9]{36,}|dop_v1_[a-f0-9]{64,}",
        rf"pypi-{_TOKEN}{{50,}}|SG\.{_TOKEN}{{16,}}\.{_TOKEN}{{16,}}|sl_{_TOKEN}{{24,}}",
        rf"ey[A-Za-z0-9]{_TOKEN}{{8,}}\.ey{_TOKEN}{{8,}}(?:\.{_TOKEN}*)?={{0,2}}",  # JWT, RFC 7519
        r"(?i:bearer)(?:\s|%20|\+){1,4}[A-Za-z0-9._~+/\-]{20,}=*",  # RFC 6750
        r"(?i:(?:authorization\W{1,5})?basic)(?:\s|%20|\+){1,4}[A-Za-z0-9+/\-_]{8,}=*",  # RFC 7617
        r"://[^\s/:@\"'\\]*:[^\s/@\"'\\]+@",  # a password in a URL
        r"-----BEGIN[ A-Z0-9]*PRIVATE KEY(?: BLOCK)?-----(?s:.*?)"  # RFC 7468
        r"(?:-----END[ A-Z0-9]*PRIVATE KEY(?: BLOCK)?-----|\z)",
    )
)

SECRET_LENGTH = 40
"""Of what ``is_secret`` tells."""
_SECRET = re.compile(rf"[A-Za-z0-9/+=]{{{SECRET_LENGTH}}}".encode())
_SECRET_KEY = re.compile(rf"{_AWS_KEY}\Z".encode())


def is_secret(value: bytes, key: bytes) -> bool:
    """Return whether a value is AWS's secret access key, which only its own key tells."""
    return _SECRET.fullmatch(value) is not None and _SECRET_KEY.search(key) is not None


_BASIC = re.compile(rb"(?i:basic)(?:\s|%20|\+){1,4}([A-Za-z0-9+/\-_]+)=*")
_PLAIN_BASE64 = bytes.maketrans(b"-_", b"+/")


def _is_key(text: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Pass over other words after ``basic``: a header's value often stands without its name."""
    found = _BASIC.fullmatch(text, start, end)
    if found is None or _is_login(found[1]):
        yield start, end


def _is_login(encoded: bytes) -> bool:
    """Return whether this is a name and a password in Base64; its end may be cut off."""
    digits = encoded.translate(_PLAIN_BASE64)
    digits = digits[: len(digits) - (len(digits) % 4 == 1)]
    try:
        login = b64decode(digits + b"=" * (-len(digits) % 4)).decode()
    except ValueError:
        return False
    return ":" in login and login.isprintable()


PRESETS: Mapping[Preset, TextPattern] = {
    Preset.API_KEY: TextPattern.of("api_key", _API_KEY, _is_key, hint=_AWS_KEY),
    Preset.EMAIL: TextPattern.of("email", _EMAIL, _is_address),
    Preset.CARD: TextPattern.of("card", _CARD, _cards),
    Preset.PHONE: TextPattern.of("phone", _PHONE, _is_phone),
}
"""In the order they are applied: a key may hold what looks like an address, a card like a phone."""
