"""Decompression of request bodies, piece by piece: a small body may stand for a huge one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Protocol, cast

from isal import isal_zlib

from spanledger_collector.errors import InvalidRequest

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ENCODINGS = ("gzip", "deflate", "zstd")
"""Values of Content-Encoding that are read, besides none and ``identity``."""
_PIECE_BYTES = 1 << 20
# Every member costs a decompressor: millions of empty ones would cost minutes.
_MOST_MEMBERS = 1_000
# Content-Encoding zstd may ask for 8 MiB of window, not for more: RFC 9659, section 3.
_ZSTD_OPTIONS: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}
# The stubs of isal take its exception for an instance of one.
_BROKEN = (cast("type[Exception]", isal_zlib.error), zstd.ZstdError)


class _Stream(Protocol):
    """One member: what zlib and zstd have in common."""

    @property
    def is_complete(self) -> bool: ...
    def feed(self, data: bytes) -> Iterator[bytes]: ...
    @property
    def rest(self) -> bytes: ...


class Decompressor:
    """Turns a compressed body into plain bytes, in pieces of at most 1 MiB."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._members = 0
        self._stream: _Stream | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the body ended where a member ends; also true of an empty body."""
        return self._stream is None or self._stream.is_complete

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what the next bytes of the body hold.

        Several members or frames after each other are one body (RFC 1952 section 2.2, RFC 8878
        section 3.1).

        Raises:
            InvalidRequest: the body is not of its encoding.
        """
        try:
            while data:
                if self._stream is None or self._stream.is_complete:
                    self._stream = self._next_member(data)
                yield from self._stream.feed(data)
                data = self._stream.rest
        except _BROKEN as error:
            raise InvalidRequest(f"The body is not valid {self._encoding}: {error}") from None

    def _next_member(self, data: bytes) -> _Stream:
        self._members += 1
        if self._members > _MOST_MEMBERS:
            raise InvalidRequest(f"The body has more than {_MOST_MEMBERS:,} compressed members.")
        if self._encoding == "zstd":
            return _Zstd()
        if self._encoding == "gzip":
            return _Zlib(31)
        return _Zlib(15 if _has_zlib_header(data) else -15)


class _Zlib:
    def __init__(self, window_bits: int) -> None:
        self._stream = isal_zlib.decompressobj(window_bits)

    @property
    def is_complete(self) -> bool:
        return self._stream.eof

    @property
    def rest(self) -> bytes:
        return self._stream.unused_data

    def feed(self, data: bytes) -> Iterator[bytes]:
        piece = b""
        # A full piece may leave output behind although all input is consumed.
        while (data or len(piece) == _PIECE_BYTES) and not self._stream.eof:
            piece = self._stream.decompress(data, _PIECE_BYTES)
            yield piece
            data = self._stream.unconsumed_tail


class _Zstd:
    def __init__(self) -> None:
        self._stream = zstd.ZstdDecompressor(options=_ZSTD_OPTIONS)

    @property
    def is_complete(self) -> bool:
        return self._stream.eof

    @property
    def rest(self) -> bytes:
        return self._stream.unused_data if self._stream.eof else b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield self._stream.decompress(data, _PIECE_BYTES)
        while not (self._stream.eof or self._stream.needs_input):
            yield self._stream.decompress(b"", _PIECE_BYTES)


def _has_zlib_header(data: bytes) -> bool:
    """Tell a zlib stream, which is what ``deflate`` means, from the bare one some clients send.

    RFC 9110 section 8.4.1.2 has a note on them; RFC 1950 section 2.2 describes the header.
    """
    return data[0] & 0x0F == 8 and (len(data) < 2 or (data[0] << 8 | data[1]) % 31 == 0)
